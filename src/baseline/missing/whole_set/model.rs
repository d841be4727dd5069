//! The method that fits a head to all training samples: its model, and its prediction.

use std::fmt;

use burn::module::{Content, Module, ModuleDisplay, ModuleDisplayDefault};

use crate::baseline::{Joint, JointPrediction, WholeSetHead};
use crate::encoder::Encoders;
use crate::error::Result;
use crate::modality::MultimodalBatch;
use crate::module::module_around;

/// A [`Joint`] model whose head is fitted to the whole training set.
///
/// It is a `MultimodalMethod`: the training loop, checkpoints, metrics and evaluation are those of every
/// other method. A pass over the training data makes the [inputs](super::WholeSetInput) that the head
/// [plans](super::PassPlan): fits to all samples, and steps on batches. What a fit finds travels with the
/// gradients to the update, which counts as one of the model's.
///
/// - The inputs of a whole pass are in memory at the same time. Use
///   [`Frozen`](crate::encoder::Frozen) encoders and cached features where that is too much.
/// - A fit cannot be part of a sum of gradients: train without accumulation, on one device.
/// - What is fitted belongs to the weights of the fit: a `WeightAverage` around it is refused.
/// - A turn of the training, as schedules and checkpoints count them, is a fit or a step on a batch.
/// - Class weights, label smoothing and another loss of the [`Joint`] have no effect where the head
///   has a loss of its own.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::baseline::{CcaConfig, JointConfig, WholeSet};
/// use burn_mla::prelude::*;
///
/// let device = Device::flex();
/// let audio = MlpEncoderConfig::new(20, 8).init(&device)?;
/// let text = MlpEncoderConfig::new(30, 6).init(&device)?;
/// let head = CcaConfig::new(vec![8, 6], 4).init(&device)?;
/// let model = WholeSet::new(JointConfig::new().init((audio, text), head)?);
///
/// let inputs = (Tensor::<2>::ones([5, 20], &device), Tensor::<2>::ones([5, 30], &device));
/// let batch = MultimodalBatch::paired(inputs, Targets::new([0; 5], &device));
/// let prediction = model.predict(batch)?;
/// assert_eq!(prediction.fused.dims(), [5, 4]);
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
#[derive(Debug)]
pub struct WholeSet<E, H> {
    /// The model.
    pub joint: Joint<E, H>,
}

module_around! {
    impl[E: Module, H: Module] WholeSet[E, H]
    around: joint, modules: [], others: []
}

impl<E: ModuleDisplay, H: ModuleDisplay> ModuleDisplayDefault for WholeSet<E, H> {
    fn content(&self, content: Content) -> Option<Content> {
        let content = self.joint.content(content)?;
        content.set_top_level_type("WholeSet").optional()
    }
}

impl<E: ModuleDisplay, H: ModuleDisplay> ModuleDisplay for WholeSet<E, H> {}

/// The structure of the model, its parameters and their number.
impl<E: Module + ModuleDisplay, H: Module + ModuleDisplay> fmt::Display for WholeSet<E, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format(Default::default()))
    }
}

impl<E: Encoders, H: WholeSetHead> WholeSet<E, H> {
    /// Wraps a model, with the interrupter and the names that it has.
    pub fn new(joint: Joint<E, H>) -> Self {
        Self { joint }
    }

    /// As [`Joint::predict`].
    ///
    /// # Errors
    ///
    /// As [`Joint::predict`].
    pub fn predict(&self, batch: MultimodalBatch<E::Inputs>) -> Result<JointPrediction> {
        self.joint.predict(batch)
    }
}
