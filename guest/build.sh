#!/usr/bin/env bash
# Builds the tiny Linux guest that the demo and the live tests boot: Debian's cloud kernel, unpacked so that QEMU can
# enter it directly, and an initramfs of busybox with the virtio modules.
#
#   guest/build.sh OUTDIR      writes OUTDIR/{vmlinux,initramfs,cmdline}; returns at once when they are up to date
#
# Only `apt-get download` is used for the kernel: nothing of it is installed. Needs busybox-static, cpio, lz4, xz-utils.
set -euo pipefail

out=${1:?usage: guest/build.sh OUTDIR}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out"
out=$(cd "$out" && pwd)
stamp=$(cat "$here/build.sh" "$here/init" | sha256sum | cut -c1-16)
if [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi
"$here/../scripts/packages.sh" busybox-static cpio lz4 xz-utils
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '$1 == "Depends:" && /linux-image/ { print $2; exit }')
if [ -z "$package" ]; then
    apt-get -qq -o DPkg::Lock::Timeout=300 update
    package=$(apt-cache depends linux-image-cloud-amd64 | awk '$1 == "Depends:" && /linux-image/ { print $2; exit }')
fi
[ -n "$package" ] || { echo "guest/build.sh: no kernel package behind linux-image-cloud-amd64" >&2; exit 1; }
mkdir -p "$out/packages"
if ! ls "$out/packages/${package}_"*.deb > /dev/null 2>&1; then
    echo "guest/build.sh: downloading $package"
    # Root's download is handed to the user _apt, who cannot write here; the warning about it is of no use to anyone.
    (cd "$out/packages" && apt-get -qq download "$package" 2> "$work/download.log") || {
        apt-get -qq update && (cd "$out/packages" && apt-get -qq download "$package")
    }
fi
deb=$(ls -t "$out/packages/${package}_"*.deb | head -n 1)
dpkg-deb -x "$deb" "$work/kernel"
version=$(ls "$work/kernel/lib/modules")
image="$work/kernel/boot/vmlinuz-$version"

# The payload of a bzImage lies behind (setup_sects + 1) sectors and payload_offset; its last four bytes are its size.
field() { od -An -t"u$3" -j"$1" -N"$2" "$image" | tr -d ' '; }
start=$((($(field 497 1 1) + 1) * 512 + $(field 584 4 4)))
length=$(($(field 588 4 4) - 4))
dd if="$image" of="$work/payload" iflag=skip_bytes,count_bytes skip="$start" count="$length" bs=1M status=none
case $(od -An -tx1 -N4 "$work/payload" | tr -d ' ') in
    fd377a58) xz -dc ;;
    02214c18) lz4 -dc ;;
    28b52ffd) zstd -dc ;;
    *) cat ;;
esac < "$work/payload" > "$work/vmlinux" 2>/dev/null || true
if [ "$(head -c 4 "$work/vmlinux" | tail -c 3)" != ELF ]; then
    cp "$image" "$work/vmlinux" # slower to start, but it starts
fi

root="$work/root"
mkdir -p "$root"/{bin,dev,etc,lib,proc,run,sys,tmp}
ln -s bin "$root/sbin"
cp /bin/busybox "$root/bin/busybox"
for applet in $("$root/bin/busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
install -m 755 "$here/init" "$root/init"
cat > "$root/etc/udhcpc" <<'S'
#!/bin/sh
case $1 in
    bound|renew)
        ip addr flush dev "$interface"
        ip addr add "$ip/${mask:-24}" dev "$interface"
        for gateway in $router; do ip route replace default via "$gateway" dev "$interface"; break; done
        for console in ttyS0 hvc0; do
            [ -c /dev/$console ] && printf 'FERRO-NET %s %s\r\n' "$interface" "$ip" > /dev/$console
        done ;;
esac
S
chmod 755 "$root/etc/udhcpc"

modules="lib/modules/$version"
/bin/busybox depmod -b "$work/kernel" "$version" 2> /dev/null || depmod -b "$work/kernel" "$version"
wanted="virtio_pci virtio_mmio virtio_blk virtio_net virtio_scsi virtio_console virtio_rng virtio_balloon virtio_input
    button evdev sd_mod sr_mod ata_piix ahci af_packet qemu_fw_cfg"
mkdir -p "$root/$modules"
copy() { # copy PATH-BELOW-MODULES: with all that it depends on
    local path=$1 needed
    [ ! -e "$root/$modules/$path" ] || return 0
    install -D -m 644 "$work/kernel/$modules/$path" "$root/$modules/$path"
    for needed in $(sed -n "s|^$path:||p" "$work/kernel/$modules/modules.dep"); do copy "$needed"; done
}
for module in $wanted; do
    # A module's file may spell its name with hyphens; what is built in has no file.
    path=$(sed -n 's/:.*//p' "$work/kernel/$modules/modules.dep" |
        grep -E "/$(echo "$module" | sed 's/[_-]/[_-]/g')\.ko(\.xz)?$" | head -n 1 || true)
    [ -z "$path" ] || copy "$path"
done
cp "$work/kernel/$modules"/modules.{builtin,order} "$root/$modules/" 2> /dev/null || true
find "$root/$modules" -name '*.ko.xz' -exec xz -d {} +
/bin/busybox depmod -b "$root" "$version" 2> /dev/null || depmod -b "$root" "$version"

(cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc) | gzip -1 -n > "$work/initramfs"
echo "console=ttyS0 quiet tsc=reliable mitigations=off audit=0 random.trust_cpu=on swiotlb=noforce" > "$out/cmdline"
mv "$work/vmlinux" "$work/initramfs" "$out/"
echo "$stamp" > "$out/stamp"
echo "guest/build.sh: kernel $version, $(du -h "$out/initramfs" | cut -f1) initramfs in $out"
