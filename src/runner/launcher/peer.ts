/** Who is at the other end of a connection, by the name that systemd gives the instance for it. */
import { AppError } from '../../core/errors.ts'

/**
 * With Accept=yes systemd puts the credentials of the peer, which the kernel took at connect(2) (SO_PEERCRED, unix(7)),
 * into the name of the instance: `NUMBER-PID-UID`, from systemd 256 on `NUMBER-PID_PIDFDID-UID`. Node has no way to
 * ask the kernel itself.
 * @throws AppError `not_permitted` where the name tells no user
 */
export function uidOfPeer(instance: string): number {
  const uid = /^\d{1,20}-\d{1,10}(?:_\d{1,20})?-(\d{1,10})$/.exec(instance)?.[1]
  if (uid === undefined)
    throw new AppError(
      'not_permitted',
      'systemd does not tell who asks the launcher: its socket has to be a Unix socket with Accept=yes',
    )
  return Number(uid)
}
