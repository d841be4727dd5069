//! Options of reading a manifest.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cells::{Cells, Ids, Interner};
use super::column::Column;
use super::read::{self, Table};
use super::root::Root;
use super::{ColumnKind, Manifest, ManifestError};
use crate::dataset::{ClassNames, Split};
use crate::error::DataError;

/// Options of a [`Manifest`].
///
/// | Name | Default | Purpose |
/// |---|---|---|
/// | `id` | `id` | column of the identities of samples |
/// | `label` | `label` | column of class names; without it, samples have no label |
/// | `split` | `split` | column of splits; without it, samples have none until they are split |
/// | `modalities` | all other columns | columns of modalities, in their order |
/// | `kinds` | inferred | kinds of columns |
/// | `extra` | none | columns that are no modalities, such as groups |
/// | `folders` | none | folders outside of the manifest's that paths may lead to |
/// | `classes` | those of the training lines | classes in their order |
///
/// The kind of a column is inferred from the extensions of its cells, or else from its first cell: the
/// path of a folder has frames, and anything else is text. Extensions of some cells only are an error,
/// as is a column without values.
#[derive(Debug, Clone)]
pub struct ManifestConfig {
    id: String,
    label: String,
    split: String,
    modalities: Option<Vec<String>>,
    kinds: Vec<(String, ColumnKind)>,
    extra: Vec<String>,
    folders: Vec<PathBuf>,
    classes: Option<ClassNames>,
}

impl Default for ManifestConfig {
    fn default() -> Self {
        Self {
            id: "id".to_string(),
            label: "label".to_string(),
            split: "split".to_string(),
            modalities: None,
            kinds: vec![],
            extra: vec![],
            folders: vec![],
            classes: None,
        }
    }
}

impl ManifestConfig {
    /// The default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the column of the identities.
    pub fn with_id(mut self, column: impl Into<String>) -> Self {
        self.id = column.into();
        self
    }

    /// Sets the column of the class names.
    pub fn with_label(mut self, column: impl Into<String>) -> Self {
        self.label = column.into();
        self
    }

    /// Sets the column of the splits.
    pub fn with_split(mut self, column: impl Into<String>) -> Self {
        self.split = column.into();
        self
    }

    /// Sets the columns of the modalities, in the order of the encoders. Other columns are not used.
    pub fn with_modalities<S: Into<String>>(
        mut self,
        columns: impl IntoIterator<Item = S>,
    ) -> Self {
        self.modalities = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// Declares the kind of a column.
    pub fn with_kind(mut self, column: impl Into<String>, kind: ColumnKind) -> Self {
        self.kinds.push((column.into(), kind));
        self
    }

    /// Declares columns that are no modalities. They can [group](super::Shares) samples.
    pub fn with_extra<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.extra.extend(columns.into_iter().map(Into::into));
        self
    }

