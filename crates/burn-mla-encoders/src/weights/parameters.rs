//! The parameters of a module: path, shape and precision.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::module::{ModuleVisitor, Param};
use burn::tensor::{Bool, DType, Int, Tensor};

use super::undrawn::is_variant;

/// A parameter of a module.
pub(super) struct Parameter {
    pub(super) shape: Vec<usize>,
    /// The precision of a float.
    pub(super) dtype: Option<DType>,
}

/// The parameters of a module by path, without names of enum variants. None is drawn.
pub(super) fn parameters<M: Module>(module: &M) -> BTreeMap<String, Parameter> {
    let mut visitor = Visitor::default();
    module.visit(&mut visitor);
    visitor.parameters
}

#[derive(Default)]
struct Visitor {
    path: Vec<String>,
    parameters: BTreeMap<String, Parameter>,
}

impl Visitor {
    fn add(&mut self, shape: Vec<usize>, dtype: Option<DType>) {
        let parameter = Parameter { shape, dtype };
        self.parameters.insert(self.path.join("."), parameter);
    }
}

impl ModuleVisitor for Visitor {
    fn enter_module(&mut self, name: &str, container: &str) {
        if !is_variant(container) {
            self.path.push(name.to_string());
        }
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        if !is_variant(container) {
            self.path.pop();
        }
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let dtype = if param.is_initialized() {
            param.base().dtype()
        } else {
            param.lazy_device().settings().float_dtype.into()
        };
        self.add(param.lazy_shape().to_vec(), Some(dtype));
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.add(param.lazy_shape().to_vec(), None);
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.add(param.lazy_shape().to_vec(), None);
    }
}
