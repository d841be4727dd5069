//! Files that are complete or absent, and the right to write them.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::Path;

use super::CacheError;

/// Ending of the names of files that are being written. Nothing else is called so.
const UNFINISHED: &str = ".burn-mla-unfinished";
const LOCK: &str = ".lock";

/// The right to compute the features of a directory, until it is dropped or the process ends.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn acquire(directory: &Path) -> Result<Self, CacheError> {
        let path = directory.join(LOCK);
        let open = File::options().create(true).append(true).open(&path);
        let file = open.map_err(CacheError::io(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(CacheError::InUse {
                    directory: directory.to_path_buf(),
                });
            }
            // A file system without locks.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(CacheError::io(&path)(error)),
        }
        Ok(Self { _file: file })
    }

    /// Writes a file, replacing one of that name.
    pub(super) fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), CacheError> {
        let unfinished = unfinished(path, bytes).map_err(CacheError::io(path))?;
        let persisted = unfinished.persist(path).map_err(|error| error.error);
        persisted.map_err(CacheError::io(path))?;
        flush_directory(path);
        Ok(())
    }

    /// Removes the unfinished files of killed processes.
    pub(super) fn remove_unfinished(&self, directory: &Path) -> Result<(), CacheError> {
        let io = || CacheError::io(directory);
        for entry in fs::read_dir(directory).map_err(io())? {
            let path = entry.map_err(io())?.path();
            let name = path.file_name().map(|name| name.as_encoded_bytes());
            if name.is_some_and(|name| name.ends_with(UNFINISHED.as_bytes())) {
                fs::remove_file(&path).map_err(CacheError::io(&path))?;
            }
        }
        Ok(())
    }
}

/// Writes a file unless there is one of that name, also by another process in the meantime.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), CacheError> {
    let unfinished = unfinished(path, bytes).map_err(CacheError::io(path))?;
    match unfinished.persist_noclobber(path) {
        Ok(_) => flush_directory(path),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(CacheError::io(path)(error.error)),
    }
    Ok(())
}

/// A complete file beside `path`, removed when it is dropped.
fn unfinished(path: &Path, bytes: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let mut prefix = path.file_name().unwrap_or_default().to_os_string();
    prefix.push(".");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(UNFINISHED);
    // As of any new file; the default of the crate hides the file from other users.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Makes a new name survive a power cut, on systems that can flush directories.
fn flush_directory(path: &Path) {
    if let Some(Ok(directory)) = path.parent().map(File::open) {
        let _ = directory.sync_all();
    }
}
