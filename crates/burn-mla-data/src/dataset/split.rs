//! The parts of a data set.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::DataError;

/// A part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Samples to train on.
    Train,
    /// Samples to select models and settings on.
    Valid,
    /// Samples to score once.
    Test,
}

impl Split {
    /// Every split.
    pub const ALL: [Self; 3] = [Self::Train, Self::Valid, Self::Test];

    /// Returns the name in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// From its name; `val`, `validation` and `dev` are [`Split::Valid`], as published lists have it.
impl FromStr for Split {
    type Err = DataError;

    fn from_str(name: &str) -> Result<Self, DataError> {
        match name {
            "train" => Ok(Self::Train),
            "valid" | "val" | "validation" | "dev" => Ok(Self::Valid),
            "test" => Ok(Self::Test),
            _ => Err(DataError::UnknownSplit {
                name: name.to_string(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back() {
        for split in Split::ALL {
            assert_eq!(split.to_string().parse(), Ok(split));
        }
        assert_eq!("dev".parse(), Ok(Split::Valid));
        let error = "tests".parse::<Split>().unwrap_err().to_string();
        assert_eq!(
            error,
            "unknown split `tests`: expected train, valid or test"
        );
    }
}
