//! Results of finished runs in a file, which saves repeating them.
//!
//! The file has one line of JSON per run. Adding a run is one append, which is on the disk when
//! [`Cells::add`] returns. The file is locked meanwhile, which allows several processes to share it.
//! A crash during an append can leave a last line without an end. The next process that opens the
//! file or adds to it removes that line, and its run is repeated.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A finished run with its key.
pub trait Keyed: Serialize + DeserializeOwned {
    /// The identity of a run: everything that its result depends on.
    type Key: PartialEq;

    fn key(&self) -> &Self::Key;
}

/// The finished runs of a file when it was opened, and those added through this value since.
#[derive(Debug)]
pub struct Cells<C> {
    path: PathBuf,
    cells: Vec<C>,
}

/// An error in a file of finished runs.
#[derive(Debug, thiserror::Error)]
pub enum CellsError {
    #[error("{}: {source}", .path.display())]
    File { path: PathBuf, source: io::Error },
    /// A complete line that is not a run. Lines count from 1.
    #[error("{}:{line}: {source}", .path.display())]
    Line {
        path: PathBuf,
        line: usize,
        source: serde_json::Error,
    },
}

impl<C: Keyed> Cells<C> {
    /// Reads the runs of a file, which is created if it does not exist. Of several runs with the same
    /// key, which two processes can add, the first counts.
    ///
    /// # Errors
    ///
    /// [`CellsError::File`] if the file cannot be read or created, [`CellsError::Line`] for a line that
    /// is not such a run.
    pub fn open(path: PathBuf) -> Result<Self, CellsError> {
        let (_, text) = match lock(&path) {
            Ok(locked) => locked,
            Err(source) => return Err(CellsError::File { path, source }),
        };
        let mut cells: Vec<C> = vec![];
        for (line, text) in (1..).zip(text.split_inclusive(|&byte| byte == b'\n')) {
            match serde_json::from_slice::<C>(text) {
                Ok(cell) if cells.iter().any(|earlier| earlier.key() == cell.key()) => {}
                Ok(cell) => cells.push(cell),
                Err(source) => return Err(CellsError::Line { path, line, source }),
            }
        }
        Ok(Self { path, cells })
    }

    /// Returns the run with a key, if it is finished.
    pub fn get(&self, key: &C::Key) -> Option<&C> {
        self.cells.iter().find(|cell| cell.key() == key)
    }

    /// Returns every run, in the order of the file.
    pub fn all(&self) -> &[C] {
        &self.cells
    }

    /// Adds a run that [`get`](Self::get) does not find, to this value and to the end of the file.
    ///
    /// # Errors
    ///
    /// [`CellsError::File`] if the run cannot be written. It is not added to this value then.
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

/// Opens and locks the file, and returns it with its complete lines. The lock excludes writers, which
/// means that anything after the end of the last line is the rest of an append that failed.
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
