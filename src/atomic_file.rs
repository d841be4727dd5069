//! Files that hold all of their content or do not exist, whatever interrupts a write.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use tempfile::NamedTempFile;

/// Ending of the names of files and folders that are being written. Nothing else is called so.
const UNFINISHED: &str = ".burn-mla-unfinished";

/// Writes `bytes` to a file; see [`write_with`].
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_with(path, |file| file.write_all(bytes))
}

/// Writes to a new file beside `path`, flushes it to the disk and renames it to `path`.
///
/// An interrupted or failed write leaves the previous file whole. Each write has its own file,
/// which means that two writers of the same path do not mix their content: the last one wins.
pub fn write_with(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
) -> io::Result<()> {
    let complete = complete(path, content)?;
    complete.persist(path).map_err(|error| error.error)?;
    flush_folder(path);
    Ok(())
}

/// Writes `bytes` to a file unless there is one of that name, also if another process writes it at
/// the same time.
pub fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if path.try_exists()? {
        return Ok(());
    }
    let written = complete(path, |file| file.write_all(bytes))
        .and_then(|file| file.persist_noclobber(path).map_err(|error| error.error));
    match written {
        Ok(_) => flush_folder(path),
        // Of another process, which may also have removed ours as a remainder.
        Err(_) if path.try_exists()? => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Writes `bytes` to a file without flushing it to the disk, which takes milliseconds. The file is whole whatever
/// becomes of the process, but a power cut can damage it. It suits a cache whose files have checksums.
pub fn write_unflushed(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = unfinished(path, |file| file.write_all(bytes))?;
    unfinished.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// A file beside `path` with all of its content on the disk, removed when it is dropped.
fn complete(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
) -> io::Result<NamedTempFile> {
    let unfinished = unfinished(path, content)?;
    unfinished.as_file().sync_all()?;
    Ok(unfinished)
}

fn unfinished(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
) -> io::Result<NamedTempFile> {
    let mut prefix = path.file_name().unwrap_or_default().to_os_string();
    prefix.push(".");
    let mut unfinished = new_file(&prefix).tempfile_in(folder(path))?;
    let mut buffer = BufWriter::new(unfinished.as_file_mut());
    content(&mut buffer)?;
    buffer.flush()?;
    drop(buffer);
    Ok(unfinished)
}

fn folder(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Makes a new name survive a power cut, on systems that can flush folders.
fn flush_folder(path: &Path) {
    if let Ok(folder) = File::open(folder(path)) {
        let _ = folder.sync_all();
    }
}

/// A new folder in `folder`, removed together with its files when it is dropped.
#[cfg(feature = "train")]
pub(crate) fn scratch_folder(folder: &Path) -> io::Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .suffix(UNFINISHED)
        .tempdir_in(folder)
}

fn new_file(prefix: &OsStr) -> tempfile::Builder<'_, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix).suffix(UNFINISHED);
    // As of any new file; the default of the crate hides the file from other users.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder
}

/// Whether a file or folder is being written, or the remainder of a write whose process was killed.
pub fn is_unfinished(path: &Path) -> bool {
    let name = path.file_name().map(OsStr::as_encoded_bytes);
    name.is_some_and(|name| name.ends_with(UNFINISHED.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn n_entries(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_or_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write(&path, b"first").unwrap();
        write_unflushed(&path, b"unflushed").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"unflushed");
        write(&path, b"second").unwrap();
        let failed = write_with(&path, |file| {
            file.write_all(b"half of the th")?;
            Err(io::Error::other("full"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "full");
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(n_entries(folder.path()), 1);

        let in_the_way = folder.path().join("folder");
        fs::create_dir(&in_the_way).unwrap();
        assert!(write(&in_the_way, b"third").is_err());
        assert_eq!(n_entries(folder.path()), 2);
        assert!(write(&folder.path().join("nowhere/file"), b"").is_err());
    }

    #[test]
    fn two_writers_do_not_mix_their_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_with(&path, |first| {
            first.write_all(b"fir")?;
            write(&path, b"second")?;
            first.write_all(b"st")
        })
        .unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(n_entries(folder.path()), 1);
    }

    #[test]
    fn a_new_file_never_replaces_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_new(&path, b"first").unwrap();
        write_new(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(n_entries(folder.path()), 1);
        assert!(write_new(&folder.path().join("nowhere/file"), b"").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_file_has_the_permissions_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |name: &str| {
            let path = folder.path().join(name);
            fs::metadata(path).unwrap().permissions().mode()
        };
        write(&folder.path().join("ours"), b"").unwrap();
        fs::write(folder.path().join("any"), b"").unwrap();
        assert_eq!(mode("ours"), mode("any"));
    }

    #[test]
    fn what_a_killed_process_leaves_is_known_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        write_with(&folder.path().join("file.ckpt"), |_| {
            let mut names = fs::read_dir(folder.path()).unwrap();
            assert!(is_unfinished(&names.next().unwrap().unwrap().path()));
            Ok(())
        })
        .unwrap();
        assert!(is_unfinished(Path::new(
            "turn-2.ckpt.x1.burn-mla-unfinished"
        )));
        assert!(!is_unfinished(Path::new("notes.unfinished")));
        assert!(!is_unfinished(&folder.path().join("file.ckpt")));
    }
}
