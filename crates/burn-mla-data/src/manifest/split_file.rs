//! Files of splits, with the hash of each sample.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Manifest, ManifestError};
use crate::dataset::Split;
use crate::line_ends::LfReader;
use crate::sha256::hex;
use burn_mla::atomic_file;

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    id: &'a str,
    split: Split,
    sha256: &'a str,
}

impl Manifest {
    /// Writes the splits to a CSV file with the columns `id`, `split` and `sha256`, the
    /// [hash](Self::sha256) of each sample. The write is atomic. `progress` is called with the number of
    /// samples done and of all.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Column`] for samples without splits, [`ManifestError::RepeatedId`],
    /// [`ManifestError::Cell`] for a file that cannot be read, [`ManifestError::File`] for a file that
    /// cannot be written.
    pub fn save_splits(
        &self,
        path: impl AsRef<Path>,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<(), ManifestError> {
        let path = path.as_ref();
        self.check_ids()?;
        let splits = self.splits.as_ref().ok_or_else(|| {
            ManifestError::column(self.path(), "split", "is missing: split the samples first")
        })?;
        let mut hashes = Vec::with_capacity(self.len());
        for sample in 0..self.len() {
            hashes.push(self.sha256(sample)?);
            progress(sample + 1, self.len());
        }
        atomic_file::write_with(path, |file| {
            let mut writer = csv::Writer::from_writer(file);
            for (sample, sha256) in hashes.iter().enumerate() {
                let line = Line {
                    id: self.ids.cells.get(sample),
                    split: splits[sample],
                    sha256: &hex(sha256),
                };
                writer.serialize(line).map_err(io::Error::other)?;
            }
            writer.flush()
        })
        .map_err(|error| ManifestError::file(path, error))
    }

    /// The manifest with the splits of a file of [`save_splits`](Self::save_splits). Identities must be the
    /// same in both, in any order.
    ///
    /// With `verify`, each sample is read and its hash compared.
    ///
    /// # Errors
    ///
    /// - [`ManifestError::File`], [`ManifestError::Line`] for a malformed file;
    /// - [`ManifestError::Splits`] for identities of only one of the two, or samples that have changed;
    /// - [`ManifestError::RepeatedId`], [`ManifestError::Cell`].
    pub fn with_splits(&self, path: impl AsRef<Path>, verify: bool) -> Result<Self, ManifestError> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|error| ManifestError::file(path, error))?;
        self.with_split_list(path, BufReader::new(file), verify)
    }

    pub(super) fn with_split_list(
        &self,
        path: &Path,
        list: impl BufRead,
        verify: bool,
    ) -> Result<Self, ManifestError> {
        self.check_ids()?;
        let mut reader = csv::Reader::from_reader(LfReader::new(list));
        let headers = reader
            .headers()
            .map_err(|error| ManifestError::file(path, error))?;
        let headers = headers.clone();
        let mut splits: Vec<Option<Split>> = vec![None; self.len()];
        let (mut unknown, mut changed) = (vec![], vec![]);
        let mut record = csv::StringRecord::new();
        loop {
            let line = reader.position().line();
            let failed = |error: csv::Error| ManifestError::line(path, line, error);
            if !reader.read_record(&mut record).map_err(failed)? {
                break;
            }
            let found: Line = record.deserialize(Some(&headers)).map_err(failed)?;
            let Some(sample) = self.find(found.id) else {
                unknown.push(found.id.into());
                continue;
            };
            if splits[sample].replace(found.split).is_some() {
                let problem = format!("the id `{}` occurs twice", found.id);
                return Err(ManifestError::line(path, line, problem));
            }
            if verify && hex(&self.sha256(sample)?) != found.sha256 {
                changed.push(self.id(sample));
            }
        }
        let without = (0..self.len()).filter(|&sample| splits[sample].is_none());
        let without = without.map(|sample| self.id(sample)).collect();
        for (problem, ids) in [
            ("ids are not in the manifest", unknown),
            ("ids of the manifest have no split", without),
            ("samples have changed", changed),
        ] {
            if let Some(id) = ids.first() {
                return Err(ManifestError::Splits {
                    path: path.to_path_buf(),
                    n: ids.len(),
                    problem,
                    id: id.clone(),
                });
            }
        }
        Ok(Self {
            splits: Some(splits.into_iter().flatten().collect()),
            ..self.clone()
        })
    }
}
