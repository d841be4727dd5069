use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::error::Category;

use crate::atomic_file;
use crate::error::MlaError;
use crate::modality::{MissingRate, Presence};

const FORMAT: &str = "burn-mla missing modalities";
/// Raise it with every change that an older reader would misread.
const VERSION: u64 = 1;

/// Which sample of which split lacks which modality, kept in a file: what makes a comparison with
/// missing modalities repeatable, and the same for every method.
///
/// ```
/// use burn_mla::modality::{MissingManifest, MissingRate};
///
/// let rate = MissingRate::new(0.3, 1)?;
/// let splits = [("train", 800), ("valid", 100), ("test", 100)];
/// let manifest = MissingManifest::new(rate, ["audio", "video"], splits)?;
/// let folder = tempfile::tempdir().expect("a temporary folder");
/// let path = folder.path().join("missing.json");
/// manifest.save(&path)?;
///
/// let manifest = MissingManifest::load(&path)?;
/// let train = manifest.check("train", 800)?; // as many as the data set has
/// println!("{:.3} of audio are missing", train.missing_share(0));
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
///
/// The file is JSON. A row of a mask has a digit a modality, 1 where it is present:
///
/// ```json
/// {
///   "format": "burn-mla missing modalities",
///   "version": 1,
///   "rate": 0.3,
///   "seed": 1,
///   "modalities": ["audio", "video"],
///   "splits": [
///     { "name": "train", "n_samples": 3, "mask": ["11", "01", "10"] }
///   ]
/// }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct MissingManifest {
    rate: MissingRate,
    modalities: Vec<String>,
    splits: Vec<(String, Presence)>,
}

/// A manifest that could not be made, saved, read or used.
#[derive(Debug, Clone, PartialEq)]
pub struct ManifestError {
    /// The file, where one is at fault.
    pub path: Option<PathBuf>,
    /// What is wrong.
    pub problem: ManifestProblem,
}

/// What is wrong with a [`MissingManifest`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestProblem {
    /// The file could not be read or written.
    #[error("{message}")]
    Io {
        /// What the system says.
        message: String,
    },
    /// The file ends too early.
    #[error("truncated: {message}")]
    Truncated {
        /// Where.
        message: String,
    },
    /// The file is something else.
    #[error("not a manifest of missing modalities: {message}")]
    Foreign {
        /// How that shows.
        message: String,
    },
    /// A version of the format that is not known, most likely of a later version of this crate.
    #[error("version {version} of the format, this version of burn-mla reads {known}")]
    Version {
        /// The version of the file.
        version: u64,
        /// The one that is read.
        known: u64,
    },
    /// A field that is missing, unknown, or of another type.
    #[error("{message}")]
    Field {
        /// The field and its place.
        message: String,
    },
    /// A missing rate outside of its range.
    #[error("the missing rate must be in [0, 1), got {rate}")]
    Rate {
        /// The rate.
        rate: f64,
    },
    /// No modality.
    #[error("no modality is named")]
    NoModalities,
    /// Two modalities, or two splits, of one name.
    #[error("two {what} have the name `{name}`")]
    Twice {
        /// `modalities` or `splits`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A row of a mask that is not one digit, 0 or 1, a modality.
    #[error("row {sample} of split `{split}` is `{row}`: expected {n_modalities} digits 0 or 1")]
    Row {
        /// The split.
        split: String,
        /// The sample, from 0.
        sample: usize,
        /// The row.
        row: String,
        /// How many digits it should have.
        n_modalities: usize,
    },
    /// A sample without any modality.
    #[error("sample {sample} of split `{split}` has no modality present")]
    NothingPresent {
        /// The split.
        split: String,
        /// The sample, from 0.
        sample: usize,
    },
    /// A split of another number of samples than there are.
    #[error("the mask of split `{split}` is of {masked} samples, but there are {n_samples}")]
    Samples {
        /// The split.
        split: String,
        /// Number of samples of the mask.
        masked: usize,
        /// Number of samples that there should be.
        n_samples: usize,
    },
    /// A split that the manifest does not have.
    #[error("there is no split `{split}`, only {}", .known.join(", "))]
    UnknownSplit {
        /// The split asked for.
        split: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// Other modalities than the manifest is of.
    #[error("the modalities are {}, expected {}", .found.join(", "), .expected.join(", "))]
    Modalities {
        /// Those of the manifest.
        found: Vec<String>,
        /// Those expected.
        expected: Vec<String>,
    },
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{}: {}", path.display(), self.problem),
            None => write!(f, "manifest of missing modalities: {}", self.problem),
        }
    }
}

impl std::error::Error for ManifestError {}

