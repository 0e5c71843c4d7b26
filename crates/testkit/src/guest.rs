//! Guests for live tests: a tiny Linux that boots under emulation, and one that never leaves its firmware.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Where the built kernel, initramfs and suggested command line lie.
#[derive(Debug, Clone)]
pub struct Image {
    /// Unpacked kernel.
    pub kernel: PathBuf,
    /// Initramfs.
    pub initrd: PathBuf,
    /// Kernel arguments.
    pub cmdline: String,
}

/// The tiny Linux guest, built on first use (`guest/build.sh`).
///
/// # Panics
/// When it cannot be built.
pub fn image() -> Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    let build = || {
        let dir = crate::workspace().join("target/guest");
        let script = crate::workspace().join("guest/build.sh");
        let built = Command::new(script).arg(&dir).status().is_ok_and(|status| status.success());
        assert!(built, "guest/build.sh fails");
        let cmdline = std::fs::read_to_string(dir.join("cmdline")).unwrap_or_default();
        Image {
            kernel: dir.join("vmlinux"),
            initrd: dir.join("initramfs"),
            cmdline: cmdline.trim().to_owned(),
        }
    };
    IMAGE.get_or_init(build).clone()
}

/// A definition under emulation; `extra` goes into `<devices>`.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Name of the domain.
    pub name: String,
    /// Boots the tiny Linux; else the guest stays in its firmware.
    pub linux: bool,
    /// More kernel arguments.
    pub cmdline: String,
    /// More devices.
    pub extra: String,
}

impl Definition {
    /// A guest that stays in its firmware: starts in no time.
    pub fn firmware(name: &str) -> Definition {
        Definition { name: name.to_owned(), linux: false, cmdline: String::new(), extra: String::new() }
    }

    /// The tiny Linux.
    pub fn linux(name: &str) -> Definition {
        Definition { linux: true, ..Definition::firmware(name) }
    }

    /// Adds devices.
    pub fn with(mut self, device: &str) -> Definition {
        self.extra.push_str(device);
        self
    }

    /// Adds kernel arguments.
    pub fn arguments(mut self, words: &str) -> Definition {
        self.cmdline = words.to_owned();
        self
    }

    /// The document.
    pub fn xml(&self) -> String {
        let boot = if self.linux {
            let image = image();
            format!(
                "<kernel>{}</kernel><initrd>{}</initrd><cmdline>{} ferro.name={} {}</cmdline>",
                image.kernel.display(),
                image.initrd.display(),
                image.cmdline,
                self.name,
                self.cmdline
            )
        } else {
            "<boot dev='hd'/><bios useserial='yes'/>".to_owned()
        };
        format!(
            "<domain type='qemu'>
  <name>{}</name>
  <memory unit='MiB'>256</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type>{boot}</os>
  <features><acpi/><apic/></features>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' index='0' model='none'/>
    <serial type='pty'><target port='0'/></serial>
    <console type='pty'><target type='serial' port='0'/></console>
    <memballoon model='virtio'/>
    {}
  </devices>
</domain>
",
            self.name, self.extra
        )
    }
}
