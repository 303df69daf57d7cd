# One machine of the lab: what keeps it powered, and what happens between power-on and its systemd. Sourced by lab.sh.

# Runs for as long as the machine has power: a reboot of the machine goes round once more.
machine_supervise() {
  local name=$1 dir=$lab_dir/nodes/$1 parent init status
  cgroup_enter "power-$name" $$
  while :; do
    cat /proc/sys/kernel/random/uuid >"$dir/boot-id"
    # the group that it is in now will be the root of what the machine sees
    ( cgroup_enter "$name" "$BASHPID"
      # shellcheck disable=SC2046 # several options
      exec unshare --mount --uts --ipc --net --pid --cgroup $(machine_clock) --fork --kill-child --propagation private \
        bash "$lab_script" _init "$name" ) >>"$dir/console" 2>&1 &
    parent=$!
    init=$(machine_await_init "$parent") || { echo 'no PID 1 came up' >>"$dir/console"; break; }
    # the parent that only waits must not be counted as one of the machine's processes
    cgroup_enter "power-$name" "$parent"
    # the same hardware address at each power-on, or its neighbours would look for the old one for a while
    ip -n "$lab_name" link add "$name" type veth \
      peer name eth0 address "$(printf '02:00:00:00:00:%02x' $((10 + ${name#node})))" netns "$init"
    ip -n "$lab_name" link set "$name" up
    [ -e "$dir/cut" ] || ip -n "$lab_name" link set "$name" master bridge
    echo "$init" >"$dir/init.pid"
    status=0
    wait "$parent" || status=$?
    rm -f "$dir/init.pid"
    ip -n "$lab_name" link del "$name" 2>/dev/null || true
    cgroup_remove "$name"
    # reboot(2) in a PID namespace: its PID 1 is ended by SIGHUP for a restart, by SIGINT for power-off
    [ $status = 129 ] || break
  done
}

# The time since boot begins at power-on, where the kernel can do it.
machine_clock() {
  local up
  [ -e /proc/self/ns/time ] || return 0
  read -r up _ </proc/uptime
  echo "--time --boottime=-${up%.*} --monotonic=-${up%.*}"
}

# usage: machine_await_init PARENT: the id of the machine's PID 1 as seen from here, once it has its namespaces
machine_await_init() {
  local own child space tries=0
  own=$(readlink /proc/self/ns/pid)
  while [ $tries -lt 500 ]; do
    child=
    # its only line has no end, which counts as a failure
    read -r child _ 2>/dev/null <"/proc/$1/task/$1/children" || true
    if [ -n "$child" ] && space=$(readlink "/proc/$child/ns/pid") && [ "$space" != "$own" ]; then
      echo "$child"
      return
    fi
    [ -d "/proc/$1" ] || return 1
    sleep 0.01
    tries=$((tries + 1))
  done
  return 1
}

# PID 1 of the machine, until it becomes systemd: builds the root, takes the network cable, and goes into it.
machine_init() {
  local name=$1 dir=$lab_dir/nodes/$1 root=$lab_dir/nodes/$1/root tries=0
  hostname "$name"
  machine_mount_disk "$dir" "$root"
  machine_mount_kernel "$root" "$dir/boot-id"
  machine_mount_dev "$root"
  mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"
  mount --bind "$lab_dir/shared" "$root/shared"
  mount --bind "$dir/scratch" "$root/scratch"
  machine_bind_read_only "$lab_node" "$root/opt/node"
  machine_bind_read_only "$lab_root" "$root/opt/hakuriver"
  # also waits until the supervisor has moved what is not the machine's out of its groups
  until ip link show eth0 >/dev/null 2>&1; do
    [ $tries -lt 500 ] || fail "$name got no cable"
    sleep 0.01
    tries=$((tries + 1))
  done
  ip link set lo up
  ip addr add "$(address_of "$name")/24" dev eth0
  ip link set eth0 up
  mkdir -p "$root/.outside"
  cd "$root"
  pivot_root . .outside
  umount -l /.outside
  rmdir /.outside
  # it shares the kernel: no modules, no clock, no kernel log, no raw devices
  exec env -i container=lab PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    setpriv --bounding-set=-sys_module,-sys_rawio,-sys_time,-syslog,-mac_admin,-mac_override,-audit_control,-audit_read,-wake_alarm,-block_suspend \
    /lib/systemd/systemd
}

# Its disk is what it changed, on top of the base; a full copy where the file system cannot be the upper layer.
machine_mount_disk() {
  if [ ! -e "$1/copied" ]; then
    ! mount -t overlay overlay -o "lowerdir=$lab_base,upperdir=$1/disk,workdir=$1/work" "$2" || return 0
    cp -a --reflink=auto "$lab_base/." "$1/disk.new"
    cp -a "$1/disk/." "$1/disk.new"
    rm -rf "$1/disk"
    mv "$1/disk.new" "$1/disk"
    : >"$1/copied"
  fi
  mount --bind "$1/disk" "$2"
}

machine_bind_read_only() {
  mount --bind "$1" "$2"
  mount -o remount,bind,ro "$2"
}

# proc, sys and the control groups: its own view of a kernel that it cannot change for the others.
machine_mount_kernel() {
  local file mount type options at
  mount -t proc -o nosuid,nodev,noexec proc "$1/proc"
  mount --bind "$1/proc/sys" "$1/proc/sys"
  # network settings are its own
  mount --bind "$1/proc/sys/net" "$1/proc/sys/net"
  # a new one at each power-on, as on a machine of its own
  mount --bind "$2" "$1/proc/sys/kernel/random/boot_id"
  mount -o remount,bind,ro "$1/proc/sys"
  for file in sysrq-trigger kmsg kcore; do
    [ ! -e "$1/proc/$file" ] || mount --bind /dev/null "$1/proc/$file"
  done
  mount -t sysfs -o nosuid,nodev,noexec sysfs "$1/sys"
  if cgroup_is_unified; then
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$1/sys/fs/cgroup"
  else
    mount -t tmpfs -o mode=755,nosuid,nodev,noexec tmpfs "$1/sys/fs/cgroup"
    # writable, or systemd takes limits that the kernel never hears of
    cgroup_hierarchies | while read -r mount type options; do
      at=$1/sys/fs/cgroup/$(basename "$mount")
      mkdir -p "$at"
      [ "$type" = cgroup2 ] && options=
      mount -t "$type" -o "nosuid,nodev,noexec${options:+,$options}" "$type" "$at"
    done
    mount -o remount,ro "$1/sys/fs/cgroup"
  fi
  mount -o remount,bind,ro "$1/sys"
}

machine_mount_dev() {
  local file minor
  mount -t tmpfs -o mode=755,nosuid tmpfs "$1/dev"
  while read -r file minor; do mknod -m 666 "$1/dev/$file" c 1 "$minor"; done <<'DEVICES'
null 3
zero 5
full 7
random 8
urandom 9
DEVICES
  mknod -m 666 "$1/dev/tty" c 5 0
  mkdir "$1/dev/pts" "$1/dev/shm"
  ln -s pts/ptmx "$1/dev/ptmx"
  ln -s /proc/self/fd "$1/dev/fd"
  ln -s fd/0 "$1/dev/stdin"
  ln -s fd/1 "$1/dev/stdout"
  ln -s fd/2 "$1/dev/stderr"
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$1/dev/pts"
  mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$1/dev/shm"
}
