#!/bin/bash
# A small cluster of real systemd machines on this computer, for tests. Needs root.
#
#   lab.sh up N                  boot node1 … nodeN and wait until systemd has finished starting
#   lab.sh down                  stop all and leave nothing behind
#   lab.sh exec NODE -- CMD …    run a command as root in a machine
#   lab.sh cut NODE | heal NODE  its network drops everything silently | works again
#   lab.sh off NODE | boot NODE  pull the plug | power on again with the same disk
#   lab.sh freeze NODE | thaw NODE  all its processes stand still, as in a suspend | go on
#   lab.sh list                  the machines, their addresses and whether they are on
#
# LAB_ID and LAB_NET (the first three numbers of a /24) let several labs be up at once. LAB_DIR holds the disks,
# LAB_NODE is the Node installation seen as /opt/node, LAB_OWNER_PID a process whose end takes the lab down.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

fail() { echo "lab: $*" >&2; exit 1; }

lab_id=${LAB_ID:-hr}
# the longest name of a network interface is 15 letters
[[ $lab_id =~ ^[a-z][a-z0-9]{0,9}$ ]] || fail "\"$lab_id\" is no LAB_ID: up to ten small letters and digits"
lab_net=${LAB_NET:-10.77.0}
lab_name=hakuriver-lab-$lab_id
lab_cable=lab-$lab_id
lab_dir=${LAB_DIR:-/var/tmp/$lab_name}
lab_root=$(cd "$here/../.." && pwd)
lab_node=${LAB_NODE:-}
lab_script=$here/lab.sh
. "$here/base.sh"
. "$here/cgroups.sh"
. "$here/machine.sh"

nodes() { [ ! -d "$lab_dir/nodes" ] || ls "$lab_dir/nodes" | sort -V; }
known() { [ -n "${1:-}" ] && [ -d "$lab_dir/nodes/$1" ] || fail "there is no machine \"${1:-}\""; }
address_of() { echo "$lab_net.$((10 + ${1#node}))"; }

# The id of the machine's PID 1 as seen from here; fails where it is off.
init_of() {
  local pid
  read -r pid 2>/dev/null <"$lab_dir/nodes/$1/init.pid" && cgroup_holds "$1" "$pid" && echo "$pid"
}

power_on() {
  local dir=$lab_dir/nodes/$1
  [ -z "$(cgroup_processes "power-$1")" ] || return 0
  mkdir -p "$dir"/{root,disk/etc,work,scratch}
  chmod 755 "$dir/disk" "$dir/disk/etc"
  chmod 1777 "$dir/scratch"
  echo "$lab_id $1" | md5sum | cut -c1-32 >"$dir/disk/etc/machine-id"
  echo "$1" >"$dir/disk/etc/hostname"
  cp "$lab_dir/hosts" "$dir/disk/etc/hosts"
  rm -f "$dir/init.pid"
  LAB_ID=$lab_id LAB_NET=$lab_net LAB_DIR=$lab_dir \
    setsid bash "$lab_script" _supervise "$1" >"$dir/supervisor.log" 2>&1 </dev/null &
}

# Until its systemd has finished starting.
await_start() {
  local end=$((SECONDS + 60)) state
  while [ $SECONDS -lt $end ]; do
    state=$(become_in "$1" systemctl is-system-running --wait 2>/dev/null) || true
    case $state in running | degraded) return ;; esac
    sleep 0.02
  done
  fail "$1 did not start; what it said is in $lab_dir/nodes/$1/console"
}

# Becomes a command in a machine. It stays in the caller's control groups: in the machine's own it would look foreign
# to its systemd. It is killed where the shell, which this becomes, is killed. A shell, as nsenter would stop with it
# when systemd stops all before the end of a machine, and PID 1 then waits for ever for what nobody reaps.
become_in() {
  local pid clock=
  pid=$(init_of "$1") || fail "$1 is off"
  shift
  [ ! -e /proc/self/ns/time ] || clock=--time
  # shellcheck disable=SC2086 # none or one option
  exec nsenter --no-fork --target "$pid" --mount --uts --ipc --net --pid --cgroup $clock --root \
    sh -c '"$@"; exit $?' sh \
    env --chdir=/ -i HOME=/root LANG=C.UTF-8 PATH=/opt/node/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    setpriv --pdeathsig KILL "$@"
}

# The switch is a bridge in a network namespace of its own: no firewall of this computer stands between machines.
network_up() {
  ip netns add "$lab_name"
  ip -n "$lab_name" link add bridge type bridge forward_delay 0 stp_state 0
  ip -n "$lab_name" link set bridge up
  ip link add "$lab_cable" type veth peer name outside netns "$lab_name"
  ip -n "$lab_name" link set outside up master bridge
  ip addr add "$lab_net.1/24" dev "$lab_cable"
  ip link set "$lab_cable" up
}

