/** A runner that asks a launcher, which speaks to systemd as root. */
import { systemdSuite } from './systemd.suite.ts'

systemdSuite('systemd through the launcher', ['--executor', 'systemd'], {
  user: 'worker',
  isThroughLauncher: true,
})
