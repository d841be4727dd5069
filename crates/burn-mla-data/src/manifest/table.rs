//! A manifest: identities, labels, splits and columns of samples.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use burn_mla::modality::Presence;

use super::cells::{Cells, Ids};
use super::column::Column;
use super::parallel::in_order;
use super::{Cell, ColumnKind, ManifestError, Place};
use crate::dataset::{ClassNames, DatasetSummary, SampleId, Split};

/// A table of samples in a file: identities, labels, splits, and a column per modality.
///
/// Open it by [`ManifestConfig`](super::ManifestConfig), and make a data set of it by
/// [`dataset`](Self::dataset). Copies share the table.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The files, each with its first row.
    pub(super) paths: Arc<[(usize, PathBuf)]>,
    pub(super) ids: Arc<Ids>,
    pub(super) lines: Arc<[u32]>,
    pub(super) labels: Arc<[u32]>,
    pub(super) classes: ClassNames,
    pub(super) splits: Option<Arc<[Split]>>,
    pub(super) modalities: Arc<[Column]>,
    pub(super) extra: Arc<[(String, Cells)]>,
}

impl Manifest {
    pub(super) const NO_LABEL: u32 = u32::MAX;

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The file; of joined manifests the first one.
    pub fn path(&self) -> &Path {
        &self.paths[0].1
    }

    /// The classes.
    pub fn classes(&self) -> &ClassNames {
        &self.classes
    }

    /// Names and kinds of the columns of modalities, in the order of the encoders.
    pub fn modalities(&self) -> impl ExactSizeIterator<Item = (&str, ColumnKind)> {
        let columns = self.modalities.iter();
        columns.map(|column| (column.name.as_str(), column.kind))
    }

    /// The identity of a sample.
    ///
    /// # Panics
    ///
    /// As all functions of a sample: if the sample is out of range.
    pub fn id(&self, sample: usize) -> SampleId {
        self.ids.cells.get(sample).into()
    }

    /// The first sample with an identity.
    pub fn find(&self, id: &str) -> Option<usize> {
        self.ids.find(id)
    }

    /// The label of a sample; `None` without one.
    pub fn label(&self, sample: usize) -> Option<usize> {
        let label = self.labels[sample];
        (label != Self::NO_LABEL).then_some(label as usize)
    }

    /// The split of a sample; `None` where samples have none.
    pub fn split(&self, sample: usize) -> Option<Split> {
        self.splits.as_ref().map(|splits| splits[sample])
    }

    /// The text of a sample in a column that is a modality or [extra](super::ManifestConfig::with_extra):
    /// a path is as it is written. `None` for an empty cell or an unknown column.
    pub fn text(&self, sample: usize, column: &str) -> Option<&str> {
        let text = self.column(column)?.get(sample);
        (!text.is_empty()).then_some(text)
    }

    pub(super) fn column(&self, name: &str) -> Option<&Cells> {
        let mut modalities = self.modalities.iter();
        let extra = || self.extra.iter().find(|(extra, _)| extra == name);
        modalities
            .find(|column| column.name == name)
            .map(|column| &column.cells)
            .or_else(|| extra().map(|(_, cells)| cells))
    }

    /// The place of a sample, for errors.
    pub fn place(&self, sample: usize) -> Place {
        let file = self.paths.partition_point(|(first, _)| *first <= sample) - 1;
        Place {
            path: self.paths[file].1.clone(),
            line: self.lines[sample].into(),
            id: self.id(sample),
        }
    }

    /// The samples of a split.
    pub fn samples(&self, split: Split) -> Vec<usize> {
        let samples = 0..self.len();
        samples
            .filter(|&sample| self.split(sample) == Some(split))
            .collect()
    }

    /// Whether a sample has a value in a column of a modality.
    pub(super) fn has(&self, sample: usize, modality: usize) -> bool {
        !self.modalities[modality].cells.get(sample).is_empty()
    }

    /// The modality mask of samples.
    ///
    /// # Errors
    ///
    /// [`ManifestError::NoModality`].
    pub fn presence(&self, samples: &[usize]) -> Result<Presence, ManifestError> {
        let n = self.modalities.len();
        let mask = samples
            .iter()
            .flat_map(|&sample| (0..n).map(move |m| self.has(sample, m)));
        let mask: Vec<bool> = mask.collect();
        if let Some(row) = mask.chunks(n.max(1)).position(|row| !row.contains(&true)) {
            return Err(ManifestError::NoModality {
                place: self.place(samples[row]),
            });
        }
        Presence::from_mask(mask, n).map_err(|error| ManifestError::file(self.path(), error))
    }

    /// The value of a sample in a column of a modality, an error with its place.
    pub(crate) fn cell(
        &self,
        sample: usize,
        modality: usize,
    ) -> Result<Option<Cell<'_>>, ManifestError> {
        let cell = self.modalities[modality].cell(sample);
        cell.map_err(|problem| self.unreadable(sample, modality, problem.into()))
    }

    pub(super) fn unreadable(
        &self,
        sample: usize,
        modality: usize,
        source: super::FrontEndError,
    ) -> ManifestError {
        ManifestError::Cell {
            place: self.place(sample),
            column: self.modalities[modality].name.clone(),
            source: source.into(),
        }
    }

    /// Counts by class, split and modality, the sizes of texts and files, and the durations of sound by the
    /// headers of its files. Files that cannot be found count as 0 bytes; [`check`](Self::check) lists them.
    pub fn summary(&self) -> DatasetSummary {
        let names = self.modalities().map(|(name, _)| name.to_string());
        let mut summary = DatasetSummary::new(&self.classes, names);
        let measure = |sample: usize| -> Vec<Option<Extent>> {
            let cell = |m: usize| match self.modalities[m].cell(sample) {
                Ok(cell) => cell.map(|cell| Extent::of(cell, self.modalities[m].kind)),
                Err(_) => Some(Extent::default()),
            };
            (0..self.modalities.len()).map(cell).collect()
        };
        in_order(self.len(), measure, |sample, extents| {
            let bytes = |extent: &Option<Extent>| extent.as_ref().map(|extent| extent.bytes);
            let sizes: Vec<Option<u64>> = extents.iter().map(bytes).collect();
            summary.add(self.split(sample), self.label(sample), &sizes);
            for (modality, extent) in extents.into_iter().enumerate() {
                if let Some(duration) = extent.and_then(|extent| extent.duration) {
                    summary.add_duration(modality, duration);
                }
            }
        });
        summary
    }
}

/// Size of a value, and its duration where it is known.
#[derive(Default)]
struct Extent {
    bytes: u64,
    duration: Option<Duration>,
}

impl Extent {
    fn of(cell: Cell<'_>, kind: ColumnKind) -> Self {
        let of_file = |path: &PathBuf| std::fs::metadata(path).map_or(0, |file| file.len());
        let duration = match (&cell, kind) {
            (Cell::File(path), ColumnKind::Audio | ColumnKind::File) => duration(path),
            _ => None,
        };
        let bytes = match cell {
            Cell::Text(text) => text.len() as u64,
            Cell::File(path) => of_file(&path),
            Cell::Frames { files, .. } => files.iter().map(of_file).sum(),
        };
        Self { bytes, duration }
    }
}

#[cfg(feature = "audio")]
fn duration(path: &Path) -> Option<Duration> {
    crate::audio::AudioReader::duration(path).ok().flatten()
}

#[cfg(not(feature = "audio"))]
fn duration(_path: &Path) -> Option<Duration> {
    None
}
