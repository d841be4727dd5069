//! The modalities of the emoji data set.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::DataError;

/// A modality of the emoji data set.
///
/// Its name on a command line and in reports is in kebab case (`label-de`), through
/// [`name`](Self::name), `Display` and `FromStr`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Modality {
    /// Image in Microsoft's Fluent style, 32x32 RGB.
    Fluent,
    /// Image in Google's Noto style, 32x32 RGB.
    Noto,
    /// Fluent image reduced to 8x8 grey levels.
    Gray8,
    /// English name.
    Label,
    /// English keywords.
    Tags,
    /// German name.
    LabelDe,
}

impl Modality {
    /// Every modality.
    pub const ALL: [Self; 6] = [
        Self::Fluent,
        Self::Noto,
        Self::Gray8,
        Self::Label,
        Self::Tags,
        Self::LabelDe,
    ];

    /// The text modalities.
    pub const TEXTS: [Self; 3] = [Self::Label, Self::Tags, Self::LabelDe];

    /// Returns the name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fluent => "fluent",
            Self::Noto => "noto",
            Self::Gray8 => "gray8",
            Self::Label => "label",
            Self::Tags => "tags",
            Self::LabelDe => "label-de",
        }
    }

    /// Returns whether the modality is a text.
    pub fn is_text(self) -> bool {
        Self::TEXTS.contains(&self)
    }
}

impl fmt::Display for Modality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Modality {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        let found = Self::ALL
            .into_iter()
            .find(|modality| modality.name() == text);
        found.ok_or_else(|| DataError::UnknownModality {
            name: text.to_string(),
            known: Self::ALL.map(Self::name).join(", "),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back() {
        for modality in Modality::ALL {
            assert_eq!(modality.to_string().parse(), Ok(modality));
        }
        let error = "fluet".parse::<Modality>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown modality `fluet`: expected one of fluent, noto, gray8, label, tags, label-de"
        );
    }
}
