use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::tensor::{Int, Tensor, TensorData};

use crate::error::{MlaError, Result};
use crate::fusion::{ModalityLogits, UncertaintyFusion};
use crate::modality::{Presence, Targets};
use crate::model::Prediction;
use crate::projector::{Gains, OrthogonalProjector, Projection};

/// What an evaluated batch and its model tell only when asked: nothing is computed before, and
/// nothing twice.
///
/// Holds the model's fusion and projector as they were at the evaluation. Clones share what they
/// compute.
#[derive(Clone)]
pub struct Probe(Arc<Mutex<dyn Probed>>);

/// How many samples of a batch each coalition of modalities gets right.
#[derive(Debug, Clone, PartialEq)]
pub struct Coalitions {
    /// Number of samples.
    pub n_samples: usize,
    /// By coalition, bit `m` telling whether modality `m` is in: how many samples the fusion of
    /// what is in the coalition, and in the sample, predicts right. A sample that has nothing of
    /// the coalition counts `1 / n_classes`, a guess.
    pub n_right: Vec<f64>,
}

impl Probe {
    /// The most modalities for which [`coalitions`](Self::coalitions) are looked at: `2^M` times
    /// the batch is fused.
    pub const MAX_MODALITIES: usize = 8;

    pub(crate) fn new<P: OrthogonalProjector, F: UncertaintyFusion>(
        fusion: F,
        projection: Projection<P>,
        prediction: Prediction,
        targets: Targets,
    ) -> Self {
        Self(Arc::new(Mutex::new(ModelProbe {
            fusion,
            projection,
            prediction,
            targets,
            coalitions: None,
            gains: BTreeMap::new(),
        })))
    }

    /// What each coalition of modalities gets right, the empty one included; `None` for more than
    /// [`MAX_MODALITIES`](Self::MAX_MODALITIES).
    ///
    /// # Errors
    ///
    /// [`MlaError::DeviceRead`].
    pub fn coalitions(&self) -> Result<Option<Coalitions>> {
        self.lock().coalitions()
    }

    /// What the projector of a protected layer lets through of a modality's gradients; `None` when
    /// there is no such layer or modality.
    ///
    /// # Errors
    ///
    /// As [`Gains::of`].
    pub fn gains(&self, layer: usize, modality: usize) -> Result<Option<Gains>> {
        self.lock().gains(layer, modality)
    }

    fn lock(&self) -> MutexGuard<'_, dyn Probed + 'static> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").finish_non_exhaustive()
    }
}

/// A probe of any fusion and projector.
trait Probed: Send {
    fn coalitions(&mut self) -> Result<Option<Coalitions>>;
    fn gains(&mut self, layer: usize, modality: usize) -> Result<Option<Gains>>;
}

struct ModelProbe<P: OrthogonalProjector, F> {
    fusion: F,
    projection: Projection<P>,
    prediction: Prediction,
    targets: Targets,
    coalitions: Option<Coalitions>,
    gains: BTreeMap<(usize, usize), Gains>,
}

impl<P: OrthogonalProjector, F: UncertaintyFusion> Probed for ModelProbe<P, F> {
    fn coalitions(&mut self) -> Result<Option<Coalitions>> {
        let n_modalities = self.prediction.modalities.n_modalities();
        if self.coalitions.is_none() && n_modalities <= Probe::MAX_MODALITIES {
            let logits = &self.prediction.modalities;
            self.coalitions = Some(coalitions(&self.fusion, logits, &self.targets)?);
        }
        Ok(self.coalitions.clone())
    }

    fn gains(&mut self, layer: usize, modality: usize) -> Result<Option<Gains>> {
        let key = (layer, modality);
        if let Some(known) = self.gains.get(&key) {
            return Ok(Some(*known));
        }
        let layers = self.projection.layers();
        let Some((of, carrier)) = layers
            .get(layer)
            .and_then(|of| Some((of, of.carriers().get(modality)?)))
        else {
            return Ok(None);
        };
        let (rule, device) = (self.projection.rule(), carrier.val().device());
        let gains = Gains::of(rule, of.state(), modality, of.d_input(), &device)?;
        self.gains.insert(key, gains);
        Ok(Some(gains))
    }
}

fn coalitions<F: UncertaintyFusion>(
    fusion: &F,
    logits: &ModalityLogits,
    targets: &Targets,
) -> Result<Coalitions> {
    let (n_samples, n_modalities) = (logits.n_samples(), logits.n_modalities());
    let each: Vec<Tensor<2>> = (0..n_modalities)
        .map(|modality| logits.modality(modality).without_autodiff())
        .collect();
    let guess = 1.0 / logits.n_classes() as f64;
    let labels = targets.tensor().without_autodiff();

    let mut n_right = vec![guess * n_samples as f64];
    let mut right = vec![];
    for coalition in 1..1_usize << n_modalities {
        let is_in = |sample, modality| {
            coalition >> modality & 1 == 1 && logits.presence().is_present(sample, modality)
        };
        let mut mask = Vec::with_capacity(n_samples * n_modalities);
        let mut counted = vec![1_i64; n_samples];
        for (sample, counted) in counted.iter_mut().enumerate() {
            let row = mask.len();
            mask.extend((0..n_modalities).map(|modality| is_in(sample, modality)));
            if !mask[row..].contains(&true) {
                // Fused from anything, and not counted.
                mask[row] = true;
                *counted = 0;
            }
        }
        let n_guessed = counted.iter().filter(|&&counted| counted == 0).count();
        n_right.push(guess * n_guessed as f64);
        let presence = Presence::from_mask(mask, n_modalities)?;
        let fused = fusion.fuse(&ModalityLogits::new(each.clone(), presence)?);
        let predicted: Tensor<1, Int> = fused.logits.argmax(1).squeeze_dim(1);
        let counted = TensorData::new(counted, [n_samples]);
        let counted = Tensor::<1, Int>::from_data(counted, &predicted.device());
        right.push((predicted.equal(labels.clone()).int() * counted).sum());
    }
    let right: Vec<f64> = Tensor::cat(right, 0)
        .try_into_vec_as()
        .map_err(MlaError::read("what coalitions of modalities get right"))?;
    for (n_right, right) in n_right[1..].iter_mut().zip(right) {
        *n_right += right;
    }
    Ok(Coalitions { n_samples, n_right })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fusion::MeanFusion;
    use crate::test_devices;

    #[test]
    fn coalitions_fuse_what_is_in_them_and_guess_the_rest() {
        for device in test_devices() {
            let a = Tensor::from_floats([[9.0, 0.0], [1.0, 0.0], [0.0, 1.0]], &device);
            let b = Tensor::from_floats([[0.0, 1.0], [0.0, 3.0], [7.0, 7.0]], &device);
            let mask = vec![true, true, true, true, true, false];
            let presence = Presence::from_mask(mask, 2).unwrap();
            let logits = ModalityLogits::new(vec![a, b], presence).unwrap();
            let targets = Targets::new([0, 1, 1], &device);
            let found = coalitions(&MeanFusion {}, &logits, &targets).unwrap();
            assert_eq!(found.n_samples, 3);
            // Nothing: three guesses. Modality 0: right, wrong, right. Modality 1: wrong, right,
            // a guess. Both: right, right, right.
            assert_eq!(found.n_right, [1.5, 2.0, 1.5, 3.0]);
        }
    }
}
