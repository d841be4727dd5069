//! Jobs on threads: each makes one file or folder that is not there yet.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use super::{Failure, PrepareError, PrepareReport};
use crate::content::guarded;
use crate::dataset::SampleId;
use crate::error::DataError;

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Make<'a> = Box<dyn Fn(&Path) -> Result<(), BoxError> + Send + Sync + 'a>;

/// A file or folder to make for a sample.
pub struct Job<'a> {
    id: SampleId,
    output: PathBuf,
    make: Make<'a>,
}

impl<'a> Job<'a> {
    /// A job that makes `output` by `make`, which is called with that path and must write it as a whole or
    /// not at all.
    pub fn new<E: Into<BoxError>>(
        id: impl Into<SampleId>,
        output: impl Into<PathBuf>,
        make: impl Fn(&Path) -> Result<(), E> + Send + Sync + 'a,
    ) -> Self {
        Self {
            id: id.into(),
            output: output.into(),
            make: Box::new(move |output| make(output).map_err(Into::into)),
        }
    }
}

/// Options of a preparation.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `n_workers` | the number of cores | threads | >= 1 |
/// | `max_failures` | 0.01 | largest share of files that may fail before the preparation is an error | [0, 1] |
#[derive(Debug, Clone, PartialEq)]
pub struct PrepareConfig {
    n_workers: usize,
    max_failures: f64,
}

impl Default for PrepareConfig {
    fn default() -> Self {
        Self {
            n_workers: thread::available_parallelism().map_or(1, usize::from),
            max_failures: 0.01,
        }
    }
}

impl PrepareConfig {
    /// The default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the number of threads.
    pub fn with_workers(mut self, n_workers: usize) -> Self {
        self.n_workers = n_workers;
        self
    }

    /// Sets the largest share of files that may fail.
    pub fn with_max_failures(mut self, share: f64) -> Self {
        self.max_failures = share;
        self
    }

