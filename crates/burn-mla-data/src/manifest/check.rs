//! A look at every line and file of a manifest, before a training finds out.

use std::collections::HashMap;
use std::fmt;

use super::digest::content;
use super::parallel::in_order;
use super::{FrontEnds, Manifest, ManifestDataset, Place};
use crate::dataset::Split;

/// How many times larger the largest class may be than the smallest one before it is a problem.
const IMBALANCE: usize = 10;

/// A problem of a sample or of the whole manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The sample; `None` for a problem of the whole.
    pub place: Option<Place>,
    /// The column, for a problem of one.
    pub column: Option<String>,
    /// The problem.
    pub kind: ProblemKind,
}

/// What [`Manifest::check`] finds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProblemKind {
    /// A file or folder that does not exist.
    #[error("no such file: {message}")]
    MissingFile {
        /// The path and the message of the system.
        message: String,
    },
    /// A value that cannot be read or decoded.
    #[error("unreadable: {message}")]
    Unreadable {
        /// The message of the reader.
        message: String,
    },
    /// A file without content.
    #[error("the file is empty")]
    EmptyFile,
    /// An identity that an earlier line has.
    #[error("the same id as on line {first_line}")]
    RepeatedId {
        /// The earlier line.
        first_line: u64,
    },
    /// An identity that an earlier line of another split has: a leak.
    #[error("the same id as on line {first_line}, which is in another split")]
    LeakedId {
        /// The earlier line.
        first_line: u64,
    },
    /// A file with the content of one in another split: a leak. Texts alone are not compared.
    #[error("the same content as in {first}, which is in another split")]
    LeakedContent {
        /// The earlier sample.
        first: Place,
    },
    /// A file with the content of one of another class.
    #[error("the same content as in {first}, which has another label")]
    Contradiction {
        /// The earlier sample.
        first: Place,
    },
    /// A sample without any modality.
    #[error("the sample has no modality")]
    NoModality,
    /// A class of a single sample.
    #[error("the class `{class}` has one sample")]
    LoneClass {
        /// The class.
        class: String,
    },
    /// A class without a training sample, where samples have splits.
    #[error("the class `{class}` has no training sample")]
    UntrainedClass {
        /// The class.
        class: String,
    },
    /// A class that is more than 10 times as large as another one.
    #[error("`{largest}` has {n_largest} samples but `{smallest}` has {n_smallest}")]
    Imbalance {
        /// The largest class.
        largest: String,
        /// Number of its samples.
        n_largest: usize,
        /// The smallest class.
        smallest: String,
        /// Number of its samples.
        n_smallest: usize,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if let Some(column) = &self.column {
            write!(f, "{column}: ")?;
        }
        write!(f, "{}", self.kind)
    }
}

/// The problems of a manifest, by line; those of the whole come last. `Display` prints one per line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// Number of samples.
    pub n_samples: usize,
    /// The problems.
    pub problems: Vec<Problem>,
}

impl CheckReport {
    /// Whether there is no problem.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "{problem}")?;
        }
        let (n, n_samples) = (self.problems.len(), self.n_samples);
        write!(f, "{n_samples} samples, {n} problems")
    }
}

impl Manifest {
    /// Reads every line and every file once, on all cores, and lists what is wrong: missing, unreadable and
    /// empty files, repeated identities, leaks between splits, contradicting labels, classes that are too
    /// small. `progress` is called with the number of samples done and of all.
    ///
    /// Files are read as bytes; [`ManifestDataset::check`] decodes them, too.
    pub fn check(&self, progress: impl FnMut(usize, usize)) -> CheckReport {
        self.check_with(progress, |_| None)
    }

    /// Checks with another check of each sample that has all its files.
    fn check_with(
        &self,
        mut progress: impl FnMut(usize, usize),
        decode: impl Fn(usize) -> Option<Problem> + Sync,
    ) -> CheckReport {
        let mut problems = vec![];
        let repeated: HashMap<usize, usize> = self
            .ids
            .repeated()
            .into_iter()
            .map(|(first, row)| (row, first))
            .collect();
        let mut seen = Seen::new();
        let look = |sample: usize| {
            let modalities = 0..self.modalities.len();
            let looks: Vec<Look> = modalities.map(|m| self.look(sample, m)).collect();
            let readable = !looks.iter().any(|look| matches!(look, Look::Problem(_)));
            let undecodable = readable.then(|| decode(sample)).flatten();
            (looks, undecodable)
        };
        in_order(self.len(), look, |sample, (looks, undecodable)| {
            if let Some(&first) = repeated.get(&sample) {
                let first_line = self.lines[first].into();
                problems.push(self.problem(
                    sample,
                    None,
                    if self.leaks(first, sample) {
                        ProblemKind::LeakedId { first_line }
                    } else {
                        ProblemKind::RepeatedId { first_line }
                    },
                ));
            }
            if !(0..self.modalities.len()).any(|modality| self.has(sample, modality)) {
                problems.push(self.problem(sample, None, ProblemKind::NoModality));
            }
            let before = problems.len();
            for (modality, look) in looks.into_iter().enumerate() {
                let kind = match look {
                    Look::Problem(kind) => Some(kind),
                    Look::File(hash) => self.compare(sample, (modality, hash), &mut seen),
                    Look::Fine => None,
                };
                problems.extend(kind.map(|kind| self.problem(sample, Some(modality), kind)));
            }
            if problems.len() == before {
                problems.extend(undecodable);
            }
            progress(sample + 1, self.len());
        });
        problems.extend(self.check_classes());
        CheckReport {
            n_samples: self.len(),
            problems,
        }
    }

