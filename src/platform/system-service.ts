/** What an installation for the whole machine is called, and where it has its things. */

/** Whom host and runner run as, made by `hakuriver init service --install`. */
export const systemUser = 'hakuriver'
/** HAKURIVER_HOME there: state of the host, and of the runner below it. */
export const systemHome = '/var/lib/hakuriver'
/** The file that all of them read. */
export const systemConfig = '/etc/hakuriver/config.toml'
/** Where an administrator's units are (systemd.unit(5)). */
export const unitDir = '/etc/systemd/system'
/** Where systemd listens for the launcher. */
export const launcherSocket = '/run/hakuriver/launcher.sock'
