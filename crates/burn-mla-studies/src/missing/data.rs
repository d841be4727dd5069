//! The data sets: splits, encoders that are trained alone, and their complete features.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_mla::baseline::{Joint, JointConfig, LateFusion, LateFusionConfig};
use burn_mla::dataset::InMemory;
use burn_mla::encoder::Encoders;
use burn_mla::loader::TrainingData;
use burn_mla::modality::Presence;
use burn_mla::prelude::*;
use burn_mla_data::dataset::Split;
use burn_mla_data::dataset::emoji::{Batches, Emoji, EmojiEncoder, EncoderSizes, Modality};
use burn_mla_data::dataset::mfeat::{Mfeat, MfeatView, N_CLASSES};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::missing::cell::Group;
use crate::missing::masks::Masks;
use crate::training::Training;

/// A data set with its modalities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataName {
    /// Fluent images, names and keywords of emoji
    Emoji,
    /// Six views of the UCI Multiple Features digits
    Mfeat,
    /// Thumbnails, names and German names of emoji, for a quick run
    EmojiVectors,
}

impl DataName {
    pub fn name(self) -> &'static str {
        match self {
            Self::Emoji => "emoji",
            Self::Mfeat => "mfeat",
            Self::EmojiVectors => "emoji-vectors",
        }
    }

    fn emoji(self) -> &'static [Modality] {
        match self {
            Self::Emoji => &[Modality::Fluent, Modality::Label, Modality::Tags],
            Self::EmojiVectors => &[Modality::Gray8, Modality::Label, Modality::LabelDe],
            Self::Mfeat => &[],
        }
    }

    pub fn modalities(self) -> Vec<&'static str> {
        match self {
            Self::Mfeat => MfeatView::ALL.iter().map(|view| view.name()).collect(),
            _ => self
                .emoji()
                .iter()
                .map(|modality| modality.name())
                .collect(),
        }
    }
}

/// The open data sets.
pub enum Source {
    Emoji(Arc<Emoji>, EncoderSizes),
    Mfeat(Mfeat),
}

/// How the encoders are trained.
pub struct EncoderBudget {
    pub epochs: usize,
    pub learning_rate: f64,
    pub batch_size: usize,
}

/// Complete features of all samples of a split, and their labels.
pub struct SplitFeatures {
    /// `[n_samples, width]` per modality.
    pub features: Vec<Tensor<2>>,
    pub labels: Vec<usize>,
}

/// Width of the features of an encoder of the digits.
const D_MFEAT: usize = 32;
const EVALUATION_BATCH: usize = 256;

impl Source {
    /// Opens a data set. `folder` is that of the digits.
    pub fn open(name: DataName, folder: Option<&Path>) -> Result<Self, Box<dyn Error>> {
        Ok(match name {
            DataName::Mfeat => {
                let folder = folder.ok_or("mfeat needs --mfeat FOLDER")?;
                Self::Mfeat(Mfeat::open(folder)?)
            }
            _ => {
                let sizes = EncoderSizes {
                    d_feature: 64,
                    ..crate::small_emoji::sizes()
                };
                Self::Emoji(Emoji::load(sizes.d_text)?, sizes)
            }
        })
    }

    pub fn n_classes(&self) -> usize {
        match self {
            Self::Emoji(emoji, _) => emoji.classes.len(),
            Self::Mfeat(_) => N_CLASSES,
        }
    }

    /// The samples of the training, validation and test part.
    pub fn splits(&self, seed: u64) -> Result<[Vec<usize>; 3], Box<dyn Error>> {
        match self {
            Self::Emoji(emoji, _) => {
                Ok([Split::Train, Split::Valid, Split::Test].map(|split| emoji.indices(split)))
            }
            Self::Mfeat(mfeat) => {
                // A split depends on the labels only.
                let inputs = Tensor::<2>::zeros([mfeat.len(), 1], &Device::flex());
                let inputs = vec![Some(ModalityInput::all(inputs))];
                let all = InMemory::new(inputs, mfeat.labels().iter().copied())?;
                let (rest, test) = all.stratified_split(0.3, seed)?;
                let (train, valid) = rest.stratified_split(1.0 / 7.0, seed)?;
                Ok([train, valid, test].map(|part| part.origins().to_vec()))
            }
        }
    }