    /// Lets paths lead to a folder outside of the manifest's, by absolute paths or symbolic links.
    /// A path with `..` is refused in any case.
    pub fn with_folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.folders.push(folder.as_ref().to_path_buf());
        self
    }

    /// Sets the classes, such as those of a trained model. A label that is not among them is an error.
    pub fn with_classes(mut self, classes: ClassNames) -> Self {
        self.classes = Some(classes);
        self
    }

    /// Reads a manifest: CSV (`.csv`, or `.tsv` with tabs) with a header, or JSON Lines (`.jsonl`).
    ///
    /// Files are not opened; see [`Manifest::check`].
    ///
    /// # Errors
    ///
    /// - [`ManifestError::File`], [`ManifestError::Line`] for a malformed line, an empty identity, an
    ///   unknown split, or a path that leaves the folder of the manifest;
    /// - [`ManifestError::Column`] for a column that is missing, occurs twice, or has no clear kind;
    /// - [`ManifestError::Label`] for a label that is not a class: one of `classes`, or of a training
    ///   line where lines have splits;
    /// - [`ManifestError::Data`] for a label of blanks.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Manifest, ManifestError> {
        let path = path.as_ref();
        self.manifest(path, read::read(path)?)
    }

    /// The manifest of the table of a file, in whose folder paths begin.
    pub(super) fn manifest(&self, path: &Path, table: Table) -> Result<Manifest, ManifestError> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        self.build(path, folder.unwrap_or(Path::new(".")), table)
    }

    /// The manifest of a table. Errors name `path`, and paths of cells begin at `folder`.
    pub(crate) fn build(
        &self,
        path: &Path,
        folder: &Path,
        mut table: Table,
    ) -> Result<Manifest, ManifestError> {
        let declared = self.kinds.iter().map(|(name, _)| name);
        let named = declared
            .chain(self.modalities.iter().flatten())
            .chain(&self.extra);
        for name in [&self.id].into_iter().chain(named) {
            if !table.names.contains(name) {
                let found = table.names.join(", ");
                let problem = format!("is missing; there are {found}");
                return Err(ManifestError::column(path, name, problem));
            }
        }
        let mut take = |name: &str| {
            let at = table.names.iter().position(|known| known == name)?;
            table.names.remove(at);
            Some(table.columns.remove(at))
        };
        let ids = take(&self.id).unwrap_or_default();
        let labels = take(&self.label);
        let splits = take(&self.split);
        let lines = table.lines;
        if let Some(row) = ids.iter().position(|id| id.trim().is_empty()) {
            return Err(ManifestError::line(
                path,
                lines[row].into(),
                "the id is empty",
            ));
        }

        let root = Root::new(folder, &self.folders).map_err(|m| ManifestError::file(path, m))?;
        let root = Arc::new(root);
        let (mut modalities, mut extra) = (vec![], vec![]);
        for (name, cells) in table.names.into_iter().zip(table.columns) {
            if self.extra.contains(&name) {
                extra.push((name, cells));
            } else if self.modalities.as_ref().is_none_or(|m| m.contains(&name)) {
                let kind = self.kind(path, &name, &cells, &lines, &root)?;
                if kind.is_path() {
                    check_paths(path, &name, &cells, &lines, &root)?;
                }
                modalities.push(Column {
                    name,
                    kind,
                    cells,
                    root: root.clone(),
                });
            }
        }
        if let Some(order) = &self.modalities {
            modalities.sort_by_key(|column| order.iter().position(|name| *name == column.name));
        }
        let splits = splits.map(|cells| read_splits(path, &cells, &lines));
        let mut manifest = Manifest {
            paths: Arc::new([(0, path.to_path_buf())]),
            ids: Arc::new(Ids::new(ids)),
            lines: lines.into(),
            splits: splits.transpose()?,
            labels: Arc::default(),
            classes: ClassNames::sorted::<String>([])?,
            modalities: modalities.into(),
            extra: extra.into(),
        };
        manifest.read_labels(labels, self.classes.as_ref())?;
        Ok(manifest)
    }

    fn kind(
        &self,
        path: &Path,
        name: &str,
        cells: &Cells,
        lines: &[u32],
        root: &Root,
    ) -> Result<ColumnKind, ManifestError> {
        if let Some((_, kind)) = self.kinds.iter().find(|(declared, _)| declared == name) {
            return Ok(*kind);
        }
        let mut kinds = cells
            .iter()
            .enumerate()
            .filter(|(_, cell)| !cell.is_empty())
            .map(|(row, cell)| (row, cell, ColumnKind::of_extension(cell)));
        let Some((first_row, first, kind)) = kinds.next() else {
            let problem = "has no values; declare its kind by `with_kind`";
            return Err(ManifestError::column(path, name, problem));
        };
        if let Some((row, other, _)) = kinds.find(|(_, _, other)| *other != kind) {
            let short = |cell: &str| cell.chars().take(40).collect::<String>();
            let problem = format!(
                "has cells of different kinds: `{}` on line {} and `{}` on line {}; declare the kind by \
                 `with_kind`",
                short(first),
                lines[first_row],
                short(other),
                lines[row]
            );
            return Err(ManifestError::column(path, name, problem));
        }
        Ok(match kind {
            Some(kind) => kind,
            None if root.is_folder(first) => ColumnKind::Frames,
            None => ColumnKind::Text,
        })
    }
}

fn check_paths(
    path: &Path,
    name: &str,
    cells: &Cells,
    lines: &[u32],
    root: &Root,
) -> Result<(), ManifestError> {
    for (row, cell) in cells.iter().enumerate() {
        root.check(cell).map_err(|problem| {
            ManifestError::line(path, lines[row].into(), format!("{name}: {problem}"))
        })?;
    }
    Ok(())
}

fn read_splits(path: &Path, cells: &Cells, lines: &[u32]) -> Result<Arc<[Split]>, ManifestError> {
    let splits = cells.iter().enumerate().map(|(row, cell)| {
        let refused = |error: DataError| ManifestError::line(path, lines[row].into(), error);
        cell.parse::<Split>().map_err(refused)
    });
    splits.collect()
}

impl Manifest {
    /// Numbers the labels by `classes`, or by those of the training lines.
    fn read_labels(
        &mut self,
        labels: Option<Cells>,
        classes: Option<&ClassNames>,
    ) -> Result<(), ManifestError> {
        let mut known = Interner::default();
        let numbers = labels.iter().flat_map(Cells::iter).map(|label| {
            if label.is_empty() {
                None
            } else {
                Some(known.number(label))
            }
        });
        let numbers: Vec<Option<u32>> = numbers.collect();
        let names = known.names;
        let classes = match classes {
            Some(classes) => classes.clone(),
            None => {
                let mut used = vec![false; names.len()];
                let any_train = self.splits.iter().any(|s| s.contains(&Split::Train));
                for (row, number) in numbers.iter().enumerate() {
                    if let (Some(number), true) =
                        (number, !any_train || self.split(row) == Some(Split::Train))
                    {
                        used[*number as usize] = true;
                    }
                }
                let names = names.iter().zip(used).filter(|(_, used)| *used);
                ClassNames::sorted(names.map(|(name, _)| name.clone()))?
            }
        };
        let labels: Vec<Result<usize, DataError>> =
            names.iter().map(|name| classes.label(name)).collect();
        let mut rows = Vec::with_capacity(self.len());
        for (row, number) in numbers.iter().enumerate() {
            rows.push(match number.map(|number| &labels[number as usize]) {
                None => Manifest::NO_LABEL,
                Some(Ok(label)) => *label as u32,
                Some(Err(unknown)) => {
                    return Err(ManifestError::Label {
                        place: self.place(row),
                        source: Box::new(unknown.clone()),
                    });
                }
            });
        }
        rows.resize(self.len(), Manifest::NO_LABEL);
        self.labels = rows.into();
        self.classes = classes;
        Ok(())
    }
}
