//! Jobs on threads: each makes one file or folder that is not there yet.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use burn_mla::atomic_file;

use super::{Failure, PrepareError, PrepareReport};
use crate::content::guarded;
use crate::dataset::SampleId;
use crate::error::DataError;

/// The beginning of the names of folders that are being written.
pub(crate) const PARTIAL: &str = ".partial-";
/// What is older is of a run that was stopped.
const REMAINDER_AGE: Duration = Duration::from_secs(3600);

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
    /// A failure, or a panic of a decoder, does not stop the others. A run that was killed is resumed by the same
    /// call. An empty file or folder counts as one that is not there, and remainders of killed runs that are
    /// older than an hour are removed.
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
        remove_remainders(jobs);
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
        if has_content(&job.output)? {
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

/// Whether a file or folder is there and not empty. An empty folder is removed: it stands in the way of a whole one.
fn has_content(path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(found) if !found.is_dir() => Ok(found.len() > 0),
        // Fails for a folder with files in it.
        Ok(_) => Ok(fs::remove_dir(path).is_err()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes what killed runs left beside the outputs. It is hidden or has an ending of its own, and is harmless;
/// what cannot be removed stays.
fn remove_remainders(jobs: &[Job<'_>]) {
    let folders: BTreeSet<&Path> = jobs.iter().filter_map(|job| job.output.parent()).collect();
    for entry in folders
        .into_iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .flatten()
    {
        let path = entry.path();
        let is_partial = entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(PARTIAL.as_bytes());
        if !is_partial && !atomic_file::is_unfinished(&path) {
            continue;
        }
        let age = entry
            .metadata()
            .and_then(|found| found.modified())
            .ok()
            .and_then(|at| at.elapsed().ok());
        if age.is_none_or(|age| age < REMAINDER_AGE) {
            // Perhaps of another process that is at work.
            continue;
        }
        let removed = if path.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        if let Err(error) = removed {
            log::warn!(
                "{}: the remainder of a stopped run stays: {error}",
                path.display()
            );
        }
    }
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
    fn empty_outputs_and_remainders_are_not_kept() {
        let root = tempfile::tempdir().unwrap();
        let out = root.path().join("out");
        for folder in [".partial-old", ".partial-new", "3"] {
            fs::create_dir_all(out.join(folder)).unwrap();
        }
        fs::create_dir(out.join("4")).unwrap();
        fs::write(out.join("4/frame"), "whole").unwrap();
        fs::write(out.join(".partial-old/00000.jpg"), "half").unwrap();
        fs::write(out.join("5"), "").unwrap();
        fs::write(out.join("6.x.burn-mla-unfinished"), "half").unwrap();
        let old = std::time::SystemTime::now() - 2 * REMAINDER_AGE;
        for name in [".partial-old", "6.x.burn-mla-unfinished"] {
            fs::File::open(out.join(name))
                .unwrap()
                .set_modified(old)
                .unwrap();
        }
        let report = PrepareConfig::new()
            .run(&jobs(root.path(), 0), |_, _| ())
            .unwrap();
        assert_eq!((report.n_written, report.n_present), (19, 1));
        assert_eq!(fs::read(out.join("3")).unwrap(), b"3");
        assert_eq!(fs::read(out.join("5")).unwrap(), b"5");
        let left = |name: &str| out.join(name).exists();
        assert_eq!(
            [".partial-old", ".partial-new", "6.x.burn-mla-unfinished"].map(left),
            [false, true, false]
        );
    }

    #[test]
    fn too_many_failures_are_an_error_after_all_jobs() {
        let folder = tempfile::tempdir().unwrap();
        for share in [0.05, f64::NAN] {
            let config = PrepareConfig::new().with_max_failures(share);
            let error = config.run(&jobs(folder.path(), 2), |_, _| ()).unwrap_err();
            let text = error.to_string();
            let lines: Vec<&str> = text.lines().collect();
            assert!(
                lines[0].starts_with("2 of 20 files could not be made, more than a share of "),
                "{text}"
            );
            assert_eq!(lines.len(), 3, "{text}");
            assert!(
                lines[1].starts_with("  s0: ") && lines[1].ends_with("/0: truncated"),
                "{text}"
            );
            assert!(lines[2].starts_with("  s1: "), "{text}");
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