    /// The features of frozen encoders, each trained alone on the observed training rows of its modality.
    /// The encoders are read from `file`, or trained and written there.
    pub fn features(
        &self,
        group: &Group,
        splits: &[Vec<usize>; 3],
        masks: &Masks,
        budget: &EncoderBudget,
        file: &Path,
        device: &Device,
    ) -> Result<[SplitFeatures; 3], Box<dyn Error>> {
        device.seed(group.seed);
        let training_device = device.clone().autodiff();
        match self {
            Self::Emoji(emoji, sizes) => {
                let modalities = group.data.emoji();
                let presence = of_all(emoji.len(), splits, masks)?;
                let batches = |presence, batch_size| Batches {
                    emoji,
                    modalities,
                    batch_size,
                    presence,
                };
                let model = ensemble(
                    EmojiEncoder::init_all(modalities, sizes, &training_device)?,
                    emoji.classes.len(),
                    &training_device,
                )?;
                let model = trained(model, file, budget, || {
                    let observed = batches(Some(presence), budget.batch_size);
                    let train = splits[0].clone();
                    let train = observed.shuffled(train, group.seed, &training_device)?;
                    Ok(train.into())
                })?;
                let complete = batches(None, EVALUATION_BATCH);
                each_split(splits, |split| {
                    let loader = complete.in_order(split.to_vec(), device)?;
                    let labels = split.iter().map(|&index| emoji.label(index)).collect();
                    encode(&model, &*loader, labels)
                })
            }
            Self::Mfeat(mfeat) => {
                let data = standardized(mfeat, &splits[0], masks, device)?;
                let encoder = |view: &MfeatView| {
                    let config = MlpEncoderConfig::new(view.width(), D_MFEAT);
                    let config = config.with_hidden(vec![64]).with_dropout(0.1);
                    config.init(&training_device)
                };
                let encoders: Vec<MlpEncoder> =
                    MfeatView::ALL.iter().map(encoder).collect::<Result<_>>()?;
                let model = ensemble(encoders, N_CLASSES, &training_device)?;
                let model = trained(model, file, budget, || {
                    let observed = data.select(&splits[0])?.with_presence(&masks.train)?;
                    Ok(observed.shuffled(budget.batch_size, group.seed, &training_device)?)
                })?;
                each_split(splits, |split| {
                    let loader = data.select(split)?.in_order(EVALUATION_BATCH, device)?;
                    let labels = split.iter().map(|&index| mfeat.labels()[index]).collect();
                    encode(&model, &*loader, labels)
                })
            }
        }
    }
}

/// The result of a function for each split.
fn each_split<T>(
    splits: &[Vec<usize>; 3],
    of: impl Fn(&[usize]) -> Result<T, Box<dyn Error>>,
) -> Result<[T; 3], Box<dyn Error>> {
    let [train, valid, test] = splits;
    Ok([of(train)?, of(valid)?, of(test)?])
}

/// The modality mask of all emoji, by index.
fn of_all(
    n_samples: usize,
    splits: &[Vec<usize>; 3],
    masks: &Masks,
) -> Result<Presence, Box<dyn Error>> {
    let n_modalities = masks.train.n_modalities();
    let mut mask = vec![true; n_samples * n_modalities];
    for (split, presence) in splits.iter().zip([&masks.train, &masks.valid, &masks.test]) {
        for (sample, index) in split.iter().enumerate() {
            for modality in 0..n_modalities {
                mask[index * n_modalities + modality] = presence.is_present(sample, modality);
            }
        }
    }
    Ok(Presence::from_mask(mask, n_modalities)?)
}

type Vectors = Vec<Option<ModalityInput<Tensor<2>>>>;

/// All digits, each column standardized by the observed training rows of its view.
fn standardized(
    mfeat: &Mfeat,
    train: &[usize],
    masks: &Masks,
    device: &Device,
) -> Result<InMemory<Vectors>, Box<dyn Error>> {
    let all: Vec<usize> = (0..mfeat.len()).collect();
    let mut inputs = vec![];
    for (modality, view) in MfeatView::ALL.into_iter().enumerate() {
        let observed = masks.train.rows(modality);
        let observed: Vec<usize> = observed.into_iter().map(|row| train[row]).collect();
        let data = mfeat.data_set(&[view], &all, &observed, device)?;
        inputs.extend(data.batch(&all, device)?.inputs);
    }
    Ok(InMemory::new(inputs, mfeat.labels().iter().copied())?)
}

type Ensemble<E> = Joint<E, LateFusion>;

/// Encoders with a layer each, which share no loss.
fn ensemble<E: Encoders>(
    encoders: E,
    n_classes: usize,
    device: &Device,
) -> Result<Ensemble<E>, Box<dyn Error>> {
    let head = LateFusionConfig::new(encoders.d_features(), n_classes);
    let head = head.with_unimodal_losses(true).init(device)?;
    Ok(JointConfig::new().init(encoders, head)?)
}

/// Reads the trained encoders, or trains them and writes them. The last epoch counts: none is selected.
fn trained<E: Encoders + 'static>(
    model: Ensemble<E>,
    file: &Path,
    budget: &EncoderBudget,
    data: impl FnOnce() -> Result<TrainingData<E::Inputs>, Box<dyn Error>>,
) -> Result<Ensemble<E>, Box<dyn Error>> {
    if file.exists() {
        return Ok(model.load_safetensors(file)?.valid());
    }
    let mut training = Training::new(model, data()?, budget.learning_rate)?;
    for _ in 0..budget.epochs {
        training.pass()?;
    }
    let model = training.model.valid();
    model.save_safetensors(file)?;
    Ok(model)
}

/// The features of all samples of a loader.
fn encode<E: Encoders>(
    model: &Ensemble<E>,
    loader: &dyn DataLoader<MultimodalBatch<E::Inputs>>,
    labels: Vec<usize>,
) -> Result<SplitFeatures, Box<dyn Error>> {
    let mut features = vec![vec![]; model.n_modalities()];
    for batch in loader.iter() {
        let batch = model.features(batch?)?;
        for (all, of_batch) in features.iter_mut().zip(batch.all()) {
            all.push(of_batch.clone());
        }
    }
    let features = features.into_iter();
    Ok(SplitFeatures {
        features: features.map(|batches| Tensor::cat(batches, 0)).collect(),
        labels,
    })
}
