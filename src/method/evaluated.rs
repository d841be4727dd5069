//! An evaluated batch as metrics and evaluation use it: predictions from subsets of its modalities
//! and of single branches, and gains of the projector. Each is computed on request, once per batch.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::tensor::{Int, Tensor};
use burn::train::ClassificationOutput;

use crate::error::{MlaError, Result, same_size};
use crate::method::Branch;
use crate::modality::Presence;
use crate::numeric::{finite_probe, first_failed};
use crate::projector::Gains;

/// An evaluated batch that predicts from any subset of its modalities.
///
/// # Implementing your own
///
/// A model whose prediction is the sum of its modalities' logits:
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::Result;
/// use burn_mla::fusion::ModalityLogits;
/// use burn_mla::method::{EvaluatedBatch, SubsetPredictor};
/// use burn_mla::modality::Presence;
///
/// struct SumOfLogits(ModalityLogits);
///
/// impl SubsetPredictor for SumOfLogits {
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
/// let batch = EvaluatedBatch::new(SumOfLogits(logits));
/// let subsets = batch.subsets()?;
/// // Audio, text, both.
/// let classes: Vec<&[usize]> = subsets.iter().map(|subset| &subset.classes[..]).collect();
/// assert_eq!(classes, [[0, 0], [1, 1], [0, 1]]);
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
pub trait SubsetPredictor: Send {
    /// The modality mask of the batch.
    fn presence(&self) -> &Presence;

    /// Logits of the samples `rows`, predicted from `modalities` as if all others were missing,
    /// `[rows, n_classes]`.
    ///
    /// Each of these samples has at least one of the modalities.
    ///
    /// # Errors
    ///
    /// Those of the model.
    fn fuse(&self, rows: &[usize], modalities: &[usize]) -> Result<Tensor<2>>;

    /// Logits of a modality after calibration, `[n_samples, n_classes]`, with any content where a
    /// sample lacks it. `None`, the default, for a model that does not calibrate.
    fn calibrated(&self, modality: usize) -> Option<Tensor<2>> {
        let _ = modality;
        None
    }

    /// Fused logits of modalities before calibration, `[n_samples, n_classes]`. `None`, the default,
    /// for a model that does not calibrate.
    fn uncalibrated(&self) -> Option<Tensor<2>> {
        None
    }

    /// Gains of the projector of a protected layer for gradients of a modality. `None`, the default,
    /// if there is no such layer or modality.
    ///
    /// # Errors
    ///
    /// As [`Gains::of`].
    fn gains(&self, layer: usize, modality: usize) -> Result<Option<Gains>> {
        let _ = (layer, modality);
        Ok(None)
    }
}

/// Predictions from one subset of the modalities, for the samples that have at least one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubsetPrediction {
    /// The modalities, in order.
    pub modalities: Vec<usize>,
    /// Positions in the batch of the samples that have one of them, in order.
    pub rows: Vec<usize>,
    /// Predicted class of each of these samples.
    pub classes: Vec<usize>,
}

impl SubsetPrediction {
    /// Number of correct predictions, for the labels of the whole batch.
    pub fn n_correct(&self, labels: &[i64]) -> usize {
        let pairs = self.rows.iter().zip(&self.classes);
        let label = |row: usize| {
            labels
                .get(row)
                .and_then(|&label| usize::try_from(label).ok())
        };
        pairs
            .filter(|&(&row, &class)| label(row) == Some(class))
            .count()
    }
}

/// An evaluated batch, with the fusion and the projector of the model at that time.
///
/// Results are computed when they are first requested. Clones share them.
#[derive(Clone)]
pub struct EvaluatedBatch(Arc<Mutex<Cache>>);

struct Cache {
    predictor: Box<dyn SubsetPredictor>,
    subsets: Option<Arc<[SubsetPrediction]>>,
    gains: BTreeMap<(usize, usize), Gains>,
    branches: BTreeMap<Branch, Option<ClassificationOutput>>,
}

impl EvaluatedBatch {
    /// Largest number of modalities for [`subsets`](Self::subsets).
    pub const MAX_MODALITIES: usize = 16;

    /// Wraps a predictor.
    pub fn new(predictor: impl SubsetPredictor + 'static) -> Self {
        Self(Arc::new(Mutex::new(Cache {
            predictor: Box::new(predictor),
            subsets: None,
            gains: BTreeMap::new(),
            branches: BTreeMap::new(),
        })))
    }

    /// As [`SubsetPredictor::fuse`].
    ///
    /// # Errors
    ///
    /// Those of the model.
    pub fn fuse(&self, rows: &[usize], modalities: &[usize]) -> Result<Tensor<2>> {
        self.lock().predictor.fuse(rows, modalities)
    }

    /// Number of modalities of the batch.
    pub fn n_modalities(&self) -> usize {
        self.lock().predictor.presence().n_modalities()
    }

    /// Predictions from each non-empty subset of the modalities, `2^M - 1` of them, in the order of
    /// their bit masks.
    ///
    /// Bit `m` is set if modality `m` is in the subset. The mask 1 comes first. The classes are read from the device once.
    ///
    /// # Errors
    ///
    /// - [`MlaError::TooManyModalities`] for more than [`MAX_MODALITIES`](Self::MAX_MODALITIES);
    /// - [`MlaError::Size`] for a prediction without one row per sample;
    /// - [`MlaError::NonFiniteSubset`] for a prediction that is not finite;
    /// - [`MlaError::DeviceRead`], and those of [`SubsetPredictor::fuse`].
    pub fn subsets(&self) -> Result<Arc<[SubsetPrediction]>> {
        let mut cache = self.lock();
        if let Some(known) = &cache.subsets {
            return Ok(known.clone());
        }
        let subsets: Arc<[SubsetPrediction]> = subsets(&*cache.predictor)?.into();
        cache.subsets = Some(subsets.clone());
        Ok(subsets)
    }

