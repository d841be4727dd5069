//! The file of a part of the features.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};

use burn::tensor::f16;
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use serde::{Deserialize, Serialize};

use super::description::Precision;
use super::{CacheError, digest};

/// Name of the tensor.
const FEATURES: &str = "features";
/// Key of the metadata.
const ABOUT: &str = "burn-mla-feature-cache";
const DAMAGED: &str = "damaged: remove the file to compute it again";

/// A part of the features, in a file of its own.
pub(super) struct Shard {
    pub(super) path: PathBuf,
    pub(super) rows: Range<usize>,
    pub(super) d_feature: usize,
    pub(super) precision: Precision,
    /// Hash of the description of the cache.
    pub(super) cache: String,
}

/// The identity of a shard, in its metadata.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct About {
    cache: String,
    first_row: usize,
    values: String,
}

impl Shard {
    pub(super) fn name(number: usize) -> String {
        format!("features-{number:05}.safetensors")
    }

    /// Encodes features, `[rows, d_feature]` in row-major order, as the bytes of the file.
    ///
    /// # Errors
    ///
    /// The row of a value that is not finite in the precision of the file.
    pub(super) fn encode(&self, values: &[f32]) -> Result<Vec<u8>, NotEncoded> {
        let not_finite = |at: usize| NotEncoded::Row(self.rows.start + at / self.d_feature);
        let mut bytes = Vec::with_capacity(values.len() * self.width());
        for (at, &value) in values.iter().enumerate() {
            let finite = match self.precision {
                Precision::F32 => {
                    bytes.extend(value.to_le_bytes());
                    value.is_finite()
                }
                Precision::F16 => {
                    let value = f16::from_f32(value);
                    bytes.extend(value.to_le_bytes());
                    value.is_finite()
                }
            };
            if !finite {
                return Err(not_finite(at));
            }
        }
        let about = About {
            cache: self.cache.clone(),
            first_row: self.rows.start,
            values: digest::of_bytes(&bytes),
        };
        let format = |error: &dyn std::fmt::Display| NotEncoded::Format(error.to_string());
        let about = serde_json::to_string(&about).map_err(|error| format(&error))?;
        let shape = vec![self.rows.len(), self.d_feature];
        let view = TensorView::new(self.dtype(), shape, &bytes).map_err(|error| format(&error))?;
        let metadata = HashMap::from([(ABOUT.to_string(), about)]);
        serialize([(FEATURES, view)], Some(metadata)).map_err(|error| format(&error))
    }

    /// Reads the features; `None` without a file.
    pub(super) fn read(&self) -> Result<Option<Vec<f32>>, CacheError> {
        match std::fs::read(&self.path) {
            Ok(bytes) => self.decode(&bytes).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(CacheError::io(&self.path)(error)),
        }
    }

    fn decode(&self, bytes: &[u8]) -> Result<Vec<f32>, CacheError> {
        let unusable = |problem: &str| CacheError::unusable(&self.path, problem);
        let damaged = |_| unusable(DAMAGED);
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let about = metadata.metadata().as_ref().and_then(|all| all.get(ABOUT));
        let about = about.ok_or_else(|| unusable("not a shard of a feature cache"))?;
        let about: About = serde_json::from_str(about).map_err(|_| unusable(DAMAGED))?;
        let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let view = file.tensor(FEATURES).map_err(damaged)?;
        if about.cache != self.cache || about.first_row != self.rows.start {
            return Err(unusable(
                "a shard of another feature cache: choose another directory or remove the file",
            ));
        }
        let shape = [self.rows.len(), self.d_feature];
        if view.shape() != shape
            || view.dtype() != self.dtype()
            || about.values != digest::of_bytes(view.data())
        {
            return Err(unusable(DAMAGED));
        }
        Ok(match self.precision {
            Precision::F32 => numbers(view.data(), f32::from_le_bytes),
            Precision::F16 => numbers(view.data(), |bytes| f16::from_le_bytes(bytes).to_f32()),
        })
    }

    fn dtype(&self) -> Dtype {
        match self.precision {
            Precision::F32 => Dtype::F32,
            Precision::F16 => Dtype::F16,
        }
    }

    /// Bytes of a value.
    fn width(&self) -> usize {
        match self.precision {
            Precision::F32 => 4,
            Precision::F16 => 2,
        }
    }
}

/// Why features have no file.
pub(super) enum NotEncoded {
    /// A row with a value that is not finite.
    Row(usize),
    /// A message of the format.
    Format(String),
}

fn numbers<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let (chunks, _) = bytes.as_chunks::<N>();
    chunks.iter().map(|&chunk| number(chunk)).collect()
}

/// Returns the path of a shard.
pub(super) fn path(directory: &Path, number: usize) -> PathBuf {
    directory.join(Shard::name(number))
}
