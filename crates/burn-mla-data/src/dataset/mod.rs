//! What all data sets share, and the data sets that have a module of their own.

mod class_names;
pub mod crema_d;
pub mod emoji;
pub mod food101;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzed;
pub mod iemocap;
mod image_text;
pub mod kinetics_sounds;
pub mod mfeat;
#[cfg(feature = "miniature")]
pub mod miniature;
pub mod mvsa;
mod published;
mod sample_id;
mod split;
mod spread;
mod summary;

pub use class_names::ClassNames;
#[cfg(feature = "video")]
pub(crate) use published::media::FRAMES;
pub use published::{DatasetError, Incomplete, Inventory, PublishedDataset, SplitSource};
#[cfg(feature = "audio")]
pub(crate) use published::{file_names, safe_name};
pub use sample_id::SampleId;
pub use split::Split;
pub use spread::Spread;
pub use summary::DatasetSummary;
