//! Files that hold all of their content or do not exist.

use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes `bytes` to a file; see [`write_with`].
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_with(path, |file| file.write_all(bytes))
}

/// Writes to a new file beside `path`, flushes it to the disk and renames it to `path`. Two writers do not
/// mix their content, and a failed write leaves the old file.
pub(crate) fn write_with(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<&mut std::fs::File>) -> io::Result<()>,
) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut unfinished = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    let mut buffer = BufWriter::new(unfinished.as_file_mut());
    content(&mut buffer)?;
    buffer.flush()?;
    drop(buffer);
    unfinished.as_file().sync_all()?;
    unfinished.persist(path).map_err(|error| error.error)?;
    Ok(())
}
