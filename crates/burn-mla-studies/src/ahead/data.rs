//! The sets: emoji modalities and views of digits.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::tensor::{Device, Tensor};
use burn_mla::dataset::InMemory;
use burn_mla::encoder::Encoders;
use burn_mla::loader::TrainingData;
use burn_mla::modality::{MissingRate, Presence};
use burn_mla::prelude::*;
use burn_mla_data::dataset::Split;
use burn_mla_data::dataset::emoji::{
    Batches, Emoji, EmojiEncoder, EmojiInputs, EncoderSizes, Modality,
};
use burn_mla_data::dataset::mfeat::{self, Mfeat, MfeatView};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::ahead::cell::{Group, Key, Outcome};
use crate::ahead::run;

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

    pub fn emoji(self) -> &'static [Modality] {
        match self {
            Self::FluentLabel => &[Modality::Fluent, Modality::Label],
            Self::FluentTags => &[Modality::Fluent, Modality::Tags],
            Self::NotoLabelDe => &[Modality::Noto, Modality::LabelDe],
            Self::FluentLabelTags => &[Modality::Fluent, Modality::Label, Modality::Tags],
            Self::Thumbnails => &[Modality::Gray8, Modality::Label, Modality::LabelDe],
            Self::MorPix | Self::FouMorZer | Self::SixViews => &[],
        }
    }

    pub fn views(self) -> &'static [MfeatView] {
        match self {
            Self::MorPix => &[MfeatView::Mor, MfeatView::Pix],
            Self::FouMorZer => &[MfeatView::Fou, MfeatView::Mor, MfeatView::Zer],
            Self::SixViews => &MfeatView::ALL,
            _ => &[],
        }
    }

    pub fn name(self) -> String {
        let emoji = self.emoji().iter().map(|modality| modality.name());
        let views = self.views().iter().map(|view| view.name());
        let names: Vec<&str> = emoji.chain(views).collect();
        names.join("+")
    }
}

/// Batches and encoders of a group.
pub trait Set: Sized {
    type Encoders: Encoders<Inputs: Clone> + 'static;

    fn n_classes(&self) -> usize;

    /// Number of samples that a training batch can name.
    fn n_data(&self) -> usize;

    fn weight_decay(&self) -> f32;

    fn label_smoothing(&self) -> Option<f64>;

    fn d_feature(&self) -> usize;

    fn encoders(&self, device: &Device) -> burn_mla::Result<Self::Encoders>;

    fn train(&self, device: &Device) -> burn_mla::Result<TrainingData<Inputs<Self>>>;

    /// Two halves of the validation part, all of it, and the test part.
    fn held_out(&self, device: &Device) -> burn_mla::Result<[Loader<Self>; 4]>;
}

pub type Inputs<S> = <<S as Set>::Encoders as Encoders>::Inputs;
pub type Loader<S> = Arc<dyn DataLoader<MultimodalBatch<Inputs<S>>>>;

const BATCH_SIZE: usize = 64;
const EVALUATION_BATCH: usize = 256;

/// The open data sets.
pub struct Sources {
    emoji: Option<Arc<Emoji>>,
    mfeat: Option<Mfeat>,
    sizes: EncoderSizes,
}

impl Sources {
    /// Opens what the sets need. `folder` is that of the digits.
    pub fn open(all: &[DataName], folder: Option<&Path>) -> Result<Self, Box<dyn Error>> {
        // Those of the comparison of all methods.
        let sizes = EncoderSizes {
            d_feature: 128,
            d_text: 4096,
            text_hidden: 128,
            stages: vec![16, 32, 64],
            dropout: 0.1,
            text_input_dropout: 0.5,
        };
        let needs_emoji = all.iter().any(|data| !data.emoji().is_empty());
        let needs_mfeat = all.iter().any(|data| !data.views().is_empty());
        let emoji = needs_emoji.then(|| Emoji::load(sizes.d_text)).transpose()?;
        let mfeat = match folder.filter(|_| needs_mfeat) {
            Some(folder) => Some(Mfeat::open(folder)?),
            None => None,
        };
        Ok(Self {
            emoji,
            mfeat,
            sizes,
        })
    }

