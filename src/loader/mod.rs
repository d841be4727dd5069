//! Data loaders: alternating turns (Eq. 1), seeded order, modality masks.

mod alternating;
mod fused;
mod masked;
mod occurring;
mod position;
mod ranking;
mod resumable;
mod schedule;
mod seed;
mod seeded;
mod training_data;
mod unpaired;

pub use alternating::{AlternatingLoader, EpochLength};
pub use fused::{FusedTurnLoader, UnimodalThenFused};
pub use masked::{IndexedBatch, MappedLoader, WithIndex};
pub(crate) use occurring::Occurring;
pub use position::{LoaderHandle, LoaderPosition, SourcePosition};
pub use ranking::LossRanking;
pub use resumable::{InOrder, LoaderSource, Passes, ResumableLoader, SourceLoader};
pub use schedule::{Blocks, FixedOrder, RoundRobin, Schedule};
pub(crate) use seed::{derived, generator, shuffle};
pub use seeded::{LoaderError, LoaderWait, SeededLoader};
pub use training_data::TrainingData;
pub use unpaired::UnpairedLoaders;
