#!/bin/sh
# What the virtual machine has on top of the lab's base: its network, what it sees of this computer, and the agent
# through which commands come in. `guest install ROOT` writes it into the image; `guest` runs it at each start.
set -eu

# What needs a device manager, a console or a clock of its own; without, the emulated machine starts twice as fast.
guest_install() {
  units=$1/etc/systemd/system
  for unit in \
    systemd-udevd-varlink.socket systemd-udev-settle.service serial-getty@.service qemu-guest-agent.service \
    'modprobe@configfs.service' 'modprobe@drm.service' 'modprobe@efi_pstore.service' 'modprobe@fuse.service' \
    systemd-tpm2-setup.service systemd-tpm2-setup-early.service systemd-boot-random-seed.service \
    systemd-networkd-varlink.socket systemd-networkd-wait-online.service systemd-pcrmachine.service; do
    ln -sf /dev/null "$units/$unit"
  done
  # the base's, for machines that start in a second, are too short here
  printf '[Manager]\nDefaultTimeoutStopSec=30s\nDefaultTimeoutStartSec=300s\nDefaultDeviceTimeoutSec=300s\nShowStatus=no\n' \
    >"$1/etc/systemd/system.conf.d/lab.conf"
  cat >"$units/guest.service" <<'UNIT'
[Unit]
DefaultDependencies=no
Before=sysinit.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/guest
UNIT
  # the agent writes answers to where its caller listens: it must be there as long as the machine is
  cat >"$units/guest-agent.service" <<'UNIT'
[Unit]
DefaultDependencies=no
After=guest.service
[Service]
ExecStart=/bin/sh -c 'exec /usr/sbin/qemu-ga -m virtio-serial -p /dev/vport*p1 -t /run'
Restart=always
RestartSec=1
OOMScoreAdjust=-900
UNIT
  mkdir -p "$units/sysinit.target.wants"
  ln -sf ../guest.service ../guest-agent.service "$units/sysinit.target.wants/"
  # nothing in it is new to it: its first start has nothing to bring up to date
  touch "$1/etc/.updated" "$1/var/.updated"
  echo vm >"$1/etc/hostname"
  # 10.0.2.2 is this computer, as qemu's own network has it
  printf '127.0.0.1 localhost vm\n10.0.2.2 outside\n' >"$1/etc/hosts"
}

guest_start() {
  ip link set lo up
  ip addr add 10.0.2.15/24 dev eth0
  ip link set eth0 up
  ip route add default via 10.0.2.2
  mount -t ext4 -o ro,noatime /dev/vdb /opt/node
  for tag in hakuriver shared; do
    [ "$tag" = hakuriver ] && at=/opt/hakuriver || at=/shared
    mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,access=client "$tag" "$at"
  done
  chmod 1777 /scratch
}

case ${1:-} in
  install) guest_install "$2" ;;
  *) guest_start ;;
esac
