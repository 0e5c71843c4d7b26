//! Who decrypts the sources of disks, with all images behind them.

use xml::Tree;

/// Completes the source of a device and of every image behind it.
pub(super) fn complete(holder: &mut Tree) {
    if let Some(encryption) = holder.child_mut("encryption") {
        engine(encryption);
    }
    if let Some(source) = holder.child_mut("source") {
        if let Some(encryption) = source.child_mut("encryption") {
            engine(encryption);
        }
        if let Some(store) = source.child_mut("dataStore") {
            complete(store);
        }
    }
    for name in ["backingStore", "mirror"] {
        if let Some(behind) = holder.child_mut(name) {
            complete(behind);
        }
    }
}

fn engine(encryption: &mut Tree) {
    if matches!(encryption.attr("format"), Some("luks2" | "luks-any" | "luks" | "qcow")) {
        encryption.default_to("engine", "qemu");
    }
}
