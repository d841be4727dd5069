//! Reading of SafeTensors files, one tensor at a time.
//!
//! Burn's store maps the file into memory. Its pages then count as memory of the process, beside the
//! parameters.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use burn::store::bridge;
use burn::store::burn_pack::{self, Tensor};
use burn::tensor::{BoolStore, DType, Shape, TensorData};
use safetensors::tensor::{Dtype, Metadata};

/// The largest header that is read, in bytes, as in the `safetensors` crate.
const LARGEST_HEADER: u64 = 100_000_000;

/// Returns the tensors of a file by name. Their data is read on demand.
pub(super) fn tensors(path: &Path) -> Result<Vec<Tensor>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut size = [0; 8];
    file.read_exact(&mut size)?;
    let size = u64::from_le_bytes(size);
    if size > LARGEST_HEADER.min(length.saturating_sub(8)) {
        return Err(invalid(format!("a header of {size} bytes in {length}")));
    }
    let mut header = vec![0; size as usize];
    file.read_exact(&mut header)?;
    let header: Metadata = serde_json::from_slice(&header)?;
    let start = 8 + size;
    let expected = start + header.data_len() as u64;
    if length != expected {
        return Err(invalid(format!("{length} bytes, expected {expected}")));
    }
    let file = Arc::new(Mutex::new(file));
    let tensors = header.tensors().into_iter().map(|(name, tensor)| {
        let Some(dtype) = dtype(tensor.dtype) else {
            return Err(invalid(format!("{name} of type {:?}", tensor.dtype)));
        };
        let (from, to) = tensor.data_offsets;
        let (shape, file) = (Shape::from(tensor.shape.clone()), file.clone());
        let declared = shape.clone();
        Ok(bridge::deferred(name, dtype, shape, None, move || {
            let mut bytes = Vec::with_capacity(to - from);
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            let place = SeekFrom::Start(start + from as u64);
            file.seek(place)
                .and_then(|_| {
                    file.by_ref()
                        .take((to - from) as u64)
                        .read_to_end(&mut bytes)
                })
                .map_err(|error| burn_pack::Error::IoError(error.to_string()))?;
            if bytes.len() != to - from {
                let problem = format!("{} of {} bytes", bytes.len(), to - from);
                return Err(burn_pack::Error::IoError(problem));
            }
            Ok(TensorData::from_bytes_vec(bytes, declared.clone(), dtype))
        }))
    });
    tensors.collect()
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidData, message)
}

/// Burn's name of a type, if it has it.
fn dtype(dtype: Dtype) -> Option<DType> {
    Some(match dtype {
        Dtype::F64 => DType::F64,
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::BF16,
        Dtype::I64 => DType::I64,
        Dtype::I32 => DType::I32,
        Dtype::I16 => DType::I16,
        Dtype::I8 => DType::I8,
        Dtype::U64 => DType::U64,
        Dtype::U32 => DType::U32,
        Dtype::U8 => DType::U8,
        Dtype::BOOL => DType::Bool(BoolStore::Native),
        _ => return None,
    })
}
