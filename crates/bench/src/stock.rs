//! The stock client library, through a small program that is compiled against it.

use crate::measures::Figure;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = include_str!("../client/client.c");

/// The compiled program.
#[derive(Debug)]
pub(crate) struct Stock {
    folder: PathBuf,
}

impl Stock {
    /// Compiles it. Needs a C compiler and `libvirt.so.0`, but no headers.
    pub(crate) fn build() -> Result<Stock, String> {
        let folder = std::env::temp_dir().join(format!("fbc{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|cause| format!("{}: {cause}", folder.display()))?;
        let source = folder.join("client.c");
        std::fs::write(&source, SOURCE).map_err(|cause| format!("{}: {cause}", source.display()))?;
        let stock = Stock { folder };
        let built = Command::new("cc")
            .args(["-O2", "-o"])
            .args([&stock.program(), &source])
            .args(["-l:libvirt.so.0", "-lpthread"])
            .output()
            .map_err(|cause| format!("cc: {cause}"))?;
        if built.status.success() {
            Ok(stock)
        } else {
            Err(String::from_utf8_lossy(&built.stderr).into_owned())
        }
    }

    fn program(&self) -> PathBuf {
        self.folder.join("client")
    }

    /// Times calls to the daemon behind a socket.
    pub(crate) fn time(&self, socket: &Path, measure: &str, rounds: usize) -> Figure {
        let uri = format!("qemu+unix:///system?mode=direct&socket={}", socket.display());
        let output = Command::new(self.program())
            .args([&uri, measure, &rounds.to_string()])
            .output()
            .map_err(|cause| cause.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout);
        let words = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
        text.trim().parse().map_err(|_| words())
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
