//! The right to write to a directory, which one process has at a time.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::atomic_file;

pub(crate) const LOCK: &str = ".lock";

/// A file or directory, and the error of the operating system.
type FileError = (PathBuf, io::Error);

/// The right to write to a directory, until it is dropped or the process ends.
pub struct DirectoryLock {
    directory: PathBuf,
    _file: File,
}

impl DirectoryLock {
    /// Takes the right to write to `directory`; `None` while someone else has it.
    ///
    /// A file named `.lock` is created in the directory and stays.
    pub fn acquire(directory: &Path) -> Result<Option<Self>, FileError> {
        let path = directory.join(LOCK);
        let open = File::options().create(true).append(true).open(&path);
        let file = match open {
            Ok(file) => file,
            Err(error) => return Err((path, error)),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            // A file system without locks.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err((path, error)),
        }
        Ok(Some(Self {
            directory: directory.to_path_buf(),
            _file: file,
        }))
    }

    /// Removes the unfinished files and folders of killed processes.
    pub fn remove_unfinished(&self) -> Result<(), FileError> {
        let in_directory = |error| (self.directory.clone(), error);
        for entry in fs::read_dir(&self.directory).map_err(in_directory)? {
            let path = entry.map_err(in_directory)?.path();
            if atomic_file::is_unfinished(&path) {
                let removed = if path.is_dir() {
                    fs::remove_dir_all(&path)
                } else {
                    fs::remove_file(&path)
                };
                removed.map_err(|error| (path, error))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let lock = DirectoryLock::acquire(folder.path()).unwrap();
        assert!(lock.is_some());
        assert!(DirectoryLock::acquire(folder.path()).unwrap().is_none());
        drop(lock);
        assert!(DirectoryLock::acquire(folder.path()).unwrap().is_some());
    }

    #[test]
    fn a_directory_that_cannot_be_locked_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = folder.path().join("nowhere");
        let Err((path, error)) = DirectoryLock::acquire(&nowhere) else {
            panic!("locked")
        };
        assert_eq!(path, nowhere.join(LOCK));
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn only_unfinished_files_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let unfinished = folder.path().join("a.x1.burn-mla-unfinished");
        let scratch = folder.path().join("b.burn-mla-unfinished");
        let theirs = folder.path().join("notes.unfinished");
        fs::write(&unfinished, "half").unwrap();
        fs::write(&theirs, "notes").unwrap();
        fs::create_dir(&scratch).unwrap();
        fs::write(scratch.join("part"), "half").unwrap();
        let lock = DirectoryLock::acquire(folder.path()).unwrap().unwrap();
        lock.remove_unfinished().unwrap();
        assert!(!unfinished.exists() && !scratch.exists() && theirs.exists());
    }
}
