//! Burn's `TrainStep` and `InferenceStep` for any [`MultimodalMethod`].
//!
//! The macro exists because a blanket implementation of a foreign trait is not allowed. The functions
//! below hold the behaviour.

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer, MultiGradientsParams};
use burn::train::{InferenceStep, TrainOutput};

use crate::error::MlaError;
use crate::method::{EvaluationOutput, MultimodalMethod, StepOutput, named};

/// Implements Burn's [`TrainStep`](burn::train::TrainStep) and
/// [`InferenceStep`](burn::train::InferenceStep) for a
/// [`MultimodalMethod`](crate::method::MultimodalMethod).
///
/// Write `burn_steps!(Type)` for a concrete type and `burn_steps!(impl[generics] Type)` for a generic
/// one.
///
/// Burn's steps cannot return errors. An error of the method stops the training through the
/// interrupter of its [`Interruption`](crate::method::Interruption). Without an interrupter, the step
/// panics. In both cases the model is unchanged. Gradients of several devices are summed on the
/// device of the model.
///
/// [`MultimodalMethod`](crate::method::MultimodalMethod#implementing-your-own) has an example.
#[macro_export]
macro_rules! burn_steps {
    (impl[$($generics:tt)*] $method:ty) => {
        /// # Panics
        ///
        /// [`step`](burn::train::TrainStep::step) and [`optimize`](burn::train::TrainStep::optimize)
        /// panic on an error unless the model has an interrupter.
        impl<$($generics)*> $crate::burn::train::TrainStep for $method {
            type Input = <Self as $crate::method::MultimodalMethod>::TrainingInput;
            type Output = $crate::method::StepOutput;

            fn step(
                &self,
                input: Self::Input,
            ) -> $crate::burn::train::TrainOutput<$crate::method::StepOutput> {
                $crate::method::train_step(self, input)
            }

            fn optimize(
                self,
                optimizer: &mut $crate::burn::optim::ModuleOptimizer,
                learning_rate: $crate::burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate,
                gradients: $crate::burn::optim::GradientsParams,
            ) -> Self {
                $crate::method::optimize(self, optimizer, learning_rate, gradients)
            }

            fn optimize_multi(
                self,
                optimizer: &mut $crate::burn::optim::ModuleOptimizer,
                learning_rate: $crate::burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate,
                gradients: $crate::burn::optim::MultiGradientsParams,
            ) -> Self {
                $crate::method::optimize_multi(self, optimizer, learning_rate, gradients)
            }
        }

        /// # Panics
        ///
        /// On an error, unless the model has an interrupter.
        impl<$($generics)*> $crate::burn::train::InferenceStep for $method {
            type Input =
                $crate::modality::MultimodalBatch<<Self as $crate::method::MultimodalMethod>::Inputs>;
            type Output = $crate::method::EvaluationOutput;

            fn step(&self, batch: Self::Input) -> $crate::method::EvaluationOutput {
                $crate::method::inference_step(self, batch)
            }
        }
    };
    ($method:ty) => {
        $crate::burn_steps!(impl[] $method);
    };
}

/// Stops the training with an error, which names the devices that are lost if a read failed.
fn raise<M: MultimodalMethod>(method: &M, error: MlaError) {
    let interruption = method.interruption();
    let devices = interruption.watched();
    let devices = devices.unwrap_or_else(|| method.devices());
    interruption.raise(named(error, devices));
}

/// [`TrainStep::step`](burn::train::TrainStep::step) of a method.
#[doc(hidden)]
pub fn train_step<M: MultimodalMethod>(
    method: &M,
    input: M::TrainingInput,
) -> TrainOutput<StepOutput> {
    let modality = M::modality(&input);
    let targets = M::targets(&input).clone();
    method.try_train_step(input).unwrap_or_else(|error| {
        raise(method, error);
        let n_classes = method.n_classes();
        TrainOutput {
            grads: GradientsParams::new(),
            item: StepOutput::failed(modality, &targets, n_classes),
        }
    })
}

/// [`TrainStep::optimize`](burn::train::TrainStep::optimize) of a method.
#[doc(hidden)]
pub fn optimize<M: MultimodalMethod>(
    mut method: M,
    optimizer: &mut ModuleOptimizer,
    learning_rate: ModuleLearningRate,
    gradients: GradientsParams,
) -> M {
    // The step failed if there are no gradients, or an error in another part of the batch.
    if !gradients.is_empty()
        && !method.interruption().is_failing()
        && let Err(error) = method.try_update(optimizer, learning_rate, gradients)
    {
        raise(&method, error);
    }
    method
}

/// [`TrainStep::optimize_multi`](burn::train::TrainStep::optimize_multi) of a method.
///
/// Sums the gradients of all devices on the device of the model. The projector needs the mean
/// feature over all devices, which means that the update cannot be sharded by parameter.
#[doc(hidden)]
pub fn optimize_multi<M: MultimodalMethod>(
    method: M,
    optimizer: &mut ModuleOptimizer,
    learning_rate: ModuleLearningRate,
    gradients: MultiGradientsParams,
) -> M {
    let device = method.devices().into_iter().next();
    let mut sum = GradientsAccumulator::new();
    for (gradients, _) in gradients.grads {
        let gradients = match &device {
            Some(device) => gradients.to_device(device, &method),
            None => gradients,
        };
        sum.accumulate(&method, gradients);
    }
    optimize(method, optimizer, learning_rate, sum.grads())
}

/// [`InferenceStep::step`] of a method.
#[doc(hidden)]
pub fn inference_step<M: MultimodalMethod>(
    method: &M,
    batch: <M as InferenceStep>::Input,
) -> EvaluationOutput {
    let targets = batch.targets.clone();
    method.try_inference_step(batch).unwrap_or_else(|error| {
        raise(method, error);
        EvaluationOutput::failed(&targets, method.n_classes())
    })
}
