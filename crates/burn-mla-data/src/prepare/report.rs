//! The report of a preparation.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::dataset::SampleId;

/// Failures that an error prints.
const SHOWN: usize = 100;

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

/// Report of a preparation. `Display` prints counts, each failure and each ignored file.
#[derive(Debug, Clone, Default)]
pub struct PrepareReport {
    /// Number of files or folders written.
    pub n_written: usize,
    /// Number of files or folders that were there.
    pub n_present: usize,
    /// What could not be made, in the order of the samples.
    pub failures: Vec<Failure>,
    /// Files that were found but are named like no sample.
    pub ignored: Vec<String>,
}

impl PrepareReport {
    /// Adds what another preparation did.
    pub fn extend(&mut self, other: Self) {
        self.n_written += other.n_written;
        self.n_present += other.n_present;
        self.failures.extend(other.failures);
        self.ignored.extend(other.ignored);
    }
}

impl fmt::Display for PrepareReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            n_written,
            n_present,
            failures,
            ignored,
        } = self;
        let n = failures.len();
        write!(
            f,
            "{n_written} files written, {n_present} were there, {n} failed"
        )?;
        failures
            .iter()
            .try_for_each(|failure| write!(f, "\n  {failure}"))?;
        let mut ignored = ignored.iter();
        ignored.try_for_each(|name| write!(f, "\n  {name}: ignored, it is named like no sample"))
    }
}

/// The failures one per line, up to a number of them.
pub(super) fn listed(failures: &[Failure]) -> String {
    let shown = failures.iter().take(SHOWN);
    let mut text: String = shown.map(|failure| format!("\n  {failure}")).collect();
    if failures.len() > SHOWN {
        text += &format!("\n  and {} others", failures.len() - SHOWN);
    }
    text
}
