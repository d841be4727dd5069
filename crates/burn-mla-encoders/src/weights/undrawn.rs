//! Parameters that are not drawn, and need not be: the file has their values.

use std::collections::BTreeSet;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;

/// Puts zeros in the place of the parameters at `paths` that are not drawn yet. A copy of the module would
/// draw them.
pub(super) fn with_zeros<M: Module>(module: M, paths: BTreeSet<String>) -> M {
    let path = vec![];
    module.map(&mut Zeros { path, paths })
}

struct Zeros {
    path: Vec<String>,
    paths: BTreeSet<String>,
}

impl ModuleMapper for Zeros {
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

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if param.is_initialized() || !self.paths.contains(&self.path.join(".")) {
            return param;
        }
        let (id, device) = (param.id, param.lazy_device());
        let zeros = Tensor::zeros(param.lazy_shape(), &device);
        param.transform_for_load(zeros, id)
    }
}

/// Whether a container is the variant of an enum, whose name is not part of a path.
pub(super) fn is_variant(container: &str) -> bool {
    container.starts_with("Enum:")
}

#[cfg(test)]
mod tests {
    use burn::nn::LinearConfig;

    use super::*;
    use crate::test_devices;

    #[test]
    fn only_what_is_named_and_not_drawn_becomes_zero() {
        for device in test_devices() {
            let layers = [(); 2].map(|()| LinearConfig::new(3, 2).init(&device));
            let drawn = layers[1].weight.val().into_data();
            let paths = ["0.weight", "1.weight"].map(String::from);
            let [first, second] = with_zeros(layers, paths.into());
            assert_eq!(first.weight.val().abs().sum().into_scalar::<f32>(), 0.0);
            assert!(!first.bias.unwrap().is_initialized());
            assert_eq!(second.weight.val().into_data(), drawn);
        }
    }
}
