//! The trait of a head that is fitted to a whole training set.

use burn::tensor::Tensor;

use crate::baseline::missing::whole_set::FitValues;
use crate::baseline::{JointHead, ModalityFeatures};
use crate::error::{MlaError, Result};
use crate::modality::Targets;
use crate::numeric::not_finite_rows;

/// A [`JointHead`] that is fitted to all training samples at once, such as
/// [`Cca`](crate::baseline::Cca).
///
/// With the feature `train`, a [`WholeSet`](crate::baseline::WholeSet) trains it: a pass over the data
/// consists of [fits](Self::fit) and, for a head that [asks](PassPlan) for them, of ordinary steps on
/// batches in between, with [`JointHead::loss`].
pub trait WholeSetHead: JointHead {
    /// The training inputs of a pass.
    fn pass(&self) -> PassPlan;

    /// Fits the head to all training samples. The head does not change: what the fit finds are
    /// [values](Fit::values) of its buffers, or gradients of a [loss](Fit::loss).
    ///
    /// # Errors
    ///
    /// [`MlaError`] for samples that the method cannot be fitted to.
    fn fit(&self, samples: &WholeSamples) -> Result<Fit>;
}

/// The training inputs of a pass over the data, in order: `fits_before`, the batches, `fits_after`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassPlan {
    /// Number of fits to the whole set before the batches.
    pub fits_before: usize,
    /// The number of samples from which a batch makes a step; `None` for a head without steps on
    /// batches. Smaller ones, such as the last of a pass, count in the fits only.
    pub smallest_batch: Option<usize>,
    /// Number of fits to the whole set after the batches.
    pub fits_after: usize,
}

/// Whether a fit comes before or after the batches of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before the batches.
    BeforeBatches,
    /// After the batches.
    AfterBatches,
}

/// All training samples.
#[derive(Debug, Clone)]
pub struct WholeSamples<'a> {
    /// The features, from encoders in evaluation mode and without autodiff.
    pub features: ModalityFeatures,
    /// The labels, classes of the head, one per sample.
    pub targets: &'a Targets,
    /// The positions of the samples in the data set, if the batches
    /// [have them](crate::modality::MultimodalBatch::samples).
    pub samples: Option<&'a [usize]>,
    /// The place of the fit in the pass.
    pub moment: Moment,
    /// Number of updates of the model so far.
    pub step: u64,
}

/// The result of a [fit](WholeSetHead::fit).
#[derive(Debug)]
pub struct Fit {
    /// The objective, `[1]`.
    pub loss: Tensor<1>,
    /// Whether the parameters of the head follow the gradient of the loss.
    pub descends: bool,
    /// The logits of the samples, `[n_samples, n_classes]`.
    pub logits: Tensor<2>,
    /// New values of buffers of the head.
    pub values: FitValues,
}

impl WholeSamples<'_> {
    /// Checks that labels and features can be fitted to.
    ///
    /// # Errors
    ///
    /// [`MlaError::SeveralLabels`], [`MlaError::LabelOutOfRange`], [`MlaError::NoLabel`],
    /// [`MlaError::NonFiniteFeatures`] with the first modality and sample, and [`MlaError::Size`] for
    /// another number of labels than samples.
    pub(in crate::baseline) fn check(&self, n_classes: usize) -> Result<()> {
        let located = |error: MlaError| error.located(None, self.samples);
        self.targets
            .check_single("a fit to the whole training set")?;
        let (n_samples, n_labels) = (self.features.n_samples(), self.targets.len());
        crate::error::same_size("labels (one per sample)", n_samples, n_labels)?;
        self.targets.check(n_classes).map_err(located)?;
        let features = self.features.all().iter();
        // 0 * x is 0 for finite x and NaN otherwise, and cannot overflow when summed.
        let sums = features.map(|features| (features.clone() * 0.0).sum().without_autodiff());
        let sums = Tensor::cat(sums.collect(), 0);
        let sums: Vec<f64> = sums
            .try_into_vec_as()
            .map_err(MlaError::read("the finiteness of features"))?;
        let Some(modality) = sums.iter().position(|sum| sum.is_nan()) else {
            return Ok(());
        };
        let rows = not_finite_rows(&self.features.modality(modality))?;
        let sample = rows.first().copied().unwrap_or_default();
        let problem = MlaError::NonFiniteFeatures {
            modality: Some(modality),
            sample,
        };
        Err(match self.samples.and_then(|samples| samples.get(sample)) {
            None => problem,
            Some(&position) => MlaError::Sample {
                sample,
                position: Some(position),
                problem: Box::new(problem),
            },
        })
    }

    /// The labels, which [`check`](Self::check) accepted.
    pub(in crate::baseline) fn labels(&self) -> Vec<usize> {
        let labels = self.targets.labels().iter();
        labels.map(|&label| label as usize).collect()
    }
}
