//! What the loaders of published data sets share: a listing of samples becomes a manifest, and what is
//! missing is counted by name.

mod columns;
mod error;
mod inventory;
mod listing;
mod lists;
pub(crate) mod media;
mod options;
mod tokens;

use std::ops::Deref;

use super::Split;
use crate::manifest::{Manifest, ManifestError};

pub use error::DatasetError;
pub use inventory::Inventory;
pub use options::{Incomplete, SplitSource};

pub(crate) use columns::read_columns;
pub(crate) use listing::{Listing, Row};
pub(crate) use lists::{Line, file_names, read_bytes, read_lines, read_text, safe_name};
#[cfg(feature = "text")]
pub(crate) use tokens::{TokenText, prepare_tokens};
pub(crate) use tokens::{split_folders, use_tokens};

/// A published data set as it lies on the disk: its samples, and what is missing.
///
/// It is read as its [`Manifest`], which makes data sets, checks files and writes splits.
#[derive(Debug, Clone)]
pub struct PublishedDataset {
    manifest: Manifest,
    inventory: Inventory,
}

impl PublishedDataset {
    pub(crate) fn new(manifest: Manifest, inventory: Inventory) -> Self {
        Self {
            manifest,
            inventory,
        }
    }

    /// The samples.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What is missing and what was left out, by name.
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// The samples of a split.
    ///
    /// # Errors
    ///
    /// [`ManifestError::EmptySplit`].
    pub fn split(&self, split: Split) -> Result<Manifest, ManifestError> {
        self.manifest.part(split)
    }

    /// The manifest and the inventory.
    pub fn into_parts(self) -> (Manifest, Inventory) {
        (self.manifest, self.inventory)
    }
}

impl Deref for PublishedDataset {
    type Target = Manifest;

    fn deref(&self) -> &Manifest {
        &self.manifest
    }
}
