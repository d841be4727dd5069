//! Joins of two manifests by the identities of their samples.

use std::path::PathBuf;
use std::sync::Arc;

use super::cells::{Cells, Ids};
use super::column::Column;
use super::{Manifest, ManifestError};
use crate::dataset::{ClassNames, SampleId};

/// What becomes of samples that only one of two joined manifests has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partners {
    /// They lack the modalities of the other one.
    Optional,
    /// They are an error.
    Required,
}

/// Numbers of samples of a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JoinCounts {
    /// In both manifests.
    pub both: usize,
    /// In the first one only.
    pub only_first: usize,
    /// In the second one only.
    pub only_second: usize,
}

impl Manifest {
    /// Joins the modalities of two manifests by the identities of their samples, whatever the order of
    /// their lines. The samples of this one come first, then those that only the other one has.
    ///
    /// A label or split that one of the two lacks is that of the other. Paths begin at the folder of
    /// the manifest that has them.
    ///
    /// # Errors
    ///
    /// - [`ManifestError::RepeatedId`];
    /// - [`ManifestError::Unpaired`] for a sample of one of the two, with [`Partners::Required`];
    /// - [`ManifestError::Contradiction`] for a sample with two labels or splits;
    /// - [`ManifestError::Column`] for a column of both, or for splits that some samples would lack.
    pub fn join(
        &self,
        other: &Self,
        partners: Partners,
    ) -> Result<(Self, JoinCounts), ManifestError> {
        self.check_ids()?;
        other.check_ids()?;
        let names = self.names();
        if let Some(name) = other.names().into_iter().find(|name| names.contains(name)) {
            let problem = format!("is in {}, too", other.path().display());
            return Err(ManifestError::column(self.path(), name, problem));
        }
        // The row of each sample in the first and in the second manifest.
        let first = (0..self.len()).map(|row| (Some(row), other.find(self.ids.cells.get(row))));
        let second = (0..other.len()).filter(|&row| self.find(other.ids.cells.get(row)).is_none());
        let rows: Vec<(Option<usize>, Option<usize>)> =
            first.chain(second.map(|row| (None, Some(row)))).collect();
        let only = |in_first: bool, in_second: bool| {
            let found = |row: &&(Option<usize>, Option<usize>)| {
                row.0.is_some() == in_first && row.1.is_some() == in_second
            };
            rows.iter().filter(found).count()
        };
        let counts = JoinCounts {
            both: only(true, true),
            only_first: only(true, false),
            only_second: only(false, true),
        };
        if partners == Partners::Required {
            let lacking = |row: Option<usize>| row.is_none();
            self.check_partners(other, counts.only_first, || {
                let row = rows.iter().position(|row| lacking(row.1))?;
                Some(self.id(row))
            })?;
            other.check_partners(self, counts.only_second, || {
                let row = rows.iter().find(|row| lacking(row.0))?.1?;
                Some(other.id(row))
            })?;
        }
        self.joined(other, &rows).map(|joined| (joined, counts))
    }

    fn names(&self) -> Vec<&str> {
        let extra = self.extra.iter().map(|(name, _)| name.as_str());
        self.modalities()
            .map(|(name, _)| name)
            .chain(extra)
            .collect()
    }

    fn check_partners(
        &self,
        other: &Self,
        n: usize,
        example: impl FnOnce() -> Option<SampleId>,
    ) -> Result<(), ManifestError> {
        match example().filter(|_| n > 0) {
            None => Ok(()),
            Some(id) => Err(ManifestError::Unpaired {
                path: self.path().to_path_buf(),
                other: other.path().to_path_buf(),
                n,
                id,
            }),
        }
    }

