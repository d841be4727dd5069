//! A set for tests, which trains in no time.

use burn::tensor::{Device, Tensor, TensorData};
use burn_mla::dataset::InMemory;
use burn_mla::loader::TrainingData;
use burn_mla::modality::Presence;
use burn_mla::prelude::*;

use super::{Loader, Set};

/// Samples of two classes, which show in all modalities: 16 to train on and 8 each to validate and to test on.
pub struct Small {
    data: InMemory<Vectors>,
    n_modalities: usize,
}

type Vectors = Vec<Option<ModalityInput<Tensor<2>>>>;

const WIDTH: usize = 3;
const N: usize = 32;
const D_FEATURE: usize = 16;

impl Small {
    pub fn new(n_modalities: usize, presence: Option<Presence>) -> Self {
        let input = |modality: usize| {
            let value = |at: usize| ((at * (modality + 3)) as f32).sin() + class(at / WIDTH) as f32;
            let values: Vec<f32> = (0..N * WIDTH).map(value).collect();
            let data = TensorData::new(values, [N, WIDTH]);
            Some(ModalityInput::all(Tensor::from_data(data, &Device::flex())))
        };
        let inputs = (0..n_modalities).map(input).collect();
        let data = InMemory::new(inputs, (0..N).map(class)).unwrap();
        let presence = presence.unwrap_or_else(|| Presence::all(N, n_modalities));
        Self {
            data: data.with_presence(&presence).unwrap(),
            n_modalities,
        }
    }
}

fn class(sample: usize) -> usize {
    sample / 2 % 2
}

impl Set for Small {
    type Encoder = MlpEncoder;

    fn n_classes(&self) -> usize {
        2
    }

    fn n_data(&self) -> usize {
        N
    }

    fn weight_decay(&self) -> f32 {
        0.01
    }

    fn label_smoothing(&self) -> Option<f64> {
        Some(0.1)
    }

    fn d_feature(&self) -> usize {
        D_FEATURE
    }

    fn encoders(&self, device: &Device) -> burn_mla::Result<Vec<MlpEncoder>> {
        let config = MlpEncoderConfig::new(WIDTH, D_FEATURE).with_hidden(vec![4]);
        (0..self.n_modalities)
            .map(|_| config.init(device))
            .collect()
    }

    fn training_samples(&self) -> Vec<usize> {
        (0..16).collect()
    }

    fn validation_samples(&self) -> Vec<usize> {
        (16..24).collect()
    }

    fn test_samples(&self) -> Vec<usize> {
        (24..32).collect()
    }

    fn classes(&self) -> Vec<usize> {
        (0..N).map(class).collect()
    }

    fn shuffled(
        &self,
        samples: Vec<usize>,
        batch_size: usize,
        device: &Device,
    ) -> burn_mla::Result<TrainingData<Vectors>> {
        let samples = self.data.select(&samples)?;
        samples.shuffled(batch_size.min(8), 1, device)
    }

    fn in_order(&self, samples: Vec<usize>, device: &Device) -> burn_mla::Result<Loader<Self>> {
        self.data.select(&samples)?.in_order(8, device)
    }
}