up() {
  local count=$1 i node
  [ "$(id -u)" = 0 ] || fail 'it needs root'
  [[ $count =~ ^[1-9][0-9]?$ ]] || fail "\"$count\" is no number of machines"
  lab_base=$(base_dir "$here")
  [ -d "$lab_base" ] || fail 'its base is missing: run sh test/lab/install.sh'
  if [ -z "$lab_node" ]; then
    node=$(command -v node) || fail 'there is no node here to give to the machines'
    lab_node=$(dirname "$(dirname "$(readlink -f "$node")")")
  fi
  down
  mkdir -p "$lab_dir"
  # down removes only what says that it is a lab
  cat /proc/sys/kernel/random/uuid >"$lab_dir/lab"
  mkdir -p "$lab_dir/nodes" "$lab_dir/shared"
  chmod 755 "$lab_dir"
  # without the sticky bit, which would keep even root from writing to others' files
  chmod 777 "$lab_dir/shared"
  echo "$lab_node" >"$lab_dir/node"
  echo "$lab_base" >"$lab_dir/base"
  { echo '127.0.0.1 localhost'; echo "$lab_net.1 outside"; for i in $(seq "$count"); do echo "$lab_net.$((10 + i)) node$i"; done; } >"$lab_dir/hosts"
  if [ -n "${LAB_OWNER_PID:-}" ]; then
    LAB_ID=$lab_id LAB_NET=$lab_net LAB_DIR=$lab_dir \
      setsid bash "$lab_script" _watch "$LAB_OWNER_PID" "$(cat "$lab_dir/lab")" >/dev/null 2>&1 </dev/null &
  fi
  cgroup_init
  network_up
  for i in $(seq "$count"); do power_on "node$i"; done
  for i in $(seq "$count"); do await_start "node$i"; done
}

off() {
  # first the cable: a machine without power says no goodbyes
  ip -n "$lab_name" link del "$1" 2>/dev/null || true
  cgroup_remove "power-$1"
  cgroup_remove "$1"
  rm -f "$lab_dir/nodes/$1/init.pid"
}

down() {
  [ ! -e "$lab_dir" ] || [ -e "$lab_dir/lab" ] || rmdir "$lab_dir" 2>/dev/null || fail "$lab_dir is no lab, and not empty"
  cgroup_remove
  ip link del "$lab_cable" 2>/dev/null || true
  ip netns del "$lab_name" 2>/dev/null || true
  [ -e "$lab_dir" ] || return 0
  # what says that it is a lab goes last, so that this can be done again when it was interrupted
  find "$lab_dir" -mindepth 1 -maxdepth 1 ! -name lab -exec rm -rf --one-file-system {} +
  rm -rf "$lab_dir"
}

# When a process began tells it from a later one with the same id.
began() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# usage: watch_owner PID LAB: takes the lab down when whoever started it is gone without doing so
watch_owner() {
  local start now
  start=$(began "$1") || start=
  # a later lab of the same name has an owner of its own
  while [ "$(cat "$lab_dir/lab" 2>/dev/null)" = "$2" ]; do
    now=$(began "$1") || now=
    if [ -z "$now" ] || [ "$now" != "$start" ]; then down; return; fi
    sleep 0.3
  done
}

list() {
  local name
  for name in $(nodes); do
    echo "$name $(address_of "$name") $(init_of "$name" >/dev/null && echo on || echo off)"
  done
}

command=${1:-help}
shift || true
case $command in
  up) up "${1:-}" ;;
  down) down ;;
  exec)
    known "${1:-}"
    name=$1
    shift
    [ "${1:-}" != -- ] || shift
    become_in "$name" "$@"
    ;;
  cut)
    known "${1:-}"
    : >"$lab_dir/nodes/$1/cut"
    # off the switch, with the carrier still there; a machine that is off finds it so at power-on
    ip -n "$lab_name" link set "$1" nomaster 2>/dev/null || true
    ;;
  heal)
    known "${1:-}"
    rm -f "$lab_dir/nodes/$1/cut"
    ip -n "$lab_name" link set "$1" master bridge 2>/dev/null || true
    ;;
  off) known "${1:-}"; off "$1" ;;
  boot) known "${1:-}"; power_on "$1"; await_start "$1" ;;
  freeze) known "${1:-}"; cgroup_freeze "$1" FROZEN 1 ;;
  thaw) known "${1:-}"; cgroup_freeze "$1" THAWED 0 ;;
  list) list ;;
  _supervise) machine_supervise "$1" ;;
  _init) lab_base=$(cat "$lab_dir/base") lab_node=$(cat "$lab_dir/node"); machine_init "$1" ;;
  _watch) watch_owner "$1" "$2" ;;
  *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$lab_script"; exit 2 ;;
esac
