//! The projector that changes nothing, for ablation.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::error::Result;
use crate::projector::OrthogonalProjector;

/// A projector that changes nothing: plain alternating training, the ablation of the paper.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IdentityProjector;

/// The empty state of [`IdentityProjector`].
#[derive(Module, Debug)]
pub struct IdentityState {}

impl OrthogonalProjector for IdentityProjector {
    type State = IdentityState;

    fn init(&self, _: usize, _: usize, _: &Device) -> Result<IdentityState> {
        Ok(IdentityState {})
    }

    fn update(&self, _: Tensor<1>, _: usize, state: IdentityState) -> IdentityState {
        state
    }

    fn project(&self, gradient: Tensor<2>, _: usize, _: &IdentityState) -> Tensor<2> {
        gradient
    }

    fn prefers_factors(&self, _: usize, _: usize, _: usize) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projector::laws::{assert_a_zero_feature_protects_nothing, assert_projector_laws};

    #[test]
    fn obeys_the_laws_of_projectors() {
        assert_projector_laws(&IdentityProjector);
        assert_a_zero_feature_protects_nothing(&IdentityProjector);
    }
}