    /// Trains and scores a method.
    pub fn outcome(&self, key: &Key, device: &Device) -> Result<Outcome, Box<dyn Error>> {
        let group = key.group;
        if group.data.views().is_empty() {
            let emoji = self.emoji.as_ref().ok_or("the emoji are not open")?;
            run::outcome(&EmojiSet::new(emoji, &self.sizes, group)?, key, device)
        } else {
            let mfeat = self.mfeat.as_ref().ok_or("digits need --mfeat FOLDER")?;
            run::outcome(&Digits::new(mfeat, group)?, key, device)
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

/// Every other position, and the rest.
fn halves(all: &[usize]) -> [Vec<usize>; 2] {
    [0, 1].map(|first| all.iter().copied().skip(first).step_by(2).collect())
}

struct EmojiSet<'a> {
    emoji: &'a Arc<Emoji>,
    sizes: &'a EncoderSizes,
    group: Group,
    presence: Option<Presence>,
}

impl<'a> EmojiSet<'a> {
    fn new(emoji: &'a Arc<Emoji>, sizes: &'a EncoderSizes, group: Group) -> burn_mla::Result<Self> {
        Ok(Self {
            emoji,
            sizes,
            group,
            presence: mask(&group, emoji.len(), group.data.emoji().len())?,
        })
    }

    fn batches(&self, batch_size: usize) -> Batches<'_> {
        Batches {
            emoji: self.emoji,
            modalities: self.group.data.emoji(),
            batch_size,
            presence: self.presence.clone(),
        }
    }
}

impl Set for EmojiSet<'_> {
    type Encoders = Vec<EmojiEncoder>;

    fn n_classes(&self) -> usize {
        self.emoji.classes.len()
    }

    fn n_data(&self) -> usize {
        self.emoji.len()
    }

    fn weight_decay(&self) -> f32 {
        0.05
    }

    fn label_smoothing(&self) -> Option<f64> {
        Some(0.1)
    }

    fn d_feature(&self) -> usize {
        self.sizes.d_feature
    }

    fn encoders(&self, device: &Device) -> burn_mla::Result<Self::Encoders> {
        EmojiEncoder::init_all(self.group.data.emoji(), self.sizes, device)
    }

    fn train(&self, device: &Device) -> burn_mla::Result<TrainingData<EmojiInputs>> {
        let indices = self.emoji.indices(Split::Train);
        let batches = self.batches(BATCH_SIZE);
        Ok(batches.shuffled(indices, self.group.seed, device)?.into())
    }

    fn held_out(&self, device: &Device) -> burn_mla::Result<[Loader<Self>; 4]> {
        let valid = self.emoji.indices(Split::Valid);
        let [a, b] = halves(&valid);
        let batches = self.batches(EVALUATION_BATCH);
        let loader = |indices| batches.in_order(indices, device);
        let test = self.emoji.indices(Split::Test);
        Ok([loader(a)?, loader(b)?, loader(valid)?, loader(test)?])
    }
}

/// Views of digits: 60 % to train on, 10 % to validate, 30 % to test on.
struct Digits {
    views: &'static [MfeatView],
    seed: u64,
    train: Data,
    valid: [Data; 3],
    test: Data,
}

type Data = InMemory<Vec<Option<ModalityInput<Tensor<2>>>>>;

const D_DIGIT_FEATURE: usize = 64;

impl Digits {
    fn new(mfeat: &Mfeat, group: Group) -> burn_mla::Result<Self> {
        let views = group.data.views();
        let device = Device::flex();
        let all: Vec<usize> = (0..mfeat.len()).collect();
        // A split depends on the labels only.
        let whole = mfeat.data_set(views, &all, &all, &device)?;
        let (rest, test) = whole.stratified_split(0.3, group.seed)?;
        let (train, valid) = rest.stratified_split(1.0 / 7.0, group.seed)?;
        let presence = mask(&group, mfeat.len(), views.len())?;
        let presence = presence.unwrap_or_else(|| Presence::all(mfeat.len(), views.len()));
        let whole = standardized(mfeat, views, train.origins(), &presence)?;
        let [a, b] = halves(valid.origins());
        Ok(Self {
            views,
            seed: group.seed,
            train: whole.select(train.origins())?,
            valid: [
                whole.select(&a)?,
                whole.select(&b)?,
                whole.select(valid.origins())?,
            ],
            test: whole.select(test.origins())?,
        })
    }
}

