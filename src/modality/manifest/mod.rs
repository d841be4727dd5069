//! A file of modality masks, which makes a comparison with missing modalities repeatable.

mod error;
mod layout;

use std::path::Path;
use std::{fs, io};

use crate::atomic_file;
use crate::modality::{MissingRate, Presence};

pub use error::{ManifestError, ManifestProblem};

/// The modality masks of all splits, in a file. It makes a comparison with missing modalities
/// repeatable and the same for every method.
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
/// let train = manifest.check("train", 800)?; // the number of samples of the data set
/// println!("{:.3} of audio is missing", train.missing_share(0));
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
///
/// The file is JSON. A row of a mask has one digit per modality, 1 where it is present:
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
///
/// A file of another [protocol](crate::modality::MissingProtocol) than independent drops is of version 2
/// and has a field `protocol`.
#[derive(Debug, Clone, PartialEq)]
pub struct MissingManifest {
    rate: MissingRate,
    modalities: Vec<String>,
    splits: Vec<(String, Presence)>,
}

impl MissingManifest {
    /// Draws the masks of `splits`, each given by its name and number of samples.
    ///
    /// # Errors
    ///
    /// [`ManifestProblem::NoModalities`] without modalities, [`ManifestProblem::Twice`] for two
    /// modalities or splits with the same name.
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
        let n_modalities = modalities.len();
        let splits = splits.into_iter().map(|(name, n_samples)| {
            let complete = Presence::all(n_samples, n_modalities);
            (name, complete)
        });
        Self::within(rate, modalities, splits)
    }

    /// Draws the masks of `splits` whose samples lack modalities already, each given by its name and
    /// its natural mask; see [`MissingRate::presence_within`].
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and [`ManifestProblem::ModalityCount`] for a natural mask with another
    /// number of modalities.
    pub fn within<M, S>(
        rate: MissingRate,
        modalities: impl IntoIterator<Item = M>,
        splits: impl IntoIterator<Item = (S, Presence)>,
    ) -> Result<Self, ManifestError>
    where
        M: Into<String>,
        S: Into<String>,
    {
        let modalities: Vec<String> = modalities.into_iter().map(Into::into).collect();
        let splits = splits.into_iter().map(|(name, natural)| {
            let split = name.into();
            if natural.n_modalities() != modalities.len() {
                return Err(ManifestProblem::ModalityCount {
                    split,
                    masked: natural.n_modalities(),
                    n_modalities: modalities.len(),
                });
            }
            let presence = rate.presence_within(&split, &natural);
            Ok((split, presence.map_err(|_| ManifestProblem::NoModalities)?))
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

    /// The missing rate and seed of the masks.
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
    /// [`ManifestProblem::UnknownSplit`] for a split that is not in the manifest.
    pub fn presence(&self, split: &str) -> Result<&Presence, ManifestError> {
        let found = self.splits.iter().find(|(name, _)| name == split);
        let found = found.map(|(_, presence)| presence);
        Ok(found.ok_or_else(|| ManifestProblem::UnknownSplit {
            split: split.to_string(),
            known: self.splits.iter().map(|(name, _)| name.clone()).collect(),
        })?)
    }

    /// The mask of a split with `n_samples` samples.
    ///
    /// # Errors
    ///
    /// As [`presence`](Self::presence), and [`ManifestProblem::Samples`] for another number of
    /// samples, which means that the manifest was made for other data.
    pub fn check(&self, split: &str, n_samples: usize) -> Result<&Presence, ManifestError> {
        let presence = self.presence(split)?;
        check_samples(split, presence, n_samples)?;
        Ok(presence)
    }

    /// Checks that the manifest has these modalities, in this order.
    ///
    /// # Errors
    ///
    /// [`ManifestProblem::Modalities`] for different modalities.
    pub fn check_modalities(&self, expected: &[impl AsRef<str>]) -> Result<(), ManifestError> {
        let expected: Vec<String> = expected.iter().map(|m| m.as_ref().to_string()).collect();
        if self.modalities == expected {
            return Ok(());
        }
        let found = self.modalities.clone();
        Err(ManifestProblem::Modalities { found, expected }.into())
    }

    /// Saves the manifest to a file, replacing an existing one atomically: a temporary file beside
    /// it is synced to disk, then renamed.
    ///
    /// # Errors
    ///
    /// [`ManifestProblem::Io`]; an existing file is then unchanged.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ManifestError> {
        let path = path.as_ref();
        let text = serde_json::to_string_pretty(&self.to_layout());
        let written = text.map_err(io::Error::from).and_then(|mut text| {
            text.push('\n');
            atomic_file::write(path, text.as_bytes())
        });
        written.map_err(|error| ManifestProblem::io(&error).at(path))
    }

    /// Loads a manifest from a file.
    ///
    /// # Errors
    ///
    /// A [`ManifestError`] with the file and its first problem: it cannot be read, is truncated,
    /// is of a different format or version, or is malformed.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ManifestError> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|error| ManifestProblem::io(&error).at(path))?;
        Self::parse(&bytes).map_err(|problem| problem.at(path))
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
