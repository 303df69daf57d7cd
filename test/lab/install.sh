#!/bin/sh
# Makes this computer ready for the lab: the packages it needs, and the base that its machines are made of.
# Does only what is missing. Where it cannot (no root, no Debian), it says so and leaves: the tests that need the
# lab are then reported as not run.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/base.sh"

skip() { printf 'The lab of systemd machines cannot be set up: %s\n' "$*" >&2; exit 0; }

[ "$(uname -s)" = Linux ] || skip "it needs Linux."
[ "$(id -u)" = 0 ] || skip "it needs root (run the tests as root to have them all)."

missing=
while read -r command package; do
  command -v "$command" >/dev/null 2>&1 || missing="$missing $package"
done <<EOF
debootstrap debootstrap
ip iproute2
bridge iproute2
nsenter util-linux
numactl numactl
busybox busybox
EOF
if [ -n "$missing" ]; then
  command -v apt-get >/dev/null 2>&1 || skip "these programs are missing:$missing."
  log=$(mktemp)
  # shellcheck disable=SC2086 # a list of package names of our own
  if ! { apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    skip "apt-get could not install$missing."
  fi
  rm -f "$log"
fi

[ -e "$lab_base/.complete" ] || build_base || skip "its base could not be built."