    fn problem(&self, sample: usize, modality: Option<usize>, kind: ProblemKind) -> Problem {
        Problem {
            place: Some(self.place(sample)),
            column: modality.map(|modality| self.modalities[modality].name.clone()),
            kind,
        }
    }

    fn leaks(&self, first: usize, second: usize) -> bool {
        self.split(first) != self.split(second)
    }

    fn look(&self, sample: usize, modality: usize) -> Look {
        let column = &self.modalities[modality];
        let cell = match column.cell(sample) {
            Ok(Some(cell)) => cell,
            Ok(None) => return Look::Fine,
            Err(problem) => {
                let (missing, message) = (problem.missing, problem.to_string());
                return Look::Problem(if missing {
                    ProblemKind::MissingFile { message }
                } else {
                    ProblemKind::Unreadable { message }
                });
            }
        };
        if !column.kind.is_path() {
            return Look::Fine;
        }
        match content(&cell) {
            Ok(content) if content.has_empty_file => Look::Problem(ProblemKind::EmptyFile),
            Ok(content) => content
                .sha256
                .first_chunk()
                .map_or(Look::Fine, |half| Look::File(*half)),
            Err(error) => Look::Problem(ProblemKind::Unreadable {
                message: error.to_string(),
            }),
        }
    }

    /// Compares a file with those of earlier samples.
    fn compare(&self, sample: usize, key: FileKey, seen: &mut Seen) -> Option<ProblemKind> {
        let first = *seen.entry(key).or_insert(sample as u32) as usize;
        let place = || self.place(first);
        if self.leaks(first, sample) {
            Some(ProblemKind::LeakedContent { first: place() })
        } else if self.label(first) != self.label(sample) {
            Some(ProblemKind::Contradiction { first: place() })
        } else {
            None
        }
    }

    fn check_classes(&self) -> Vec<Problem> {
        let mut counts = vec![0_usize; self.classes.len()];
        let mut trained = vec![false; self.classes.len()];
        for sample in 0..self.len() {
            if let Some(label) = self.label(sample) {
                counts[label] += 1;
                trained[label] |= self.split(sample).is_none_or(|split| split == Split::Train);
            }
        }
        let mut kinds = vec![];
        for (label, class) in self.classes.iter().enumerate() {
            let class = class.clone();
            if counts[label] == 1 {
                kinds.push(ProblemKind::LoneClass { class });
            } else if !trained[label] {
                kinds.push(ProblemKind::UntrainedClass { class });
            }
        }
        let by_size = |label: &usize| counts[*label];
        let largest = (0..counts.len()).max_by_key(by_size);
        let smallest = (0..counts.len())
            .filter(|&label| counts[label] > 0)
            .min_by_key(by_size);
        if let (Some(largest), Some(smallest)) = (largest, smallest) {
            let (n_largest, n_smallest) = (counts[largest], counts[smallest]);
            if n_largest > IMBALANCE * n_smallest {
                kinds.push(ProblemKind::Imbalance {
                    largest: self.classes[largest].clone(),
                    n_largest,
                    smallest: self.classes[smallest].clone(),
                    n_smallest,
                });
            }
        }
        let whole = |kind| Problem {
            place: None,
            column: None,
            kind,
        };
        kinds.into_iter().map(whole).collect()
    }
}

/// What is found in a cell alone.
enum Look {
    Fine,
    Problem(ProblemKind),
    /// A file with the first half of its hash, which is enough to tell files apart.
    File([u8; 16]),
}

/// A modality and half of a hash.
type FileKey = (usize, [u8; 16]);

/// The first sample with a file.
type Seen = HashMap<FileKey, u32>;

impl<F: FrontEnds> ManifestDataset<F> {
    /// Checks the whole manifest as [`Manifest::check`], and decodes every sample by the front ends.
    pub fn check(&self, progress: impl FnMut(usize, usize)) -> CheckReport {
        let decode = |sample: usize| {
            let error = self.decode(sample, None).err()?;
            let (column, message) = match error {
                super::ManifestError::Cell { column, source, .. } => {
                    (Some(column), source.to_string())
                }
                other => (None, other.to_string()),
            };
            Some(Problem {
                place: Some(self.manifest().place(sample)),
                column,
                kind: ProblemKind::Unreadable { message },
            })
        };
        self.manifest().check_with(progress, decode)
    }
}
