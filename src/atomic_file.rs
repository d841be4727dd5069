//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes a file aside, flushes it to the disk and renames it: whatever happens in between, the
/// file that was there before is still there, whole.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = aside(path);
    let written = write_through(&aside, bytes).and_then(|()| fs::rename(&aside, path));
    if let Err(error) = written {
        // What is left of it is of no use; that it cannot be removed changes nothing.
        let _ = fs::remove_file(&aside);
        return Err(error);
    }
    // The new name itself must survive a power cut, where folders can be flushed.
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if let Ok(folder) = File::open(folder.unwrap_or(Path::new("."))) {
        let _ = folder.sync_all();
    }
    Ok(())
}

const UNFINISHED: &str = "unfinished";

fn aside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".");
    name.push(UNFINISHED);
    path.with_file_name(name)
}

/// Whether a file is what a process that died has left of a [`write`].
#[cfg(feature = "train")]
pub(crate) fn is_unfinished(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == UNFINISHED)
}

fn write_through(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_or_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(aside(&path), "left by a process that was killed").unwrap();
        write(&path, b"first").unwrap();
        write(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert!(!aside(&path).exists());

        let in_the_way = folder.path().join("folder");
        fs::create_dir(&in_the_way).unwrap();
        assert!(write(&in_the_way, b"third").is_err());
        assert!(!aside(&in_the_way).exists());
        assert!(write(&folder.path().join("nowhere/file"), b"").is_err());
    }
}
