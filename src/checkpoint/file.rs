//! The format of a checkpoint file, written and read chunk by chunk.
//!
//! ```text
//! magic | format, u32 | bytes of the header, u64 | header, JSON | parts | CRC-32 of all before, u32
//! ```
//!
//! Numbers are little-endian. The header holds the progress of the training, a description of its
//! parts, and the length of each part.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use crate::checkpoint::part::{self, Part};
use crate::checkpoint::{CheckpointError, CheckpointProblem, Description, TrainingProgress};

const MAGIC: &[u8] = b"burn-mla checkpoint\n";
/// Raised with every change that a reader of another version would misread, and with every change of
/// the order of the data or the seeds of turns, on which an exact resume depends.
///
/// - 1: order and seeds by `StdRng` and `SliceRandom` of rand 0.10.
/// - 2: order by ChaCha12 and a shuffle of this crate.
/// - 3: id of the training, description of its parts, sources of the loader.
const FORMAT: u32 = 3;
const FIXED: usize = MAGIC.len() + 4 + 8;
const CHECKSUM: usize = 4;

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    crate_version: String,
    progress: TrainingProgress,
    description: Description,
    /// Bytes of model, optimizer and scheduler.
    parts: [u64; 3],
}

/// Writes a checkpoint of `progress` and the parts of model, optimizer and scheduler.
pub(super) fn write(
    progress: &TrainingProgress,
    description: &Description,
    parts: [&Part; 3],
    target: &mut impl Write,
) -> io::Result<()> {
    let header = serde_json::to_vec(&Header {
        crate_version: env!("CARGO_PKG_VERSION").to_string(),
        progress: progress.clone(),
        description: description.clone(),
        parts: parts.map(Part::len),
    })?;
    let mut target = Checksummed {
        target,
        checksum: crc32fast::Hasher::new(),
    };
    target.write_all(MAGIC)?;
    target.write_all(&FORMAT.to_le_bytes())?;
    target.write_all(&(header.len() as u64).to_le_bytes())?;
    target.write_all(&header)?;
    for part in parts {
        part.copy_to(&mut target)?;
    }
    let checksum = target.checksum.finalize();
    target.target.write_all(&checksum.to_le_bytes())
}

/// Writes to `target` and computes the checksum of what was written.
struct Checksummed<'a, W> {
    target: &'a mut W,
    checksum: crc32fast::Hasher,
}

impl<W: Write> Write for Checksummed<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.target.write(bytes)?;
        self.checksum.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}

/// Progress, description, then model, optimizer and scheduler.
pub(super) type Contents = (TrainingProgress, Description, [Part; 3]);

/// Opens a checkpoint. Its checksum is verified; its parts stay in the file until they are used.
pub(super) fn open(path: &Path) -> Result<Contents, CheckpointError> {
    let mut file = File::open(path).map_err(CheckpointError::io(path))?;
    let (header, parts) = decode(&mut file).map_err(|failure| failure.of(path))?;
    let file = Arc::new(Mutex::new(file));
    let parts = parts.map(|part| Part::new(file.clone(), part));
    Ok((header.progress, header.description, parts))
}

/// Reads the progress of a checkpoint, without a look at its parts and its checksum.
pub(super) fn peek(path: &Path) -> Result<TrainingProgress, CheckpointError> {
    let mut file = File::open(path).map_err(CheckpointError::io(path))?;
    let found = Start::read(&mut file).and_then(|start| Ok(start.header?));
    Ok(found.map_err(|failure| failure.of(path))?.progress)
}

#[derive(Debug)]
enum Failure {
    Io(io::Error),
    Problem(CheckpointProblem),
}

