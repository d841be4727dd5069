//! Data loaders: alternating turns (Eq. 1), seeded order, modality masks.

mod alternating;
mod masked;
mod position;
mod resumable;
mod schedule;
mod seed;
mod seeded;
mod unpaired;

pub use alternating::{AlternatingLoader, EpochLength};
pub use masked::{IndexedBatch, MappedLoader, WithIndex};
pub use position::{LoaderHandle, LoaderPosition, SourcePosition};
pub use resumable::{InOrder, LoaderSource, Passes, ResumableLoader, SourceLoader};
pub use schedule::{Blocks, FixedOrder, RoundRobin, Schedule};
pub(crate) use seed::derived;
pub use seeded::SeededLoader;
pub use unpaired::UnpairedLoaders;
