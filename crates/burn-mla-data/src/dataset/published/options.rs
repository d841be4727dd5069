//! Options that published data sets share.

use std::path::PathBuf;

use crate::manifest::Shares;

/// Where the splits of a published data set come from.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SplitSource {
    /// The published one.
    Official,
    /// Lists of the authors of a paper. Samples that are on no list are left out and counted.
    Lists {
        /// Training samples.
        train: PathBuf,
        /// Validation samples, if the authors published them.
        valid: Option<PathBuf>,
        /// Test samples.
        test: PathBuf,
    },
    /// At random, with the same shares of each class.
    Stratified(Shares),
    /// At random, such that no speaker, actor or other natural group is in two splits.
    Grouped(Shares),
    /// A file of [`Manifest::save_splits`](crate::manifest::Manifest::save_splits).
    File(PathBuf),
}

/// Treatment of samples that lack a modality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Incomplete {
    /// An error names the first of them and counts the others.
    #[default]
    Refuse,
    /// The modality is missing; the inventory has their names.
    Missing,
    /// They are left out; the inventory has their names.
    LeaveOut,
}
