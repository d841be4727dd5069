//! The part of a model that an optimizer updates.

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, Param};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{DType, Tensor};

use crate::method::Checked;
use crate::module::{ParamVisitor, Visited, module_fields, take_updates, unshared, visit};
use crate::numeric::{Numbers, divide_all, is_host};

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
    ///
    /// On a host the quotients are checked on the way.
    pub(crate) fn divide(&self, gradients: &mut GradientsParams, by: &Tensor<1>) -> Checked {
        // A read is free on the host only.
        let on_host = is_host(&by.device()).then(|| Numbers::of(by.clone()).get()[0]);
        let mut divide = Divide {
            gradients,
            by,
            on_host,
            checked: Checked::default(),
        };
        visit(self, &mut divide);
        divide.checked
    }
}

struct Divide<'a> {
    gradients: &'a mut GradientsParams,
    by: &'a Tensor<1>,
    on_host: Option<f32>,
    checked: Checked,
}

impl ParamVisitor for Divide<'_> {
    fn visit<const D: usize>(&mut self, described: &Visited<'_>, param: &Param<Tensor<D>>) {
        if !described.requires_grad {
            return;
        }
        let Some(gradient) = self.gradients.remove::<D>(param.id) else {
            return;
        };
        let dtype = gradient.dtype();
        let device = gradient.device();
        let mean = match self.on_host {
            Some(by) if dtype == DType::F32 && is_host(&device) => {
                let mut numbers = Numbers::of(gradient);
                let is_finite = divide_all(numbers.get_mut(), by);
                self.checked.add(described, is_finite);
                numbers.into_tensor(&device)
            }
            // Half precision cannot represent every number of samples.
            Some(by) => (gradient.cast(DType::F32) / by).cast(dtype),
            None => {
                let by = self.by.clone().to_device(&device).reshape([1; D]);
                (gradient.cast(DType::F32) / by).cast(dtype)
            }
        };
        self.gradients.register(param.id, mean);
    }
}
