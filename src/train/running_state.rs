use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;

/// Takes back what a refused forward pass did to running statistics.
///
/// Burn's `RunningState` keeps the last update of a forward pass aside until the next one, so
/// that after a refused pass the value itself is still the one from before. This reads the
/// values, makes the state take the update in, and writes the values back, through state that
/// is shared with `module`.
pub(crate) fn discard_pending_updates<M: Module>(module: &M) {
    let mut values = Values(vec![]);
    module.visit(&mut values);
    // Taking a validation copy is what makes a RunningState take pending updates in.
    drop(module.valid());
    drop(module.clone().map(&mut values));
}

/// Values of parameters without gradients, as bridge tensors of any rank.
struct Values(Vec<(ParamId, Box<dyn std::any::Any>)>);

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !param.is_require_grad() {
            self.0.push((param.id, Box::new(param.val())));
        }
    }
}

impl ModuleMapper for Values {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let kept = self.0.iter().find(|(id, _)| *id == param.id);
        match kept.and_then(|(_, value)| value.downcast_ref::<Tensor<D>>()) {
            Some(value) => param.map(|_| value.clone()),
            None => param,
        }
    }
}
