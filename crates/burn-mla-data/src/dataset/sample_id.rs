//! Identities of samples.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The identity of a sample: the same in every file, report and run, unlike its position.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct SampleId(Arc<str>);

impl SampleId {
    /// The identity as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for SampleId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl From<String> for SampleId {
    fn from(id: String) -> Self {
        Self(id.into())
    }
}

impl From<SampleId> for String {
    fn from(id: SampleId) -> Self {
        id.0.to_string()
    }
}

impl fmt::Display for SampleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
