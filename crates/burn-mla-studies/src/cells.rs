//! What finished runs found, in a file, so that no run is done twice.
//!
//! The file has a line of JSON a run. A run is added by one append, which is on the disk when
//! [`Cells::add`] returns, and the file is locked meanwhile: several processes may share it. What a
//! stop in the middle of an append leaves, a last line without an end, is cut off by whoever opens
//! the file or adds to it next, so that its run is done again and nothing is glued on to it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A finished run.
pub trait Keyed: Serialize + DeserializeOwned {
    /// What identifies a run: everything that its result depends on.
    type Key: PartialEq;

    fn key(&self) -> &Self::Key;
}

/// The finished runs of a file, as it was when it was opened, and those added here since.
#[derive(Debug)]
pub struct Cells<C> {
    path: PathBuf,
    cells: Vec<C>,
}

/// What is wrong with a file of finished runs.
#[derive(Debug, thiserror::Error)]
pub enum CellsError {
    #[error("{}: {source}", .path.display())]
    File { path: PathBuf, source: io::Error },
    /// A line that has an end, but is no run, counted from 1.
    #[error("{}:{line}: {source}", .path.display())]
    Line {
        path: PathBuf,
        line: usize,
        source: serde_json::Error,
    },
}

impl<C: Keyed> Cells<C> {
    /// The runs of a file, which is made if it is not there. Of several with the same key, as two
    /// processes can add them, the first counts.
    ///
    /// # Errors
    ///
    /// [`CellsError::File`] if the file cannot be read or made, [`CellsError::Line`] if a line of it
    /// is something else than such a run.
    pub fn open(path: PathBuf) -> Result<Self, CellsError> {
        let (_, text) = match lock(&path) {
            Ok(locked) => locked,
            Err(source) => return Err(CellsError::File { path, source }),
        };
        let mut cells: Vec<C> = vec![];
        for (line, text) in (1..).zip(text.split_inclusive(|&byte| byte == b'\n')) {
            match serde_json::from_slice::<C>(text) {
                Ok(cell) if cells.iter().any(|of| of.key() == cell.key()) => {}
                Ok(cell) => cells.push(cell),
                Err(source) => return Err(CellsError::Line { path, line, source }),
            }
        }
        Ok(Self { path, cells })
    }

    /// The run with a key, if it is done.
    pub fn get(&self, key: &C::Key) -> Option<&C> {
        self.cells.iter().find(|cell| cell.key() == key)
    }

    /// Every run, in the order of the file.
    pub fn all(&self) -> &[C] {
        &self.cells
    }

    /// Adds a run that [`get`](Self::get) does not find, here and at the end of the file.
    ///
    /// # Errors
    ///
    /// [`CellsError::File`] if it cannot be written; it is not added here either then.
    pub fn add(&mut self, cell: C) -> Result<(), CellsError> {
        append(&self.path, &cell).map_err(|source| CellsError::File {
            path: self.path.clone(),
            source,
        })?;
        self.cells.push(cell);
        Ok(())
    }
}

fn append(path: &Path, cell: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(cell)?;
    line.push(b'\n');
    let (mut file, _) = lock(path)?;
    file.seek(SeekFrom::End(0))?;
    file.write_all(&line)?;
    file.sync_data()
}

/// The file, locked until it is dropped, and its whole lines. Nobody is writing while it is locked:
/// what follows the last line's end was left by an append that was stopped or failed.
fn lock(path: &Path) -> io::Result<(File, Vec<u8>)> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    file.lock()?;
    let mut text = vec![];
    file.read_to_end(&mut text)?;
    let end = text.iter().rposition(|&byte| byte == b'\n');
    let whole = end.map_or(0, |end| end + 1);
    if whole < text.len() {
        file.set_len(whole as u64)?;
        text.truncate(whole);
    }
    Ok((file, text))
}

#[cfg(test)]
mod tests;
