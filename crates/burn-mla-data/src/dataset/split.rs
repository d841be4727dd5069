//! The parts of a data set.

use serde::{Deserialize, Serialize};

/// A part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Samples to train on.
    Train,
    /// Samples to select models and settings on.
    Valid,
    /// Samples to score once.
    Test,
}
