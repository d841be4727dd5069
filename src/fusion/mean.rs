//! Fusion by the mean of the modalities present.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::fusion::{ModalityLogits, UncertaintyFusion};

/// Fusion with the same weight for every modality present: late fusion by the mean.
#[derive(Module, Debug, Default)]
pub struct MeanFusion;

impl UncertaintyFusion for MeanFusion {
    fn weights(&self, logits: &ModalityLogits) -> Tensor<2> {
        let shape = [logits.n_samples(), logits.n_modalities()];
        let like = logits.modality(0);
        let ones = Tensor::ones(shape, (&like.device(), like.dtype()));
        let present = logits.mask(ones, 0.0);
        present.clone() / present.sum_dim(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fusion::laws::assert_fusion_laws;

    #[test]
    fn obeys_the_laws_of_fusion() {
        assert_fusion_laws(|_, _| MeanFusion);
    }
}
