//! Tensors in the SafeTensors format.

use safetensors::{Dtype, SafeTensors};

use super::{Features, convert, half, n_values};

pub(super) fn parse(bytes: &[u8], name: Option<&str>) -> Result<Features, String> {
    // The header is checked against the length of the file.
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| format!("neither `.npy` nor `.safetensors`: {error}"))?;
    let names = file.names();
    let name = match (name, &names[..]) {
        (Some(name), _) => name,
        (None, [only]) => only,
        (None, _) => {
            let mut names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
            names.sort_unstable();
            let names = names.join(", ");
            return Err(format!(
                "one tensor must be named, of those in the file: {names}"
            ));
        }
    };
    let tensor = file.tensor(name).map_err(|error| error.to_string())?;
    let data = tensor.data();
    let shape = tensor.shape().to_vec();
    let n = n_values(&shape).ok_or("the shape is too large")?;
    let values = match tensor.dtype() {
        Dtype::F16 => convert(data, n, |b| half(u16::from_le_bytes(b)))?,
        Dtype::BF16 => convert(data, n, |b| {
            f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)
        })?,
        Dtype::F32 => convert(data, n, f32::from_le_bytes)?,
        Dtype::F64 => convert(data, n, |b| f64::from_le_bytes(b) as f32)?,
        Dtype::I8 => convert(data, n, |b| i8::from_le_bytes(b) as f32)?,
        Dtype::I16 => convert(data, n, |b| i16::from_le_bytes(b) as f32)?,
        Dtype::I32 => convert(data, n, |b| i32::from_le_bytes(b) as f32)?,
        Dtype::I64 => convert(data, n, |b| i64::from_le_bytes(b) as f32)?,
        Dtype::U8 | Dtype::BOOL => convert(data, n, |b| u8::from_le_bytes(b) as f32)?,
        Dtype::U16 => convert(data, n, |b| u16::from_le_bytes(b) as f32)?,
        Dtype::U32 => convert(data, n, |b| u32::from_le_bytes(b) as f32)?,
        Dtype::U64 => convert(data, n, |b| u64::from_le_bytes(b) as f32)?,
        other => return Err(format!("values of type {other:?} are not read")),
    };
    Ok(Features { shape, values })
}
