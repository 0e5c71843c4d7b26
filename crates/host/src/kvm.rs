//! What the kernel's hypervisor offers.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::raw::{c_int, c_ulong};
use std::path::Path;

const KVM_CHECK_EXTENSION: c_ulong = 0xae03;
const KVM_CAP_NR_VCPUS: c_ulong = 9;
const KVM_CAP_MAX_VCPUS: c_ulong = 66;

unsafe extern "C" {
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
}

fn open() -> Option<File> {
    File::options().read(true).write(true).open("/dev/kvm").ok()
}

/// It can be used by this process.
pub fn usable() -> bool {
    open().is_some()
}

/// Processors of a guest at most.
pub fn max_vcpus() -> Option<u32> {
    let device = open()?;
    let extension = |number: c_ulong| {
        // SAFETY: the descriptor is open, and this request takes a number and touches no memory of ours.
        let count = unsafe { ioctl(device.as_raw_fd(), KVM_CHECK_EXTENSION, number) };
        u32::try_from(count).ok().filter(|count| *count > 0)
    };
    extension(KVM_CAP_MAX_VCPUS).or_else(|| extension(KVM_CAP_NR_VCPUS))
}

/// Whether a parameter of a kernel module is on, below the root of a system.
fn is_on(root: &Path, parameter: &str) -> bool {
    let text = std::fs::read_to_string(root.join("sys/module").join(parameter)).unwrap_or_default();
    matches!(text.trim(), "Y" | "y" | "1")
}

/// Guests may have guests of their own.
pub fn nesting(root: &Path) -> bool {
    ["kvm_intel", "kvm_amd", "kvm_hv", "kvm"]
        .iter()
        .any(|module| is_on(root, &format!("{module}/parameters/nested")))
}

/// Guests can be kept secret from the host.
pub fn secure_guests(root: &Path) -> bool {
    is_on(root, "kvm_amd/parameters/sev")
}

#[cfg(test)]
mod tests {
    #[test]
    fn parameters_of_modules() {
        let root = std::env::temp_dir().join(format!("kvm-parameters-{}", std::process::id()));
        let folder = root.join("sys/module/kvm_intel/parameters");
        std::fs::create_dir_all(&folder).unwrap();
        assert!(!super::nesting(&root));
        std::fs::write(folder.join("nested"), "Y\n").unwrap();
        assert!(super::nesting(&root));
        assert!(!super::secure_guests(&root));
        std::fs::remove_dir_all(&root).unwrap();
    }
}
