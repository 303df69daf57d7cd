# The base: the root file system that all machines of a lab start from, a small one with systemd. It is of the same
# distribution and release as this computer, and lies in the user's cache. Sourced by install.sh and lab.sh.
#
# Its name holds a checksum of this file, so a change of anything that it is made of gives a new one.

lab_packages=systemd,systemd-sysv,libpam-systemd,dbus,dbus-user-session,sudo,numactl,iproute2,procps,util-linux
lab_suite=$(. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME:-}") || lab_suite=
# usage: base_dir FOLDER: where the base is, told by the folder of this file
base_dir() {
  sum=$({ echo "$lab_suite"; uname -m; cat "$1/base.sh"; } | sha256sum | cut -c1-12)
  echo "${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/hakuriver-lab/${lab_suite:-none}-$sum"
}

# usage: base_make DIR MIRROR: makes the base in DIR, which does not exist yet
base_make() {
  components=main
  # there, some of the packages are in the second component
  case $(. /etc/os-release && echo "$ID") in ubuntu) components=main,universe ;; esac
  debootstrap --variant=minbase --components="$components" --include="$lab_packages" "$lab_suite" "$1" "$2" &&
    base_prepare "$1"
}

# What a machine that shares its kernel with others must not do: touch devices, kernel settings or the clock, or
# wait for hardware that never comes.
base_prepare() {
  units=$1/etc/systemd/system
  for unit in \
    systemd-udevd.service systemd-udev-trigger.service systemd-udevd-control.socket systemd-udevd-kernel.socket \
    systemd-hwdb-update.service systemd-modules-load.service systemd-sysctl.service systemd-remount-fs.service \
    systemd-random-seed.service systemd-pstore.service systemd-binfmt.service systemd-timesyncd.service \
    systemd-firstboot.service systemd-networkd.service systemd-networkd.socket systemd-resolved.service \
    systemd-journald-audit.socket proc-sys-fs-binfmt_misc.automount proc-sys-fs-binfmt_misc.mount \
    dev-hugepages.mount tmp.mount sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
    sys-fs-fuse-connections.mount systemd-ask-password-console.path systemd-ask-password-wall.path \
    getty.target getty@.service console-getty.service motd-news.timer \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer; do
    ln -sf /dev/null "$units/$unit"
  done
  mkdir -p "$1/etc/systemd/system.conf.d" "$1/etc/systemd/journald.conf.d" "$1/var/log/journal"
  printf '[Manager]\nDefaultTimeoutStopSec=15s\nShowStatus=no\n' >"$1/etc/systemd/system.conf.d/lab.conf"
  printf '[Journal]\nStorage=persistent\nSystemMaxUse=32M\nRateLimitIntervalSec=0\n' >"$1/etc/systemd/journald.conf.d/lab.conf"
  # systemd's own rule for /tmp would walk into what is mounted below it
  ln -sf /dev/null "$1/etc/tmpfiles.d/tmp.conf"
  mkdir -p "$1/opt/node" "$1/opt/hakuriver" "$1/shared" "$1/scratch"
  # a user for tasks, and one who may use systemd-run and systemctl without a password
  chroot "$1" useradd --create-home --shell /bin/sh worker || return 1
  chroot "$1" useradd --create-home --shell /bin/sh keeper || return 1
  echo 'keeper ALL=(ALL) NOPASSWD: /usr/bin/systemd-run, /usr/bin/systemctl' >"$1/etc/sudoers.d/keeper"
  chmod 440 "$1/etc/sudoers.d/keeper"
  : >"$1/etc/machine-id"
  rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/* "$1"/usr/share/doc/* "$1"/usr/share/man/* "$1"/usr/share/locale/*
}
