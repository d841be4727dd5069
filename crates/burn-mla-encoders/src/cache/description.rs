//! Encoder, data and precision of a cache, in a file beside its features.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use burn_mla::atomic_file;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{CacheError, DataManifest, digest};

const FORMAT: &str = "burn-mla feature cache";
const VERSION: u64 = 1;

/// The encoder, its weights, the data and the form of the features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Description {
    format: String,
    version: u64,
    pub(super) encoder: EncoderDescription,
    pub(super) precision: Precision,
    pub(super) data: DataManifest,
    /// Rows of a shard. Only this value is that of the cache where it differs from what is given.
    pub(super) shard_rows: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct EncoderDescription {
    pub(super) name: String,
    pub(super) configuration: Value,
    pub(super) weights: String,
    pub(super) d_feature: usize,
}

/// The precision of stored features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Precision {
    F32,
    F16,
}

impl Description {
    pub(super) fn new(
        encoder: EncoderDescription,
        precision: Precision,
        data: DataManifest,
        shard_rows: usize,
    ) -> Self {
        Self {
            format: FORMAT.to_string(),
            version: VERSION,
            encoder,
            precision,
            data,
            shard_rows,
        }
    }

    pub(super) fn path(directory: &Path) -> PathBuf {
        directory.join("cache.json")
    }

    /// Returns the description in the directory, which is written if there is none and must otherwise
    /// be equal.
    pub(super) fn enter(self, directory: &Path) -> Result<Self, CacheError> {
        let path = Self::path(directory);
        let given = serde_json::to_value(&self).map_err(|error| CacheError::Configuration {
            message: error.to_string(),
        })?;
        let text = format!("{given:#}\n");
        atomic_file::write_new(&path, text.as_bytes()).map_err(CacheError::io(&path))?;
        // What is there may be of a process that came first.
        let cached = read(&path)?;
        let mut given = given;
        given["shard_rows"] = cached["shard_rows"].clone();
        if let Some((at, cached, given)) = difference("", &cached, &given) {
            return Err(CacheError::Differs {
                path,
                at,
                cached,
                given,
            });
        }
        let found: Self = serde_json::from_value(cached)
            .map_err(|error| CacheError::unusable(&path, error.to_string()))?;
        if found.shard_rows == 0 {
            return Err(CacheError::unusable(&path, "`shard_rows` is 0"));
        }
        Ok(found)
    }

    /// Returns a hash of the description, which each shard repeats.
    pub(super) fn digest(&self) -> Result<String, CacheError> {
        let bytes = serde_json::to_vec(self).map_err(|error| CacheError::Configuration {
            message: error.to_string(),
        })?;
        Ok(digest::of_bytes(&bytes))
    }
}

fn read(path: &Path) -> Result<Value, CacheError> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(CacheError::unusable(path, "was removed by another process"));
        }
        read => read.map_err(CacheError::io(path))?,
    };
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|error| CacheError::unusable(path, format!("not a feature cache: {error}")))?;
    if value["format"] != FORMAT {
        return Err(CacheError::unusable(path, "not a feature cache"));
    }
    if value["version"] != VERSION {
        let problem = format!(
            "version {} of a feature cache; this version of burn-mla-encoders reads {VERSION}",
            value["version"]
        );
        return Err(CacheError::unusable(path, problem));
    }
    Ok(value)
}

/// Returns the path of the first difference and both values, the cached one first.
fn difference(at: &str, cached: &Value, given: &Value) -> Option<(String, String, String)> {
    match (cached, given) {
        (Value::Object(left), Value::Object(right)) => {
            let keys = left.keys().chain(right.keys());
            keys.filter(|key| left.get(*key) != right.get(*key))
                .find_map(|key| {
                    let dot = if at.is_empty() { "" } else { "." };
                    difference(&format!("{at}{dot}{key}"), &cached[key], &given[key])
                })
        }
        (Value::Array(left), Value::Array(right)) => {
            let mut pairs = left.iter().zip(right).enumerate();
            let found =
                pairs.find_map(|(i, (left, right))| difference(&format!("{at}[{i}]"), left, right));
            found.or_else(|| {
                let lengths = (left.len(), right.len());
                (lengths.0 != lengths.1).then(|| {
                    let at = format!("length of {at}");
                    (at, lengths.0.to_string(), lengths.1.to_string())
                })
            })
        }
        _ => (cached != given).then(|| (at.to_string(), cached.to_string(), given.to_string())),
    }
}
