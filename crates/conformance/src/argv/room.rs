//! A room for trials: namespaces of its own, the host's file system under a layer that is thrown away.
//!
//! Whatever is made there (files under `/var`, devices, addresses) is gone with the last process. The network is one
//! loop: every address is here.

use super::Options;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the figures are left inside the room.
pub(super) const RESULT: &str = "/argv-result.json";

/// Makes the layer and enters it. `$1` is a scratch folder, `$2` the corpus, the rest the command.
const SCRIPT: &str = r#"
set -e
scratch=$1 corpus=$2; shift 2
mount -t tmpfs -o size=2g tmpfs "$scratch"
mkdir "$scratch/upper" "$scratch/work" "$scratch/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" "$scratch/root"
root="$scratch/root"
mkdir -p "$root$corpus" && mount --bind "$corpus" "$root$corpus"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/net"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs tmpfs "$root/dev/shm"
for name in null zero full random urandom tty kvm net/tun vhost-net vhost-vsock loop-control; do
  test -e "/dev/$name" && cp -a "/dev/$name" "$root/dev/$name"
done
cp -a /dev/loop[0-9]* "$root/dev/" 2>/dev/null || true
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs tmpfs "$root/run"
mkdir -p "$root/var/run" 2>/dev/null || true
mount -t tmpfs tmpfs "$root/tmp"
echo 1 > "$root/proc/sys/net/ipv6/ip_nonlocal_bind" || true
ip link set lo up && ip route add local 0.0.0.0/0 dev lo && ip -6 route add local ::/0 dev lo || true
status=0
cp "$1" "$root/argv-tool"; shift
chroot "$root" /argv-tool "$@" || status=$?
cat "$root/argv-result.json" >&3 2>/dev/null || true
exit $status
"#;

/// Runs this command inside a room; true when it reports faults.
pub(super) fn enter(options: &Options) -> Result<bool, String> {
    let scratch = std::env::temp_dir().join(format!("argv-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).map_err(|error| error.to_string())?;
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new("unshare");
    command.args(["--mount", "--net", "--ipc", "--pid", "--fork", "--kill-child", "sh", "-c"]);
    // The figures come out by a descriptor of their own.
    let target = options.json.clone().unwrap_or_else(|| PathBuf::from("/dev/null"));
    let script = format!("exec 3>\"$0\"\n{SCRIPT}");
    command.arg(script).arg(&target).arg(&scratch).arg(&options.corpus).arg(&own);
    command.args(["argv", "--inside", "--corpus"]).arg(&options.corpus);
    command.arg("--emulator").arg(&options.emulator);
    if options.json.is_some() {
        command.arg("--json").arg(RESULT);
    }
    if let Some(word) = &options.only {
        command.args(["--only", word]);
    }
    if options.show {
        command.arg("--show");
    }
    let status = command.stdin(Stdio::null()).status().map_err(|error| format!("unshare: {error}"))?;
    let _ = std::fs::remove_dir(&scratch);
    match status.code() {
        Some(0) => Ok(false),
        Some(1) => Ok(true),
        _ => Err(format!("the room could not be used: {status}")),
    }
}

/// Folders and files that every trial may need.
pub(super) fn furnish() -> Result<(), String> {
    for folder in [
        "/var/lib/libvirt/qemu",
        "/var/lib/libvirt/images",
        "/var/run/libvirt/qemu",
        "/run/libvirt/qemu",
        "/dev/hugepages2M",
        "/dev/hugepages1G",
        "/root",
    ] {
        std::fs::create_dir_all(folder).map_err(|error| format!("{folder}: {error}"))?;
    }
    for name in ["chardev", "nbd", "vxhs", "vnc", "spice", "migrate"] {
        certificates(&Path::new("/etc/pki").join(format!("libvirt-{name}")));
    }
    std::fs::create_dir_all("/etc/sasl2").map_err(|error| error.to_string())
}

/// Certificates of an authority, a server and a client, as good as any.
fn certificates(folder: &Path) {
    let script = r#"
set -e
mkdir -p "$1"; cd "$1"
test -e /etc/pki/made || { mkdir -p /etc/pki/made; cd /etc/pki/made
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca-key.pem -out ca-cert.pem -days 100 -subj /CN=ca \
  -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
for who in server client; do
  openssl req -newkey rsa:2048 -nodes -keyout $who-key.pem -out $who.csr -subj /CN=localhost
  printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=%sAuth\n' \
    $who > $who.ext
  openssl x509 -req -in $who.csr -CA ca-cert.pem -CAkey ca-key.pem -CAcreateserial -days 100 -extfile $who.ext \
    -out $who-cert.pem
done; }
cp /etc/pki/made/*.pem "$1"
"#;
    let _ = Command::new("sh").args(["-c", script, "sh"]).arg(folder).stderr(Stdio::null()).status();
}
