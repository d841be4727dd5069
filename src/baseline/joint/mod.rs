//! Baselines that train jointly, with every modality in one loss.
//!
//! [`Joint`] combines encoders with a [`JointHead`]. The heads are the paper's baselines: [`Sum`],
//! [`Concat`], [`LateFusion`], [`Film`], [`BiGated`] and [`Qmf`]. [`OgmConfig`] modulates the gradients
//! of any of them (OGM, OGM-GE).
//!
//! | Method | Prediction from features `h_m` | Unimodal prediction |
//! |---|---|---|
//! | [`Sum`] | `sum_m (h_m W_m + b_m)` | its term |
//! | [`Concat`] | `[h_1, .., h_M] W + b` | `h_m W_m + b / M`, its rows of `W` |
//! | [`LateFusion`] | mean of `h_m W_m + b_m` over the modalities present | its head |
//! | [`Film`] | `h_base` scaled and shifted by each of the others, then a layer | the others' features are 0 |
//! | [`BiGated`] | `h_base V * prod_m sigmoid(h_m U_m)`, then a layer | the others' features are 0 |
//! | [`Qmf`] | `sum_m conf_m (h_m W_m + b_m)`, `conf_m = logsumexp / 10` | its head |
//!
//! Features of a missing modality are 0. A method that can leave the modality out does: [`Sum`] its
//! bias, [`LateFusion`] its share of the mean, [`Qmf`] its term and its losses. The encoder of a missing
//! modality does not run, which keeps zeros out of batch-norm statistics.

mod bigated;
#[cfg(feature = "train")]
mod clip;
mod concat;
mod discrepancy;
mod features;
mod film;
mod head;
mod heads;
mod late_fusion;
mod model;
#[cfg(feature = "train")]
mod observed;
mod ogm;
mod qmf;
#[cfg(feature = "safetensors")]
mod safetensors;
#[cfg(feature = "train")]
mod step;
mod sum;

pub use bigated::{BiGated, BiGatedConfig};
pub use concat::{Concat, ConcatConfig};
pub(in crate::baseline) use discrepancy::{mean_of_others, ratio_to_others, unimodal_scores};
pub use features::ModalityFeatures;
pub use film::{Film, FilmConfig};
pub use head::{JointHead, JointLogits, JointLoss, JointSamples};
pub(in crate::baseline) use heads::{Heads, check_sizes, check_widths, masked, sum_of};
pub(in crate::baseline) use late_fusion::unimodal_losses;
pub use late_fusion::{LateFusion, LateFusionConfig};
pub use model::{Joint, JointConfig, JointPrediction};
pub use ogm::OgmConfig;
pub(in crate::baseline) use ogm::check_steps;
pub use qmf::{Qmf, QmfConfig};
#[cfg(feature = "train")]
pub(in crate::baseline) use step::joint_method;
pub use sum::{Sum, SumConfig};
