# The image that the virtual machine boots from: Debian 13 with its own kernel, systemd 257 and control groups v2,
# whatever this computer runs. It lies in the user's cache beside the lab's base. Sourced by install.sh.
#
# Its name holds a checksum of what it is made of, so a change gives a new one.

image_suite=trixie

# usage: image_dir FOLDER: where the image is, told by the folder of this file
image_dir() {
  sum=$(cat "$1/image.sh" "$1/guest.sh" "$1/../lab/base.sh" | sha256sum | cut -c1-12)
  echo "${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/hakuriver-lab/vm-$image_suite-$sum"
}

# usage: image_make FOLDER DIR MIRROR: makes kernel, initrd and disk in DIR, which exists and is empty
image_make() {
  . "$1/../lab/base.sh"
  image_root=$2/root
  debootstrap --variant=minbase --include="$lab_packages,qemu-guest-agent,kmod,busybox-static,polkitd" "$image_suite" "$image_root" "$3"
  base_prepare "$image_root"
  image_kernel "$2" "$image_root"
  image_initrd "$2" "$image_root"
  install -m 755 "$1/guest.sh" "$image_root/usr/local/sbin/guest"
  sh "$1/guest.sh" install "$image_root"
  rm -rf "$image_root"/var/cache/apt/* "$image_root"/var/lib/apt/lists/* "$image_root/etc/resolv.conf"
  truncate -s 3G "$2/disk.img"
  mkfs.ext4 -q -F -E lazy_itable_init=1 -d "$image_root" "$2/disk.img"
  rm -rf --one-file-system "$image_root"
}

# The kernel of the release, unpacked and not installed: nothing has to be made bootable here. Of its modules, those
# that such a machine can use.
image_kernel() {
  chroot "$2" apt-get -q update
  name=$(chroot "$2" apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
  chroot "$2" sh -c 'cd /var/tmp && apt-get -q -o APT::Sandbox::User=root download "$1"' sh "$name"
  mkdir "$1/kernel"
  dpkg-deb -x "$2"/var/tmp/linux-image-*.deb "$1/kernel"
  rm "$2"/var/tmp/linux-image-*.deb
  mv "$1"/kernel/boot/vmlinuz-* "$1/vmlinuz"
  image_version=${name#linux-image-}
  from=$(find "$1/kernel" -type d -path "*/lib/modules/$image_version")
  to=$2/usr/lib/modules/$image_version
  mkdir -p "$to"
  cp "$from"/modules.builtin "$from"/modules.builtin.modinfo "$from"/modules.order "$to"
  for part in fs/9p fs/ext4 fs/jbd2 fs/mbcache.ko.xz fs/netfs fs/fuse fs/overlayfs fs/nls net/9p net/core lib crypto arch/x86/crypto \
    drivers/virtio drivers/block/virtio_blk.ko.xz drivers/net/virtio_net.ko.xz drivers/net/net_failover.ko.xz \
    drivers/net/dummy.ko.xz drivers/net/veth.ko.xz drivers/char/virtio_console.ko.xz drivers/char/hw_random; do
    [ -e "$from/kernel/$part" ] || continue
    mkdir -p "$(dirname "$to/kernel/$part")"
    cp -r "$from/kernel/$part" "$to/kernel/$part"
  done
  # unpacked: an emulated CPU is slow at that
  find "$to" -name '*.ko.xz' -exec xz -d {} +
  chroot "$2" depmod "$image_version"
  rm -rf "$1/kernel"
}

# A first file system with busybox and the few modules that find the disk, in place of a distribution's large one.
image_initrd() {
  first=$1/first
  mkdir -p "$first/bin" "$first/dev" "$first/proc" "$first/sys" "$first/root"
  cp "$2/bin/busybox" "$first/bin/busybox"
  ln -s busybox "$first/bin/sh"
  modules=
  for module in virtio_pci virtio_blk ext4 9pnet_virtio 9p virtio_net virtio_console virtio_rng; do
    for file in $(chroot "$2" modprobe --set-version "$image_version" --show-depends "$module" | awk '$1 == "insmod" { print $2 }'); do
      case " $modules " in *" $file "*) continue ;; esac
      modules="$modules $file"
      cp "$2$file" "$first/"
    done
  done
  {
    echo '#!/bin/sh'
    echo 'export PATH=/bin'
    echo 'busybox mount -t proc proc /proc; busybox mount -t sysfs sysfs /sys; busybox mount -t devtmpfs dev /dev'
    for file in $modules; do echo "busybox insmod /$(basename "$file")"; done
    echo 'tries=0; while [ ! -e /dev/vda ] && [ $tries -lt 200 ]; do busybox usleep 50000; tries=$((tries + 1)); done'
    echo 'busybox mount -t ext4 -o noatime /dev/vda /root'
    echo 'busybox umount /proc; busybox umount /sys; busybox mount --move /dev /root/dev'
    echo 'exec busybox switch_root /root /lib/systemd/systemd'
  } >"$first/init"
  chmod 755 "$first/init"
  (cd "$first" && find . | "$2/bin/busybox" cpio -o -H newc) >"$1/initrd"
  rm -rf "$first"
}
