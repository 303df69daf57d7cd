# One machine of the lab: what keeps it powered, and what happens between power-on and its systemd.
# Sourced by lab.sh; needs $lab_dir, $lab_id, $lab_net, $lab_switch, $lab_base, $lab_root, $lab_node.

# Runs for as long as the machine has power: a reboot of the machine goes round once more.
machine_supervise() {
  name=$1
  dir=$lab_dir/nodes/$name
  echo $$ >"$dir/supervisor.pid"
  cgroup_enter supervisors $$
  while :; do
    cat /proc/sys/kernel/random/uuid >"$dir/boot-id"
    rm -f "$dir/plugged"
    mkfifo "$dir/plugged"
    # the machine's groups are its root: unshare has to be in them when it makes the namespace
    sh -c 'echo $$ >"$1"; read -r _ <"$2"; shift 2; exec "$@"' power "$dir/unshare.pid" "$dir/plugged" \
      unshare --mount --uts --ipc --net --pid --cgroup --fork --kill-child --propagation private \
      bash "$0" _init "$name" >>"$dir/console" 2>&1 &
    parent=$!
    until [ -s "$dir/unshare.pid" ]; do sleep 0.01; done
    cgroup_enter "$name" "$(cat "$dir/unshare.pid")"
    echo go >"$dir/plugged"
    init=$(machine_await_init "$parent") || { echo "no PID 1 came up" >>"$dir/console"; break; }
    # the parent that only waits must not be counted as one of the machine's processes
    cgroup_enter supervisors "$parent"
    ip -n "$lab_switch" link add "port-$name" type veth peer name eth0 netns "$init"
    ip -n "$lab_switch" link set "port-$name" master bridge up
    echo "$init" >"$dir/init.pid"
    status=0
    wait "$parent" || status=$?
    rm -f "$dir/init.pid" "$dir/unshare.pid"
    ip -n "$lab_switch" link del "port-$name" 2>/dev/null || true
    cgroup_remove "$name"
    # reboot(2) in a PID namespace: its PID 1 is ended by SIGHUP for a restart, by SIGINT for power-off
    [ $status = 129 ] || break
  done
  rm -f "$dir/supervisor.pid" "$dir/plugged"
}

# The process id of the machine's PID 1 as seen from here, once it is in its own namespaces.
machine_await_init() {
  own=$(readlink /proc/self/ns/pid)
  tries=0
  while [ $tries -lt 500 ]; do
    child=$(cut -d' ' -f1 "/proc/$1/task/$1/children" 2>/dev/null) || return 1
    if [ -n "$child" ] && space=$(readlink "/proc/$child/ns/pid") && [ "$space" != "$own" ]; then
      echo "$child"
      return
    fi
    sleep 0.01
    tries=$((tries + 1))
  done
  return 1
}

# PID 1 of the machine, until it becomes systemd: builds the root, takes the network cable, and goes into it.
machine_init() {
  name=$1
  dir=$lab_dir/nodes/$name
  root=$dir/root
  hostname "$name"
  mount -t overlay overlay -o "lowerdir=$lab_base,upperdir=$dir/disk,workdir=$dir/work" "$root"
  machine_mount_kernel "$root" "$dir/boot-id"
  machine_mount_dev "$root"
  mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"
  mount --bind "$lab_dir/shared" "$root/shared"
  mount --bind "$dir/scratch" "$root/scratch"
  machine_bind_read_only "$lab_node" "$root/opt/node"
  machine_bind_read_only "$lab_root" "$root/opt/hakuriver"
  tries=0
  until ip link show eth0 >/dev/null 2>&1 || [ $tries -ge 500 ]; do
    sleep 0.01
    tries=$((tries + 1))
  done
  ip link set lo up
  ip addr add "$lab_net.$((10 + ${name#node}))/24" dev eth0
  ip link set eth0 up
  mkdir -p "$root/.outside"
  cd "$root"
  pivot_root . .outside
  umount -l /.outside
  # it shares the kernel: no modules, no clock, no kernel log, no raw devices
  exec env -i container=lab PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    setpriv --bounding-set=-sys_module,-sys_rawio,-sys_time,-syslog,-mac_admin,-mac_override,-audit_control,-audit_read,-wake_alarm,-block_suspend \
    /lib/systemd/systemd
}

machine_bind_read_only() {
  mount --bind "$1" "$2"
  mount -o remount,bind,ro "$2"
}

# proc, sys and the control groups: its own view of a kernel that it cannot change for the others.
machine_mount_kernel() {
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
