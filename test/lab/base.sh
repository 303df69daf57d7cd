# The base root of all machines of the lab: a small Debian with systemd, built once and kept in the user's cache
# under a name made from what is in it. Sourced by install.sh and lab.sh.

lab_packages=systemd,systemd-sysv,libpam-systemd,dbus,dbus-user-session,sudo,numactl,iproute2,procps
lab_suite=bookworm
# raised when build_base makes something else of the same packages
lab_revision=1
lab_base=${XDG_CACHE_HOME:-$HOME/.cache}/hakuriver-lab/$lab_suite-$(printf %s "$lab_packages/$lab_revision" | cksum | cut -d' ' -f1)

# The mirror that this computer's own apt uses: lab machines get nothing from anywhere else.
debian_mirror() {
  cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
    grep -v '^[[:space:]]*#' | grep -oE '[a-z]+://[^ ]+/debian/?( |$)' | head -n 1 | tr -d ' '
}

build_base() {
  echo "Building the base of the lab's machines (once, a minute or two) …" >&2
  part=$lab_base.part.$$
  mkdir -p "$(dirname "$lab_base")"
  if ! debootstrap --variant=minbase --include="$lab_packages" "$lab_suite" "$part" "$(debian_mirror)" >"$lab_base.log" 2>&1; then
    tail -n 5 "$lab_base.log" >&2
    rm -rf "$part"
    echo "The base of the lab could not be built; its log: $lab_base.log" >&2
    return 1
  fi
  rm -rf "$part"/var/cache/apt/* "$part"/var/lib/apt/lists/* "$part"/usr/share/doc "$part"/usr/share/man "$part"/usr/share/locale
  if ! prepare_base "$part"; then
    rm -rf "$part"
    return 1
  fi
  : >"$part/.complete"
  # whoever else built it meanwhile was first: both are the same
  if [ -e "$lab_base/.complete" ]; then rm -rf "$part"; else rm -rf "$lab_base"; mv "$part" "$lab_base"; fi
}

# What a machine that shares its kernel with others must not do: touch devices, kernel settings or the clock, or
# wait for hardware that never comes.
prepare_base() {
  units=$1/etc/systemd/system
  for unit in \
    systemd-udevd.service systemd-udev-trigger.service systemd-udevd-control.socket systemd-udevd-kernel.socket \
    systemd-hwdb-update.service systemd-modules-load.service systemd-sysctl.service systemd-remount-fs.service \
    systemd-random-seed.service systemd-pstore.service systemd-binfmt.service systemd-timesyncd.service \
    systemd-firstboot.service systemd-networkd.service systemd-journald-audit.socket \
    proc-sys-fs-binfmt_misc.automount proc-sys-fs-binfmt_misc.mount dev-hugepages.mount tmp.mount \
    sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount \
    systemd-ask-password-console.path systemd-ask-password-wall.path \
    getty.target getty@.service console-getty.service \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer; do
    ln -sf /dev/null "$units/$unit"
  done
  mkdir -p "$1/etc/systemd/system.conf.d" "$1/etc/systemd/journald.conf.d" "$1/var/log/journal" "$1/opt/node" "$1/opt/hakuriver" "$1/shared" "$1/scratch"
  printf '[Manager]\nDefaultTimeoutStopSec=15s\nShowStatus=no\n' >"$1/etc/systemd/system.conf.d/lab.conf"
  printf '[Journal]\nStorage=persistent\nSystemMaxUse=32M\nRateLimitIntervalSec=0\n' >"$1/etc/systemd/journald.conf.d/lab.conf"
  # systemd's own rule for /tmp would walk into what is mounted below it
  ln -sf /dev/null "$1/etc/tmpfiles.d/tmp.conf"
  # a user for tasks, and one who may use sudo without a password
  chroot "$1" useradd --create-home --shell /bin/sh worker || return 1
  chroot "$1" useradd --create-home --shell /bin/sh keeper || return 1
  echo 'keeper ALL=(ALL) NOPASSWD: /usr/bin/systemd-run, /usr/bin/systemctl' >"$1/etc/sudoers.d/keeper"
  chmod 440 "$1/etc/sudoers.d/keeper"
  : >"$1/etc/machine-id"
}
