#!/bin/sh
# Makes this computer ready for the virtual machine: qemu, and the image that it boots from. Does only what is
# missing, and prints where the image is. Where it cannot, it says so in one sentence and fails.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/image.sh"
. "$here/../lab/apt.sh"

skip() { printf 'The virtual machine cannot be set up: %s\n' "$*" >&2; exit 1; }

build_image() {
  # the host may be of another distribution: then its mirror has no Debian
  mirror=
  case $(. /etc/os-release && echo "$ID") in debian) mirror=$(apt_mirror "$(. /etc/os-release && echo "$VERSION_CODENAME")") ;; esac
  mirror=${VM_MIRROR:-$mirror}
  [ -n "$mirror" ] || skip 'this computer has no mirror of Debian; name one by VM_MIRROR.'
  use_apt_proxy
  echo 'Building the image of the virtual machine (once, two minutes) …' >&2
  # from an earlier run that was interrupted
  rm -rf --one-file-system "$image.part"
  mkdir "$image.part"
  # mounts made on the way are gone with this process, however it ends
  if ! unshare --mount --propagation private sh -euc '. "$1/image.sh"; image_make "$1" "$2" "$3"' image "$here" "$image.part" "$mirror" >>"$log" 2>&1; then
    tail -n 5 "$log" >&2
    rm -rf --one-file-system "$image.part"
    skip "its image could not be built (see $log)."
  fi
  sync
  mv "$image.part" "$image"
}

[ "$(uname -s)" = Linux ] || skip 'it needs Linux.'
[ "$(uname -m)" = x86_64 ] || skip 'it needs an x86-64 computer.'
[ "$(id -u)" = 0 ] || skip 'it needs root to build its image.'

image=$(image_dir "$here")
mkdir -p "$(dirname "$image")"
log=$image.log

apt_install_missing <<'LIST'
qemu-system-x86_64 qemu-system-x86
debootstrap debootstrap
/usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
mkfs.ext4 e2fsprogs
unshare util-linux
setpriv util-linux
xz xz-utils
LIST

# two that start at once: the second waits, and then finds the image
exec 9>"$image.lock"
flock 9
[ -d "$image" ] || build_image
echo "$image"
