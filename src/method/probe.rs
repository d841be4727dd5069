use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::tensor::{Int, Tensor};

use crate::error::{MlaError, Result};
use crate::modality::{Presence, Targets};
use crate::projector::Gains;

/// What an evaluated batch and its model tell only when asked: nothing is computed before, and
/// nothing twice.
///
/// Holds the model's fusion and projector as they were at the evaluation. Clones share what they
/// compute.
#[derive(Clone)]
pub struct Probe(Arc<Mutex<Asked>>);

/// An evaluated batch that can be asked for more.
///
/// # Implementing your own
///
/// A model whose prediction is the sum of its modalities' logits:
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::Result;
/// use burn_mla::fusion::ModalityLogits;
/// use burn_mla::modality::{Presence, Targets};
/// use burn_mla::method::{Probe, Probed};
///
/// struct SumOfLogits(ModalityLogits);
///
/// impl Probed for SumOfLogits {
///     fn presence(&self) -> &Presence {
///         self.0.presence()
///     }
///
///     fn fuse(&self, rows: &[usize], modalities: &[usize]) -> Result<Tensor<2>> {
///         let subset = self.0.restricted(rows, modalities)?;
///         let each = modalities.iter().map(|&modality| subset.present_logits(modality));
///         Ok(each.reduce(|sum, logits| sum + logits).expect("there is a modality"))
///     }
/// }
///
/// let device = Device::flex();
/// let audio = Tensor::<2>::from_floats([[3.0, 0.0], [1.0, 0.0]], &device);
/// let text = Tensor::<2>::from_floats([[0.0, 1.0], [0.0, 2.0]], &device);
/// let logits = ModalityLogits::new(vec![audio, text], Presence::all(2, 2))?;
/// let probe = Probe::new(SumOfLogits(logits), Targets::new([0, 1], &device));
/// let coalitions = probe.coalitions()?.expect("two modalities are not too many");
/// // Guesses, audio, text, both.
/// assert_eq!(coalitions.n_right, [1.0, 1.0, 1.0, 2.0]);
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
pub trait Probed: Send {
    /// Which sample has which modality.
    fn presence(&self) -> &Presence;

    /// The prediction of the samples `rows` from `modalities` alone, as if they lacked all others:
    /// logits `[rows, n_classes]`. Each of these samples has at least one of the modalities.
    ///
    /// # Errors
    ///
    /// Those of the model.
    fn fuse(&self, rows: &[usize], modalities: &[usize]) -> Result<Tensor<2>>;

    /// What the projector of a protected layer lets through of a modality's gradients; `None`, as
    /// without this method, when there is no such layer or modality.
    ///
    /// # Errors
    ///
    /// As [`Gains::of`].
    fn gains(&self, layer: usize, modality: usize) -> Result<Option<Gains>> {
        let _ = (layer, modality);
        Ok(None)
    }
}

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

    /// Asks `probed`, a batch with these labels.
    pub fn new(probed: impl Probed + 'static, targets: Targets) -> Self {
        Self(Arc::new(Mutex::new(Asked {
            probed: Box::new(probed),
            targets,
            coalitions: None,
            gains: BTreeMap::new(),
        })))
    }

    /// As [`Probed::fuse`].
    ///
    /// # Errors
    ///
    /// Those of the model.
    pub fn fuse(&self, rows: &[usize], modalities: &[usize]) -> Result<Tensor<2>> {
        self.lock().probed.fuse(rows, modalities)
    }

    /// What each coalition of modalities gets right, the empty one included; `None` for more than
    /// [`MAX_MODALITIES`](Self::MAX_MODALITIES).
    ///
    /// # Errors
    ///
    /// [`MlaError::DeviceRead`], and those of [`Probed::fuse`].
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

    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").finish_non_exhaustive()
    }
}

/// A probe with what it was asked for.
struct Asked {
    probed: Box<dyn Probed>,
    targets: Targets,
    coalitions: Option<Coalitions>,
    gains: BTreeMap<(usize, usize), Gains>,
}