impl From<ManifestError> for MlaError {
    fn from(error: ManifestError) -> Self {
        Self::Manifest {
            message: error.to_string(),
        }
    }
}

impl From<ManifestProblem> for ManifestError {
    fn from(problem: ManifestProblem) -> Self {
        Self {
            path: None,
            problem,
        }
    }
}

impl MissingManifest {
    /// Draws the masks of splits, each of a name and a number of samples.
    ///
    /// # Errors
    ///
    /// [`ManifestProblem::NoModalities`] without a modality, [`ManifestProblem::Twice`] for two
    /// modalities or splits of one name.
    pub fn new<M, S>(
        rate: MissingRate,
        modalities: impl IntoIterator<Item = M>,
        splits: impl IntoIterator<Item = (S, usize)>,
    ) -> Result<Self, ManifestError>
    where
        M: Into<String>,
        S: Into<String>,
    {
        let modalities: Vec<String> = modalities.into_iter().map(Into::into).collect();
        let splits = splits.into_iter().map(|(name, n_samples)| {
            let name = name.into();
            let presence = rate
                .presence(&name, n_samples, modalities.len())
                .map_err(|_| ManifestProblem::NoModalities)?;
            Ok((name, presence))
        });
        let splits = splits.collect::<Result<Vec<_>, ManifestProblem>>()?;
        Ok(Self::checked(rate, modalities, splits)?)
    }

    fn checked(
        rate: MissingRate,
        modalities: Vec<String>,
        splits: Vec<(String, Presence)>,
    ) -> Result<Self, ManifestProblem> {
        if modalities.is_empty() {
            return Err(ManifestProblem::NoModalities);
        }
        check_names("modalities", modalities.iter())?;
        check_names("splits", splits.iter().map(|(name, _)| name))?;
        Ok(Self {
            rate,
            modalities,
            splits,
        })
    }

    /// The missing rate and seed that the masks were drawn with.
    pub fn rate(&self) -> MissingRate {
        self.rate
    }

    /// The names of the modalities, in their order.
    pub fn modalities(&self) -> &[String] {
        &self.modalities
    }

    /// Names and masks of the splits.
    pub fn splits(&self) -> impl Iterator<Item = (&str, &Presence)> {
        self.splits
            .iter()
            .map(|(name, presence)| (name.as_str(), presence))
    }

    /// The mask of a split.
    ///
    /// # Errors
    ///
    /// [`ManifestProblem::UnknownSplit`] for one that the manifest does not have.
    pub fn presence(&self, split: &str) -> Result<&Presence, ManifestError> {
        let found = self.splits.iter().find(|(name, _)| name == split);
        let found = found.map(|(_, presence)| presence);
        Ok(found.ok_or_else(|| ManifestProblem::UnknownSplit {
            split: split.to_string(),
            known: self.splits.iter().map(|(name, _)| name.clone()).collect(),
        })?)
    }

    /// The mask of a split that must be of `n_samples` samples.
    ///
    /// # Errors
    ///
    /// As [`presence`](Self::presence), and [`ManifestProblem::Samples`] when it is not: it was
    /// made for other data.
    pub fn check(&self, split: &str, n_samples: usize) -> Result<&Presence, ManifestError> {
        let presence = self.presence(split)?;
        check_samples(split, presence, n_samples)?;
        Ok(presence)
    }

    /// Checks that the manifest is of these modalities, in this order.
    ///
    /// # Errors
    ///
    /// [`ManifestProblem::Modalities`] when it is not.
    pub fn check_modalities(&self, expected: &[impl AsRef<str>]) -> Result<(), ManifestError> {
        let expected: Vec<String> = expected.iter().map(|m| m.as_ref().to_string()).collect();
        if self.modalities == expected {
            return Ok(());
        }
        let found = self.modalities.clone();
        Err(ManifestProblem::Modalities { found, expected }.into())
    }

