#!/usr/bin/env bash
# A real systemd as PID 1 of its own namespaces, on an overlay of this root: systemd-world.sh keep FOLDER [SHARE...]
#
# Lives until its standard input closes, so that the world ends with whoever started it, however that ended.
# FOLDER keeps the console's text; each SHARE is seen inside at the same path, written through; the network is the host's.
# Never boot systemd on the shared root itself: it would empty the real /tmp and start what the machine has enabled.
set -euo pipefail
stage=${1:?keep} folder=${2:?FOLDER}; shift 2
world=$folder/world root=$folder/world/root cgroups=$folder/world/cgroups

keep() {  # in a mount namespace of its own: no mount is ever seen outside
  mkdir -p "$world"
  mount -t tmpfs -o mode=755 tmpfs "$world"
  mkdir "$root" "$cgroups" "$world/upper" "$world/work"
  mount -t cgroup2 cgroup2 "$cgroups"
  sweep
  export CGROUP=$cgroups/syncd-bed-$$
  mkdir "$CGROUP"
  exec 3<&0  # a background job's standard input would be /dev/null
  setpriv --pdeathsig KILL unshare --mount --pid --ipc --uts --fork --kill-child \
    bash "$0" enter "$folder" "$@" 3<&- </dev/null &
  local outer=$!
  setpriv --pdeathsig KILL cat <&3 >/dev/null &
  local rope=$!
  wait -n "$outer" "$rope" || true
  # shellcheck disable=SC2046  # at most one child: the world's PID 1, whose end ends all that is in the world
  kill -KILL "$rope" $(cat "/proc/$outer/task/$outer/children" 2>/dev/null) 2>/dev/null || true
  wait "$outer" "$rope" 2>/dev/null || true
  find "$CGROUP" -depth -type d -exec rmdir {} \;
}

sweep() {  # the empty control groups of keepers that were killed
  local left
  for left in "$cgroups"/syncd-bed-*; do
    grep -qs systemd-world "/proc/${left##*-}/cmdline" || find "$left" -depth -type d -exec rmdir {} \; 2>/dev/null || true
  done
}

enter() {  # the control group first: its namespace takes as its root where this process is
  echo 0 > "$CGROUP/cgroup.procs"
  exec unshare --cgroup bash "$0" boot "$folder" "$@"
}

boot() {
  mount -t overlay -o "lowerdir=/,upperdir=$world/upper,workdir=$world/work" overlay "$root"
  kernel_files
  devices
  mount -t tmpfs -o mode=755 tmpfs "$root/run"
  mkdir "$root/run/lock"
  mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
  for share in "$@"; do mkdir -p "$root$share"; mount --bind "$share" "$root$share"; done
  only_the_journal_and_the_bus
  identity
  cd "$root"
  pivot_root . .
  umount -l .
  cd /
  exec env -i container=bed PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd \
    --system --unit=basic.target --log-target=console --log-level=notice --show-status=0
}

kernel_files() {  # the settings of the kernel are the host's too: they may only be read
  mount -t proc proc "$root/proc"
  mount -t sysfs sysfs "$root/sys"
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
  echo bed > /proc/sys/kernel/hostname
  mount --bind "$root/proc/sys" "$root/proc/sys"
  mount -o remount,bind,ro "$root/proc/sys"
  mount -o remount,bind,ro "$root/sys"
}

devices() {
  local dev=$root/dev name
  mount -t tmpfs -o mode=755 tmpfs "$dev"
  for name in null zero full random urandom tty; do : > "$dev/$name"; mount --bind "/dev/$name" "$dev/$name"; done
  mkdir "$dev/pts" "$dev/shm"
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$dev/pts"
  mount -t tmpfs -o mode=1777 tmpfs "$dev/shm"
  ln -s pts/ptmx "$dev/ptmx"
  ln -s /proc/self/fd "$dev/fd"
  ln -s fd/0 "$dev/stdin"; ln -s fd/1 "$dev/stdout"; ln -s fd/2 "$dev/stderr"
  : > "$folder/console"; : > "$dev/console"
  mount --bind "$folder/console" "$dev/console"
}

only_the_journal_and_the_bus() {  # nothing else that this machine has enabled or its packages bring
  local own=$root/etc/systemd/system unit
  rm -rf "$own" "$root"/{etc,lib,usr/local/lib}/systemd/system-generators
  mkdir "$own"
  for unit in "$root"/lib/systemd/system/{sysinit,local-fs,basic,sockets,timers,paths}.target.wants/*; do
    case ${unit##*/} in
      systemd-journald.service | systemd-journald.socket | systemd-journald-dev-log.socket | dbus.socket) ;;
      *) ln -sf /dev/null "$own/${unit##*/}" ;;
    esac
  done
  mkdir -p "$root/etc/systemd/journald.conf.d"
  printf '[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=\n' > "$root/etc/systemd/journald.conf.d/bed.conf"
}

identity() {
  tr -d - < /proc/sys/kernel/random/uuid > "$root/etc/machine-id"
  echo bed > "$root/etc/hostname"
  echo '127.0.0.1 bed' >> "$root/etc/hosts"
  : > "$root/etc/fstab"
}

"$stage" "$@"
