//! The part of a model that an optimizer updates.

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, Param};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;

use crate::module::{FloatParam, ParamVisitor, module_fields, take_updates, unshared, visit};

/// The parameters that an optimizer updates, under the same paths as in the model.
///
/// Counters and other state of the model are left out, because the optimizer's traversal would read
/// counters back from the device.
#[derive(Debug, Clone)]
pub(crate) struct Parameters<E, H> {
    pub(crate) encoders: E,
    pub(crate) head: H,
}

module_fields! {
    impl[E: Module, H: Module] Parameters[E, H]
    modules: [encoders by unshared, head by unshared], others: []
}

impl<E: Module, H: Module> Parameters<E, H> {
    pub(crate) fn of(encoders: &E, head: &H) -> Self {
        Self {
            encoders: encoders.clone(),
            head: head.clone(),
        }
    }

    /// The parameters after a step of the optimizer, and the running statistics that the gradients
    /// carry.
    pub(crate) fn step(
        self,
        optimizer: &mut ModuleOptimizer,
        learning_rate: ModuleLearningRate,
        mut gradients: GradientsParams,
    ) -> Self {
        let statistics = take_updates(&self, &mut gradients);
        let stepped = optimizer.step(learning_rate, self, gradients);
        if statistics.is_empty() {
            stepped
        } else {
            statistics.write(stepped)
        }
    }

    /// Divides the gradients of the parameters by a number on the device, `[1]`.
    pub(crate) fn divide(&self, gradients: &mut GradientsParams, by: Tensor<1>) {
        visit(self, &mut Divide { gradients, by });
    }
}

struct Divide<'a> {
    gradients: &'a mut GradientsParams,
    by: Tensor<1>,
}

impl ParamVisitor for Divide<'_> {
    fn visit<const D: usize>(&mut self, _: FloatParam, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            let by = self.by.clone().to_device(&gradient.device());
            let by = by.cast(gradient.dtype()).reshape([1; D]);
            self.gradients.register(param.id, gradient / by);
        }
    }
}
