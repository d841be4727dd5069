//! Running statistics of batch normalization.
//!
//! Burn's `RunningState` shares its value between clones of a module, and applies the update of a
//! forward pass before the next one. Here a copy has statistics of its own, a step runs on a copy,
//! and its updates travel with its gradients.

use std::any::Any;
use std::collections::{HashMap, VecDeque};

use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param, ParamId, ParameterValue};
use burn::tensor::{Bool, Int, Tensor};

#[cfg(feature = "train")]
pub(crate) use updates::{carry_updates, take_updates};

use crate::module::{ParamVisitor, Visited, visit};

/// Applies the pending updates of running statistics.
///
/// Nothing else changes: the next forward pass would have applied them first.
#[cfg(feature = "train")]
pub(crate) fn take_pending_updates<M: Module>(module: &M) {
    // A validation copy applies them, in state that is shared with `module`.
    drop(module.valid());
}

/// A clone of a module that shares no running statistics with it, and has no pending updates.
///
/// Parameters are those of a clone. The pending updates of `module` are applied first.
pub fn unshared<M: Module>(module: &M) -> M {
    // Parameters that train are no statistics: most modules need no more than a clone.
    if all_train(module) {
        return module.clone();
    }
    // Burn gives a validation copy statistics of its own; everything else in it is replaced.
    let copy = module.valid();
    let mut originals = Originals::default();
    module.visit(&mut originals);
    copy.map(&mut originals)
}

/// Returns true if all float parameters train. A module of which this is true has no running statistics.
fn all_train<M: Module>(module: &M) -> bool {
    struct All(bool);
    impl ParamVisitor for All {
        fn visit<const D: usize>(&mut self, described: &Visited<'_>, _: &Param<Tensor<D>>) {
            self.0 &= described.requires_grad;
        }
    }
    let mut all = All(true);
    visit(module, &mut all);
    all.0
}

/// The parameters of a module by their ids, several of one id in the order of the traversal.
#[derive(Default)]
struct Originals(HashMap<ParamId, VecDeque<Box<dyn Any>>>);

impl Originals {
    fn add<T: ParameterValue + 'static>(&mut self, param: &Param<T>)
    where
        Param<T>: Clone,
    {
        let same = self.0.entry(param.id).or_default();
        same.push_back(Box::new(param.clone()));
    }

    fn take<T: ParameterValue + 'static>(&mut self, param: Param<T>) -> Param<T> {
        let original = self.0.get_mut(&param.id).and_then(VecDeque::pop_front);
        let original = original.and_then(|original| original.downcast().ok());
        original.map_or(param, |original| *original)
    }
}

impl ModuleVisitor for Originals {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.add(param);
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.add(param);
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.add(param);
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.add(flag);
    }
}

impl ModuleMapper for Originals {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.take(param)
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        self.take(param)
    }

    fn map_bool<const D: usize>(
        &mut self,
        param: Param<Tensor<D, Bool>>,
    ) -> Param<Tensor<D, Bool>> {
        self.take(param)
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        self.take(flag)
    }
}

#[cfg(feature = "train")]
mod updates {
    use burn::module::{Module, ModuleMapper, Param, ParamId};
    use burn::optim::GradientsParams;
    use burn::tensor::{DType, Tensor};

    use super::{all_train, take_pending_updates};
    use crate::module::{ParamValues, ParamVisitor, Visited, visit};

    /// Adds to `gradients` the statistics that a forward pass on `stepped` changed.
    ///
    /// An entry has the id of the statistic and one row more than it, which holds the number of
    /// samples of the pass; the statistics are multiplied by it. Sums of gradients over passes or
    /// devices therefore hold a sum over samples and their number. `n_samples` gives it for each
    /// statistic. `stepped` is an [`unshared`](super::unshared) copy that the step drops.
    pub(crate) fn carry_updates<M: Module>(
        stepped: &M,
        n_samples: &dyn Fn(&Visited) -> usize,
        gradients: &mut GradientsParams,
    ) {
        if all_train(stepped) {
            return;
        }
        // Takes values of statistics off autodiff, in state that is shared with `stepped`. What
        // the forward pass computed is on autodiff, and replaces the value of a statistic.
        let parameter = ParamId::new();
        let marked = stepped.clone().map(&mut Mark { parameter });
        take_pending_updates(stepped);
        let mut carry = Carry {
            parameter,
            n_samples,
            gradients,
        };
        visit(&marked, &mut carry);
    }

