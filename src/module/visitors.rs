//! Traversals of a module's float parameters: their names, their values and their gradients.
//! Burn's visitor and mapper traits are implemented here and nowhere else.

use std::any::Any;
use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;

use crate::error::{MlaError, Result};

/// The description of a float parameter.
#[derive(Debug)]
pub(crate) struct FloatParam {
    pub(crate) id: ParamId,
    pub(crate) path: Vec<String>,
    pub(crate) shape: Vec<usize>,
    pub(crate) requires_grad: bool,
}

impl FloatParam {
    /// Position of the submodule that holds the parameter, in a tuple or `Vec` of modules.
    pub(crate) fn part(&self) -> Option<usize> {
        self.path.first()?.parse().ok()
    }
}

/// Describes all float parameters of a module.
pub(crate) fn float_params<M: Module>(module: &M) -> Vec<FloatParam> {
    let mut params = vec![];
    visit(module, &mut params);
    params
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

/// Values of float parameters of any rank, by id.
#[derive(Default)]
pub(crate) struct ParamValues(HashMap<ParamId, Box<dyn Any>>);

impl ParamValues {
    /// The values of the parameters that `wanted` accepts.
    pub(crate) fn read<M: Module>(module: &M, wanted: impl Fn(&FloatParam) -> bool) -> Self {
        let mut read = Read {
            wanted,
            values: Self::default(),
        };
        visit(module, &mut read);
        read.values
    }

    /// The value of a parameter; `None` for an unknown id or another rank.
    pub(crate) fn get<const D: usize>(&self, id: ParamId) -> Option<Tensor<D>> {
        self.0.get(&id)?.downcast_ref().cloned()
    }

    /// Sets the value of a parameter.
    pub(crate) fn set<const D: usize>(&mut self, id: ParamId, value: Tensor<D>) {
        self.0.insert(id, Box::new(value));
    }

    /// Writes the values into a module. Parameters keep whether and how they are on the tape.
    pub(crate) fn write<M: Module>(mut self, module: M) -> M {
        module.map(&mut self)
    }
}

impl ModuleMapper for ParamValues {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.get::<D>(param.id) {
            Some(value) => param.map(|old| on_tape_of(&old, value)),
            None => param,
        }
    }
}

fn on_tape_of<const D: usize>(old: &Tensor<D>, value: Tensor<D>) -> Tensor<D> {
    let value = value.without_autodiff();
    if !old.device().is_autodiff() {
        return value;
    }
    let mut value = Tensor::from_inner(value);
    if let Some(strategy) = old.gradient_checkpointing_strategy() {
        value = value.with_gradient_checkpointing_strategy(strategy);
    }
    value.set_require_grad(old.is_require_grad())
}

struct Read<W> {
    wanted: W,
    values: ParamValues,
}

impl<W: Fn(&FloatParam) -> bool> ParamVisitor for Read<W> {
    fn visit<const D: usize>(&mut self, described: FloatParam, param: &Param<Tensor<D>>) {
        if (self.wanted)(&described) {
            self.values.set(param.id, param.val());
        }
    }
}

/// An operation on each float parameter of a module; see [`visit`].
pub(crate) trait ParamVisitor {
    fn visit<const D: usize>(&mut self, described: FloatParam, param: &Param<Tensor<D>>);
}

impl ParamVisitor for Vec<FloatParam> {
    fn visit<const D: usize>(&mut self, described: FloatParam, _: &Param<Tensor<D>>) {
        self.push(described);
    }
}

/// Applies `visitor` to each float parameter of a module.
pub(crate) fn visit<M: Module, V: ParamVisitor>(module: &M, visitor: &mut V) {
    let path = vec![];
    module.visit(&mut Walk { path, visitor });
}

/// Keeps the path for a [`ParamVisitor`].
struct Walk<'a, V> {
    path: Vec<String>,
    visitor: &'a mut V,
}

impl<V: ParamVisitor> ModuleVisitor for Walk<'_, V> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let described = FloatParam {
            id: param.id,
            path: self.path.clone(),
            shape: param.lazy_shape().to_vec(),
            requires_grad: param.is_require_grad(),
        };
        self.visitor.visit(described, param);
    }
}
