//! Data sets from a table that anybody can write: CSV or JSON Lines.
//!
//! A line is a sample: an `id`, a `label`, a `split` if wanted, and a column per modality with a text or
//! the path of a file. An empty cell is a missing modality.
//!
//! ```csv
//! id,label,split,image,text
//! a1,apple pie,train,images/a1.jpg,grandma's apple pie
//! a2,sushi,test,,"sushi, hand-rolled"
//! ```
//!
//! ```
//! use burn_mla_data::dataset::Split;
//! use burn_mla_data::manifest::{ManifestConfig, Shares};
//! use burn_mla_data::text::HashedTextConfig;
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("data.csv");
//! # let rows = (0..40).map(|i| format!("{i},class {},title {i},text {i}\n", i % 2));
//! # std::fs::write(&path, format!("id,label,title,body\n{}", rows.collect::<String>()))?;
//! let manifest = ManifestConfig::new().open(&path)?;
//! let report = manifest.check(|_, _| ());
//! assert!(report.is_clean(), "{report}");
//! let manifest = manifest.split_stratified(&Shares::new(0.1, 0.2, 0))?;
//! println!("{}", manifest.summary());
//!
//! // One front end per column.
//! let text = || HashedTextConfig::new(256).init::<&str>(&[]);
//! let data = manifest.dataset((text()?, text()?))?;
//! let device = burn::tensor::Device::flex();
//! let train = data.part(Split::Train)?.shuffled(8, 0, &device)?;
//! for batch in train.batches.loader.iter() {
//!     let (title, body) = batch?.inputs;
//!     assert!(title.is_some() && body.is_some());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cached;
mod cells;
mod check;
mod column;
mod config;
mod data;
mod digest;
mod error;
mod front_end;
mod front_ends;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzed;
mod join;
mod json_lines;
mod masked;
#[cfg(any(feature = "audio", feature = "image"))]
mod media;
mod parallel;
mod read;
mod root;
#[cfg(feature = "audio")]
mod silence;
mod skip;
mod split_file;
mod splits;
mod subset;
mod table;
#[cfg(test)]
mod tests;

pub use cached::{CacheableFrontEnd, CachedFrontEnd};
pub use check::{CheckReport, Problem, ProblemKind};
pub use column::{Cell, ColumnKind};
pub use config::ManifestConfig;
pub use data::{ManifestDataset, ManifestItem};
pub use error::{FrontEndError, ManifestError, Place};
pub use front_end::{FileFrontEnd, FrontEnd, FrontEnds, MappedFrontEnd, ModalityError};
pub use front_ends::FeaturesFrontEnd;
pub use join::{JoinCounts, Partners};
#[cfg(feature = "image")]
pub use media::TrainAndTest;
pub(crate) use read::Table;
pub use splits::Shares;
pub use table::Manifest;