    /// Removes from `gradients` what [`carry_updates`] added: the mean over the samples, by id.
    pub(crate) fn take_updates<M: Module>(
        module: &M,
        gradients: &mut GradientsParams,
    ) -> ParamValues {
        let updates = ParamValues::default();
        let mut take = Take { gradients, updates };
        visit(module, &mut take);
        take.updates
    }

    /// Gives all parameters that do not train the same id, which a statistic ignores.
    struct Mark {
        parameter: ParamId,
    }

    impl ModuleMapper for Mark {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if param.is_require_grad() {
                return param;
            }
            let mut param = param.map(Tensor::without_autodiff);
            param.id = self.parameter;
            param
        }
    }

    struct Carry<'a> {
        parameter: ParamId,
        n_samples: &'a dyn Fn(&Visited) -> usize,
        gradients: &'a mut GradientsParams,
    }

    impl ParamVisitor for Carry<'_> {
        fn visit<const D: usize>(&mut self, described: &Visited<'_>, param: &Param<Tensor<D>>) {
            let is_statistic = !described.requires_grad && described.id != self.parameter;
            if !is_statistic || !param.val().is_autodiff() {
                return;
            }
            let value = param.val().without_autodiff();
            let value = match value.dtype() {
                DType::F16 | DType::BF16 => value.cast(DType::F32),
                _ => value,
            };
            let mut one_row = value.dims();
            one_row[0] = 1;
            let n_samples = (self.n_samples)(described) as f32;
            let count = Tensor::full(one_row, n_samples, (&value.device(), value.dtype()));
            let counted = Tensor::cat(vec![value * n_samples, count], 0);
            self.gradients.register(described.id, counted);
        }
    }

    struct Take<'a> {
        gradients: &'a mut GradientsParams,
        updates: ParamValues,
    }

    impl ParamVisitor for Take<'_> {
        fn visit<const D: usize>(&mut self, described: &Visited<'_>, param: &Param<Tensor<D>>) {
            if described.requires_grad {
                return;
            }
            let Some(sum) = self.gradients.get::<D>(described.id) else {
                return;
            };
            let mut counted = param.lazy_shape().to_vec();
            counted[0] += 1;
            // Of a parameter that was frozen after the step, this is a gradient.
            if sum.dims()[..] != counted {
                return;
            }
            self.gradients.remove::<D>(described.id);
            let n_rows = counted[0] - 1;
            let count = sum.clone().slice([n_rows..n_rows + 1]);
            let mean = sum.slice([0..n_rows]) / count;
            self.updates
                .set(described.id, mean.cast(param.val().dtype()));
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use burn::nn::BatchNormConfig;
    use burn::tensor::Tensor;

    use super::*;

    #[test]
    fn a_copy_has_statistics_of_its_own() {
        for device in crate::test_devices() {
            let device = device.autodiff();
            let norm = BatchNormConfig::new(2).init(&device);
            let copy = unshared(&norm);
            let input = Tensor::<2>::from_floats([[1.0, 2.0], [3.0, 6.0]], &device);
            copy.forward(input);
            let mean = |norm: &burn::nn::BatchNorm| -> Vec<f32> {
                let mean = norm.valid().running_mean.value();
                mean.into_data().iter().collect()
            };
            assert_eq!(mean(&norm), [0.0, 0.0]);
            assert_eq!(mean(&copy), [0.2, 0.4]);
        }
    }
}
