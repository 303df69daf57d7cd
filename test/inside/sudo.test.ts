/** A runner that is an ordinary user and may use sudo, with tasks of another user and of its own. */
import { systemdSuite } from './systemd.suite.ts'

const flags = ['--executor', 'systemd', '--sudo']

systemdSuite('sudo for another user', flags, { user: 'worker' })
systemdSuite('sudo for its own user', flags, { user: null })
