//! Modalities: their inputs, which samples have them, and whose turn it is (Eq. 1).

mod batch;
mod input;
#[cfg(feature = "train")]
mod manifest;
mod missing;
mod partial;
mod presence;
mod rows;
mod schedule;
mod targets;
mod turn;

pub use batch::{MultimodalBatch, UnimodalBatch};
pub use input::{ModalityInput, ModalityInputs, PairedInputs, Rows};
#[cfg(feature = "train")]
pub use manifest::{ManifestError, ManifestProblem, MissingManifest};
pub use missing::MissingRate;
pub use partial::{FillMissing, KeepPresent, ZeroInput};
pub use presence::Presence;
pub(crate) use rows::are_all;
pub use rows::{SelectRows, ZeroRows};
pub use schedule::{Blocks, FixedOrder, RoundRobin, Schedule};
pub use targets::Targets;
pub use turn::{Indexed, OneOf2, OneOf3, OneOf4, OneOf5, OneOf6, OneOf7, OneOf8, Turn};
