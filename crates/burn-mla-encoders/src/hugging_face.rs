//! The `config.json` of a model directory in the layout of Hugging Face.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::FileError;

/// An error in reading a `config.json`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HuggingFaceError {
    /// A file that cannot be read, or that is not a JSON object.
    #[error(transparent)]
    File(#[from] FileError),
    /// A key that the file lacks.
    #[error("{}: `{key}` is missing", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
    },
    /// A value that the encoder does not support.
    #[error("{}: `{key}` is {found}, expected {expected}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// The value in the file, as JSON.
        found: String,
        /// The supported values.
        expected: &'static str,
    },
}

/// A JSON object in a file, or one of its list, whose values are read by key.
pub(crate) struct JsonFile {
    path: PathBuf,
    values: serde_json::Map<String, Value>,
}

impl JsonFile {
    pub(crate) fn read(path: &Path) -> Result<Self, HuggingFaceError> {
        Ok(Self {
            values: parse(path)?,
            path: path.to_path_buf(),
        })
    }

    /// Reads a list of objects.
    pub(crate) fn read_list(path: &Path) -> Result<Vec<Self>, HuggingFaceError> {
        let list: Vec<serde_json::Map<String, Value>> = parse(path)?;
        let objects = list.into_iter().map(|values| Self {
            path: path.to_path_buf(),
            values,
        });
        Ok(objects.collect())
    }

    /// Returns the object under a key, empty if the key is missing or null.
    pub(crate) fn object(&self, key: &'static str) -> Result<Self, HuggingFaceError> {
        let values = match self.get(key) {
            None => serde_json::Map::new(),
            Some(Value::Object(values)) => values.clone(),
            Some(_) => return Err(self.unsupported(key, "an object")),
        };
        Ok(Self {
            path: self.path.clone(),
            values,
        })
    }

    /// Returns a value; `None` for a key that is missing or null.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key).filter(|value| !value.is_null())
    }

    /// Returns the value of a required key, by a function that is `None` for what is not supported.
    pub(crate) fn required<'a, T>(
        &'a self,
        key: &'static str,
        expected: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<T, HuggingFaceError> {
        match self.get(key) {
            Some(value) => read(value).ok_or_else(|| self.unsupported(key, expected)),
            None => Err(HuggingFaceError::Missing {
                path: self.path.clone(),
                key,
            }),
        }
    }

    pub(crate) fn count(&self, key: &'static str) -> Result<usize, HuggingFaceError> {
        let read = |value: &Value| usize::try_from(value.as_u64()?).ok();
        self.required(key, "a whole number", read)
    }

    pub(crate) fn number(&self, key: &'static str) -> Result<f64, HuggingFaceError> {
        self.required(key, "a number", Value::as_f64)
    }

    /// Refuses a value for which `supported` is false; a missing key is accepted.
    pub(crate) fn optional(
        &self,
        key: &'static str,
        expected: &'static str,
        supported: impl FnOnce(&Value) -> bool,
    ) -> Result<(), HuggingFaceError> {
        if self.get(key).is_none_or(supported) {
            Ok(())
        } else {
            Err(self.unsupported(key, expected))
        }
    }

    pub(crate) fn unsupported(
        &self,
        key: &'static str,
        expected: &'static str,
    ) -> HuggingFaceError {
        HuggingFaceError::Unsupported {
            path: self.path.clone(),
            key,
            found: self
                .values
                .get(key)
                .map_or("absent".into(), Value::to_string),
            expected,
        }
    }
}

fn parse<T: DeserializeOwned>(path: &Path) -> Result<T, HuggingFaceError> {
    let file = |message: String| FileError {
        path: path.to_path_buf(),
        message,
    };
    let text = std::fs::read_to_string(path).map_err(|error| file(error.to_string()))?;
    Ok(serde_json::from_str(&text).map_err(|error| file(error.to_string()))?)
}
