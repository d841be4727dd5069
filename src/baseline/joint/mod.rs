//! Joint training, to compare with: every modality in one loss.
//!
//! [`Joint`] puts encoders and a [`JointHead`] together. The heads are what the paper compares
//! with: [`Sum`], [`Concat`], [`LateFusion`], [`Film`], [`BiGated`] and [`Qmf`]; [`OgmConfig`]
//! modulates the gradients of any of them (OGM, OGM-GE).
//!
//! | Method | Prediction from features `h_m` | A modality on its own |
//! |---|---|---|
//! | [`Sum`] | `sum_m (h_m W_m + b_m)` | its term |
//! | [`Concat`] | `[h_1, .., h_M] W + b` | `h_m W_m + b / M`, its rows of `W` |
//! | [`LateFusion`] | mean of `h_m W_m + b_m` over the modalities present | its head |
//! | [`Film`] | `h_base` scaled and shifted by each of the others, then a layer | the others' features are 0 |
//! | [`BiGated`] | `h_base V * prod_m sigmoid(h_m U_m)`, then a layer | the others' features are 0 |
//! | [`Qmf`] | `sum_m conf_m (h_m W_m + b_m)`, `conf_m = logsumexp / 10` | its head |
//!
//! Features of a missing modality are 0; where a method can leave it out altogether, it does: its
//! bias in [`Sum`], its share in the mean of [`LateFusion`], its term and its losses in [`Qmf`]. The
//! encoder of a missing modality does not run, so that it has no share in batch-norm statistics.

mod bigated;
mod concat;
mod features;
mod film;
mod head;
mod heads;
mod late_fusion;
mod model;
mod ogm;
mod qmf;
#[cfg(feature = "train")]
mod step;
mod sum;

pub use bigated::{BiGated, BiGatedConfig};
pub use concat::{Concat, ConcatConfig};
pub use features::ModalityFeatures;
pub use film::{Film, FilmConfig};
pub use head::{JointHead, JointLogits, JointLoss, JointSamples};
pub use late_fusion::{LateFusion, LateFusionConfig};
pub use model::{Joint, JointConfig, JointPrediction};
pub use ogm::OgmConfig;
pub use qmf::{Qmf, QmfConfig};
pub use sum::{Sum, SumConfig};
