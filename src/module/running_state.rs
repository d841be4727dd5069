//! Control over the pending updates of Burn's `RunningState`, which records leave out and a
//! refused step has to revert.

use burn::module::Module;

use crate::module::ParamValues;

/// Applies the pending updates of running statistics.
///
/// Nothing else changes: the next forward pass would have applied them first.
pub(crate) fn take_pending_updates<M: Module>(module: &M) {
    // A validation copy applies them, in state that is shared with `module`.
    drop(module.valid());
}

/// Discards the pending updates of running statistics, after a forward pass that was refused.
///
/// Burn's `RunningState` applies the update of a forward pass before the next one. After a
/// refused pass the value itself is still the old one. This function saves the values, applies
/// the update, and writes the saved values back, in state that is shared with `module`. With
/// `parts`, it touches only the submodules at these positions.
pub(crate) fn discard_pending_updates<M: Module>(module: &M, parts: Option<&[usize]>) {
    let concerned = |part: Option<usize>| match parts {
        None => true,
        Some(parts) => part.is_some_and(|part| parts.contains(&part)),
    };
    let values = ParamValues::read(module, |param| {
        !param.requires_grad && concerned(param.part())
    });
    take_pending_updates(module);
    drop(values.write(module.clone()));
}
