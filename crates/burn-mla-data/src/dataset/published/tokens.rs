//! Files of tokens in MLA's folders, `text_token/*_token/<sample>_{token,pm}.npy`. A sample is found by its name, in
//! whatever split its folder is: lists of MLA have samples whose tokens are in another one.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::{DatasetError, Inventory, Row, file_names, media};
use crate::error::DataError;

/// The folder of tokens within that of prepared files.
const FOLDER: &str = "text_token";
const IDS: &str = "_token.npy";
const PADDING: &str = "_pm.npy";

/// The tokens on the disk.
#[derive(Debug, Default)]
struct Found {
    /// The files of ids, by sample.
    whole: BTreeMap<String, PathBuf>,
    /// Files of ids without a padding mask, by sample.
    half: BTreeMap<String, PathBuf>,
    folders: Vec<PathBuf>,
}

/// Findings of [`use_tokens`] besides the tokens of the rows.
pub(crate) struct Tokens {
    /// The folders of the files.
    pub(crate) folders: Vec<PathBuf>,
    /// Samples that have tokens and are in no row.
    pub(crate) others: Vec<String>,
}

/// Replaces a cell of each row, its text, by the file of its ids. Tokens without a padding mask are left out and named.
pub(crate) fn use_tokens(
    root: &Path,
    prepared: &Path,
    column: usize,
    rows: &mut [Row],
    inventory: &mut Inventory,
) -> Result<Tokens, DatasetError> {
    let mut found = find(prepared)?.ok_or_else(|| {
        let problem = "no prepared tokens are here: write them by `prepare`";
        DatasetError::layout(prepared.join(FOLDER), problem)
    })?;
    for id in found.half.keys() {
        inventory.add("tokens without a padding mask", id.as_str());
    }
    for row in rows {
        let path = found.whole.remove(&row.id);
        let cell = path.map(|path| media::cell(root, &path)).transpose()?;
        row.cells[column] = cell.unwrap_or_default();
    }
    Ok(Tokens {
        folders: found.folders,
        others: found.whole.into_keys().collect(),
    })
}

/// The tokens in `text_token/*_token/`; `None` without that folder.
fn find(prepared: &Path) -> Result<Option<Found>, DatasetError> {
    let folder = prepared.join(FOLDER);
    if !folder.is_dir() {
        return Ok(None);
    }
    let mut found = Found::default();
    for (_, folder) in split_folders(&folder, "_token")? {
        let names = file_names(&folder)?;
        let masks = names.iter().filter_map(|name| name.strip_suffix(PADDING));
        let masks: HashSet<&str> = masks.collect();
        for name in &names {
            let Some(id) = name.strip_suffix(IDS) else {
                continue;
            };
            let path = folder.join(name);
            if !masks.contains(id) {
                found.half.insert(id.to_string(), path);
            } else if let Some(first) = found.whole.get(id) {
                if !are_equal(first, &path)? {
                    let problem = format!("`{id}` has other tokens in {}", first.display());
                    return Err(DatasetError::layout(path, problem));
                }
            } else {
                found.whole.insert(id.to_string(), path);
            }
        }
        found.folders.push(folder);
    }
    found.half.retain(|id, _| !found.whole.contains_key(id));
    Ok(Some(found))
}

/// Returns true if the ids and padding masks of two files are the same.
fn are_equal(first: &Path, second: &Path) -> Result<bool, DataError> {
    let read = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let id = name.strip_suffix(IDS).unwrap_or_default();
        let padding = path.with_file_name(format!("{id}{PADDING}"));
        let content = |path: &Path| fs::read(path).map_err(DataError::file(path));
        Ok::<_, DataError>((content(path)?, content(&padding)?))
    };
    Ok(read(first)? == read(second)?)
}

/// The folders whose names end so, with what is before the ending.
pub(crate) fn split_folders(
    folder: &Path,
    ending: &str,
) -> Result<Vec<(String, PathBuf)>, DatasetError> {
    let names = file_names(folder)?;
    let names = names.iter().filter_map(|name| name.strip_suffix(ending));
    let folders = names.map(|split| {
        let path = folder.join(format!("{split}{ending}"));
        (split.to_string(), path)
    });
    Ok(folders.filter(|(_, path)| path.is_dir()).collect())
}

#[cfg(feature = "text")]
pub(crate) use writing::{TokenText, prepare_tokens};

