//! The recipe of prepared files, beside them: files of two recipes are not mixed.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use burn_mla::atomic_file;
use serde::Serialize;

use crate::error::DataError;

/// Compares a recipe with that of the files in a folder, and writes it to `name` in a folder without files. `first` is
/// one of the files.
///
/// # Errors
///
/// [`DataError::File`] for another recipe, one that cannot be read, and files without a recipe: those of another
/// program.
pub(crate) fn check_recipe(
    recipe: &impl Serialize,
    folder: &Path,
    name: &str,
    first: Option<&Path>,
) -> Result<(), DataError> {
    let path = folder.join(name);
    let recipe = serde_json::to_vec_pretty(recipe).map_err(DataError::file(&path))?;
    let refused = |message: String| DataError::File {
        path: path.clone(),
        message,
    };
    match (fs::read(&path), first) {
        (Ok(found), _) if found == recipe => Ok(()),
        // Of an interrupted start.
        (Ok(_), None) => write(&path, &recipe),
        (Ok(_), Some(_)) => Err(refused(
            "the files of this folder were made by another recipe; choose another folder"
                .to_string(),
        )),
        (Err(error), None) if error.kind() == ErrorKind::NotFound => write(&path, &recipe),
        (Err(error), Some(first)) if error.kind() == ErrorKind::NotFound => Err(refused(format!(
            "is missing, although there are files such as {}: they are of another program, whose recipe is not \
             known; choose another folder",
            first.display()
        ))),
        (Err(error), _) => Err(DataError::file(&path)(error)),
    }
}

fn write(path: &Path, recipe: &[u8]) -> Result<(), DataError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(DataError::file(folder))?;
    }
    atomic_file::write(path, recipe).map_err(DataError::file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_two_recipes_are_not_mixed() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("features");
        let file = folder.join("1.npy");
        let check = |recipe: &str, first: Option<&Path>| {
            let checked = check_recipe(&recipe, &folder, "recipe.json", first);
            checked.map_err(|error| error.to_string())
        };
        check("a", None).unwrap();
        check("a", Some(&file)).unwrap();
        let error = check("b", Some(&file)).unwrap_err();
        assert!(
            error.contains("recipe.json: the files of this folder were made by another"),
            "{error}"
        );
        check("b", None).unwrap();
        check("b", Some(&file)).unwrap();
        fs::remove_file(folder.join("recipe.json")).unwrap();
        let error = check("b", Some(&file)).unwrap_err();
        assert!(
            error.contains("recipe.json: is missing, although there are files such as "),
            "{error}"
        );
        // A recipe that cannot be read.
        fs::create_dir(folder.join("recipe.json")).unwrap();
        assert!(check("b", None).is_err());
    }
}
