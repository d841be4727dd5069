//! The precision of a module's parameters, kept while weights of another one are loaded.

use std::collections::VecDeque;

use burn::module::{ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Tensor};

/// Reads the precision of float parameters as a visitor, and restores it as a mapper. A module is
/// visited and mapped in the same order.
#[derive(Default)]
pub(super) struct Precision(VecDeque<DType>);

impl ModuleVisitor for Precision {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push_back(param.val().dtype());
    }
}

impl ModuleMapper for Precision {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.0.pop_front() {
            Some(dtype) if param.val().dtype() != dtype => param.map(|value| {
                let requires_grad = value.is_require_grad();
                let value = value.detach().cast(dtype);
                if requires_grad {
                    value.require_grad()
                } else {
                    value
                }
            }),
            _ => param,
        }
    }
}