    fn joined(
        &self,
        other: &Self,
        rows: &[(Option<usize>, Option<usize>)],
    ) -> Result<Self, ManifestError> {
        let classes = if self.classes == other.classes || other.classes.is_empty() {
            self.classes.clone()
        } else if self.classes.is_empty() {
            other.classes.clone()
        } else {
            ClassNames::sorted(self.classes.iter().chain(other.classes.iter()).cloned())?
        };
        let (mut ids, mut lines) = (Cells::default(), vec![]);
        let (mut labels, mut splits) = (vec![], vec![]);
        for &(first, second) in rows {
            let (table, row) = match (first, second) {
                (Some(row), _) => (self, row),
                (None, Some(row)) => (other, row),
                (None, None) => continue,
            };
            ids.push(table.ids.cells.get(row));
            lines.push(table.lines[row]);
            let class = |table: &'_ Self, row: Option<usize>| {
                let label = row.and_then(|row| table.label(row))?;
                Some(table.classes[label].clone())
            };
            let label = agreed(class(self, first), class(other, second));
            let label = label.map_err(|two| self.contradiction(other, first, "the label", two))?;
            labels.push(match label {
                None => Self::NO_LABEL,
                Some(name) => classes.label(&name)? as u32,
            });
            let split = |table: &Self, row: Option<usize>| row.and_then(|row| table.split(row));
            let split = agreed(split(self, first), split(other, second));
            let split = split.map_err(|two| {
                let two = two.map(|split| split.to_string());
                self.contradiction(other, first, "the split", two)
            })?;
            splits.push(split);
        }
        let splits = if splits.iter().all(Option::is_none) {
            None
        } else {
            let without = splits.iter().position(Option::is_none);
            if let Some(row) = without {
                let problem = format!("is missing for the sample {}", ids.get(row));
                return Err(ManifestError::column(self.path(), "split", problem));
            }
            Some(splits.into_iter().flatten().collect())
        };
        let take = |cells: &Cells, rows: &mut dyn Iterator<Item = Option<usize>>| {
            let mut taken = Cells::default();
            rows.for_each(|row| taken.push(row.map_or("", |row| cells.get(row))));
            taken
        };
        let firsts = |cells: &Cells| take(cells, &mut rows.iter().map(|row| row.0));
        let seconds = |cells: &Cells| take(cells, &mut rows.iter().map(|row| row.1));
        let column = |column: &Column, cells: Cells| Column {
            cells,
            ..column.clone()
        };
        let modalities = self.modalities.iter().map(|c| column(c, firsts(&c.cells)));
        let others = other
            .modalities
            .iter()
            .map(|c| column(c, seconds(&c.cells)));
        let extra = self.extra.iter().map(|(name, c)| (name.clone(), firsts(c)));
        let other_extra = other
            .extra
            .iter()
            .map(|(name, c)| (name.clone(), seconds(c)));
        Ok(Self {
            paths: self.joined_paths(other, rows),
            ids: Arc::new(Ids::new(ids)),
            lines: lines.into(),
            labels: labels.into(),
            classes,
            splits,
            modalities: modalities.chain(others).collect(),
            extra: extra.chain(other_extra).collect(),
        })
    }

    /// The files of the rows: those of the second manifest begin where the first one ends.
    fn joined_paths(
        &self,
        other: &Self,
        rows: &[(Option<usize>, Option<usize>)],
    ) -> Arc<[(usize, PathBuf)]> {
        let mut paths = self.paths.to_vec();
        for (at, row) in rows.iter().enumerate().skip(self.len()) {
            let Some(row) = row.1 else {
                continue;
            };
            let file = other.paths.partition_point(|(first, _)| *first <= row) - 1;
            let path = &other.paths[file].1;
            let starts = paths
                .last()
                .is_none_or(|(first, last)| *first < self.len() || last != path);
            if starts {
                paths.push((at, path.clone()));
            }
        }
        paths.into()
    }

    fn contradiction(
        &self,
        other: &Self,
        row: Option<usize>,
        what: &'static str,
        [found, another]: [String; 2],
    ) -> ManifestError {
        ManifestError::Contradiction {
            // Both have the sample, or nothing could contradict.
            place: Box::new(self.place(row.unwrap_or_default())),
            what,
            found,
            other: another,
            path: other.path().to_path_buf(),
        }
    }
}

/// The value that is given once, or twice alike.
fn agreed<T: PartialEq>(first: Option<T>, second: Option<T>) -> Result<Option<T>, [T; 2]> {
    match (first, second) {
        (Some(first), Some(second)) if first != second => Err([first, second]),
        (first, second) => Ok(first.or(second)),
    }
}
