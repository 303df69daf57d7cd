# Control groups of the lab. Each machine gets a group of its own in every hierarchy that this computer has: one on
# cgroup v2, several on v1 or where both are mounted. They are also how the lab knows its processes: a process id in
# a file may by now be someone else's. Sourced by lab.sh; needs $lab_name.

# Lines "mount-point type options": what has to be mounted again inside a machine.
cgroup_hierarchies() {
  awk '{
    for (i = 7; $i != "-"; i++);
    type = $(i + 1)
    if (type == "cgroup2") print $5, type, "-"
    if (type == "cgroup") {
      count = split($(i + 3), words, ","); options = ""
      for (w = 1; w <= count; w++) {
        if (words[w] ~ /^(rw|ro|xattr|noprefix|clone_children|release_agent=.*)$/) continue
        # a hierarchy without a controller is known by its name
        if (words[w] ~ /^name=/) words[w] = "none," words[w]
        options = options (options == "" ? "" : ",") words[w]
      }
      print $5, type, options
    }
  }' /proc/self/mountinfo
}

cgroup_is_unified() { [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; }

# On v2 the whole tree belongs to systemd where that is PID 1: there the lab is a unit that got a part of it.
cgroup_is_unit() { cgroup_is_unified && [ -d /run/systemd/system ]; }

# Lines with the lab's own group in each hierarchy.
cgroup_homes() {
  local mount
  if cgroup_is_unit; then
    echo "/sys/fs/cgroup/system.slice/$lab_name.scope"
  else
    cgroup_hierarchies | while read -r mount _; do echo "$mount/$lab_name"; done
  fi
}

# On v1 a new cpuset group is empty, and takes no process before it has its parent's CPUs.
cgroup_fill_cpuset() {
  local file
  [ -e "$1/cpuset.cpus" ] && ! cgroup_is_unified || return 0
  for file in cpuset.cpus cpuset.mems; do
    [ -n "$(cat "$1/$file")" ] || cat "$(dirname "$1")/$file" >"$1/$file"
  done
}

# Lets the groups below have all controllers.
cgroup_pass_on() {
  local controller
  for controller in $(cat "$1/cgroup.controllers"); do
    echo "+$controller" >"$1/cgroup.subtree_control" 2>/dev/null || true
  done
}

# Makes the lab's own group in every hierarchy.
cgroup_init() {
  local home holder tries=0
  if cgroup_is_unit; then
    home=$(cgroup_homes)
    setsid systemd-run --quiet --scope --slice=system.slice --unit="$lab_name" \
      -p Delegate=yes -p TasksMax=infinity sleep infinity </dev/null >/dev/null 2>&1 &
    # a unit lives as long as a process is in it
    until holder=$(head -n 1 "$home/cgroup.procs" 2>/dev/null) && [ -n "$holder" ]; do
      tries=$((tries + 1))
      [ $tries -lt 500 ] || fail 'systemd gives the lab no scope'
      sleep 0.01
    done
    mkdir "$home/holder"
    echo "$holder" >"$home/holder/cgroup.procs"
    cgroup_pass_on "$home"
    return
  fi
  cgroup_homes | while read -r home; do
    mkdir -p "$home"
    cgroup_fill_cpuset "$home"
    if cgroup_is_unified; then
      cgroup_pass_on "$(dirname "$home")"
      cgroup_pass_on "$home"
    fi
  done
}

# usage: cgroup_enter GROUP PID: moves a process into the group of the lab, in every hierarchy
cgroup_enter() {
  local home
  cgroup_homes | while read -r home; do
    mkdir -p "$home/$1"
    cgroup_fill_cpuset "$home/$1"
    echo "$2" >"$home/$1/cgroup.procs"
  done
}

# usage: cgroup_processes [GROUP]: the ids of all processes in the group and below it
cgroup_processes() {
  local home
  cgroup_homes | while read -r home; do
    find "$home${1:+/$1}" -name cgroup.procs -exec cat {} + 2>/dev/null || true
  done | sort -u
}

# usage: cgroup_holds GROUP PID
cgroup_holds() {
  local line path=/$lab_name
  ! cgroup_is_unit || path=$path.scope
  while read -r line; do
    case $line/ in *"$path/$1/"*) return ;; esac
  done 2>/dev/null <"/proc/$2/cgroup"
  return 1
}

# usage: cgroup_remove [GROUP]: ends all in the group and below it, and removes it; without a name all of the lab's
cgroup_remove() {
  local home dir tries=0 pids
  until pids=$(cgroup_processes "${1:-}") && [ -z "$pids" ]; do
    # shellcheck disable=SC2086 # one word for each process
    kill -9 $pids 2>/dev/null || true
    tries=$((tries + 1))
    [ $tries -lt 500 ] || break
    sleep 0.01
  done
  # its name can be had again only when systemd has noticed
  if [ -z "${1:-}" ] && cgroup_is_unit; then
    systemctl stop "$lab_name.scope" 2>/dev/null || true
    systemctl reset-failed "$lab_name.scope" 2>/dev/null || true
  fi
  cgroup_homes | while read -r home; do
    dir=$home${1:+/$1}
    tries=0
    # a group is busy for a moment longer than its last process
    while [ -d "$dir" ] && [ $tries -lt 100 ]; do
      find "$dir" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.02
      tries=$((tries + 1))
    done
    [ ! -d "$dir" ] || echo "lab: left over: $dir" >&2
  done
}

# usage: cgroup_freeze NAME FROZEN|THAWED 1|0: the word of the freezer of v1, and that of v2.
cgroup_freeze() {
  local home
  cgroup_homes | while read -r home; do
    [ ! -e "$home/$1/freezer.state" ] || echo "$2" >"$home/$1/freezer.state"
    ! cgroup_is_unified || echo "$3" >"$home/$1/cgroup.freeze"
  done
}
