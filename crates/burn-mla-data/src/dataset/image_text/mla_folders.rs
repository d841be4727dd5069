//! MLA's folders `visual/*_imgs/` and `text_token/*_token/`. A sample is found by its name, in whatever split
//! its folder is: lists of MLA have samples whose tokens are in another one.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use crate::dataset::published::{DatasetError, Inventory, Row, file_names};

/// The folder of images within a root.
const IMAGES: &str = "visual";
/// The folder of tokens within that of prepared files.
pub(super) const TOKENS: &str = "text_token";

/// An image of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) id: String,
    /// The folder of the split, without its ending.
    pub(crate) split: String,
    /// The path within the root.
    pub(crate) path: String,
}

/// The id of an image by its file name; `None` for a file that is none by its extension.
pub(crate) fn named(file: &str) -> Option<&str> {
    let (id, extension) = file.rsplit_once('.')?;
    let known = ["jpg", "jpeg", "png", "webp", "gif"];
    let is_known = |known: &&str| extension.eq_ignore_ascii_case(known);
    known.iter().any(is_known).then_some(id)
}

/// The images in `visual/*_imgs/`; `None` without that folder.
pub(crate) fn images(root: &Path) -> Result<Option<Vec<Named>>, DatasetError> {
    let folder = root.join(IMAGES);
    if !folder.is_dir() {
        return Ok(None);
    }
    let mut images = vec![];
    for (split, folder) in split_folders(&folder, "_imgs")? {
        for file in file_names(&folder)? {
            if let Some(id) = named(&file) {
                images.push(Named {
                    id: id.to_string(),
                    path: format!("{IMAGES}/{split}_imgs/{file}"),
                    split: split.clone(),
                });
            }
        }
    }
    Ok(Some(images))
}

/// Replaces the first cell of rows, their text, by the file of its ids. Returns the prepared folder as a path that
/// the cells begin with.
pub(crate) fn use_tokens(
    prepared: &Path,
    rows: &mut [Row],
    inventory: &mut Inventory,
) -> Result<PathBuf, DatasetError> {
    let refused = |problem: &dyn ToString| DatasetError::layout(prepared, problem.to_string());
    let absolute = std::path::absolute(prepared).map_err(|error| refused(&error))?;
    let tokens = token_files(&absolute, inventory)?;
    for row in rows {
        let path = tokens.get(&row.id).map(|path| path.to_str());
        let path = path.map(|path| path.ok_or_else(|| refused(&"the path is not in Unicode")));
        row.cells[0] = path.transpose()?.unwrap_or_default().to_string();
    }
    Ok(absolute)
}

/// The files of ids in `text_token/*_token/`, by sample. One without its padding mask is left out and named.
fn token_files(
    prepared: &Path,
    inventory: &mut Inventory,
) -> Result<BTreeMap<String, PathBuf>, DatasetError> {
    let folder = prepared.join(TOKENS);
    if !folder.is_dir() {
        let problem = "no prepared tokens are here: write them by `prepare`";
        return Err(DatasetError::layout(folder, problem));
    }
    let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
    for (_, folder) in split_folders(&folder, "_token")? {
        let names = file_names(&folder)?;
        let masks = names.iter().filter_map(|name| name.strip_suffix("_pm.npy"));
        let masks: HashSet<&str> = masks.collect();
        for name in &names {
            let Some(id) = name.strip_suffix("_token.npy") else {
                continue;
            };
            let path = folder.join(name);
            if !masks.contains(id) {
                inventory.add("tokens without a padding mask", id);
            } else if let Some(first) = found.insert(id.to_string(), path.clone()) {
                let problem = format!("`{id}` has tokens in {}, too", first.display());
                return Err(DatasetError::layout(path, problem));
            }
        }
    }
    Ok(found)
}

/// The folders whose names end so, with what is before the ending.
fn split_folders(folder: &Path, ending: &str) -> Result<Vec<(String, PathBuf)>, DatasetError> {
    let names = file_names(folder)?;
    let names = names.iter().filter_map(|name| name.strip_suffix(ending));
    let folders = names.map(|split| {
        let path = folder.join(format!("{split}{ending}"));
        (split.to_string(), path)
    });
    Ok(folders.filter(|(_, path)| path.is_dir()).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(root: &Path, names: &[&str]) {
        for name in names {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
    }

    #[test]
    fn files_are_found_by_name_in_every_split() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        assert!(images(root).unwrap().is_none());
        let mut inventory = Inventory::new("a set");
        let error = token_files(root, &mut inventory).unwrap_err().to_string();
        assert!(error.contains("text_token: no prepared tokens"), "{error}");
        write(
            root,
            &[
                "visual/test_imgs/2.jpg",
                "visual/test_imgs/notes.txt",
                "visual/train_imgs/1.JPG",
                "visual/other/3.jpg",
                "text_token/dev_token/2_token.npy",
                "text_token/dev_token/2_pm.npy",
                "text_token/train_token/1_token.npy",
                "text_token/train_token/1_pm.npy",
                "text_token/train_token/3_token.npy",
            ],
        );
        let found = images(root).unwrap().unwrap();
        let found: Vec<(&str, &str)> = found.iter().map(|n| (&*n.id, &*n.split)).collect();
        assert_eq!(found, [("2", "test"), ("1", "train")]);
        let tokens = token_files(root, &mut inventory).unwrap();
        assert_eq!(tokens.keys().collect::<Vec<_>>(), ["1", "2"]);
        assert!(tokens["2"].ends_with("text_token/dev_token/2_token.npy"));
        let lacking = inventory.of("tokens without a padding mask");
        assert_eq!(lacking.len(), 1);
        write(
            root,
            &[
                "text_token/dev_token/1_token.npy",
                "text_token/dev_token/1_pm.npy",
            ],
        );
        let error = token_files(root, &mut inventory).unwrap_err().to_string();
        assert!(
            error.contains("train_token/1_token.npy: `1` has tokens in "),
            "{error}"
        );
    }
}
