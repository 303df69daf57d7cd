# What the set-ups of the lab and of the virtual machine ask of apt. Sourced by them; they set `log`, and say what
# happens where something cannot be had by `skip SENTENCE`.

apt_update() {
  [ -z "${updated:-}" ] || return 0
  updated=yes
  apt-get -q update >>"$log" 2>&1
}

# usage: apt_mirror SUITE: the mirror from which this computer's own apt takes that release; nothing where apt has no
# lists of it.
apt_mirror() {
  uri=$(apt-get indextargets --format '$(CODENAME)|$(COMPONENT)|$(CREATED_BY)|$(ORIGIN)|$(REPO_URI)' 2>/dev/null |
    sed -nE "s/^$1\|main\|Packages\|(Debian|Ubuntu)\|//p" | head -n 1)
  case $uri in
    # apt itself takes it from a list of mirrors in a file
    mirror+file:*) file=${uri#mirror+file:}; grep -oE '^[a-z]+://[^[:space:]]+' "${file%/}" | head -n 1 ;;
    *) echo "$uri" ;;
  esac
}

# debootstrap knows nothing of apt's settings.
use_apt_proxy() {
  proxy=$(apt-config dump --format '%v' Acquire::http::Proxy 2>/dev/null) || return 0
  [ -z "$proxy" ] || [ -n "${http_proxy:-}" ] || export http_proxy="$proxy"
}

# Reads lines "COMMAND PACKAGE" and installs the packages of those commands that are missing.
apt_install_missing() {
  missing=
  while read -r command package; do
    command -v "$command" >/dev/null 2>&1 || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  command -v apt-get >/dev/null 2>&1 || skip "there is no apt-get to install what is missing:$missing."
  # shellcheck disable=SC2086 # a list of package names of our own
  if ! { apt_update && DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends $missing; } >>"$log" 2>&1 </dev/null; then
    tail -n 5 "$log" >&2
    skip "apt-get could not install$missing (see $log)."
  fi
}
