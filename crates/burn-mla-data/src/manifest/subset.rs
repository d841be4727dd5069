//! Manifests of some samples of another.

use std::path::PathBuf;
use std::sync::Arc;

use super::cells::{Cells, Ids};
use super::column::Column;
use super::{Manifest, ManifestError};
use crate::dataset::Split;

impl Manifest {
    /// The samples of a split, with all classes of this manifest.
    ///
    /// # Errors
    ///
    /// [`ManifestError::EmptySplit`].
    pub fn part(&self, split: Split) -> Result<Self, ManifestError> {
        let samples = self.samples(split);
        if samples.is_empty() {
            return Err(ManifestError::EmptySplit { split });
        }
        Ok(self.subset(&samples))
    }

    /// Some samples in the given order, with all classes of this manifest.
    ///
    /// # Panics
    ///
    /// If a sample is out of range.
    pub fn subset(&self, samples: &[usize]) -> Self {
        let take = |cells: &Cells| {
            let mut taken = Cells::default();
            samples.iter().for_each(|&row| taken.push(cells.get(row)));
            taken
        };
        let column = |column: &Column| Column {
            cells: take(&column.cells),
            ..column.clone()
        };
        let splits = self.splits.as_ref();
        Self {
            paths: self.paths_of(samples),
            ids: Arc::new(Ids::new(take(&self.ids.cells))),
            lines: samples.iter().map(|&row| self.lines[row]).collect(),
            labels: samples.iter().map(|&row| self.labels[row]).collect(),
            classes: self.classes.clone(),
            splits: splits.map(|splits| samples.iter().map(|&row| splits[row]).collect()),
            modalities: self.modalities.iter().map(column).collect(),
            extra: (self.extra.iter())
                .map(|(name, cells)| (name.clone(), take(cells)))
                .collect(),
        }
    }

    /// The samples that have a modality, with its column alone.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Column`] for an unknown column.
    pub fn only(&self, column: &str) -> Result<Self, ManifestError> {
        let at = self.modalities.iter().position(|c| c.name == column);
        let at =
            at.ok_or_else(|| ManifestError::column(self.path(), column, "is not a modality"))?;
        let samples: Vec<usize> = (0..self.len()).filter(|&row| self.has(row, at)).collect();
        let some = self.subset(&samples);
        Ok(Self {
            modalities: Arc::new([some.modalities[at].clone()]),
            ..some
        })
    }

    /// The files of samples, each with the first row of a run of samples that are of it.
    fn paths_of(&self, samples: &[usize]) -> Arc<[(usize, PathBuf)]> {
        let mut paths: Vec<(usize, PathBuf)> = vec![];
        for (at, &row) in samples.iter().enumerate() {
            let file = self.paths.partition_point(|(first, _)| *first <= row) - 1;
            let path = &self.paths[file].1;
            if paths.last().is_none_or(|(_, last)| last != path) {
                paths.push((at, path.clone()));
            }
        }
        if paths.is_empty() {
            paths.push((0, self.path().to_path_buf()));
        }
        paths.into()
    }
}