    /// Saves the manifest to a file, replacing one that is there. The file is whole at any time: a
    /// temporary one beside it is written out to the disk, then renamed.
    ///
    /// # Errors
    ///
    /// [`ManifestProblem::Io`]; a file that was there is then unchanged.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ManifestError> {
        let path = path.as_ref();
        let text = serde_json::to_string_pretty(&self.to_layout());
        let written = text.map_err(io::Error::from).and_then(|mut text| {
            text.push('\n');
            atomic_file::write(path, text.as_bytes())
        });
        written.map_err(|error| at(path, ManifestProblem::io(&error)))
    }

    /// Reads a manifest from a file.
    ///
    /// # Errors
    ///
    /// A [`ManifestError`] that names the file and the first problem: it cannot be read, is
    /// truncated or something else, of another version, or not well formed.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ManifestError> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|error| at(path, ManifestProblem::io(&error)))?;
        Self::parse(&bytes).map_err(|problem| at(path, problem))
    }

    fn parse(bytes: &[u8]) -> Result<Self, ManifestProblem> {
        let header: Header = serde_json::from_slice(bytes).map_err(|error| {
            let message = error.to_string();
            match error.classify() {
                Category::Eof => ManifestProblem::Truncated { message },
                _ => ManifestProblem::Foreign { message },
            }
        })?;
        if header.format != FORMAT {
            let message = format!("its format is `{}`", header.format);
            return Err(ManifestProblem::Foreign { message });
        }
        if header.version != VERSION {
            return Err(ManifestProblem::Version {
                version: header.version,
                known: VERSION,
            });
        }
        let layout: Layout =
            serde_json::from_slice(bytes).map_err(|error| ManifestProblem::Field {
                message: error.to_string(),
            })?;
        Self::from_layout(layout)
    }

    fn to_layout(&self) -> Layout {
        let digit = |present| if present { '1' } else { '0' };
        let row = |presence: &Presence, sample| {
            (0..self.modalities.len())
                .map(|modality| digit(presence.is_present(sample, modality)))
                .collect()
        };
        let split = |(name, presence): &(String, Presence)| Split {
            name: name.clone(),
            n_samples: presence.n_samples(),
            mask: (0..presence.n_samples())
                .map(|sample| row(presence, sample))
                .collect(),
        };
        Layout {
            format: FORMAT.to_string(),
            version: VERSION,
            rate: self.rate.rate(),
            seed: self.rate.seed(),
            modalities: self.modalities.clone(),
            splits: self.splits.iter().map(split).collect(),
        }
    }

    fn from_layout(layout: Layout) -> Result<Self, ManifestProblem> {
        let rate = MissingRate::new(layout.rate, layout.seed)
            .map_err(|_| ManifestProblem::Rate { rate: layout.rate })?;
        let n_modalities = layout.modalities.len();
        if n_modalities == 0 {
            return Err(ManifestProblem::NoModalities);
        }
        let splits = layout.splits.into_iter().map(|split| {
            let presence = split.presence(n_modalities)?;
            check_samples(&split.name, &presence, split.n_samples)?;
            Ok((split.name, presence))
        });
        let splits = splits.collect::<Result<Vec<_>, ManifestProblem>>()?;
        Self::checked(rate, layout.modalities, splits)
    }
}

/// What every version of the format begins with.
#[derive(Deserialize)]
struct Header {
    format: String,
    version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layout {
    format: String,
    version: u64,
    rate: f64,
    seed: u64,
    modalities: Vec<String>,
    splits: Vec<Split>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Split {
    name: String,
    n_samples: usize,
    mask: Vec<String>,
}

impl Split {
    fn presence(&self, n_modalities: usize) -> Result<Presence, ManifestProblem> {
        let mut mask = Vec::with_capacity(self.mask.len() * n_modalities);
        for (sample, row) in self.mask.iter().enumerate() {
            let digits = row.bytes().all(|digit| matches!(digit, b'0' | b'1'));
            if !digits || row.len() != n_modalities {
                return Err(ManifestProblem::Row {
                    split: self.name.clone(),
                    sample,
                    row: row.clone(),
                    n_modalities,
                });
            }
            mask.extend(row.bytes().map(|digit| digit == b'1'));
        }
        Presence::from_mask(mask, n_modalities).map_err(|error| match error {
            MlaError::NothingPresent { sample } => ManifestProblem::NothingPresent {
                split: self.name.clone(),
                sample,
            },
            other => ManifestProblem::Field {
                message: other.to_string(),
            },
        })
    }
}

impl ManifestProblem {
    fn io(error: &io::Error) -> Self {
        let message = error.to_string();
        Self::Io { message }
    }
}

fn at(path: &Path, problem: ManifestProblem) -> ManifestError {
    ManifestError {
        path: Some(path.to_path_buf()),
        problem,
    }
}

fn check_samples(
    split: &str,
    presence: &Presence,
    n_samples: usize,
) -> Result<(), ManifestProblem> {
    match presence.n_samples() {
        masked if masked == n_samples => Ok(()),
        masked => Err(ManifestProblem::Samples {
            split: split.to_string(),
            masked,
            n_samples,
        }),
    }
}

fn check_names<'a>(
    what: &'static str,
    names: impl Iterator<Item = &'a String>,
) -> Result<(), ManifestProblem> {
    let mut seen = std::collections::HashSet::new();
    for name in names {
        if !seen.insert(name) {
            let name = name.clone();
            return Err(ManifestProblem::Twice { what, name });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