    /// Makes the files that are not there yet. `progress` is called on this thread with the number of jobs done
    /// and of all.
    ///
    /// A failure, or a panic of a decoder, does not stop the others. A run that was killed goes on
    /// where it was.
    ///
    /// # Errors
    ///
    /// [`PrepareError::TooManyFailures`] after all jobs; [`PrepareError::Collision`] before the first.
    pub fn run(
        &self,
        jobs: &[Job<'_>],
        mut progress: impl FnMut(usize, usize),
    ) -> Result<PrepareReport, PrepareError> {
        if self.n_workers == 0 {
            return Err(DataError::HyperParameter {
                name: "n_workers",
                requirement: "at least 1",
                value: 0,
            }
            .into());
        }
        check_outputs(jobs)?;
        let next = AtomicUsize::new(0);
        let (sender, receiver) = mpsc::channel();
        let mut report = PrepareReport::default();
        let mut failures = vec![];
        thread::scope(|scope| {
            for _ in 0..self.n_workers.min(jobs.len()) {
                let (next, sender) = (&next, sender.clone());
                scope.spawn(move || {
                    while let Some((at, job)) = next_job(next, jobs) {
                        if sender.send((at, work(job))).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(sender);
            for (done, (at, outcome)) in receiver.iter().enumerate() {
                match outcome {
                    Ok(true) => report.n_written += 1,
                    Ok(false) => report.n_present += 1,
                    Err(failure) => failures.push((at, failure)),
                }
                progress(done + 1, jobs.len());
            }
        });
        failures.sort_by_key(|(at, _)| *at);
        report.failures = failures.into_iter().map(|(_, failure)| failure).collect();
        let (n, n_jobs) = (report.failures.len(), jobs.len());
        // A share that is no number allows nothing.
        let is_allowed = n as f64 <= self.max_failures * n_jobs as f64;
        if n > 0 && !is_allowed {
            return Err(PrepareError::TooManyFailures {
                failures: report.failures,
                n_jobs,
                max_share: self.max_failures,
            });
        }
        Ok(report)
    }
}

fn next_job<'j, 'a>(next: &AtomicUsize, jobs: &'j [Job<'a>]) -> Option<(usize, &'j Job<'a>)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    jobs.get(at).map(|job| (at, job))
}

/// Whether the job wrote its file.
fn work(job: &Job<'_>) -> Result<bool, Failure> {
    let make = || -> Result<bool, BoxError> {
        if job.output.exists() {
            return Ok(false);
        }
        if let Some(folder) = job.output.parent() {
            fs::create_dir_all(folder)?;
        }
        guarded(|| (job.make)(&job.output)).map_err(BoxError::from)??;
        Ok(true)
    };
    make().map_err(|error| Failure {
        id: job.id.clone(),
        output: job.output.clone(),
        source: error.into(),
    })
}

fn check_outputs(jobs: &[Job<'_>]) -> Result<(), PrepareError> {
    let mut outputs: HashMap<&Path, &SampleId> = HashMap::new();
    for job in jobs {
        if let Some(first) = outputs.insert(&job.output, &job.id) {
            return Err(PrepareError::Collision {
                path: job.output.clone(),
                first: first.to_string(),
                second: job.id.to_string(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_mla::atomic_file;

    fn jobs(folder: &Path, failing: usize) -> Vec<Job<'static>> {
        let job = |n: usize| {
            Job::new(
                format!("s{n}"),
                folder.join(format!("out/{n}")),
                move |output: &Path| match n {
                    0 if failing > 0 => Err("truncated".into()),
                    1 if failing > 1 => panic!("decoder"),
                    _ => {
                        atomic_file::write(output, n.to_string().as_bytes()).map_err(BoxError::from)
                    }
                },
            )
        };
        (0..20).map(job).collect()
    }

    #[test]
    fn files_are_made_once_and_failures_are_named() {
        for n_workers in [1, 4] {
            let folder = tempfile::tempdir().unwrap();
            let config = PrepareConfig::new()
                .with_workers(n_workers)
                .with_max_failures(0.1);
            let mut calls = vec![];
            let report = config.run(&jobs(folder.path(), 2), |done, n| calls.push((done, n)));
            let report = report.unwrap();
            assert_eq!(calls, (1..=20).map(|done| (done, 20)).collect::<Vec<_>>());
            assert_eq!((report.n_written, report.n_present), (18, 0));
            let text = report.to_string();
            assert!(
                text.starts_with("18 files written, 0 were there, 2 failed\n  s0: "),
                "{text}"
            );
            assert!(text.contains("/0: truncated\n  s1: "), "{text}");
            assert!(text.ends_with("its decoder panicked: decoder"), "{text}");
            // What is there stays; what failed is tried again.
            fs::write(folder.path().join("out/5"), "kept").unwrap();
            let report = config.run(&jobs(folder.path(), 1), |_, _| ()).unwrap();
            assert_eq!((report.n_written, report.n_present), (1, 18));
            assert_eq!(fs::read(folder.path().join("out/5")).unwrap(), b"kept");
            assert_eq!(fs::read(folder.path().join("out/1")).unwrap(), b"1");
        }
    }

    #[test]
    fn too_many_failures_are_an_error_after_all_jobs() {
        let folder = tempfile::tempdir().unwrap();
        for share in [0.05, f64::NAN] {
            let config = PrepareConfig::new().with_max_failures(share);
            let error = config.run(&jobs(folder.path(), 2), |_, _| ()).unwrap_err();
            let text = error.to_string();
            assert!(
                text.starts_with("2 of 20 files could not be made"),
                "{text}"
            );
        }
        assert!(folder.path().join("out/19").exists());
        let twice = || Job::new("a", "same", |_: &Path| Ok::<(), BoxError>(()));
        let error = PrepareConfig::new().run(&[twice(), twice()], |_, _| ());
        assert_eq!(
            error.unwrap_err().to_string(),
            "same: the file of two samples, a and a"
        );
        assert!(
            PrepareConfig::new()
                .with_workers(0)
                .run(&[], |_, _| ())
                .is_err()
        );
        assert_eq!(
            PrepareConfig::new().run(&[], |_, _| ()).unwrap().n_written,
            0
        );
    }
}
