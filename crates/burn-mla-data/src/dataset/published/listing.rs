//! A table of samples that a loader of a published data set found.

use std::path::{Path, PathBuf};

use super::{DatasetError, Incomplete, Inventory, PublishedDataset, SplitSource};
use crate::dataset::{ClassNames, SampleId, Split};
use crate::manifest::{ColumnKind, Manifest, ManifestConfig, Table};

/// A sample: empty cells are missing modalities.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    pub(crate) id: String,
    /// The line of the list that has it; 0 for none.
    pub(crate) line: u32,
    pub(crate) label: String,
    pub(crate) split: Option<Split>,
    /// A cell for each column, relative to the folder or within an allowed one.
    pub(crate) cells: Vec<String>,
    /// A value for each extra column, such as the speaker.
    pub(crate) extra: Vec<String>,
    /// True if the sample was published without the modalities that it lacks.
    pub(crate) is_published_so: bool,
}

/// Samples in a fixed order, whatever order the disk lists them in.
#[derive(Debug, Clone)]
pub(crate) struct Listing {
    pub(crate) dataset: &'static str,
    /// The list or folder that errors name.
    pub(crate) source: PathBuf,
    /// Where paths begin.
    pub(crate) folder: PathBuf,
    /// Folders elsewhere, such as that of prepared files.
    pub(crate) allowed: Vec<PathBuf>,
    pub(crate) columns: Vec<(&'static str, ColumnKind)>,
    pub(crate) extra: Vec<&'static str>,
    pub(crate) classes: ClassNames,
    pub(crate) rows: Vec<Row>,
}

impl Listing {
    /// The data set: incomplete samples refused, marked or left out, and classes and splits applied.
    ///
    /// `hint` says how to get a modality. Without a split in the rows, `splits` makes one; `group` is the
    /// extra column of groups, if the set has one.
    pub(crate) fn publish(
        mut self,
        mut inventory: Inventory,
        incomplete: Incomplete,
        hint: impl Fn(&str) -> String,
        splits: &SplitSource,
        group: Option<&str>,
    ) -> Result<PublishedDataset, DatasetError> {
        self.complete(&mut inventory, incomplete, hint)?;
        inventory.n_samples = self.rows.len();
        let has_splits = self.rows.iter().any(|row| row.split.is_some());
        let manifest = self.manifest(has_splits)?;
        let manifest = match (splits, group) {
            _ if has_splits => manifest,
            (SplitSource::Stratified(shares), _) => manifest.split_stratified(shares)?,
            (SplitSource::Grouped(shares), Some(group)) => manifest.split_grouped(shares, group)?,
            (SplitSource::File(path), _) => manifest.with_splits(path, false)?,
            (SplitSource::Official | SplitSource::Lists { .. } | SplitSource::Grouped(_), _) => {
                return Err(self.no_such_split(splits));
            }
        };
        Ok(PublishedDataset::new(manifest, inventory))
    }

    fn no_such_split(&self, splits: &SplitSource) -> DatasetError {
        DatasetError::NoSuchSplit {
            dataset: self.dataset,
            wanted: match splits {
                SplitSource::Grouped(_) => "groups",
                SplitSource::Lists { .. } => "lists that are read",
                _ => "official split",
            },
            offered: "`SplitSource::Stratified`, `SplitSource::File` or another that its documentation names",
        }
    }

    fn complete(
        &mut self,
        inventory: &mut Inventory,
        incomplete: Incomplete,
        hint: impl Fn(&str) -> String,
    ) -> Result<(), DatasetError> {
        for (at, (name, _)) in self.columns.iter().enumerate() {
            let lacking = || self.rows.iter().filter(|row| row.cells[at].is_empty());
            if let (Some(first), Incomplete::Refuse) = (lacking().next(), incomplete) {
                return Err(DatasetError::Incomplete {
                    n: lacking().count(),
                    n_samples: self.rows.len(),
                    modality: name.to_string(),
                    first: SampleId::from(first.id.as_str()),
                    hint: hint(name),
                });
            }
            for row in lacking() {
                let (reason, id) = (format!("no {name}"), row.id.as_str());
                match incomplete {
                    _ if !row.is_published_so => inventory.add(reason, id),
                    Incomplete::LeaveOut => inventory.leave_out(reason, id),
                    _ => inventory.note(reason, id),
                }
            }
        }
        let keep = |row: &Row| match incomplete {
            Incomplete::LeaveOut => row.cells.iter().all(|cell| !cell.is_empty()),
            _ => row.cells.iter().any(|cell| !cell.is_empty()),
        };
        // A modality that no sample has was not prepared, or is in another folder.
        let has = |at: usize| self.rows.iter().any(|row| !row.cells[at].is_empty());
        let absent = (0..self.columns.len()).find(|&at| !has(at));
        let (n_samples, first) = (self.rows.len(), self.rows.first().map(|row| row.id.clone()));
        self.rows.retain(keep);
        if self.rows.is_empty() {
            if let (Some(at), Some(first)) = (absent, first) {
                let modality = self.columns[at].0;
                return Err(DatasetError::Incomplete {
                    n: n_samples,
                    n_samples,
                    modality: modality.to_string(),
                    first: SampleId::from(first),
                    hint: hint(modality),
                });
            }
            let problem = format!("no sample of {} was found", self.dataset);
            return Err(DatasetError::layout(&self.source, problem));
        }
        Ok(())
    }

    /// The rows as a manifest.
    pub(crate) fn manifest(&self, has_splits: bool) -> Result<Manifest, DatasetError> {
        let names = self.columns.iter().map(|(name, _)| *name);
        let split = has_splits.then_some("split");
        let fixed = ["id", "label"].into_iter().chain(split);
        let all = fixed.chain(names.clone()).chain(self.extra.iter().copied());
        let mut table = Table::new(all);
        for row in &self.rows {
            let split = has_splits.then(|| row.split.map_or("", Split::name));
            let cells = [row.id.as_str(), &row.label].into_iter().chain(split);
            let cells = cells.chain(row.cells.iter().map(String::as_str));
            table.push(row.line, cells.chain(row.extra.iter().map(String::as_str)));
        }
        let mut config = ManifestConfig::new()
            .with_modalities(names)
            .with_extra(self.extra.iter().copied())
            .with_classes(self.classes.clone());
        for (name, kind) in &self.columns {
            config = config.with_kind(*name, *kind);
        }
        for folder in &self.allowed {
            config = config.with_folder(folder);
        }
        let folder: &Path = &self.folder;
        Ok(config.build(&self.source, folder, table)?)
    }
}
