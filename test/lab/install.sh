#!/bin/sh
# Makes this computer ready for the lab and the tests of shells: the programs that they need, and the base that the
# lab's machines start from.
# Does only what is missing. Where it cannot, it says so in one sentence and ends well: the tests that need the lab
# are then reported as not run.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/base.sh"
. "$here/apt.sh"

skip() { printf 'The lab of systemd machines cannot be set up: %s\n' "$*" >&2; exit 0; }

build_base() {
  mirror=$(apt_mirror "$lab_suite")
  if [ -z "$mirror" ]; then
    apt_update || skip "apt-get update failed (see $log)."
    mirror=$(apt_mirror "$lab_suite")
  fi
  [ -n "$mirror" ] || skip "apt here has no mirror of Debian or Ubuntu \"$lab_suite\"."
  use_apt_proxy
  echo 'Building the base of the lab (once, a minute or two) …' >&2
  # from an earlier run that was interrupted
  rm -rf --one-file-system "$base.part"
  # mounts made on the way are gone with this process, however it ends
  if ! unshare --mount --propagation private sh -euc '. "$1/base.sh"; base_make "$2" "$3"' base "$here" "$base.part" "$mirror" >>"$log" 2>&1; then
    tail -n 5 "$log" >&2
    rm -rf --one-file-system "$base.part"
    skip "its base could not be built (see $log)."
  fi
  # all of it is on the disk before it has its name
  sync
  mv "$base.part" "$base"
}

[ "$(uname -s)" = Linux ] || skip 'it needs Linux.'
[ "$(id -u)" = 0 ] || skip 'it needs root (run the tests as root to have them all).'

base=$(base_dir "$here")
mkdir -p "$(dirname "$base")"
log=$base.log

apt_install_missing <<'LIST'
bash bash
debootstrap debootstrap
ip iproute2
bridge iproute2
unshare util-linux
nsenter util-linux
setpriv util-linux
numactl numactl
busybox busybox
python3 python3
script bsdutils
zsh zsh
fish fish
shellcheck shellcheck
mandoc mandoc
LIST

[ ! -d "$base" ] || exit 0
command -v apt-get >/dev/null 2>&1 || skip 'there is no apt-get, and so no mirror for its base.'
# two that start at once: the second waits, and then finds the base
exec 9>"$base.lock"
flock 9
[ -d "$base" ] || build_base
