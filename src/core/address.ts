/** What an address says of who can reach it. */

/** Does an address, or the host of a URL, lead to this machine alone (RFC 1122, 3.2.1.3; RFC 4291, 2.5.3)? */
export function isLoopback(address: string): boolean {
  const bare = address.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  return bare === 'localhost' || bare === '::1' || /^(::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(bare)
}
