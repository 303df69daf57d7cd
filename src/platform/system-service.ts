/** What an installation for the whole machine is called, and where it has its things. */

/** Whom host and runner run as, made where they are installed. */
export const systemUser = 'hakuriver'
/** HAKURIVER_HOME there: state of the host, and of the runner below it. */
export const systemHome = '/var/lib/hakuriver'
/** Whom tasks run as where nobody says otherwise, made by `hakuriver join`. */
export const tasksUser = 'hakuriver-task'
/** Its home directory. */
export const tasksHome = '/var/lib/hakuriver-task'
/** The file that all of them read. */
export const systemConfig = '/etc/hakuriver/config.toml'
/** Where an administrator's units are (systemd.unit(5)). */
export const unitDir = '/etc/systemd/system'
/** Where systemd listens for the launcher. */
export const launcherSocket = '/run/hakuriver/launcher.sock'
