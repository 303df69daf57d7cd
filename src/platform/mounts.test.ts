import { expect, it } from 'vitest'
import { isNetworkType, mountOf } from './mounts.ts'

const table = [
  '22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw',
  '30 22 0:40 / /mnt/share rw,relatime shared:7 - nfs4 server:/export rw,vers=4.2',
  '31 22 0:41 / /mnt/with\\040space rw master:3 propagate_from:2 - fuse.sshfs me@host:/x rw',
  '32 22 0:42 / /tmp rw - tmpfs tmpfs rw',
  '33 22 8:2 / /tmp rw - xfs /dev/sdb1 rw',
].join('\n')

it.each([
  ['/home/me', '/', 'ext4', '/dev/sda1'],
  ['/mnt/share', '/mnt/share', 'nfs4', 'server:/export'],
  ['/mnt/share/a/b', '/mnt/share', 'nfs4', 'server:/export'],
  ['/mnt/shared', '/', 'ext4', '/dev/sda1'],
  ['/mnt/with space/a', '/mnt/with space', 'fuse.sshfs', 'me@host:/x'],
  ['/tmp/x', '/tmp', 'xfs', '/dev/sdb1'],
])('%s lies on %s', (path, at, type, source) => {
  expect(mountOf(path, table)).toEqual({ at, type, source })
})

it('says nothing where the table does not', () => {
  expect(mountOf('/home', '')).toBeNull()
})

it.each(['nfs', 'nfs4', 'cifs', 'smb3', '9p', 'ceph', 'fuse.sshfs', 'fuse.glusterfs', 'lustre'])(
  '%s goes over the network',
  (type) => expect(isNetworkType(type)).toBe(true),
)
it.each(['ext4', 'xfs', 'btrfs', 'zfs', 'tmpfs', 'overlay', 'fuse.lxcfs', 'fuseblk', 'virtiofs'])(
  '%s does not',
  (type) => expect(isNetworkType(type)).toBe(false),
)
