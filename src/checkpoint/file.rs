//! The format of a checkpoint file.
//!
//! ```text
//! magic | format, u32 | bytes of the header, u64 | header, JSON | parts | CRC-32 of all before, u32
//! ```
//!
//! Numbers are little-endian. The header holds the progress of the training and the length of each
//! part.

use serde::{Deserialize, Serialize};

use crate::checkpoint::{CheckpointProblem, TrainingProgress};

const MAGIC: &[u8] = b"burn-mla checkpoint\n";
/// Raised with every change that a reader of another version would misread, and with every change of
/// the order of the data or the seeds of turns, on which an exact resume depends.
///
/// - 1: order and seeds by `StdRng` and `SliceRandom` of rand 0.10.
/// - 2: order by ChaCha12 and a shuffle of this crate.
const FORMAT: u32 = 2;
const FIXED: usize = MAGIC.len() + 4 + 8;
const CHECKSUM: usize = 4;

#[derive(Serialize, Deserialize)]
struct Header {
    crate_version: String,
    progress: TrainingProgress,
    /// Bytes of model, optimizer and scheduler.
    parts: [u64; 3],
}

/// What a file holds: progress, then the bytes of model, optimizer and scheduler.
pub(super) type Contents = (TrainingProgress, [Vec<u8>; 3]);

pub(super) fn encode(progress: &TrainingProgress, parts: [&[u8]; 3]) -> Vec<u8> {
    let header = Header {
        crate_version: env!("CARGO_PKG_VERSION").to_string(),
        progress: progress.clone(),
        parts: parts.map(|part| part.len() as u64),
    };
    let header = serde_json::to_vec(&header).expect("the header has string keys only");
    let mut bytes = Vec::with_capacity(
        FIXED + header.len() + parts.iter().map(|part| part.len()).sum::<usize>() + CHECKSUM,
    );
    bytes.extend(MAGIC);
    bytes.extend(FORMAT.to_le_bytes());
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header);
    for part in parts {
        bytes.extend(part);
    }
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

pub(super) fn decode(bytes: &[u8]) -> Result<Contents, CheckpointProblem> {
    let truncated = |expected: u64| CheckpointProblem::Truncated {
        expected,
        got: bytes.len() as u64,
    };
    let start = &bytes[..bytes.len().min(MAGIC.len())];
    if !MAGIC.starts_with(start) {
        return Err(CheckpointProblem::Foreign);
    }
    let Some(numbers) = bytes.get(MAGIC.len()..FIXED) else {
        return Err(truncated((FIXED + CHECKSUM) as u64));
    };
    let (format, header_bytes) = numbers.split_at(4);
    let format = u32::from_le_bytes(format.try_into().expect("4 bytes"));
    if format > FORMAT {
        return Err(CheckpointProblem::NewerFormat {
            format,
            known: FORMAT,
        });
    }
    if format < FORMAT {
        return Err(CheckpointProblem::OlderFormat {
            format,
            known: FORMAT,
        });
    }
    let header_bytes = u64::from_le_bytes(header_bytes.try_into().expect("8 bytes"));
    let after_header = (FIXED as u64).saturating_add(header_bytes);
    if after_header.saturating_add(CHECKSUM as u64) > bytes.len() as u64 {
        return Err(truncated(after_header.saturating_add(CHECKSUM as u64)));
    }
    let after_header = after_header as usize;
    let header: Result<Header, _> = serde_json::from_slice(&bytes[FIXED..after_header]);
    if let Ok(header) = &header {
        let parts = header
            .parts
            .iter()
            .fold(0, |sum: u64, &n| sum.saturating_add(n));
        let expected = (after_header + CHECKSUM) as u64;
        let expected = expected.saturating_add(parts);
        if expected > bytes.len() as u64 {
            return Err(truncated(expected));
        }
        if expected < bytes.len() as u64 {
            return Err(CheckpointProblem::Corrupted);
        }
    }
    let (contents, checksum) = bytes.split_at(bytes.len() - CHECKSUM);
    if crc32fast::hash(contents).to_le_bytes() != *checksum {
        return Err(CheckpointProblem::Corrupted);
    }
    let header = header.map_err(|error| CheckpointProblem::Mismatch {
        part: "header",
        message: error.to_string(),
    })?;
    let mut rest = &contents[after_header..];
    let parts = header.parts.map(|length| {
        let (part, after) = rest.split_at(length as usize);
        rest = after;
        part.to_vec()
    });
    Ok((header.progress, parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Vec<u8> {
        let progress = TrainingProgress::new(7);
        encode(&progress, [b"model", b"", b"scheduler"])
    }

    #[test]
    fn what_is_written_is_read() {
        let (progress, parts) = decode(&example()).unwrap();
        assert_eq!(progress, TrainingProgress::new(7));
        assert_eq!(parts, [b"model".to_vec(), vec![], b"scheduler".to_vec()]);
    }

    #[test]
    fn a_file_cut_anywhere_is_truncated() {
        let whole = example();
        for length in 0..whole.len() {
            let problem = decode(&whole[..length]).unwrap_err();
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
                assert!(decode(&flipped).is_err(), "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn foreign_newer_and_longer_files_are_named() {
        assert_eq!(
            decode(b"PK\x03\x04").unwrap_err(),
            CheckpointProblem::Foreign
        );
        let mut newer = example();
        newer[MAGIC.len()] = 9;
        let expected = CheckpointProblem::NewerFormat {
            format: 9,
            known: FORMAT,
        };
        assert_eq!(decode(&newer).unwrap_err(), expected);
        let mut older = example();
        older[MAGIC.len()] = 1;
        let problem = decode(&older).unwrap_err();
        let expected = CheckpointProblem::OlderFormat {
            format: 1,
            known: FORMAT,
        };
        assert_eq!(problem, expected);
        assert_eq!(
            problem.to_string(),
            "written by an older burn-mla: format 1, this one reads format 2"
        );
        let mut longer = example();
        longer.push(0);
        assert_eq!(decode(&longer).unwrap_err(), CheckpointProblem::Corrupted);
    }
}
