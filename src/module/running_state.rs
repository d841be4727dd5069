use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;

/// Takes in what Burn's `RunningState` keeps aside, which a record would leave out.
///
/// Nothing else changes: the next forward pass would have taken it in first.
pub(crate) fn take_pending_updates<M: Module>(module: &M) {
    // Taking a validation copy does that, in state that is shared with `module`.
    drop(module.valid());
}

/// Takes back what a refused forward pass did to running statistics.
///
/// Burn's `RunningState` keeps the last update of a forward pass aside until the next one, so
/// that after a refused pass the value itself is still the one from before. This reads the
/// values, makes the state take the update in, and writes the values back, through state that
/// is shared with `module`. With `parts`, only the submodules at these positions have something to
/// take back: what the others keep aside is good.
pub(crate) fn discard_pending_updates<M: Module>(module: &M, parts: Option<&[usize]>) {
    let mut values = Values {
        parts: parts.map(<[usize]>::to_vec),
        ..Values::default()
    };
    module.visit(&mut values);
    take_pending_updates(module);
    drop(module.clone().map(&mut values));
}

/// Values of parameters without gradients, tensors of any rank.
#[derive(Default)]
struct Values {
    parts: Option<Vec<usize>>,
    path: Vec<String>,
    found: Vec<(ParamId, Box<dyn std::any::Any>)>,
}

impl ModuleVisitor for Values {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let part = self.path.first().and_then(|name| name.parse().ok());
        let meant = match &self.parts {
            None => true,
            Some(parts) => part.is_some_and(|part| parts.contains(&part)),
        };
        if meant && !param.is_require_grad() {
            self.found.push((param.id, Box::new(param.val())));
        }
    }
}

impl ModuleMapper for Values {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let kept = self.found.iter().find(|(id, _)| *id == param.id);
        match kept.and_then(|(_, value)| value.downcast_ref::<Tensor<D>>()) {
            Some(value) => param.map(|_| value.clone()),
            None => param,
        }
    }
}
