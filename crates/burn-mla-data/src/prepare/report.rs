//! What a preparation did.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::dataset::SampleId;

/// A file that could not be made.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{id}: {}: {source}", output.display())]
pub struct Failure {
    /// The sample.
    pub id: SampleId,
    /// The file or folder that was to be written.
    pub output: PathBuf,
    /// The problem.
    pub source: Arc<dyn std::error::Error + Send + Sync>,
}

/// What a preparation did. `Display` prints counts and each failure.
#[derive(Debug, Clone, Default)]
pub struct PrepareReport {
    /// Number of files or folders written.
    pub n_written: usize,
    /// Number of files or folders that were there.
    pub n_present: usize,
    /// What could not be made, in the order of the samples.
    pub failures: Vec<Failure>,
}

impl PrepareReport {
    /// Adds what another preparation did.
    pub fn extend(&mut self, other: Self) {
        self.n_written += other.n_written;
        self.n_present += other.n_present;
        self.failures.extend(other.failures);
    }
}

impl fmt::Display for PrepareReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            n_written,
            n_present,
            failures,
        } = self;
        let n = failures.len();
        write!(
            f,
            "{n_written} files written, {n_present} were there, {n} failed"
        )?;
        failures
            .iter()
            .try_for_each(|failure| write!(f, "\n  {failure}"))
    }
}
