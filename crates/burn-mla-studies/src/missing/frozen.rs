//! The frozen features of a group, standardized and masked, which all methods get.

use std::error::Error;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use burn_mla::dataset::InMemory;
use burn_mla::modality::Presence;
use burn_mla::prelude::*;

use crate::missing::cell::Group;
use crate::missing::data::{EncoderBudget, Source, SplitFeatures};
use crate::missing::masks::Masks;

/// Inputs of a method: a feature vector per modality.
pub type Inputs = Vec<Option<ModalityInput<Tensor<2>>>>;
pub type Data = InMemory<Inputs>;

/// Smallest deviation of a column that is divided by.
const SMALLEST_DEVIATION: f32 = 1e-6;

/// The complete features of a group and its masks.
pub struct Frozen {
    /// Width of the features of each modality.
    pub widths: Vec<usize>,
    pub n_classes: usize,
    train: Data,
    valid: Data,
    test: Data,
    masks: Masks,
}

/// Where files of a study are, and what they are made with.
pub struct Workshop<'a> {
    pub out: &'a Path,
    pub protocol: burn_mla::modality::MissingProtocol,
    pub encoders: &'a EncoderBudget,
    pub device: &'a Device,
}

impl Workshop<'_> {
    /// The masks of a group, for splits of `sizes`.
    pub fn masks(&self, group: &Group, sizes: [usize; 3]) -> Result<Masks, Box<dyn Error>> {
        let modalities = group.data.modalities();
        let folder = self.out.join("masks");
        std::fs::create_dir_all(&folder)?;
        Masks::open(&folder, group, self.protocol, &modalities, sizes)
    }

    /// Prepares the features of a group.
    pub fn prepare(&self, source: &Source, group: &Group) -> Result<Frozen, Box<dyn Error>> {
        let splits = source.splits(group.seed)?;
        let masks = self.masks(group, splits.each_ref().map(Vec::len))?;
        let folder = self.out.join("encoders");
        std::fs::create_dir_all(&folder)?;
        let file = folder.join(format!("{group}.safetensors"));
        let [train, valid, test] =
            source.features(group, &splits, &masks, self.encoders, &file, self.device)?;
        let scales: Vec<Scale> = train
            .features
            .iter()
            .enumerate()
            .map(|(modality, features)| Scale::of(features, &masks.train.rows(modality)))
            .collect();
        let data = |split: SplitFeatures| {
            let pairs = split.features.into_iter().zip(&scales);
            let inputs =
                pairs.map(|(features, scale)| Some(ModalityInput::all(scale.apply(features))));
            InMemory::new(inputs.collect::<Inputs>(), split.labels)
        };
        let widths = train.features.iter().map(|x| x.dims()[1]).collect();
        let parts = [data(train)?, data(valid)?, data(test)?];
        Ok(Frozen::new(widths, source.n_classes(), parts, masks))
    }
}

impl Frozen {
    /// Features of `widths` from the complete training, validation and test part.
    pub fn new(
        widths: Vec<usize>,
        n_classes: usize,
        [train, valid, test]: [Data; 3],
        masks: Masks,
    ) -> Self {
        Self {
            widths,
            n_classes,
            train,
            valid,
            test,
            masks,
        }
    }

    /// The training part. An oracle gets what is missing as hidden inputs.
    pub fn train(&self, oracle: bool) -> burn_mla::Result<Data> {
        if oracle {
            self.train.with_hidden(&self.masks.train)
        } else {
            self.train.with_presence(&self.masks.train)
        }
    }

    /// The validation part.
    pub fn valid(&self) -> burn_mla::Result<Data> {
        self.valid.with_presence(&self.masks.valid)
    }

    /// The test part with a mask.
    pub fn test(&self, mask: &Presence) -> burn_mla::Result<Data> {
        self.test.with_presence(mask)
    }

    /// The mask of the test part at the rate of the training.
    pub fn test_mask(&self) -> &Presence {
        &self.masks.test
    }

    /// Number of samples of each part.
    pub fn sizes(&self) -> [usize; 3] {
        [self.train.len(), self.valid.len(), self.test.len()]
    }
}

/// Mean and deviation of the columns of a modality.
#[derive(Debug)]
struct Scale {
    mean: Tensor<2>,
    deviation: Tensor<2>,
}

impl Scale {
    /// Over the rows `observed`.
    fn of(features: &Tensor<2>, observed: &[usize]) -> Self {
        let rows = observed.iter().map(|&row| row as i32).collect::<Vec<_>>();
        let rows = Tensor::from_ints(rows.as_slice(), &features.device());
        let observed = features.clone().select(0, rows);
        let mean = observed.clone().mean_dim(0);
        let squares = (observed - mean.clone()).square().mean_dim(0);
        Self {
            mean,
            deviation: squares.sqrt().clamp_min(SMALLEST_DEVIATION),
        }
    }

    fn apply(&self, features: Tensor<2>) -> Tensor<2> {
        (features - self.mean.clone()) / self.deviation.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_standardized_by_observed_rows_only() {
        let device = Device::flex();
        let features = [[1.0, 5.0], [3.0, 5.0], [f32::NAN, f32::NAN]];
        let features = Tensor::<2>::from_floats(features, &device);
        let scale = Scale::of(&features, &[0, 1]);
        let values: Vec<f32> = scale.apply(features).into_data().iter().collect();
        assert_eq!(values[..4], [-1.0, 0.0, 1.0, 0.0]);
    }
}
