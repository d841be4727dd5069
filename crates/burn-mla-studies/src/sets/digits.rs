//! Views of digits: 60 % to train on, 10 % to validate, 30 % to test on.

use burn::tensor::{Device, Tensor};
use burn_mla::dataset::InMemory;
use burn_mla::loader::TrainingData;
use burn_mla::modality::Presence;
use burn_mla::prelude::*;
use burn_mla_data::dataset::mfeat::{self, Mfeat, MfeatView};

use super::{EVALUATION_BATCH, Inputs, Loader, Set};

/// Digits with some of their views.
pub struct Digits {
    views: &'static [MfeatView],
    seed: u64,
    whole: Data,
    train: Vec<usize>,
    valid: Vec<usize>,
    test: Vec<usize>,
}

type Data = InMemory<Vec<Option<ModalityInput<Tensor<2>>>>>;

const D_DIGIT_FEATURE: usize = 64;

impl Digits {
    pub(super) fn new(
        mfeat: &Mfeat,
        views: &'static [MfeatView],
        seed: u64,
        presence: Option<Presence>,
    ) -> burn_mla::Result<Self> {
        let device = Device::flex();
        let all: Vec<usize> = (0..mfeat.len()).collect();
        // A split depends on the labels only.
        let whole = mfeat.data_set(views, &all, &all, &device)?;
        let (rest, test) = whole.stratified_split(0.3, seed)?;
        let (train, valid) = rest.stratified_split(1.0 / 7.0, seed)?;
        let presence = presence.unwrap_or_else(|| Presence::all(mfeat.len(), views.len()));
        Ok(Self {
            views,
            seed,
            whole: standardized(mfeat, views, train.origins(), &presence)?,
            train: train.origins().to_vec(),
            valid: valid.origins().to_vec(),
            test: test.origins().to_vec(),
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
    type Encoder = MlpEncoder;

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

    fn encoders(&self, device: &Device) -> burn_mla::Result<Vec<MlpEncoder>> {
        let encoder = |view: &MfeatView| {
            let config = MlpEncoderConfig::new(view.width(), D_DIGIT_FEATURE);
            config.with_hidden(vec![128]).with_dropout(0.1).init(device)
        };
        self.views.iter().map(encoder).collect()
    }

    fn training_samples(&self) -> Vec<usize> {
        self.train.clone()
    }

    fn validation_samples(&self) -> Vec<usize> {
        self.valid.clone()
    }

    fn test_samples(&self) -> Vec<usize> {
        self.test.clone()
    }

    fn classes(&self) -> Vec<usize> {
        let labels = self.whole.labels().into_iter();
        labels.map(|label| label as usize).collect()
    }

    fn shuffled(
        &self,
        samples: Vec<usize>,
        batch_size: usize,
        device: &Device,
    ) -> burn_mla::Result<TrainingData<Inputs<Self>>> {
        let samples = self.whole.select(&samples)?;
        samples.shuffled(batch_size, self.seed, device)
    }

    fn in_order(&self, samples: Vec<usize>, device: &Device) -> burn_mla::Result<Loader<Self>> {
        let samples = self.whole.select(&samples)?;
        samples.in_order(EVALUATION_BATCH, device)
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
