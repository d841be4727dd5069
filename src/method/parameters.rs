//! The part of a model that an optimizer updates.

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, Param};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{DType, Tensor};

use crate::module::{ParamVisitor, Visited, module_fields, take_updates, unshared, visit};
use crate::numeric::{Numbers, is_host};

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

    /// Divides the gradients of the parameters by a number, `[1]` in f32. Updates of running
    /// statistics, which travel with the gradients, count their passes themselves.
    pub(crate) fn divide(&self, gradients: &mut GradientsParams, by: &Tensor<1>) {
        // A read is free on the host only.
        let on_host = is_host(&by.device()).then(|| Numbers::of(by.clone()).get()[0]);
        let mut divide = Divide {
            gradients,
            by,
            on_host,
        };
        visit(self, &mut divide);
    }
}

struct Divide<'a> {
    gradients: &'a mut GradientsParams,
    by: &'a Tensor<1>,
    on_host: Option<f32>,
}

impl ParamVisitor for Divide<'_> {
    fn visit<const D: usize>(&mut self, described: &Visited<'_>, param: &Param<Tensor<D>>) {
        if !described.requires_grad {
            return;
        }
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            let dtype = gradient.dtype();
            // Half precision cannot represent every number of samples.
            let gradient = gradient.cast(DType::F32);
            let mean = match self.on_host {
                Some(by) => gradient / by,
                None => {
                    let by = self.by.clone().to_device(&gradient.device());
                    gradient / by.reshape([1; D])
                }
            };
            self.gradients.register(param.id, mean.cast(dtype));
        }
    }
}
