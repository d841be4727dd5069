//! The `.npy` format of NumPy, versions 1 to 3, without objects.

use super::{Features, convert, half, n_values};

pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// No array has more dimensions in NumPy.
const MAX_DIMENSIONS: usize = 64;

pub(super) fn parse(bytes: &[u8]) -> Result<Features, String> {
    let (header, data) = split(bytes).ok_or("the header is truncated")?;
    let header = std::str::from_utf8(header).map_err(|_| "the header is not text")?;
    let header = Header::parse(header).ok_or_else(|| format!("malformed header `{header}`"))?;
    if header.fortran_order {
        return Err("the array is in Fortran's order; save `numpy.ascontiguousarray` of it".into());
    }
    let n = n_values(&header.shape).ok_or("the shape is too large")?;
    let big = header.descr.starts_with('>');
    let order = |mut bytes: [u8; 8], size: usize| {
        if big {
            bytes[..size].reverse();
        }
        bytes
    };
    macro_rules! values {
        ($type:ty, $value:expr) => {{
            const SIZE: usize = size_of::<$type>();
            convert::<SIZE>(data, n, |bytes| {
                let mut whole = [0; 8];
                whole[..SIZE].copy_from_slice(&bytes);
                let whole = order(whole, SIZE);
                let mut bytes = [0; SIZE];
                bytes.copy_from_slice(&whole[..SIZE]);
                $value(<$type>::from_le_bytes(bytes))
            })?
        }};
    }
    let values = match &header.descr[1..] {
        "f2" => values!(u16, half),
        "f4" => values!(f32, |x| x),
        "f8" => values!(f64, |x| x as f32),
        "i1" => values!(i8, |x| x as f32),
        "i2" => values!(i16, |x| x as f32),
        "i4" => values!(i32, |x| x as f32),
        "i8" => values!(i64, |x| x as f32),
        "u1" | "b1" => values!(u8, |x| x as f32),
        "u2" => values!(u16, |x| x as f32),
        "u4" => values!(u32, |x| x as f32),
        "u8" => values!(u64, |x| x as f32),
        _ => return Err(format!("values of type `{}` are not numbers", header.descr)),
    };
    Ok(Features {
        shape: header.shape,
        values,
    })
}

/// The bytes of a file with 32-bit floats.
pub(super) fn bytes(features: &Features) -> Vec<u8> {
    let data = features.values.iter().flat_map(|value| value.to_le_bytes());
    array("<f4", &features.shape, data)
}

/// The bytes of a file of version 1 with little-endian values of the type `descr`.
pub(super) fn array(descr: &str, shape: &[usize], data: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut lengths: String = shape.iter().map(|n| format!("{n}, ")).collect();
    if shape.len() > 1 {
        lengths.truncate(lengths.len() - 2);
    }
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({lengths}), }}");
    // The data begin at a multiple of 64 bytes.
    let length = (MAGIC.len() + 4 + header.len() + 1).next_multiple_of(64) - MAGIC.len() - 4;
    let mut bytes = [MAGIC, &[1, 0], &(length as u16).to_le_bytes()].concat();
    bytes.extend(format!("{header:<width$}\n", width = length - 1).bytes());
    bytes.extend(data);
    bytes
}

/// The header and the data.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let bytes = bytes.strip_prefix(MAGIC)?;
    let (version, bytes) = bytes.split_first_chunk::<2>()?;
    let (length, bytes) = match version[0] {
        1 => {
            let (length, bytes) = bytes.split_first_chunk::<2>()?;
            (usize::from(u16::from_le_bytes(*length)), bytes)
        }
        2 | 3 => {
            let (length, bytes) = bytes.split_first_chunk::<4>()?;
            (u32::from_le_bytes(*length) as usize, bytes)
        }
        _ => return None,
    };
    bytes.split_at_checked(length)
}

/// A dictionary of Python with these three keys.
struct Header {
    descr: String,
    fortran_order: bool,
    shape: Vec<usize>,
}

impl Header {
    fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        while !rest.is_empty() {
            let (key, value) = quoted(rest)?;
            let value = value.trim_start().strip_prefix(':')?.trim_start();
            let after;
            match key {
                "descr" if descr.is_none() => {
                    let (found, end) = quoted(value)?;
                    let order = found.chars().next()?;
                    if !matches!(order, '<' | '>' | '|') || !found.is_ascii() {
                        return None;
                    }
                    descr = Some(found.to_string());
                    after = end;
                }
                "fortran_order" if fortran_order.is_none() => {
                    let is_true = value.strip_prefix("True");
                    fortran_order = Some(is_true.is_some());
                    after = is_true.or_else(|| value.strip_prefix("False"))?;
                }
                "shape" if shape.is_none() => {
                    let (lengths, end) = value.strip_prefix('(')?.split_once(')')?;
                    let lengths = lengths.trim().trim_end_matches(',');
                    let length = |length: &str| length.trim().parse::<usize>().ok();
                    let lengths: Option<Vec<usize>> = if lengths.is_empty() {
                        Some(vec![])
                    } else {
                        lengths.split(',').map(length).collect()
                    };
                    shape = lengths.filter(|lengths| lengths.len() <= MAX_DIMENSIONS);
                    shape.as_ref()?;
                    after = end;
                }
                _ => return None,
            }
            let after = after.trim_start();
            rest = after.strip_prefix(',').unwrap_or(after).trim_start();
            if !after.is_empty() && !after.starts_with(',') {
                return None;
            }
        }
        Some(Self {
            descr: descr?,
            fortran_order: fortran_order?,
            shape: shape?,
        })
    }
}

/// The text between quotes at the start, and what follows.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(quote)
}
