use burn::config::Config;
use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::Tensor;

use crate::encoder::Encoders;
use crate::error::{MlaError, Result, at_least_one};
use crate::modality::{ModalityInputs, MultimodalBatch, Turn};

/// Configuration of [`JointConcat`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `n_classes` | required | number of classes | >= 1 |
/// | `label_smoothing` | none | smooths the labels of the loss | `[0, 1)` |
#[derive(Config, Debug)]
pub struct JointConcatConfig {
    /// Number of classes.
    pub n_classes: usize,
    /// Smooths the labels of the loss.
    pub label_smoothing: Option<f64>,
}

/// Joint training by concatenation: all encoders at once, their features side by side, one
/// linear layer, one loss. What modality laziness is measured on.
///
/// A modality on its own is scored as the paper does: the layer's weight is split by modality,
/// `logits_m = h_m W_m + b / M`, so that the modalities' logits add up to the joint ones.
#[derive(Module, Debug)]
pub struct JointConcat<E: Module> {
    /// The encoders.
    pub encoders: E,
    head: Linear,
    label_smoothing: Option<f64>,
}

/// What a [`JointConcat`] says of a batch.
#[derive(Debug, Clone)]
pub struct JointPrediction {
    /// Logits from all modalities together, `[batch, n_classes]`.
    pub joint: Tensor<2>,
    /// Logits of each modality on its own, `[batch, n_classes]`.
    pub modalities: Vec<Tensor<2>>,
}

impl JointConcatConfig {
    /// Puts the encoders and a new head together.
    ///
    /// # Errors
    ///
    /// [`MlaError::NoModalities`] without an encoder, [`MlaError::HyperParameter`] for a value
    /// outside of the ranges above.
    pub fn init<E: Encoders>(
        &self,
        encoders: E,
        device: &burn::tensor::Device,
    ) -> Result<JointConcat<E>> {
        at_least_one("n_classes", self.n_classes)?;
        if let Some(smoothing) = self.label_smoothing {
            crate::error::fraction("label_smoothing", smoothing)?;
        }
        let width: usize = encoders.d_features().iter().sum();
        if width == 0 {
            return Err(MlaError::NoModalities { what: "the model" });
        }
        Ok(JointConcat {
            encoders,
            head: LinearConfig::new(width, self.n_classes).init(device),
            label_smoothing: self.label_smoothing,
        })
    }
}

impl<E: Encoders> JointConcat<E> {
    /// Predicts the samples of a batch, jointly and from each modality.
    ///
    /// # Errors
    ///
    /// [`MlaError::ModalityCount`] unless the batch has the model's modalities,
    /// [`MlaError::IncompleteBatch`] unless every sample has all of them: a concatenation knows
    /// no missing modality.
    pub fn predict(&self, batch: MultimodalBatch<E::Inputs>) -> Result<JointPrediction> {
        let features = self.features(batch)?;
        let weight = self.head.weight.val();
        let n_classes = weight.dims()[1];
        let share = |logits: Tensor<2>| match &self.head.bias {
            Some(bias) => logits + bias.val().unsqueeze_dim::<2>(0) / features.len() as f32,
            None => logits,
        };
        let mut start = 0;
        let modalities = features
            .iter()
            .map(|h| {
                let end = start + h.dims()[1];
                let part = weight.clone().slice([start..end, 0..n_classes]);
                start = end;
                share(h.clone().matmul(part))
            })
            .collect();
        Ok(JointPrediction {
            joint: self.head.forward(Tensor::cat(features.clone(), 1)),
            modalities,
        })
    }

    /// The joint loss and logits of a batch, for training.
    ///
    /// # Errors
    ///
    /// As [`predict`](Self::predict), and [`MlaError::LabelOutOfRange`].
    pub fn loss(&self, batch: MultimodalBatch<E::Inputs>) -> Result<(Tensor<1>, Tensor<2>)> {
        let targets = batch.targets.clone();
        targets.check(self.head.weight.lazy_shape()[1])?;
        let logits = self.head.forward(Tensor::cat(self.features(batch)?, 1));
        let loss = CrossEntropyLossConfig::new()
            .with_smoothing(self.label_smoothing.map(|smoothing| smoothing as f32))
            .init(&logits.device())
            .forward(logits.clone(), targets.tensor());
        Ok((loss, logits))
    }

    fn features(&self, batch: MultimodalBatch<E::Inputs>) -> Result<Vec<Tensor<2>>> {
        let n_modalities = self.encoders.n_modalities();
        let presence = batch.presence()?;
        if presence.n_modalities() != n_modalities {
            return Err(MlaError::ModalityCount {
                what: "the batch",
                expected: n_modalities,
                got: presence.n_modalities(),
            });
        }
        let n_samples = presence.n_samples();
        let turns = batch.into_checked_turns().into_iter().enumerate();
        turns
            .map(|(modality, turn)| match turn {
                Some(Turn { input, .. }) if presence.rows(modality).len() == n_samples => {
                    debug_assert_eq!(E::Inputs::modality(&input), modality);
                    let features = self.encoders.encode(input);
                    crate::model::check_rows(&features, n_samples)?;
                    Ok(features)
                }
                _ => Err(MlaError::IncompleteBatch { modality }),
            })
            .collect()
    }
}
