//! Training of MMPareto: two passes, their combined gradients, and its `MultimodalMethod`.

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{DType, Distribution, Tensor};
use burn::train::TrainOutput;

use super::MmPareto;
use super::integrate::integrate;
use super::objective::Objective;
use crate::baseline::{Joint, JointHead};
use crate::encoder::Encoders;
use crate::error::{MlaError, Result};
use crate::loader::SourceLoader;
use crate::method::{EvaluationOutput, Interruption, MultimodalMethod, StepOutput, TrainingLoader};
use crate::modality::{MultimodalBatch, Targets};
use crate::module::unshared;

/// Number of values of each part of a seed, exact in f32.
const PART: f64 = 2_097_152.0;

/// Number of parts, which together have 63 bits. A seed follows from the one before, and seeds of few bits would soon
/// repeat.
const PARTS: usize = 3;

impl<E: Encoders<Inputs: Clone>, H: JointHead> MmPareto<E, H> {
    /// The forward and backward passes of a batch. The loss of the output is the sum of the fused and the
    /// unimodal losses.
    ///
    /// As [`Joint::try_step`] otherwise.
    ///
    /// # Errors
    ///
    /// As [`Joint::try_step`].
    ///
    /// # Panics
    ///
    /// As [`Joint::try_step`].
    pub fn try_step(&self, batch: MultimodalBatch<E::Inputs>) -> Result<TrainOutput<StepOutput>> {
        let head = || unshared(&self.joint.head);
        let fused = self.joint.with_head(Objective::fused(head()));
        let mut unimodal = self.joint.with_head(Objective::unimodal(head()));
        unimodal.config.modulation = None;

        let seed = self.draw_seed()?;
        self.seed(seed);
        let mut output = fused.try_step(batch.clone())?;
        self.seed(seed);
        let assistance = unimodal.try_step(batch)?;
        output.item.loss = output.item.loss + assistance.item.loss;
        let Joint { encoders, head, .. } = &self.joint;
        let gradients = (output.grads, assistance.grads);
        output.grads = integrate(encoders, head, gradients, self.config.gamma);
        Ok(output)
    }

    /// A seed for both passes, from the random numbers of the device.
    fn draw_seed(&self) -> Result<u64> {
        let device = self.joint.weight.get().device();
        let uniform = Distribution::Uniform(0.0, PART);
        let drawn = Tensor::<1>::random([PARTS], uniform, (&device, DType::F32));
        let drawn: Vec<f64> = drawn
            .try_into_vec_as()
            .map_err(MlaError::read("the seed of a step"))?;
        Ok(combined(&drawn))
    }

    fn seed(&self, seed: u64) {
        for device in self.joint.devices() {
            device.seed(seed);
        }
    }

    /// As [`Joint::try_optimize`].
    ///
    /// # Errors
    ///
    /// As [`Joint::try_optimize`].
    pub fn try_optimize(
        &mut self,
        optimizer: &mut ModuleOptimizer,
        learning_rate: impl Into<ModuleLearningRate>,
        gradients: GradientsParams,
    ) -> Result<()> {
        self.joint.try_optimize(optimizer, learning_rate, gradients)
    }
}

/// A number of all parts.
fn combined(parts: &[f64]) -> u64 {
    let parts = parts.iter().map(|part| part.min(PART - 1.0) as u64);
    parts.fold(0, |seed, part| seed * PART as u64 + part)
}

crate::burn_steps!(
    impl[E: Encoders<Inputs: Clone> + 'static, H: JointHead] MmPareto<E, H>
);

impl<E: Encoders<Inputs: Clone> + 'static, H: JointHead> MultimodalMethod for MmPareto<E, H> {
    type Inputs = E::Inputs;
    type TrainingInput = MultimodalBatch<E::Inputs>;

    fn n_modalities(&self) -> usize {
        self.joint.n_modalities()
    }

    fn n_classes(&self) -> usize {
        self.joint.n_classes()
    }

    /// As that of [`Joint`].
    ///
    /// # Errors
    ///
    /// [`MlaError::NoSamples`] for a loader without items.
    fn training_loader(
        &self,
        batches: SourceLoader<MultimodalBatch<E::Inputs>>,
    ) -> Result<TrainingLoader<Self::TrainingInput>> {
        self.joint.training_loader(batches)
    }

    fn modality(_: &Self::TrainingInput) -> Option<usize> {
        None
    }

    fn targets(batch: &Self::TrainingInput) -> &Targets {
        &batch.targets
    }

    fn interruption(&self) -> &Interruption {
        MultimodalMethod::interruption(&self.joint)
    }

    fn interruption_mut(&mut self) -> &mut Interruption {
        MultimodalMethod::interruption_mut(&mut self.joint)
    }

    fn check_restored(&self) -> Result<()> {
        self.joint.check_restored()
    }

    fn is_selectable(&self) -> bool {
        self.joint.is_selectable()
    }

    fn try_train_step(&self, batch: Self::TrainingInput) -> Result<TrainOutput<StepOutput>> {
        self.try_step(batch)
    }

    fn try_update(
        &mut self,
        optimizer: &mut ModuleOptimizer,
        learning_rate: ModuleLearningRate,
        gradients: GradientsParams,
    ) -> Result<()> {
        self.try_optimize(optimizer, learning_rate, gradients)
    }

    fn set_temperatures(&mut self, temperatures: &[f64]) -> Result<bool> {
        MultimodalMethod::set_temperatures(&mut self.joint, temperatures)
    }

    fn set_fused_temperature(&mut self, temperature: f64) -> Result<bool> {
        self.joint.set_fused_temperature(temperature)
    }

    fn try_inference_step(&self, batch: MultimodalBatch<E::Inputs>) -> Result<EvaluationOutput> {
        self.joint.try_evaluate(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_has_all_bits_of_its_parts() {
        assert_eq!(combined(&[0.0, 1.5, 3.0]), (1 << 21) + 3);
        // The end of the interval, to which a draw can be rounded.
        assert_eq!(combined(&[PART; PARTS]), (1 << 63) - 1);
        assert_eq!(combined(&[1.0, 0.0, 0.0]), 1 << 42);
    }
}
