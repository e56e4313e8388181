//! A state file of this process's own.
//!
//! Several resolvers may run on one machine with one data folder. Each takes the first state file that nobody else
//! holds, so that a restarted one finds its own again, and keeps it locked. Beside it, in the lock's file, stands the
//! id by which the log knows the holder: a process that is started anew thereby fences what its predecessor left open.

use crate::Error;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Most resolvers with one data folder; more than a topic has partitions would have nothing to do.
const MOST: usize = 1024;

/// A locked state file.
#[derive(Debug)]
pub(crate) struct Slot {
    state: PathBuf,
    lock: File,
    id: Uuid,
}

impl Slot {
    /// Takes the first free one of `first`, then of its like with a number.
    pub(crate) fn take(first: &Path) -> Result<Self, Error> {
        for number in 0..MOST {
            let state = numbered(first, number);
            let failed = |source| Error::Slot { path: lock_of(&state), source };
            let mut lock = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(lock_of(&state))
                .map_err(failed)?;
            match lock.try_lock() {
                Ok(()) => {
                    let id = read_id(&mut lock).map_err(failed)?;
                    return Ok(Self { state, lock, id });
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
        let source = io::Error::other(format!("{MOST} processes hold one each"));
        Err(Error::Slot { path: lock_of(first), source })
    }

    /// The state's file.
    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    /// By which producer's name the log knows the holder.
    pub(crate) fn transactional_id(&self, group: &str) -> String {
        format!("{group}.{}", self.id.simple())
    }

    /// Takes another id: the folder may be a copy, and the process that it was copied from has the same.
    pub(crate) fn renew(&mut self) -> Result<(), Error> {
        self.id =
            write_id(&mut self.lock).map_err(|source| Error::Slot { path: lock_of(&self.state), source })?;
        Ok(())
    }
}

/// `resolver.db`, `resolver-1.db`, …
fn numbered(first: &Path, number: usize) -> PathBuf {
    if number == 0 {
        return first.to_owned();
    }
    let mut name = first.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{number}"));
    if let Some(extension) = first.extension() {
        name.push(".");
        name.push(extension);
    }
    first.with_file_name(name)
}

fn lock_of(state: &Path) -> PathBuf {
    let mut name = state.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// The id that stands there; a new one if none does that can be read.
fn read_id(lock: &mut File) -> io::Result<Uuid> {
    let mut text = Vec::new();
    lock.take(64).read_to_end(&mut text)?;
    match std::str::from_utf8(&text).ok().and_then(|text| Uuid::parse_str(text.trim()).ok()) {
        Some(id) => Ok(id),
        None => write_id(lock),
    }
}

fn write_id(lock: &mut File) -> io::Result<Uuid> {
    let id = Uuid::new_v4();
    lock.set_len(0)?;
    lock.seek(SeekFrom::Start(0))?;
    lock.write_all(format!("{id}\n").as_bytes())?;
    lock.sync_all()?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_process_has_its_own_and_finds_it_again() {
        let folder = tempfile::tempdir().unwrap();
        let first = folder.path().join("resolver.db");
        let one = Slot::take(&first).unwrap();
        let two = Slot::take(&first).unwrap();
        let name = |slot: &Slot| slot.state().file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!((name(&one), name(&two)), ("resolver.db".to_owned(), "resolver-1.db".to_owned()));
        let ids = [one.transactional_id("g"), two.transactional_id("g")];
        assert_ne!(ids[0], ids[1]);
        drop(two);
        let again = Slot::take(&first).unwrap();
        assert_eq!((name(&again), again.transactional_id("g")), ("resolver-1.db".to_owned(), ids[1].clone()));
        drop(one);
        assert_eq!(Slot::take(&first).unwrap().transactional_id("g"), ids[0]);
    }

    #[test]
    fn an_id_can_be_replaced_and_what_is_none_is() {
        let folder = tempfile::tempdir().unwrap();
        let first = folder.path().join("resolver.db");
        let mut slot = Slot::take(&first).unwrap();
        let before = slot.transactional_id("g");
        slot.renew().unwrap();
        let renewed = slot.transactional_id("g");
        assert_ne!(renewed, before);
        drop(slot);
        assert_eq!(Slot::take(&first).unwrap().transactional_id("g"), renewed);
        std::fs::write(lock_of(&first), "scratched").unwrap();
        let other = Slot::take(&first).unwrap().transactional_id("g");
        assert_ne!(other, renewed);
        assert_eq!(Slot::take(&first).unwrap().transactional_id("g"), other);
    }
}
