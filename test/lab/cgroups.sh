# Control groups of the lab. Each machine gets a group of its own in every hierarchy that this computer has: one
# on cgroup v2, several on v1 or where both are mounted. Sourced by lab.sh; needs $lab_id.

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

# On v1 a new cpuset group is empty, and takes no process before it has its parent's CPUs.
cgroup_fill_cpuset() {
  [ -e "$1/cpuset.cpus" ] && ! cgroup_is_unified || return 0
  for file in cpuset.cpus cpuset.mems; do
    [ -n "$(cat "$1/$file")" ] || cat "$(dirname "$1")/$file" >"$1/$file"
  done
}

# Makes the lab's own group in every hierarchy.
cgroup_init() {
  cgroup_hierarchies | while read -r mount _; do
    mkdir -p "$mount/$lab_id"
    cgroup_fill_cpuset "$mount/$lab_id"
    if cgroup_is_unified; then
      for controller in $(cat "$mount/cgroup.controllers"); do
        echo "+$controller" >"$mount/cgroup.subtree_control" 2>/dev/null || true
        echo "+$controller" >"$mount/$lab_id/cgroup.subtree_control" 2>/dev/null || true
      done
    fi
  done
}

# usage: cgroup_enter GROUP PID: moves a process into the group of the lab, in every hierarchy.
cgroup_enter() {
  cgroup_hierarchies | while read -r mount _; do
    mkdir -p "$mount/$lab_id/$1"
    cgroup_fill_cpuset "$mount/$lab_id/$1"
    echo "$2" >"$mount/$lab_id/$1/cgroup.procs"
  done
}

# usage: cgroup_remove [GROUP]: removes the group and all below it; without a name all of the lab's.
cgroup_remove() {
  cgroup_hierarchies | while read -r mount _; do
    dir=$mount/$lab_id${1:+/$1}
    tries=0
    # processes that were just killed leave their group a moment later
    while [ -d "$dir" ] && [ $tries -lt 100 ]; do
      find "$dir" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.02
      tries=$((tries + 1))
    done
    [ ! -d "$dir" ] || echo "lab: left over: $dir" >&2
  done
}
