//! Baselines that balance modalities during joint training.
//!
//! Each acts on a [`JointHead`](crate::baseline::JointHead) of your choice, except [`ReconBoost`], which has
//! heads of its own. OGM and OGM-GE are an option of every [`Joint`](crate::baseline::Joint),
//! [`OgmConfig`](crate::baseline::OgmConfig).
//!
//! | Method | Acts on | State in the record |
//! |---|---|---|
//! | [`MmPareto`] | gradients of each encoder: fused and unimodal ones are combined | classifiers of [`Assisted`] |
//! | [`Opm`] | features: those of modalities that are ahead are dropped | none |
//! | [`Agm`] | gradients through each modality's Shapley value | mean losses of Shapley values |
//! | [`Pmr`] | loss: features of slow modalities move to prototypes of their class | prototypes |
//! | [`ReconBoost`] | steps: modalities take turns, each corrects the others | none |
//! | `Relearning` | parameters: encoders that overfit move back to their initial values | initial values |

mod agm;
mod assisted;
mod mm_pareto;
mod opm;
mod pmr;
mod recon_boost;
#[cfg(feature = "train")]
mod relearning;
mod steps;
#[cfg(all(test, feature = "train"))]
mod testing;

pub use agm::{Agm, AgmConfig};
pub use assisted::{Assisted, AssistedConfig};
pub use mm_pareto::{MmPareto, MmParetoConfig};
pub use opm::{Opm, OpmConfig};
pub use pmr::{Pmr, PmrConfig};
pub use recon_boost::{ReconBoost, ReconBoostConfig};
#[cfg(feature = "train")]
pub use relearning::{DiagnosisData, Relearning, RelearningConfig};

/// Writes the functions of a [`JointHead`](crate::baseline::JointHead) that predict, for a head around
/// another one, `inner`.
macro_rules! predict_as_inner {
    () => {
        fn fuse(
            &self,
            features: &$crate::baseline::ModalityFeatures,
        ) -> $crate::baseline::JointLogits {
            self.inner.fuse(features)
        }

        fn is_selectable(&self) -> bool {
            self.inner.is_selectable()
        }

        fn n_classes(&self) -> usize {
            self.inner.n_classes()
        }

        fn set_temperatures(&mut self, temperatures: &[f64]) -> $crate::error::Result<bool> {
            self.inner.set_temperatures(temperatures)
        }
    };
}

/// As [`predict_as_inner`], for a head whose loss is made of that of the inner one.
macro_rules! train_as_inner {
    () => {
        fn uses_hidden(&self) -> bool {
            self.inner.uses_hidden()
        }

        fn memory(&self) -> Option<&$crate::module::Buffer<2>> {
            self.inner.memory()
        }

        fn remember(
            &mut self,
            at: burn::tensor::Tensor<1, burn::tensor::Int>,
            observed: burn::tensor::Tensor<2>,
        ) {
            self.inner.remember(at, observed);
        }
    };
}

use {predict_as_inner, train_as_inner};
