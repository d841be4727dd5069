//! The sets: emoji modalities and views of digits.

use std::error::Error;

use burn::tensor::Device;
use burn_mla::modality::{MissingRate, Presence};
use burn_mla_data::dataset::emoji::{EncoderSizes, Modality};
use burn_mla_data::dataset::mfeat::MfeatView;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::ahead::cell::{Group, Key, Outcome};
use crate::ahead::run;
use crate::sets::{Modalities, Sources};

/// A set of modalities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataName {
    FluentLabel,
    FluentTags,
    NotoLabelDe,
    FluentLabelTags,
    MorPix,
    FouMorZer,
    SixViews,
    /// For a quick run.
    Thumbnails,
}

impl DataName {
    /// The sets of the search.
    pub const CHOOSE: [Self; 2] = [Self::FluentLabel, Self::FluentTags];

    /// The sets of the tables.
    pub const CONFIRM: [Self; 7] = [
        Self::FluentLabel,
        Self::FluentTags,
        Self::NotoLabelDe,
        Self::FluentLabelTags,
        Self::MorPix,
        Self::FouMorZer,
        Self::SixViews,
    ];

    pub fn modalities(self) -> Modalities {
        use Modalities::{Digits, Emoji};
        match self {
            Self::FluentLabel => Emoji(&[Modality::Fluent, Modality::Label]),
            Self::FluentTags => Emoji(&[Modality::Fluent, Modality::Tags]),
            Self::NotoLabelDe => Emoji(&[Modality::Noto, Modality::LabelDe]),
            Self::FluentLabelTags => Emoji(&[Modality::Fluent, Modality::Label, Modality::Tags]),
            Self::Thumbnails => Emoji(&[Modality::Gray8, Modality::Label, Modality::LabelDe]),
            Self::MorPix => Digits(&[MfeatView::Mor, MfeatView::Pix]),
            Self::FouMorZer => Digits(&[MfeatView::Fou, MfeatView::Mor, MfeatView::Zer]),
            Self::SixViews => Digits(&MfeatView::ALL),
        }
    }

    pub fn name(self) -> String {
        self.modalities().names().join("+")
    }
}

/// Sizes of the encoders of emoji: those of the comparison of all methods.
pub fn sizes() -> EncoderSizes {
    EncoderSizes {
        d_feature: 128,
        d_text: 4096,
        text_hidden: 128,
        stages: vec![16, 32, 64],
        dropout: 0.1,
        text_input_dropout: 0.5,
    }
}

/// Trains and scores a method.
pub fn outcome(sources: &Sources, key: &Key, device: &Device) -> Result<Outcome, Box<dyn Error>> {
    let (group, modalities) = (key.group, key.group.data.modalities());
    let n_samples = sources.n_samples(modalities)?;
    let presence = mask(&group, n_samples, modalities.names().len())?;
    match modalities {
        Modalities::Emoji(all) => {
            run::outcome(&sources.emoji(all, group.seed, presence)?, key, device)
        }
        Modalities::Digits(all) => {
            run::outcome(&sources.digits(all, group.seed, presence)?, key, device)
        }
    }
}

/// The mask of a group; `None` if nothing is missing.
fn mask(group: &Group, n: usize, n_modalities: usize) -> burn_mla::Result<Option<Presence>> {
    if group.rate == 0.0 {
        return Ok(None);
    }
    let rate = MissingRate::new(group.rate, group.seed)?;
    rate.presence("all", n, n_modalities).map(Some)
}
