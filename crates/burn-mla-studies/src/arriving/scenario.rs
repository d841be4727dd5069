//! The scenarios: which modalities are trained first, and which arrive later, one by one.

use std::error::Error;
use std::ops::Range;

use burn::tensor::Device;
use burn_mla_data::dataset::emoji::Modality;
use burn_mla_data::dataset::mfeat::MfeatView;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::arriving::cell::{Key, Outcome};
use crate::arriving::run;
use crate::sets::{Modalities, Sources};

/// Modalities in the order in which a model learns them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    Tags,
    LabelDe,
    EmojiInTurn,
    Pix,
    ViewsInTurn,
    /// For a quick run.
    Thumbnails,
}

impl Scenario {
    pub const ALL: [Self; 5] = [
        Self::Tags,
        Self::LabelDe,
        Self::EmojiInTurn,
        Self::Pix,
        Self::ViewsInTurn,
    ];

    pub fn modalities(self) -> Modalities {
        use Modalities::{Digits, Emoji};
        match self {
            Self::Tags | Self::EmojiInTurn => {
                Emoji(&[Modality::Fluent, Modality::Label, Modality::Tags])
            }
            Self::LabelDe => Emoji(&[Modality::Fluent, Modality::Label, Modality::LabelDe]),
            Self::Thumbnails => Emoji(&[Modality::Gray8, Modality::Label, Modality::LabelDe]),
            Self::Pix => Digits(&[
                MfeatView::Fou,
                MfeatView::Mor,
                MfeatView::Zer,
                MfeatView::Pix,
            ]),
            Self::ViewsInTurn => Digits(&MfeatView::ALL),
        }
    }

    /// The modalities that are learnt in each phase: several in the first one, one in each later one.
    pub fn phases(self) -> Vec<Range<usize>> {
        let n_first = match self {
            Self::Tags | Self::LabelDe | Self::Thumbnails => 2,
            Self::Pix => 3,
            Self::EmojiInTurn | Self::ViewsInTurn => 1,
        };
        let later = n_first..self.modalities().names().len();
        let later = later.map(|modality| modality..modality + 1);
        std::iter::once(0..n_first).chain(later).collect()
    }

    /// Such as `fluent+label, then tags`.
    pub fn name(self) -> String {
        let names = self.modalities().names();
        let phases: Vec<String> = self
            .phases()
            .into_iter()
            .map(|phase| names[phase].join("+"))
            .collect();
        phases.join(", then ")
    }

    /// Passes over the data of a phase, where emoji take `epochs`. There are fewer digits, whose models are
    /// smaller.
    pub fn n_passes(self, epochs: usize) -> usize {
        if self.modalities().is_digits() {
            3 * epochs
        } else {
            epochs
        }
    }
}

/// Trains and scores a way to learn the modalities of a scenario.
pub fn outcome(sources: &Sources, key: &Key, device: &Device) -> Result<Outcome, Box<dyn Error>> {
    let (seed, phases) = (key.seed, key.scenario.phases());
    match key.scenario.modalities() {
        Modalities::Emoji(all) => run::outcome(
            |presence| sources.emoji(all, seed, presence),
            &phases,
            key,
            device,
        ),
        Modalities::Digits(all) => run::outcome(
            |presence| sources.digits(all, seed, presence),
            &phases,
            key,
            device,
        ),
    }
}
