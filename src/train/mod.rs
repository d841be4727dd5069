//! Training: the step, the alternating loader, and both as parts of Burn's training loop.

mod calibrate;
mod evaluate;
mod faults;
mod groups;
mod health;
mod learner;
mod loader;
mod optimize;
mod output;
mod running_state;
mod step;
mod unpaired;

pub use calibrate::fit_temperatures;
pub use evaluate::{Evaluation, evaluate};
pub(crate) use faults::Faults;
pub use groups::{encoder_group, head_group};
pub use health::ProjectorHealth;
pub use loader::{AlternatingLoader, EpochLength};
pub use output::{EvaluationOutput, TurnOutput};
pub use unpaired::UnpairedLoaders;