impl Failure {
    fn of(self, path: &Path) -> CheckpointError {
        match self {
            Self::Io(error) => CheckpointError::io(path)(error),
            Self::Problem(problem) => CheckpointError::unusable(path, problem),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<CheckpointProblem> for Failure {
    fn from(problem: CheckpointProblem) -> Self {
        Self::Problem(problem)
    }
}

/// Everything before the parts of a checkpoint.
struct Start {
    /// The header, or why it cannot be used.
    header: Result<Header, CheckpointProblem>,
    /// Checksum of all bytes so far.
    checksum: crc32fast::Hasher,
    /// Bytes until the parts.
    after_header: u64,
    /// Bytes of the parts.
    parts: u64,
}

impl Start {
    fn read(source: &mut (impl Read + Seek)) -> Result<Self, Failure> {
        let length = source.seek(SeekFrom::End(0))?;
        source.rewind()?;
        let truncated = |expected: u64| CheckpointProblem::Truncated {
            expected,
            got: length,
        };
        let mut fixed = Vec::with_capacity(FIXED);
        source.by_ref().take(FIXED as u64).read_to_end(&mut fixed)?;
        if !MAGIC.starts_with(&fixed[..fixed.len().min(MAGIC.len())]) {
            return Err(CheckpointProblem::Foreign.into());
        }
        let Some(numbers) = fixed.get(MAGIC.len()..FIXED) else {
            return Err(truncated((FIXED + CHECKSUM) as u64).into());
        };
        let (format, header_bytes) = numbers.split_at(4);
        let format = u32::from_le_bytes(format.try_into().expect("4 bytes"));
        check_format(format)?;
        let header_bytes = u64::from_le_bytes(header_bytes.try_into().expect("8 bytes"));
        let after_header = (FIXED as u64).saturating_add(header_bytes);
        let least = after_header.saturating_add(CHECKSUM as u64);
        if least > length {
            return Err(truncated(least).into());
        }
        let mut header = Vec::new();
        source
            .by_ref()
            .take(header_bytes)
            .read_to_end(&mut header)?;
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&fixed);
        checksum.update(&header);
        let header = serde_json::from_slice(&header).map_err(|error| unusable(error.to_string()));
        let header = header.and_then(Header::checked);
        if let Ok(header) = &header {
            let parts = header.parts.iter();
            let expected = parts.fold(least, |sum, &part| sum.saturating_add(part));
            if expected > length {
                return Err(truncated(expected).into());
            }
            if expected < length {
                return Err(CheckpointProblem::Corrupted.into());
            }
        }
        Ok(Self {
            header,
            checksum,
            after_header,
            parts: length - least,
        })
    }
}

impl Header {
    /// Checks the numbers of the header against each other.
    fn checked(self) -> Result<Self, CheckpointProblem> {
        self.progress.check()?;
        self.description.check().map_err(unusable)?;
        Ok(self)
    }
}

fn unusable(message: String) -> CheckpointProblem {
    CheckpointProblem::Mismatch {
        part: "header",
        message,
    }
}

/// Verifies a checkpoint and finds where its parts are.
fn decode(source: &mut (impl Read + Seek)) -> Result<(Header, [Range<u64>; 3]), Failure> {
    let mut start = Start::read(source)?;
    part::copy(&mut source.by_ref().take(start.parts), |chunk| {
        start.checksum.update(chunk);
        Ok(())
    })?;
    let mut expected = [0; CHECKSUM];
    source.read_exact(&mut expected)?;
    if start.checksum.finalize().to_le_bytes() != expected {
        return Err(CheckpointProblem::Corrupted.into());
    }
    let header = start.header?;
    let mut end = start.after_header;
    let parts = header.parts.map(|length| {
        let start = end;
        end += length;
        start..end
    });
    Ok((header, parts))
}

fn check_format(format: u32) -> Result<(), CheckpointProblem> {
    let known = FORMAT;
    if format > known {
        Err(CheckpointProblem::NewerFormat { format, known })
    } else if format < known {
        Err(CheckpointProblem::OlderFormat { format, known })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn progress() -> TrainingProgress {
        TrainingProgress {
            training: "a training".to_string(),
            ..TrainingProgress::new(7)
        }
    }

    fn example() -> Vec<u8> {
        let parts = [&b"model"[..], b"", b"scheduler"].map(Part::of_bytes);
        let mut bytes = vec![];
        let description = Description::default();
        write(&progress(), &description, parts.each_ref(), &mut bytes).unwrap();
        bytes
    }

    fn problem(bytes: &[u8]) -> CheckpointProblem {
        match decode(&mut Cursor::new(bytes)).unwrap_err() {
            Failure::Problem(problem) => problem,
            Failure::Io(error) => panic!("{error}"),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, example()).unwrap();
        assert_eq!(peek(&path).unwrap(), progress());
        let (read, description, parts) = open(&path).unwrap();
        assert_eq!(read, progress());
        assert_eq!(description, Description::default());
        std::fs::remove_file(&path).unwrap();
        let expected = [&b"model"[..], b"", b"scheduler"];
        assert_eq!(parts, expected.map(Part::of_bytes), "still readable");
    }

    #[test]
    fn a_file_cut_anywhere_is_truncated() {
        let whole = example();
        for length in 0..whole.len() {
            let problem = problem(&whole[..length]);
            assert!(
                matches!(problem, CheckpointProblem::Truncated { .. }),
                "{length}: {problem}"
            );
        }
    }

    #[test]
    fn no_flipped_bit_goes_unseen() {
        let whole = example();
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                let decoded = decode(&mut Cursor::new(flipped));
                assert!(decoded.is_err(), "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn numbers_that_cannot_be_are_refused() {
        let parts = [&b"model"[..], b"", b"scheduler"].map(Part::of_bytes);
        let mut bytes = vec![];
        let broken = TrainingProgress {
            epoch: 0,
            ..progress()
        };
        let description = Description::default();
        write(&broken, &description, parts.each_ref(), &mut bytes).unwrap();
        let problem = problem(&bytes).to_string();
        assert!(problem.contains("epoch 0"), "{problem}");
    }

    #[test]
    fn foreign_newer_and_longer_files_are_named() {
        assert_eq!(problem(b"PK\x03\x04"), CheckpointProblem::Foreign);
        let mut newer = example();
        newer[MAGIC.len()] = 9;
        let expected = CheckpointProblem::NewerFormat {
            format: 9,
            known: FORMAT,
        };
        assert_eq!(problem(&newer), expected);
        let mut older = example();
        older[MAGIC.len()] = 1;
        let expected = CheckpointProblem::OlderFormat {
            format: 1,
            known: FORMAT,
        };
        assert_eq!(problem(&older), expected);
        assert_eq!(
            expected.to_string(),
            "written by an older burn-mla: format 1, this one reads format 3"
        );
        let mut longer = example();
        longer.push(0);
        assert_eq!(problem(&longer), CheckpointProblem::Corrupted);
    }
}
