#!/bin/bash
# A small cluster of real systemd machines on this computer, for tests. Needs root.
#
#   lab.sh up N                  boot node1 … nodeN and wait until systemd has finished starting
#   lab.sh down                  stop all and leave nothing behind
#   lab.sh exec NODE -- CMD …    run a command as root in a machine
#   lab.sh cut NODE | heal NODE  its network drops everything silently | works again
#   lab.sh off NODE | boot NODE  pull the plug | power on again with the same disk
#   lab.sh list                  the machines, their addresses and whether they are on
#
# LAB_ID and LAB_NET (the first three numbers of a /24) let several labs be up at once. LAB_NODE is the Node
# installation that is seen as /opt/node in each machine, LAB_OWNER a process id whose end takes the lab down.
# Each machine has namespaces and control groups of its own and systemd as PID 1; /shared is common to all.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

lab_id=${LAB_ID:-hr}
lab_net=${LAB_NET:-10.77.0}
lab_dir=/var/tmp/hakuriver-lab-$lab_id
lab_switch=$lab_id-switch
lab_root=$(cd "$here/../.." && pwd)
lab_node=${LAB_NODE:-$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")}
export LAB_NODE=$lab_node LAB_ID=$lab_id LAB_NET=$lab_net
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH
. "$here/base.sh"
. "$here/cgroups.sh"
. "$here/machine.sh"

fail() { echo "lab: $*" >&2; exit 1; }
nodes() { [ ! -d "$lab_dir/nodes" ] || ls "$lab_dir/nodes" | sort -V; }
init_of() { cat "$lab_dir/nodes/$1/init.pid" 2>/dev/null; }
known() { [ -d "$lab_dir/nodes/$1" ] || fail "there is no machine $1"; }

# usage: await SECONDS WHAT COMMAND …: runs the command again until it succeeds
await() {
  local end=$(($(date +%s) + $1)) what=$2
  shift 2
  until "$@"; do
    [ "$(date +%s)" -lt "$end" ] || fail "$what: not in time"
    sleep 0.02
  done
}

power_on() {
  local dir=$lab_dir/nodes/$1
  mkdir -p "$dir"/{root,disk/etc,work,scratch}
  chmod 755 "$dir/disk" "$dir/disk/etc"
  chmod 1777 "$dir/scratch"
  echo "$lab_id $1" | md5sum | cut -c1-32 >"$dir/disk/etc/machine-id"
  echo "$1" >"$dir/disk/etc/hostname"
  cp "$lab_dir/hosts" "$dir/disk/etc/hosts"
  rm -f "$dir/init.pid"
  setsid bash "$here/lab.sh" _supervise "$1" >"$dir/supervisor.log" 2>&1 </dev/null &
}

has_started() {
  local state
  [ -n "$(init_of "$1")" ] || return 1
  state=$(run_in "$1" systemctl is-system-running 2>/dev/null) || true
  [ "$state" = running ] || [ "$state" = degraded ]
}

has_no_power() { [ ! -e "$lab_dir/nodes/$1/supervisor.pid" ] || ! kill -0 "$(cat "$lab_dir/nodes/$1/supervisor.pid")" 2>/dev/null; }

# The command stays in the caller's control groups: in the machine's own it would look foreign to its systemd.
run_in() {
  local name=$1 pid
  shift
  pid=$(init_of "$name") || fail "$name is off"
  nsenter --target "$pid" --mount --uts --ipc --net --pid --cgroup --root \
    env --chdir=/ -i HOME=/root LANG=C.UTF-8 PATH=/opt/node/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

network_up() {
  ip netns add "$lab_switch"
  ip -n "$lab_switch" link add bridge type bridge forward_delay 0 stp_state 0
  ip -n "$lab_switch" link set bridge up
  ip link add "$lab_id-host" type veth peer name port-host netns "$lab_switch"
  ip -n "$lab_switch" link set port-host master bridge up
  ip addr add "$lab_net.1/24" dev "$lab_id-host"
  ip link set "$lab_id-host" up
}

up() {
  local count=$1 i
  [ "$(id -u)" = 0 ] || fail "it needs root"
  [ -e "$lab_base/.complete" ] || fail "its base is missing: run test/lab/install.sh"
  down
  mkdir -p "$lab_dir/nodes" "$lab_dir/shared"
  chmod 755 "$lab_dir"
  chmod 777 "$lab_dir/shared"
  { echo '127.0.0.1 localhost'; echo "$lab_net.1 outside"; for i in $(seq "$count"); do echo "$lab_net.$((10 + i)) node$i"; done; } >"$lab_dir/hosts"
  cgroup_init
  network_up
  if [ -n "${LAB_OWNER:-}" ]; then
    echo $$ >"$lab_dir/incarnation"
    setsid bash "$here/lab.sh" _watch "$LAB_OWNER" $$ >/dev/null 2>&1 </dev/null &
  fi
  for i in $(seq "$count"); do power_on "node$i"; done
  for i in $(seq "$count"); do await 60 "the start of node$i (see $lab_dir/nodes/node$i/console)" has_started "node$i"; done
}

off() {
  local pid
  pid=$(init_of "$1") || return 0
  # first the cable: a machine without power says no goodbyes
  ip -n "$lab_switch" link del "port-$1" 2>/dev/null || true
  kill -9 "$pid" 2>/dev/null || true
  await 30 "the end of $1" has_no_power "$1"
}

down() {
  local name
  for name in $(nodes); do off "$name"; done
  ip link del "$lab_id-host" 2>/dev/null || true
  ip netns del "$lab_switch" 2>/dev/null || true
  cgroup_remove
  [ ! -e "$lab_dir" ] || rm -rf --one-file-system "$lab_dir"
}

# Whoever started the lab is gone without taking it down.
watch_owner() {
  while kill -0 "$1" 2>/dev/null; do sleep 1; done
  # by now it may be another lab of the same name, with an owner of its own
  [ "$(cat "$lab_dir/incarnation" 2>/dev/null)" != "$2" ] || down
}

list() {
  local name
  for name in $(nodes); do
    echo "$name $lab_net.$((10 + ${name#node})) $([ -n "$(init_of "$name")" ] && echo on || echo off)"
  done
}

command=${1:-help}
shift || true
case $command in
  up) up "${1:?how many?}" ;;
  down) down ;;
  exec) known "$1"; name=$1; shift; [ "${1:-}" != -- ] || shift; run_in "$name" "$@" ;;
  cut) known "$1"; bridge -n "$lab_switch" link set dev "port-$1" state 0 ;;
  heal) known "$1"; bridge -n "$lab_switch" link set dev "port-$1" state 3 ;;
  off) known "$1"; off "$1" ;;
  boot) known "$1"; power_on "$1"; await 60 "the start of $1" has_started "$1" ;;
  list) list ;;
  _supervise) machine_supervise "$1" ;;
  _init) machine_init "$1" ;;
  _watch) watch_owner "$1" "$2" ;;
  *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$here/lab.sh"; exit 2 ;;
esac
