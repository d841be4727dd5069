//! A part of a checkpoint as bytes of a file, which means that no record is in memory twice.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::Bytes;
use burn::train::checkpoint::{Checkpoint, CheckpointerError};

use crate::atomic_file;

/// Bytes read or written at once.
pub(super) const CHUNK: usize = 1 << 16;

/// A record of the model, the optimizer or the scheduler, in an open file.
///
/// The file stays readable after its name is removed or replaced.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    file: Arc<Mutex<File>>,
    bytes: Range<u64>,
}

impl Part {
    pub fn new(file: Arc<Mutex<File>>, bytes: Range<u64>) -> Self {
        Self { file, bytes }
    }

    /// Writes a record to a file without a name that takes space in `folder`.
    pub fn record<R: Checkpoint>(folder: &Path, record: R) -> Result<Self, CheckpointerError> {
        let scratch = atomic_file::scratch_folder(folder).map_err(CheckpointerError::IOError)?;
        let path = scratch.path().join("part.bpk");
        record.save(path.clone())?;
        Self::of_file(&path).map_err(CheckpointerError::IOError)
    }

    fn of_file(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = 0..file.metadata()?.len();
        Ok(Self::new(Arc::new(Mutex::new(file)), bytes))
    }

    /// Number of bytes.
    pub fn len(&self) -> u64 {
        self.bytes.end - self.bytes.start
    }

    /// The whole part in memory.
    pub fn read(&self) -> io::Result<Bytes> {
        let mut bytes = Vec::with_capacity(self.len() as usize);
        let n = self.reader().read_to_end(&mut bytes)?;
        if n as u64 == self.len() {
            Ok(Bytes::from_bytes_vec(bytes))
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// Copies the part to `target` chunk by chunk.
    pub fn copy_to(&self, target: &mut impl Write) -> io::Result<()> {
        let n = copy(&mut self.reader(), |chunk| target.write_all(chunk))?;
        if n == self.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    fn reader(&self) -> Reader<'_> {
        Reader {
            file: &self.file,
            rest: self.bytes.clone(),
        }
    }

    fn same_bytes(&self, other: &Self) -> io::Result<bool> {
        let (mut ours, mut theirs) = (self.reader(), other.reader());
        let (mut a, mut b) = (vec![0; CHUNK], vec![0; CHUNK]);
        let mut left = self.len();
        while left > 0 {
            let n = left.min(CHUNK as u64) as usize;
            ours.read_exact(&mut a[..n])?;
            theirs.read_exact(&mut b[..n])?;
            if a[..n] != b[..n] {
                return Ok(false);
            }
            left -= n as u64;
        }
        Ok(true)
    }
}

/// Compares bytes; a part that cannot be read equals none.
impl PartialEq for Part {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.same_bytes(other).unwrap_or(false)
    }
}

/// Passes everything that `source` holds to `chunk`; returns the number of bytes.
pub(super) fn copy(
    source: &mut impl Read,
    mut chunk: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<u64> {
    let mut buffer = vec![0; CHUNK];
    let mut total = 0;
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(n) => {
                chunk(&buffer[..n])?;
                total += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

struct Reader<'a> {
    file: &'a Mutex<File>,
    rest: Range<u64>,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.rest.end - self.rest.start;
        let n = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        // Parts of a checkpoint share its file: another one may have moved the position.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.rest.start))?;
        let n = file.read(&mut buffer[..n])?;
        self.rest.start += n as u64;
        Ok(n)
    }
}

#[cfg(test)]
impl Part {
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let length = bytes.len() as u64;
        Self::new(Arc::new(Mutex::new(file)), 0..length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(n: usize) -> Vec<u8> {
        (0..n).map(|at| (at * 31 % 251) as u8).collect()
    }

    #[test]
    fn parts_of_a_file_are_read_by_themselves() {
        let whole = bytes(3 * CHUNK + 5);
        let part = Part::of_bytes(&whole);
        assert_eq!(&*part.read().unwrap(), whole);
        let range = 7..2 * CHUNK + 9;
        let some = Part::new(part.file.clone(), range.start as u64..range.end as u64);
        assert_eq!(&*some.read().unwrap(), &whole[range.clone()]);
        let mut copied = vec![];
        some.copy_to(&mut copied).unwrap();
        assert_eq!(copied, whole[range]);
        let too_long = Part::new(part.file.clone(), 0..whole.len() as u64 + 1);
        assert!(too_long.read().is_err());
        assert!(too_long.copy_to(&mut vec![]).is_err());
    }

    #[test]
    fn parts_are_compared_by_their_bytes() {
        let whole = bytes(2 * CHUNK + 1);
        let part = Part::of_bytes(&whole);
        assert_eq!(part, Part::of_bytes(&whole));
        let mut other = whole.clone();
        other[2 * CHUNK] ^= 1;
        assert_ne!(part, Part::of_bytes(&other));
        assert_ne!(part, Part::of_bytes(&whole[1..]));
    }

    #[test]
    fn a_record_leaves_no_name_behind() {
        let folder = tempfile::tempdir().unwrap();
        let part = Part::record(folder.path(), constant().to_record()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let expected = constant().to_record().into_bytes().unwrap();
        assert_eq!(&*part.read().unwrap(), &*expected);
        let nowhere = folder.path().join("nowhere");
        assert!(Part::record(&nowhere, constant().to_record()).is_err());
    }

    fn constant() -> burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler {
        0.1.into()
    }
}
