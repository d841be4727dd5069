//! The data whose features a cache holds.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{CacheError, digest};

/// The samples of a data set by their ids, a fingerprint of their content, and which of them have the
/// modality.
///
/// A cache is only used for the data that it was computed from. The ids identify the samples, and the
/// fingerprint identifies their content and its preparation: a hash of the files, the size of images, the
/// longest text.
///
/// ```
/// use burn_mla_encoders::cache::DataManifest;
///
/// let data = DataManifest::new(["clip-1", "clip-2", "clip-3"], "v1, 16 kHz").with_rows([0, 2])?;
/// assert_eq!((data.n_samples(), data.n_rows()), (3, 2));
/// # Ok::<(), burn_mla_encoders::cache::CacheError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataManifest {
    fingerprint: String,
    /// Name and hash of each file that determines the content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    files: Vec<String>,
    ids: Vec<String>,
    /// Samples that have the modality, ascending; `None` if all have it.
    rows: Option<Vec<usize>>,
}

impl DataManifest {
    /// Creates a manifest of samples that all have the modality.
    pub fn new<S: Into<String>>(
        ids: impl IntoIterator<Item = S>,
        fingerprint: impl Into<String>,
    ) -> Self {
        Self {
            fingerprint: fingerprint.into(),
            files: vec![],
            ids: ids.into_iter().map(Into::into).collect(),
            rows: None,
        }
    }

    /// Adds a file on which the content of all samples depends, such as a `tokenizer.json` or a table,
    /// by its name and a hash of its bytes.
    ///
    /// # Errors
    ///
    /// [`CacheError::Io`].
    pub fn with_file(mut self, path: impl AsRef<Path>) -> Result<Self, CacheError> {
        let path = path.as_ref();
        let hash = digest::of_file(path).map_err(CacheError::io(path))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        self.files.push(format!("{name} {hash}"));
        Ok(self)
    }

    /// Sets the samples that have the modality, by their positions in ascending order. The others have
    /// no row in the cache.
    ///
    /// # Errors
    ///
    /// [`CacheError::Rows`] for a sample that does not exist or that is out of order.
    pub fn with_rows(mut self, rows: impl IntoIterator<Item = usize>) -> Result<Self, CacheError> {
        let rows: Vec<usize> = rows.into_iter().collect();
        let n_samples = self.ids.len();
        let wrong =
            |&row: &usize| rows[row] >= n_samples || (row > 0 && rows[row - 1] >= rows[row]);
        if let Some(row) = (0..rows.len()).find(wrong) {
            return Err(CacheError::Rows {
                row,
                sample: rows[row],
                n_samples,
            });
        }
        self.rows = (rows.len() < n_samples).then_some(rows);
        Ok(self)
    }

    /// Returns the number of samples.
    pub fn n_samples(&self) -> usize {
        self.ids.len()
    }

    /// Returns the number of samples that have the modality.
    pub fn n_rows(&self) -> usize {
        self.rows.as_ref().map_or(self.ids.len(), Vec::len)
    }

    /// Returns the samples that have the modality; `None` if all have it.
    pub(super) fn rows(&self) -> Option<&[usize]> {
        self.rows.as_deref()
    }

    /// Returns the sample of a row.
    pub(super) fn sample(&self, row: usize) -> usize {
        self.rows.as_ref().map_or(row, |rows| rows[row])
    }

    /// Returns the id of the sample of a row.
    pub(super) fn id(&self, row: usize) -> String {
        self.ids[self.sample(row)].clone()
    }
}
