//! What an error of SQLite's means for the worker that met it.

use crate::Error;
use rusqlite::ErrorCode;
use std::path::Path;

/// Turns an error of SQLite's into one of ours: `.map_err(failed(&path, "read the token"))`.
pub(crate) fn failed(path: &Path, action: &'static str) -> impl FnOnce(rusqlite::Error) -> Error {
    move |source| classify(path, action, source)
}

/// Sorts an error of SQLite's by what can be done about it.
pub(crate) fn classify(path: &Path, action: &'static str, source: rusqlite::Error) -> Error {
    let place = path.into();
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
            Error::Busy { place, action }
        }
        Some(ErrorCode::DiskFull) => Error::Full { place, action },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Error::ReadOnly { place },
        // A file that was a database when it was opened is damaged when it is none later on.
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            Error::Corrupt { place, source: source.into() }
        }
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::NoLargeFileSupport) => {
            Error::Io { place, action, source: source.into() }
        }
        _ => Error::Statement { place, action, source: source.into() },
    }
}
