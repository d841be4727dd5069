//! Traversals of a module's parameters.

use std::collections::HashMap;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;
#[cfg(feature = "safetensors")]
use burn::tensor::{Bool, Int};

use crate::error::{MlaError, Result};

/// The description of a float parameter.
#[derive(Debug)]
pub(crate) struct FloatParam {
    pub(crate) id: ParamId,
    pub(crate) path: Vec<String>,
    pub(crate) shape: Vec<usize>,
    #[cfg(feature = "train")]
    pub(crate) requires_grad: bool,
}

#[cfg(feature = "train")]
impl FloatParam {
    /// As [`Visited::part`].
    pub(crate) fn part(&self) -> Option<usize> {
        part(&self.path)
    }
}

/// The float parameter that a traversal visits.
#[derive(Debug)]
pub(crate) struct Visited<'a> {
    pub(crate) id: ParamId,
    pub(crate) path: &'a [String],
    pub(crate) requires_grad: bool,
}

#[cfg(feature = "train")]
impl Visited<'_> {
    /// Position of the submodule that holds the parameter, in a tuple or `Vec` of modules.
    pub(crate) fn part(&self) -> Option<usize> {
        part(self.path)
    }
}

#[cfg(feature = "train")]
fn part(path: &[String]) -> Option<usize> {
    path.first()?.parse().ok()
}

/// Describes all float parameters of a module.
pub(crate) fn float_params<M: Module>(module: &M) -> Vec<FloatParam> {
    let mut params = vec![];
    visit(module, &mut params);
    params
}

/// The ids of all float parameters of a module.
pub(crate) fn param_ids<M: Module>(module: &M) -> Vec<ParamId> {
    let params = float_params(module).into_iter();
    params.map(|param| param.id).collect()
}

/// Draws the parameters of a module that are not drawn yet, in the order of its fields.
///
/// Burn draws a parameter at its first use. The values for a seed then depend on the order in which a
/// program uses the parameters: a loop of your own runs one encoder first, Burn's loop moves the
/// whole model first. The models, encoders and heads of this crate draw theirs when they are
/// initialized, and the models also those of your encoders and heads, encoder after encoder, then
/// the head. Call this function for a module of your own outside of them.
///
/// ```
/// use burn::nn::LinearConfig;
/// use burn::tensor::Device;
/// use burn_mla::module::draw_parameters;
///
/// let device = Device::flex();
/// device.seed(1);
/// let layer = LinearConfig::new(3, 2).init(&device);
/// assert!(!layer.weight.is_initialized());
/// let layer = draw_parameters(layer);
/// assert!(layer.weight.is_initialized());
/// ```
pub fn draw_parameters<M: Module>(module: M) -> M {
    struct Draw;
    impl ParamVisitor for Draw {
        fn visit<const D: usize>(&mut self, _: &Visited<'_>, param: &Param<Tensor<D>>) {
            drop(param.base());
        }
    }
    visit(&module, &mut Draw);
    module
}

/// Whether a parameter of a module is on an autodiff device, as in training.
#[cfg(feature = "train")]
pub(crate) fn is_on_tape<M: Module>(module: &M) -> bool {
    struct OnTape(bool);
    impl ParamVisitor for OnTape {
        fn visit<const D: usize>(&mut self, _: &Visited<'_>, param: &Param<Tensor<D>>) {
            self.0 |= param.base().device().is_autodiff();
        }
    }
    let mut on_tape = OnTape(false);
    visit(module, &mut on_tape);
    on_tape.0
}

/// A copy of a module in training. Off autodiff, no parameter shows whether it trains.
#[cfg(feature = "train")]
pub(crate) fn in_training<M: Module>(module: &M) -> M {
    let copy = module.clone();
    if is_on_tape(module) {
        copy
    } else {
        copy.train()
    }
}

/// The ids and paths of all tensors of a module.
#[cfg(feature = "safetensors")]
pub(crate) fn tensor_paths<M: Module>(module: &M) -> Vec<(ParamId, String)> {
    #[derive(Default)]
    struct Paths {
        path: Vec<String>,
        found: Vec<(ParamId, String)>,
    }

    impl Paths {
        fn add(&mut self, id: ParamId) {
            self.found.push((id, self.path.join(".")));
        }
    }

    impl ModuleVisitor for Paths {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_string());
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.add(param.id);
        }

        fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
            self.add(param.id);
        }

        fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
            self.add(param.id);
        }
    }

    let mut paths = Paths::default();
    module.visit(&mut paths);
    paths.found
}

/// Checks that encoders and head have no parameter in common.
pub(crate) fn check_distinct<E: Module, H: Module>(encoders: &E, head: &H) -> Result<()> {
    let named = |name, params: Vec<FloatParam>| {
        let path = move |param: FloatParam| (param.id, format!("{name}.{}", param.path.join(".")));
        params.into_iter().map(path)
    };
    let mut paths = HashMap::new();
    let encoders = named("encoders", float_params(encoders));
    for (id, path) in encoders.chain(named("head", float_params(head))) {
        if let Some(first) = paths.insert(id, path.clone()) {
            let second = path;
            return Err(MlaError::SharedParameter { first, second });
        }
    }
    Ok(())
}

/// An operation on each float parameter of a module; see [`visit`].
pub(crate) trait ParamVisitor {
    fn visit<const D: usize>(&mut self, described: &Visited<'_>, param: &Param<Tensor<D>>);
}

impl ParamVisitor for Vec<FloatParam> {
    fn visit<const D: usize>(&mut self, described: &Visited<'_>, param: &Param<Tensor<D>>) {
        self.push(FloatParam {
            id: described.id,
            path: described.path.to_vec(),
            shape: param.lazy_shape().to_vec(),
            #[cfg(feature = "train")]
            requires_grad: described.requires_grad,
        });
    }
}

/// Applies `visitor` to each float parameter of a module.
pub(crate) fn visit<M: Module, V: ParamVisitor>(module: &M, visitor: &mut V) {
    module.visit(&mut Walk {
        path: vec![],
        depth: 0,
        visitor,
    });
}

/// Keeps the path for a [`ParamVisitor`].
struct Walk<'a, V> {
    /// Its first `depth` names are the path. The others are kept for their memory: a training step
    /// traverses its model several times.
    path: Vec<String>,
    depth: usize,
    visitor: &'a mut V,
}

impl<V: ParamVisitor> ModuleVisitor for Walk<'_, V> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        match self.path.get_mut(self.depth) {
            Some(kept) => name.clone_into(kept),
            None => self.path.push(name.to_string()),
        }
        self.depth += 1;
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.depth -= 1;
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let described = Visited {
            id: param.id,
            path: &self.path[..self.depth],
            requires_grad: param.is_require_grad(),
        };
        self.visitor.visit(&described, param);
    }
}