/// All digits, each column standardized by the training samples that have its view.
fn standardized(
    mfeat: &Mfeat,
    views: &[MfeatView],
    train: &[usize],
    presence: &Presence,
) -> burn_mla::Result<Data> {
    let device = Device::flex();
    let all: Vec<usize> = (0..mfeat.len()).collect();
    let mut inputs = vec![];
    for (modality, &view) in views.iter().enumerate() {
        let observed = train.iter().copied();
        let observed = observed.filter(|&sample| presence.is_present(sample, modality));
        let observed: Vec<usize> = observed.collect();
        let data = mfeat.data_set(&[view], &all, &observed, &device)?;
        inputs.extend(data.batch(&all, &device)?.inputs);
    }
    let whole = InMemory::new(inputs, mfeat.labels().iter().copied())?;
    whole.with_presence(presence)
}

impl Set for Digits {
    type Encoders = Vec<MlpEncoder>;

    fn n_classes(&self) -> usize {
        mfeat::N_CLASSES
    }

    fn n_data(&self) -> usize {
        self.train.len()
    }

    fn weight_decay(&self) -> f32 {
        0.01
    }

    fn label_smoothing(&self) -> Option<f64> {
        None
    }

    fn d_feature(&self) -> usize {
        D_DIGIT_FEATURE
    }

    fn encoders(&self, device: &Device) -> burn_mla::Result<Self::Encoders> {
        let encoder = |view: &MfeatView| {
            let config = MlpEncoderConfig::new(view.width(), D_DIGIT_FEATURE);
            config.with_hidden(vec![128]).with_dropout(0.1).init(device)
        };
        self.views.iter().map(encoder).collect()
    }

    fn train(&self, device: &Device) -> burn_mla::Result<TrainingData<Inputs<Self>>> {
        self.train.shuffled(BATCH_SIZE, self.seed, device)
    }

    fn held_out(&self, device: &Device) -> burn_mla::Result<[Loader<Self>; 4]> {
        let loader = |data: &Data| data.in_order(EVALUATION_BATCH, device);
        let [a, b, valid] = &self.valid;
        Ok([loader(a)?, loader(b)?, loader(valid)?, loader(&self.test)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feature `i` of digit `d` is `d * i`.
    fn mfeat() -> Mfeat {
        let folder = tempfile::tempdir().unwrap();
        for view in MfeatView::ALL {
            let width = view.width();
            let header: Vec<String> = (0..=width).map(|i| i.to_string()).collect();
            let mut text = header.join(",") + "\n";
            for digit in 0..3 {
                let values: Vec<String> = (0..width).map(|i| (digit * i).to_string()).collect();
                text += &format!("{},{digit}\n", values.join(","));
            }
            std::fs::write(folder.path().join(format!("mfeat-{view}.csv")), text).unwrap();
        }
        Mfeat::open(folder.path()).unwrap()
    }

    #[test]
    fn digits_are_standardized_by_what_the_training_has() {
        let views = [MfeatView::Mor, MfeatView::Zer];
        // The second training digit lacks the first view.
        let presence = Presence::from_mask(vec![true, true, false, true, true, true], 2).unwrap();
        let whole = standardized(&mfeat(), &views, &[0, 1], &presence).unwrap();
        let batch = whole.batch(&[2], &Device::flex()).unwrap();
        let values = |modality: usize| -> Vec<f32> {
            let input = batch.inputs[modality].as_ref().unwrap().input.clone();
            input.into_data().iter().collect()
        };
        assert_eq!(values(0), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        // Mean i / 2, deviation i / 2; feature 0 is constant.
        assert!(values(1)[1..].iter().all(|&value| value == 3.0));
    }
}
