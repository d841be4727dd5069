//! MMPareto: the fused and the unimodal gradient of each encoder, combined to a descent for both losses.

#[cfg(feature = "train")]
mod integrate;
#[cfg(feature = "train")]
mod objective;
#[cfg(feature = "train")]
mod step;

use std::fmt;

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay, ModuleDisplayDefault};

use crate::baseline::{Assisted, Joint, JointHead, JointPrediction};
use crate::encoder::Encoders;
use crate::error::{Result, positive};
use crate::modality::MultimodalBatch;
use crate::module::module_around;

/// Configuration of [`MmPareto`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `gamma` | 1.5 | factor of the combined gradients | (0, inf) |
///
/// The default is that of the published code.
#[derive(Config, Debug)]
pub struct MmParetoConfig {
    /// Factor of the combined gradients.
    #[config(default = 1.5)]
    pub gamma: f64,
}

/// MMPareto (Wei and Hu, "MMPareto: Boosting Multimodal Learning with Innocent Unimodal Assistance", ICML
/// 2024) of a [`Joint`] model with unimodal assistance.
///
/// ```text
/// g_f, g_u = gradients of encoder m from the fused loss and from its unimodal loss
/// a_f = a_u = 1/2                                           if <g_f, g_u> >= 0, else
/// a_f = <g_u - g_f, g_u> / |g_u - g_f|^2, a_u = 1 - a_f     the shortest vector between both
/// h   = 2 a_f g_f + 2 a_u g_u
/// g   = gamma max(1, |g_f + g_u| / |h|) h
/// ```
///
/// over all parameters of the encoder together. The fused loss is that of the head `H` in [`Assisted`], the
/// unimodal losses are those of its classifiers. Parameters of the head and of the classifiers get their own
/// gradients. Where `|h|` is below a thousandth of `sqrt(|g_f|^2 + |g_u|^2)`, the gradients are opposite and
/// `h` is not stretched: its direction is rounding error.
///
/// It is a `MultimodalMethod`: the training loop, checkpoints, metrics and evaluation are those of every
/// other method. A step makes two forward and backward passes, both with the same random numbers (dropout), for
/// which it seeds the device with a number that it draws from it. On flex and CubeCL devices the random numbers are
/// those of the whole process: nothing else may draw from them or seed them during a step. Running statistics are
/// those of the first pass. A gradient that only one of the losses gives counts as 0 for the other.
/// An encoder whose modality is missing in the batch does not move. OGM, if the [`Joint`] has it, modulates
/// `g_f`. Gradients of several batches are combined batch by batch, then summed.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::baseline::{AssistedConfig, ConcatConfig, JointConfig, MmParetoConfig};
/// use burn_mla::prelude::*;
///
/// let device = Device::flex();
/// let audio = MlpEncoderConfig::new(20, 8).init(&device)?;
/// let text = MlpEncoderConfig::new(30, 6).init(&device)?;
/// let head = ConcatConfig::new(vec![8, 6], 4).init(&device)?;
/// let head = AssistedConfig::new(vec![8, 6]).init(head)?;
/// let model = MmParetoConfig::new().init(JointConfig::new().init((audio, text), head)?)?;
///
/// let inputs = (Tensor::<2>::ones([5, 20], &device), Tensor::<2>::ones([5, 30], &device));
/// let batch = MultimodalBatch::paired(inputs, Targets::new([0; 5], &device));
/// let prediction = model.predict(batch)?;
/// assert_eq!(prediction.fused.dims(), [5, 4]);
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
#[derive(Debug)]
pub struct MmPareto<E, H: Module> {
    /// The model.
    pub joint: Joint<E, Assisted<H>>,
    config: MmParetoConfig,
}

module_around! {
    impl[E: Module, H: Module + ModuleDisplay] MmPareto[E, H]
    around: joint, modules: [], others: [config]
}

impl<E: ModuleDisplay, H: Module + ModuleDisplay> ModuleDisplayDefault for MmPareto<E, H> {
    fn content(&self, content: Content) -> Option<Content> {
        let content = self.joint.content(content)?;
        let content = content.add_debug_attribute("integration", &self.config);
        content.set_top_level_type("MmPareto").optional()
    }
}

impl<E: ModuleDisplay, H: Module + ModuleDisplay> ModuleDisplay for MmPareto<E, H> {}

/// The structure of the model, its parameters and their number.
impl<E: Module + ModuleDisplay, H: Module + ModuleDisplay> fmt::Display for MmPareto<E, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format(Default::default()))
    }
}

impl MmParetoConfig {
    /// Wraps a model, with the interrupter and the names that it has.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`](crate::MlaError::HyperParameter) for a value outside of the ranges above.
    pub fn init<E: Encoders, H: JointHead>(
        &self,
        joint: Joint<E, Assisted<H>>,
    ) -> Result<MmPareto<E, H>> {
        positive("gamma", self.gamma)?;
        Ok(MmPareto {
            joint,
            config: self.clone(),
        })
    }
}

impl<E: Encoders, H: JointHead> MmPareto<E, H> {
    /// As [`Joint::predict`].
    ///
    /// # Errors
    ///
    /// As [`Joint::predict`].
    pub fn predict(&self, batch: MultimodalBatch<E::Inputs>) -> Result<JointPrediction> {
        self.joint.predict(batch)
    }
}
