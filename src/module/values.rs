//! Values of a module's float parameters, read and written by id.

use std::any::Any;
use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::Tensor;

use crate::module::copied::on_tape_of;
use crate::module::{ParamVisitor, Visited, visit};

/// Values of float parameters of any rank, by id.
#[derive(Default)]
pub(crate) struct ParamValues(HashMap<ParamId, Box<dyn Any>>);

impl ParamValues {
    /// The values of the parameters that `wanted` accepts.
    pub(crate) fn read<M: Module>(module: &M, wanted: impl Fn(&Visited) -> bool) -> Self {
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

    /// Whether there is no value.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
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

struct Read<W> {
    wanted: W,
    values: ParamValues,
}

impl<W: Fn(&Visited) -> bool> ParamVisitor for Read<W> {
    fn visit<const D: usize>(&mut self, described: &Visited<'_>, param: &Param<Tensor<D>>) {
        if (self.wanted)(described) {
            self.values.set(param.id, param.val());
        }
    }
}