impl Asked {
    fn coalitions(&mut self) -> Result<Option<Coalitions>> {
        let n_modalities = self.probed.presence().n_modalities();
        if self.coalitions.is_none() && n_modalities <= Probe::MAX_MODALITIES {
            self.coalitions = Some(coalitions(&*self.probed, &self.targets)?);
        }
        Ok(self.coalitions.clone())
    }

    fn gains(&mut self, layer: usize, modality: usize) -> Result<Option<Gains>> {
        let key = (layer, modality);
        if let Some(known) = self.gains.get(&key) {
            return Ok(Some(*known));
        }
        let gains = self.probed.gains(layer, modality)?;
        if let Some(gains) = gains {
            self.gains.insert(key, gains);
        }
        Ok(gains)
    }
}

fn coalitions(probed: &dyn Probed, targets: &Targets) -> Result<Coalitions> {
    let presence = probed.presence();
    let (n_samples, n_modalities) = (presence.n_samples(), presence.n_modalities());
    let mut n_left_out = vec![n_samples];
    let mut n_right = vec![];
    let mut n_classes = 0;
    for coalition in 1..1_usize << n_modalities {
        let modalities = members(coalition, n_modalities);
        let rows = presence.rows_with_any(&modalities);
        n_left_out.push(n_samples - rows.len());
        if rows.is_empty() {
            n_right.push(None);
            continue;
        }
        let logits = probed.fuse(&rows, &modalities)?.without_autodiff();
        n_classes = logits.dims()[1];
        let predicted: Tensor<1, Int> = logits.argmax(1).squeeze_dim(1);
        let labels = match rows.len() == n_samples {
            true => targets.clone(),
            false => targets.select(&rows),
        };
        let labels = labels.tensor().without_autodiff();
        n_right.push(Some(predicted.equal(labels).int().sum()));
    }
    // All of them together have every sample.
    let found = n_right.iter().flatten().cloned().collect();
    let found: Vec<f64> = Tensor::cat(found, 0)
        .try_into_vec_as()
        .map_err(MlaError::read("what coalitions of modalities get right"))?;
    let mut found = found.into_iter();
    let mut right = vec![0.0];
    right.extend(n_right.iter().map(|right| match right {
        Some(_) => found.next().expect("one number was read for each"),
        None => 0.0,
    }));
    let guess = 1.0 / n_classes as f64;
    for (right, left_out) in right.iter_mut().zip(n_left_out) {
        *right += guess * left_out as f64;
    }
    Ok(Coalitions {
        n_samples,
        n_right: right,
    })
}

/// The modalities of a bit mask.
pub(crate) fn members(mask: usize, n_modalities: usize) -> Vec<usize> {
    (0..n_modalities).filter(|m| mask >> m & 1 == 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fusion::{MeanFusion, ModalityLogits, UncertaintyFusion};
    use crate::test_devices;

    struct Batch(ModalityLogits);

    impl Probed for Batch {
        fn presence(&self) -> &Presence {
            self.0.presence()
        }

        fn fuse(&self, rows: &[usize], modalities: &[usize]) -> Result<Tensor<2>> {
            let subset = self.0.restricted(rows, modalities)?;
            Ok(MeanFusion {}.fuse(&subset).logits)
        }
    }

    #[test]
    fn coalitions_fuse_what_is_in_them_and_guess_the_rest() {
        for device in test_devices() {
            let a = Tensor::from_floats([[9.0, 0.0], [1.0, 0.0], [0.0, 1.0]], &device);
            let b = Tensor::from_floats([[0.0, 1.0], [0.0, 3.0], [7.0, 7.0]], &device);
            let mask = vec![true, true, true, true, true, false];
            let presence = Presence::from_mask(mask, 2).unwrap();
            let logits = ModalityLogits::new(vec![a, b], presence).unwrap();
            let targets = Targets::new([0, 1, 1], &device);
            let probe = Probe::new(Batch(logits), targets);
            let found = probe.coalitions().unwrap().unwrap();
            assert_eq!(probe.gains(0, 0), Ok(None));
            assert_eq!(found.n_samples, 3);
            // Nothing: three guesses. Modality 0: right, wrong, right. Modality 1: wrong, right,
            // a guess. Both: right, right, right.
            assert_eq!(found.n_right, [1.5, 2.0, 1.5, 3.0]);
        }
    }
}
