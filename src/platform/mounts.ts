/** What a path lies on, told by the table of mounts: looking at the path itself could hang. */

export interface Mount {
  /** Where it is mounted. */
  at: string
  /** Such as `ext4` or `nfs4`. */
  type: string
  /** Device, or `server:/export`. */
  source: string
}

/**
 * The mount that a path lies on; null where the table does not tell. `table` is what /proc/self/mountinfo holds
 * (proc_pid_mountinfo(5)). The path is absolute and free of links.
 */
export function mountOf(path: string, table: string): Mount | null {
  let best: Mount | null = null
  for (const line of table.split('\n')) {
    const [left = '', right = ''] = line.split(' - ')
    const at = unescaped(left.split(' ')[4] ?? '')
    const [type = '', source = ''] = right.split(' ')
    if (at === '' || type === '' || !isBelow(path, at)) continue
    // of two on one directory the later one hides the earlier
    if (best === null || at.length >= best.at.length) best = { at, type, source: unescaped(source) }
  }
  return best
}

const networkTypes =
  /^(nfs\d?|cifs|smb\w*|9p|afs|ceph|lustre|beegfs|gpfs|glusterfs|orangefs|ocfs2|gfs2|fuse\.(sshfs|ceph\S*|gluster\S*|davfs\S*|rclone|s3fs|juicefs|seaweedfs|moosefs|mfs))$/

/** Does another machine keep what is on such a file system? Locks of a database are not safe there. */
export function isNetworkType(type: string): boolean {
  return networkTypes.test(type)
}

function isBelow(path: string, at: string): boolean {
  return at === '/' || path === at || path.startsWith(`${at}/`)
}

/** Space, tab, line feed and backslash are written in octal. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}
