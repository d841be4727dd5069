//! The chunks of a WAV file: a header may claim more than the file holds.

use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use super::error::{AudioError, Result};
use crate::ContentType;

/// Length of a data chunk whose writer did not know it, such as a pipe.
const UNKNOWN_LENGTH: u32 = u32::MAX;
/// Channels of the widest file that is read.
const MAX_CHANNELS: u16 = 64;

/// Returns a WAV file with the format and the samples of another, and nothing else.
///
/// Lengths are checked before anything is allocated for them. Other chunks, such as lists of tags, are not parsed, and
/// the length of the whole file, which many writers get wrong, does not matter.
pub(super) fn essential(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut rest = bytes.get(12..).unwrap_or(&[]);
    let mut format = None;
    while let Some(([id @ .., a, b, c, d], content)) = rest.split_first_chunk::<8>() {
        let length = u32::from_le_bytes([*a, *b, *c, *d]);
        let is_data = id == b"data";
        if is_data && length == 0 {
            return Err(AudioError::NoSamples);
        }
        let length = match length {
            UNKNOWN_LENGTH if is_data => content.len(),
            _ => length as usize,
        };
        let Some(chunk) = content.get(..length) else {
            return Err(AudioError::Truncated {
                content: ContentType::Wav,
                unit: if is_data {
                    "bytes of samples"
                } else {
                    "bytes of a header"
                },
                declared: length as u64,
                found: content.len() as u64,
            });
        };
        match (id, format) {
            (b"fmt ", _) => format = Some(check_format(chunk)?),
            (b"data", Some(format)) => return Ok(file(format, chunk)),
            _ => {}
        }
        // Chunks begin at even offsets.
        rest = content.get(length.next_multiple_of(2)..).unwrap_or(&[]);
    }
    Err(AudioError::NoTrack {
        content: ContentType::Wav,
    })
}

/// Returns the duration of a WAV file by its format and the length of its samples, without reading them; `None`
/// for one without either.
pub(super) fn duration(file: &mut (impl Read + Seek)) -> Result<Option<Duration>> {
    let end = file.seek(SeekFrom::End(0))?;
    let mut at = file.seek(SeekFrom::Start(12))?;
    let mut bytes_per_second = None;
    let mut header = [0; 8];
    while at.saturating_add(8) <= end {
        file.read_exact(&mut header)?;
        let [id @ .., a, b, c, d] = header;
        let left = end - at - 8;
        let length = u64::from(u32::from_le_bytes([a, b, c, d])).min(left);
        match (&id, bytes_per_second) {
            (b"fmt ", _) if length >= 12 => {
                let mut format = [0; 12];
                file.read_exact(&mut format)?;
                let [.., a, b, c, d] = format;
                bytes_per_second = Some(u32::from_le_bytes([a, b, c, d]));
            }
            (b"data", Some(rate)) if rate > 0 => {
                let seconds = length as f64 / f64::from(rate);
                return Ok(Duration::try_from_secs_f64(seconds).ok());
            }
            _ => {}
        }
        at = file.seek(SeekFrom::Start(at + 8 + length.next_multiple_of(2)))?;
    }
    Ok(None)
}

/// Channels and bits are multiplied by the decoder.
fn check_format(chunk: &[u8]) -> Result<&[u8]> {
    match chunk {
        [_, _, low, high, ..]
            if (1..=MAX_CHANNELS).contains(&u16::from_le_bytes([*low, *high])) =>
        {
            Ok(chunk)
        }
        _ => Err(AudioError::Malformed {
            content: ContentType::Wav,
            n_frames: 0,
            source: format!("a format without 1 to {MAX_CHANNELS} channels").into(),
        }),
    }
}

fn file(format: &[u8], data: &[u8]) -> Vec<u8> {
    let mut file = Vec::with_capacity(28 + format.len() + data.len());
    file.extend(b"RIFF\xff\xff\xff\xffWAVE");
    for (id, content) in [(b"fmt ", format), (b"data", data)] {
        file.extend(id);
        file.extend((content.len() as u32).to_le_bytes());
        file.extend(content);
        file.resize(file.len().next_multiple_of(2), 0);
    }
    file
}
