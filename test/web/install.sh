#!/bin/sh
# Makes this computer ready for the tests in a browser: Chromium, from the system's packages. Where it cannot, it says
# so in one sentence and ends well: those tests are then reported as not run.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/../lab/apt.sh"

skip() { printf 'Chromium cannot be set up: %s\n' "$*" >&2; exit 0; }

for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null 2>&1; then exit 0; fi
done
[ "$(uname -s)" = Linux ] || skip 'install it, or Chrome, and put it into PATH.'
[ "$(id -u)" = 0 ] || skip 'it needs root (run the tests as root to have them all), or install the package chromium.'

mkdir -p "$here/../../.cache"
log=$here/../../.cache/chromium-install.log
echo 'Installing Chromium for the tests of the web page …' >&2
apt_install_missing <<'LIST'
chromium chromium
LIST
