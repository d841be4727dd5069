use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What is known of an emoji.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Modality {
    /// Image, 32x32 RGB, in Microsoft's Fluent style
    Fluent,
    /// Image, 32x32 RGB, in Google's Noto style
    Noto,
    /// The Fluent image shrunk to 8x8 grey levels
    Gray8,
    /// The English name
    Label,
    /// English keywords
    Tags,
    /// The German name
    LabelDe,
}

impl Modality {
    /// The name used on the command line and in reports.
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

    /// Whether it is a text.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Label | Self::Tags | Self::LabelDe)
    }
}
