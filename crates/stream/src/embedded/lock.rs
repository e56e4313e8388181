//! The lock file beside a log: one process works with the log at a time, and says which one.
//!
//! The lock is the system's, on the open file, so that it ends with the process however that ends. The file stays:
//! removing it would let two processes lock two files of the same name.

use crate::{Error, Result};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Holds the lock as long as it lives.
#[derive(Debug)]
pub(super) struct LockFile {
    _file: File,
}

impl LockFile {
    /// Locks the log at `log` for this process, or says who has.
    pub(super) fn take(log: &Path) -> Result<Self> {
        // Two names of one file have to meet at one lock.
        let real = log.canonicalize().unwrap_or_else(|_| log.to_owned());
        let mut path = real.into_os_string();
        path.push(".lock");
        let path = PathBuf::from(path);
        let failed = |action| {
            let path = path.clone();
            move |source| Error::File { path, action, source }
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed("open the lock file"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // The name is a help only: what cannot be read is left out.
                let _ = file.read_to_string(&mut text);
                return Err(Error::Locked { path: log.to_owned(), pid: text.trim().parse().ok() });
            }
            Err(TryLockError::Error(source)) => return Err(failed("lock")(source)),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()))
            .map_err(failed("write the lock file"))?;
        Ok(Self { _file: file })
    }
}