#[cfg(feature = "text")]
mod writing {
    use super::*;
    use crate::dataset::Split;
    use crate::prepare::{Job, PrepareConfig, PrepareError, PrepareReport, check_recipe};
    use crate::text::{TextTokenizer, save_tokens, token_file};

    /// The recipe of all tokens, beside their folders.
    const RECIPE: &str = "tokenizer.json";

    /// A text to tokenize.
    pub(crate) struct TokenText<'a> {
        pub(crate) id: &'a str,
        pub(crate) text: &'a str,
        pub(crate) split: Option<Split>,
    }

    impl<'a> TokenText<'a> {
        /// The text in a cell of a row.
        pub(crate) fn of(row: &'a Row, column: usize) -> Self {
            Self {
                id: &row.id,
                text: &row.cells[column],
                split: row.split,
            }
        }
    }

    /// Writes `text_token/<split>_token/<id>_token.npy` and `<id>_pm.npy` of texts that have no tokens in any of these
    /// folders. The split is MLA's, or `all` without one.
    ///
    /// `form` is what the texts are, besides their samples: tokens of other texts or another tokenizer are refused.
    pub(crate) fn prepare_tokens(
        texts: &[TokenText<'_>],
        form: &str,
        prepared: &Path,
        tokenizer: &TextTokenizer,
        config: &PrepareConfig,
        progress: impl FnMut(usize, usize),
    ) -> Result<PrepareReport, PrepareError> {
        let mut found = find(prepared)?.unwrap_or_default();
        let folder = prepared.join(FOLDER);
        let mut recipe = tokenizer.recipe();
        if let Some(recipe) = recipe.as_object_mut() {
            // Files are always padded.
            recipe.remove("padding");
            recipe.insert("texts".to_string(), form.into());
        }
        let first = found.whole.values().chain(found.half.values()).next();
        check_recipe(&recipe, &folder, RECIPE, first.map(PathBuf::as_path))?;
        let mut jobs = vec![];
        for TokenText { id, text, split } in texts.iter().filter(|text| !text.text.is_empty()) {
            if let Some(half) = found.half.remove(*id) {
                // It is written again, with its mask.
                fs::remove_file(&half).map_err(DataError::file(&half))?;
            }
            let split = match split {
                None => "all",
                Some(Split::Valid) => "dev",
                Some(split) => split.name(),
            };
            let own = || token_file(&folder.join(format!("{split}_token")), id);
            let output = found.whole.remove(*id).unwrap_or_else(own);
            let save = move |path: &Path| save_tokens(tokenizer, text, path);
            jobs.push(Job::new(*id, output, save));
        }
        config.run(&jobs, progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, names: &[&str], content: &str) {
        for name in names {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }

    #[test]
    fn tokens_are_found_by_name_in_every_split() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let mut inventory = Inventory::new("a set");
        let row = |id: &str| Row {
            id: id.to_string(),
            cells: vec!["a text".to_string()],
            ..Row::default()
        };
        let mut rows = ["1", "2", "3", "4"].map(row);
        let mut read = |rows: &mut [Row]| use_tokens(root, root, 0, rows, &mut inventory);
        let error = read(&mut rows).err().unwrap().to_string();
        assert!(error.contains("text_token: no prepared tokens"), "{error}");
        let names = [
            "text_token/dev_token/2_token.npy",
            "text_token/dev_token/2_pm.npy",
            "text_token/train_token/1_token.npy",
            "text_token/train_token/1_pm.npy",
            "text_token/train_token/3_token.npy",
            "text_token/train_token/5_token.npy",
            "text_token/train_token/5_pm.npy",
        ];
        write(root, &names, "x");
        let found = read(&mut rows).unwrap();
        assert_eq!(
            (found.folders.len(), found.others),
            (2, vec!["5".to_string()])
        );
        let cells = rows.each_ref().map(|row| row.cells[0].as_str());
        let [second, _, first, ..] = names;
        assert_eq!(cells, [first, second, "", ""]);
        assert_eq!(inventory.of("tokens without a padding mask").len(), 1);

        // The same tokens in two folders are found once, others are an error.
        let again = [
            "text_token/dev_token/1_token.npy",
            "text_token/dev_token/1_pm.npy",
        ];
        write(root, &again, "x");
        let mut read = |rows: &mut [Row]| use_tokens(root, root, 0, rows, &mut inventory);
        read(&mut rows).unwrap();
        write(root, &again, "y");
        let error = read(&mut rows).err().unwrap().to_string();
        assert!(
            error.contains("train_token/1_token.npy: `1` has other tokens in "),
            "{error}"
        );
    }
}
