//! Losses of training steps: cross-entropy with class weights, and binary cross-entropy for several
//! labels per sample.

mod binary_cross_entropy;
mod cross_entropy;

use std::fmt::Debug;

use burn::tensor::Tensor;

use crate::error::Result;
use crate::modality::Targets;

pub use binary_cross_entropy::BinaryCrossEntropy;
pub use cross_entropy::{CrossEntropy, CrossEntropyConfig};

/// The loss of a training step, for [`Mla::with_loss`](crate::Mla::with_loss) and
/// [`Joint::with_loss`](crate::baseline::Joint::with_loss). Without one it is the cross-entropy of
/// Eq. 2, with the label smoothing and the class weights of the model's options.
///
/// An [`Mla`](crate::Mla) calls it with the logits of the turn's modality. The heads of a
/// [`Joint`](crate::baseline::Joint) call it with the fused logits and, where a head has them, with
/// unimodal logits. Evaluation always measures the cross-entropy.
///
/// # Implementing your own
///
/// ```
/// use burn::tensor::activation::log_softmax;
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::Result;
/// use burn_mla::loss::TrainingLoss;
/// use burn_mla::prelude::*;
///
/// /// Focal loss: samples that are right already count less.
/// #[derive(Debug)]
/// struct Focal {
///     gamma: f32,
/// }
///
/// impl TrainingLoss for Focal {
///     fn loss(&self, logits: Tensor<2>, targets: &Targets) -> Result<Tensor<1>> {
///         let labels = targets.tensor().unsqueeze_dim::<2>(1);
///         let log_p = log_softmax(logits, 1).gather(1, labels);
///         let weight = log_p.clone().exp().neg().add_scalar(1.0).powf_scalar(self.gamma);
///         Ok((weight * log_p).mean().neg())
///     }
/// }
///
/// let device = Device::flex().autodiff();
/// let audio = MlpEncoderConfig::new(20, 16).init(&device)?;
/// let text = MlpEncoderConfig::new(30, 16).init(&device)?;
/// let head = LinearHeadConfig::new(16, 4).init(&device)?;
/// let model = MlaConfig::new().init_default((audio, text), head)?;
/// let model = model.with_loss(Focal { gamma: 2.0 })?;
/// let turn = Turn::new(OneOf2::A(Tensor::ones([3, 20], &device)), Targets::new([0, 1, 2], &device));
/// let output = model.try_step(turn)?;
/// assert_eq!(output.item.loss.dims(), [1]);
/// # Ok::<(), MlaError>(())
/// ```
pub trait TrainingLoss: Debug + Send + Sync + 'static {
    /// The mean loss of samples, `[1]`, from logits `[n_samples, n_classes]`.
    ///
    /// The classes of `targets` are below `n_classes`. Samples with several labels have
    /// [`Targets::sets`].
    ///
    /// # Errors
    ///
    /// [`MlaError`](crate::MlaError) for targets that the loss cannot use.
    fn loss(&self, logits: Tensor<2>, targets: &Targets) -> Result<Tensor<1>>;

    /// The total weight of samples: what [`loss`](Self::loss) divides by, the number of samples by
    /// default. Accumulated losses of several batches are weighed by it.
    fn weight(&self, targets: &Targets) -> f64 {
        targets.len() as f64
    }

    /// The largest `a` for which the loss of a sample minus `a` times its cross-entropy has a lower bound over all
    /// logits, 1 by default. [`ReconBoost`](crate::baseline::ReconBoost), which subtracts a share of the
    /// cross-entropy, refuses a loss that grows too slowly.
    fn cross_entropy_share(&self, n_classes: usize) -> f64 {
        let _ = n_classes;
        1.0
    }

    /// Checks that the loss fits a number of classes. The default accepts all.
    ///
    /// # Errors
    ///
    /// [`MlaError`](crate::MlaError) if it does not.
    fn check(&self, n_classes: usize) -> Result<()> {
        let _ = n_classes;
        Ok(())
    }
}
