/** An invitation as one string to paste: behind the # nothing is sent. */

/** `fingerprint` null: the host speaks plain HTTP. */
export function formatInvitation({
  url,
  fingerprint,
  secret,
}: {
  url: string
  fingerprint: string | null
  secret: string
}): string {
  return `${url}#${fingerprint === null ? '' : `${fingerprint}.`}${secret}`
}