    /// As [`SubsetPredictor::gains`].
    ///
    /// # Errors
    ///
    /// As [`Gains::of`].
    pub fn gains(&self, layer: usize, modality: usize) -> Result<Option<Gains>> {
        let mut cache = self.lock();
        let key = (layer, modality);
        if let Some(known) = cache.gains.get(&key) {
            return Ok(Some(*known));
        }
        let gains = cache.predictor.gains(layer, modality)?;
        if let Some(gains) = gains {
            cache.gains.insert(key, gains);
        }
        Ok(gains)
    }

    /// As [`SubsetPredictor::calibrated`].
    pub fn calibrated(&self, modality: usize) -> Option<Tensor<2>> {
        self.lock().predictor.calibrated(modality)
    }

    /// As [`SubsetPredictor::uncalibrated`].
    pub fn uncalibrated(&self) -> Option<Tensor<2>> {
        self.lock().predictor.uncalibrated()
    }

    /// Predictions of a branch, computed at the first request.
    pub(crate) fn branch(
        &self,
        branch: Branch,
        compute: impl FnOnce() -> Option<ClassificationOutput>,
    ) -> Option<ClassificationOutput> {
        if !self.lock().branches.contains_key(&branch) {
            // Without the lock, which `compute` may need.
            let computed = compute();
            self.lock().branches.entry(branch).or_insert(computed);
        }
        let cache = self.lock();
        let known = cache.branches.get(&branch)?;
        // Burn's type is not `Clone`.
        known.as_ref().map(|output| ClassificationOutput {
            loss: output.loss.clone(),
            output: output.output.clone(),
            targets: output.targets.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Cache> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for EvaluatedBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EvaluatedBatch").finish_non_exhaustive()
    }
}

fn subsets(predictor: &dyn SubsetPredictor) -> Result<Vec<SubsetPrediction>> {
    let presence = predictor.presence();
    let n_modalities = presence.n_modalities();
    check_subsets(n_modalities)?;
    let mut subsets = vec![];
    let (mut predicted, mut probes, mut probed) = (vec![], vec![], vec![]);
    for mask in 1..1_usize << n_modalities {
        let modalities = members(mask, n_modalities);
        let rows = presence.rows_with_any(&modalities);
        if !rows.is_empty() {
            let logits = predictor.fuse(&rows, &modalities)?.without_autodiff();
            let what = "rows of a prediction from a subset of the modalities";
            same_size(what, rows.len(), logits.dims()[0])?;
            probes.push(finite_probe(logits.clone()));
            probed.push(subsets.len());
            predicted.push(logits.argmax(1).squeeze_dim::<1>(1));
        }
        subsets.push(SubsetPrediction {
            modalities,
            rows,
            classes: vec![],
        });
    }
    if predicted.is_empty() {
        return Ok(subsets);
    }
    if let Some(failed) = first_failed(probes)? {
        let modalities = subsets[probed[failed]].modalities.clone();
        return Err(MlaError::NonFiniteSubset { modalities });
    }
    let predicted: Vec<i64> = Tensor::<1, Int>::cat(predicted, 0)
        .try_into_vec_as()
        .map_err(MlaError::read("predictions of subsets"))?;
    let mut predicted = predicted.into_iter().map(|class| class as usize);
    for subset in &mut subsets {
        subset.classes = predicted.by_ref().take(subset.rows.len()).collect();
    }
    Ok(subsets)
}

/// Checks that the number of modalities allows all their subsets.
pub(crate) fn check_subsets(n_modalities: usize) -> Result<()> {
    if n_modalities > EvaluatedBatch::MAX_MODALITIES {
        return Err(MlaError::TooManyModalities {
            n_modalities,
            limit: EvaluatedBatch::MAX_MODALITIES,
        });
    }
    Ok(())
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

    impl SubsetPredictor for Batch {
        fn presence(&self) -> &Presence {
            self.0.presence()
        }

        fn fuse(&self, rows: &[usize], modalities: &[usize]) -> Result<Tensor<2>> {
            let subset = self.0.restricted(rows, modalities)?;
            Ok(MeanFusion.fuse(&subset).logits)
        }
    }

    #[test]
    fn subsets_are_fused_over_the_samples_that_have_them() {
        for device in test_devices() {
            let a = Tensor::from_floats([[9.0, 0.0], [1.0, 0.0], [0.0, 1.0]], &device);
            let b = Tensor::from_floats([[0.0, 1.0], [0.0, 3.0], [7.0, 7.0]], &device);
            let mask = vec![true, true, true, true, true, false];
            let presence = Presence::from_mask(mask, 2).unwrap();
            let batch =
                EvaluatedBatch::new(Batch(ModalityLogits::new(vec![a, b], presence).unwrap()));
            assert_eq!(batch.gains(0, 0), Ok(None));
            let found = batch.subsets().unwrap();
            let subset =
                |modalities: &[usize], rows: &[usize], classes: &[usize]| SubsetPrediction {
                    modalities: modalities.to_vec(),
                    rows: rows.to_vec(),
                    classes: classes.to_vec(),
                };
            let expected = [
                subset(&[0], &[0, 1, 2], &[0, 0, 1]),
                subset(&[1], &[0, 1], &[1, 1]),
                subset(&[0, 1], &[0, 1, 2], &[0, 1, 1]),
            ];
            assert_eq!(*found, expected);
            let n_correct = found.iter().map(|subset| subset.n_correct(&[0, 1, 1]));
            assert_eq!(n_correct.collect::<Vec<_>>(), [2, 1, 3]);
        }
    }
}
