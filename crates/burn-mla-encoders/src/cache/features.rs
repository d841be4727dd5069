//! The features of a data set, as the input of a frozen encoder.

use burn::tensor::{Device, Tensor, TensorData};
use burn_mla::encoder::FrozenInput;
use burn_mla::modality::ModalityInput;

/// The features of all samples of a data set that have the modality, on the host in f32.
#[derive(Debug, Clone)]
pub struct CachedFeatures {
    pub(super) values: Vec<f32>,
    pub(super) d_feature: usize,
    /// Samples that have the modality; `None` if all have it.
    pub(super) rows: Option<Vec<usize>>,
    pub(super) n_samples: usize,
}

impl CachedFeatures {
    /// Returns the number of samples of the data set, with those that lack the modality.
    pub fn n_samples(&self) -> usize {
        self.n_samples
    }

    /// Returns the features as a tensor, `[rows, d_feature]`, one row per sample that has the
    /// modality.
    pub fn tensor(&self, device: &Device) -> Tensor<2> {
        let shape = [self.values.len() / self.d_feature, self.d_feature];
        Tensor::from_data(TensorData::new(self.values.clone(), shape), device)
    }

    /// Returns the input of a [`Frozen`](burn_mla::encoder::Frozen) encoder, for example for
    /// `burn_mla::dataset::InMemory`. Samples that lack the modality have no row. `None` if no sample has
    /// it.
    pub fn input<I>(&self, device: &Device) -> Option<ModalityInput<FrozenInput<I>>> {
        let features = FrozenInput::Features(self.tensor(device));
        match &self.rows {
            Some(rows) => ModalityInput::rows(features, rows.clone()),
            None => (self.n_samples > 0).then(|| ModalityInput::all(features)),
        }
    }
}
