//! A file system that is soon full.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system in memory, unmounted when it goes out of scope.
#[derive(Debug)]
pub struct Tmpfs {
    folder: tempfile::TempDir,
}

impl Tmpfs {
    /// Mounts one of this size; otherwise says why that cannot be.
    pub fn mount(mebibytes: usize) -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={mebibytes}m");
        let output =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output();
        let output = output.map_err(|error| format!("mount cannot be run: {error}"))?;
        if output.status.success() {
            return Ok(Self { folder });
        }
        let told = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
        Err(format!("a file system cannot be mounted here: {told}\nIt takes the rights of root."))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes all the room that is left; gives the file that does so.
    pub fn fill(&self) -> PathBuf {
        let filler = self.path().join("filler");
        let mut file = File::create(&filler).unwrap();
        let mut block = vec![0; 1 << 20];
        while !block.is_empty() {
            // Smaller and smaller blocks, so that nothing is left.
            if file.write_all(&block).is_err() {
                block.truncate(block.len() / 2);
            }
        }
        filler
    }

    /// Gives it another size.
    pub fn resize(&self, mebibytes: usize) {
        let size = format!("remount,size={mebibytes}m");
        let status = Command::new("mount").args(["-o", &size]).arg(self.path()).status().unwrap();
        assert!(status.success(), "{} could not be given another size", self.path().display());
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: a process that was killed a moment ago may still hold a file.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
