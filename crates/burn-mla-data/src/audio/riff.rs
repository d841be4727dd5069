//! The chunks of a WAV file: a header may claim more than the file holds.

use super::error::{AudioError, Result};
use crate::ContentType;

/// Length of a data chunk whose writer did not know it, such as a pipe.
const UNKNOWN_LENGTH: u32 = u32::MAX;

/// Checks that the chunks up to the data chunk lie within the file, before anything is allocated for them.
pub(super) fn check_chunks(bytes: &[u8]) -> Result<()> {
    let mut rest = bytes.get(12..).unwrap_or(&[]);
    while let Some(([id @ .., a, b, c, d], content)) = rest.split_first_chunk::<8>() {
        let length = u32::from_le_bytes([*a, *b, *c, *d]);
        let is_data = id == b"data";
        if is_data && length == 0 {
            return Err(AudioError::NoSamples);
        }
        if is_data && length == UNKNOWN_LENGTH {
            return Ok(());
        }
        if length as usize > content.len() {
            return Err(AudioError::Truncated {
                content: ContentType::Wav,
                unit: if is_data {
                    "bytes of samples"
                } else {
                    "bytes of a header"
                },
                declared: length.into(),
                found: content.len() as u64,
            });
        }
        if is_data {
            return Ok(());
        }
        // Chunks begin at even offsets.
        let next = (length as usize).next_multiple_of(2);
        rest = content.get(next..).unwrap_or(&[]);
    }
    Err(AudioError::NoTrack {
        content: ContentType::Wav,
    })
}
