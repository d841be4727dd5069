//! Baselines for missing modalities.
//!
//! Methods that impute, or learn to imagine, what a sample lacks. Each is a
//! [`JointHead`](crate::baseline::JointHead) on features of any width, with its own networks.
//!
//! | Method | Completes | Targets | Stages |
//! |---|---|---|---|
//! | [`Ae`] | features by an autoencoder | features of missing modalities | 1 |
//! | [`Cra`] | features by a cascade of residual autoencoders | features of missing modalities | 1 |
//! | [`Mmin`] | embeddings by a cascade, and back by a second one | a teacher's embeddings of missing modalities | 2 |
//! | [`IfMmin`] | embeddings by autoencoders that see invariant features | as MMIN, and a teacher's invariant features | 2 |
//! | [`Tate`] | nothing: tokens carry a tag of what is missing | a teacher's states, its own tokens, the tag | 2 |
//!
//! [`ImputeTarget`] says what the targets are: the true features of what is missing, as in published code,
//! or observed features that training hides. A prediction is a function of what a sample has.
//!
//! Methods that are fitted to the whole training set. [`WholeSet`] trains them: a
//! [`Joint`](crate::baseline::Joint) whose head is a [`WholeSetHead`].
//!
//! | Method | Fitted to | A missing modality |
//! |---|---|---|
//! | [`Cca`] | the whole training set | projects to 0 |
//! | [`Dcca`] | batches, and the whole set for means and classifier | is imputed by the mean |
//! | [`Dccae`] | as [`Dcca`] | as [`Dcca`] |
//! | [`CpmNet`] | the whole training set, many times | is left out |

mod cascade;
mod cca;
mod classifier;
mod cmd;
mod completion;
mod cpm_net;
mod dcca;
mod dccae;
#[cfg(all(test, feature = "train"))]
mod golden;
mod ifmmin;
#[cfg(all(test, feature = "train"))]
mod imputing;
mod mmin;
mod networks;
mod pairs;
#[cfg(all(test, feature = "train"))]
mod samples;
mod target;
mod tate;
mod taught;
mod whole_set;

pub use cca::{Cca, CcaConfig};
pub use classifier::LinearClassifier;
pub use completion::{Ae, AeConfig, Completion, Cra, CraConfig};
pub use cpm_net::{ClusteringMargin, CpmNet, CpmNetConfig, DescentStart, TestLatents};
pub use dcca::{Dcca, DccaConfig};
pub use dccae::{Dccae, DccaeConfig, ReconstructedRows};
pub use ifmmin::{IfMmin, IfMminBlock, IfMminConfig};
pub use mmin::{Mmin, MminConfig};
pub use networks::WeightInit;
pub use pairs::PairRows;
pub use target::{ImputeConfig, ImputeTarget};
pub use tate::{MissingToken, Tate, TateConfig};
pub use taught::{Taught, teacher_group};
pub use whole_set::{Fit, FitValues, Moment, PassPlan, WholeSamples, WholeSet, WholeSetHead};
#[cfg(feature = "train")]
pub use whole_set::{WholePass, WholeSetInput};
