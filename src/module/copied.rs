//! Copies of a module's values into another module of the same structure.

use std::any::Any;
use std::collections::VecDeque;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;

use crate::module::visitors::{ParamVisitor, Visited, visit};

/// `module` with the values of the float parameters of `source`, which has the same structure.
///
/// The parameters stay those of `module`: their ids, and whether and how they are on the tape.
pub(crate) fn with_values_of<M: Module>(module: M, source: &M) -> M {
    let mut values = Values::default();
    visit(source, &mut values);
    module.map(&mut values)
}

/// The value `value` for a parameter whose value was `old`, on the tape as that was.
pub(super) fn on_tape_of<const D: usize>(old: &Tensor<D>, value: Tensor<D>) -> Tensor<D> {
    let value = value.without_autodiff();
    if !old.device().is_autodiff() {
        return value;
    }
    let value = Tensor::from_inner(value);
    #[cfg(feature = "train")]
    let value = match old.gradient_checkpointing_strategy() {
        Some(strategy) => value.with_gradient_checkpointing_strategy(strategy),
        None => value,
    };
    value.set_require_grad(old.is_require_grad())
}

/// Values in the order of the traversal.
#[derive(Default)]
struct Values(VecDeque<Box<dyn Any>>);

impl ParamVisitor for Values {
    fn visit<const D: usize>(&mut self, _: &Visited<'_>, param: &Param<Tensor<D>>) {
        self.0.push_back(Box::new(param.val()));
    }
}

impl ModuleMapper for Values {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let value = self.0.pop_front();
        match value.and_then(|value| value.downcast::<Tensor<D>>().ok()) {
            Some(value) => param.map(|old| on_tape_of(&old, *value)),
            None => param,
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::LinearConfig;

    use super::*;
    use crate::module::float_params;

    #[test]
    fn a_copy_keeps_its_own_parameters() {
        for device in crate::test_devices() {
            let layer = || LinearConfig::new(3, 2).init(&device.clone());
            let (to, from) = (vec![layer(), layer()], vec![layer(), layer()]);
            let ids = |layers: &Vec<_>| -> Vec<_> {
                let params = float_params::<Vec<burn::nn::Linear>>(layers);
                params.into_iter().map(|param| param.id).collect()
            };
            let before = ids(&to);
            let copied = with_values_of(to, &from);
            assert_eq!(ids(&copied), before);
            for (copied, from) in copied.iter().zip(&from) {
                let (copied, from) = (copied.weight.val(), from.weight.val());
                copied.into_data().assert_eq(&from.into_data(), true);
            }
        }
    }
}
