#!/usr/bin/env bash
# A real guest under the daemon, driven by stock virsh: installs what is missing, builds, boots, shows the guest's console,
# switches it off by its power button and cleans up. Needs root (guests of the system daemon) and about five minutes
# the first time, half a minute later.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

say "What is needed: stock virsh, QEMU, a tiny Linux guest, the daemon"
scripts/packages.sh libvirt-clients qemu-system-x86 seabios busybox-static cpio lz4 xz-utils bsdutils
guest/build.sh target/guest
cargo build --quiet --package daemon

root=$(mktemp -d /tmp/ferrovirt-demo.XXXXXX)
image=$PWD/target/guest
daemon=
console=
cleanup() {
    [ -z "$console" ] || kill "$console" 2> /dev/null || true
    if [ -n "$daemon" ]; then
        virsh -q destroy demo > /dev/null 2>&1 || true
        kill "$daemon" 2> /dev/null || true
        wait "$daemon" 2> /dev/null || true
    fi
    rm -rf "$root"
}
trap cleanup EXIT
socket=$root/run/libvirt/libvirt-sock
virsh() { command virsh -c "qemu:///system?socket=$socket" "$@"; }

say "The daemon, with all its files below $root"
"${CARGO_TARGET_DIR:-target}/debug/ferrovirtd" --root "$root" > "$root/daemon.log" 2>&1 &
daemon=$!
for _ in $(seq 100); do
    [ -S "$socket" ] && break
    sleep 0.1
done
[ -S "$socket" ] || { cat "$root/daemon.log"; exit 1; }
virsh version

# /dev/kvm may exist and still not run a kernel: a guest that says nothing within a few seconds is started emulated.
boots_with_kvm() {
    [ -c /dev/kvm ] || return 1
    timeout 8 qemu-system-x86_64 -accel kvm -m 256 -nodefaults -display none -serial stdio -no-reboot \
        -kernel "$image/vmlinux" -initrd "$image/initramfs" -append "$(cat "$image/cmdline")" < /dev/null 2> /dev/null |
        grep -q -m 1 FERRO-READY
}
type=qemu
if boots_with_kvm; then type=kvm; fi
say "Guests run with type='$type'"

cat > "$root/demo.xml" <<XML
<domain type='$type'>
  <name>demo</name>
  <memory unit='MiB'>256</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>$image/vmlinux</kernel>
    <initrd>$image/initramfs</initrd>
    <cmdline>$(cat "$image/cmdline") ferro.name=demo</cmdline>
  </os>
  <features><acpi/><apic/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' index='0' model='none'/>
    <interface type='user'><model type='virtio'/></interface>
    <serial type='pty'><target port='0'/></serial>
    <console type='pty'><target type='serial' port='0'/></console>
  </devices>
</domain>
XML
virsh define "$root/demo.xml"
virsh list --all

say "Booting, with the console of virsh"
# virsh wants a terminal; script(1) lends it one. setsid: were it the controlling one, virsh would start polkit's agent there.
timeout 60 script -q -f -c "exec setsid -w virsh -c 'qemu:///system?socket=$socket' start demo --console" "$root/console" \
    < /dev/null > /dev/null 2>&1 &
console=$!
for _ in $(seq 300); do
    grep -q FERRO-READY "$root/console" 2> /dev/null && break
    sleep 0.2
done
cat "$root/console"
grep -q FERRO-READY "$root/console" || { echo "the guest did not boot"; cat "$root/daemon.log"; exit 1; }
virsh list
virsh dominfo demo

say "The daemon is killed and started again; the guest does not notice"
kill -9 "$daemon"
wait "$daemon" 2> /dev/null || true
"${CARGO_TARGET_DIR:-target}/debug/ferrovirtd" --root "$root" >> "$root/daemon.log" 2>&1 &
daemon=$!
for _ in $(seq 100); do
    virsh -q list > /dev/null 2>&1 && break
    sleep 0.1
done
virsh list

say "The power button"
virsh shutdown demo
for _ in $(seq 150); do
    [ "$(virsh domstate demo | head -n 1)" != "shut off" ] || break
    sleep 0.2
done
virsh domstate demo --reason
[ "$(virsh domstate demo --reason | head -n 1)" = "shut off (shutdown)" ]
virsh undefine demo
say "Done"
