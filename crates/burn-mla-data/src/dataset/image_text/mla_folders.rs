//! MLA's folders of images, `visual/*_imgs/`. A sample is found by its name, in whatever split its folder is.

use std::path::{Path, PathBuf};

use crate::dataset::published::{DatasetError, Inventory, file_names, split_folders};

/// The folder of images within a root.
const IMAGES: &str = "visual";
/// The reason of files that are no images.
pub(crate) const NO_IMAGE: &str = "no image by its name";

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

/// The folders `visual/*_imgs` that are there.
pub(crate) fn image_folders(root: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let folder = root.join(IMAGES);
    if !folder.is_dir() {
        return Ok(vec![]);
    }
    let folders = split_folders(&folder, "_imgs")?.into_iter();
    Ok(folders.map(|(_, folder)| folder).collect())
}

/// The images in `visual/*_imgs/`; `None` without that folder. The inventory gets the files that are no images.
pub(crate) fn images(
    root: &Path,
    inventory: &mut Inventory,
) -> Result<Option<Vec<Named>>, DatasetError> {
    let folder = root.join(IMAGES);
    if !folder.is_dir() {
        return Ok(None);
    }
    let mut images = vec![];
    for (split, folder) in split_folders(&folder, "_imgs")? {
        for file in file_names(&folder)? {
            let path = format!("{IMAGES}/{split}_imgs/{file}");
            match named(&file) {
                Some(id) => images.push(Named {
                    id: id.to_string(),
                    path,
                    split: split.clone(),
                }),
                None => inventory.leave_out(NO_IMAGE, path),
            }
        }
    }
    Ok(Some(images))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn images_are_found_by_name_in_every_split() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let mut inventory = Inventory::new("a set");
        assert!(images(root, &mut inventory).unwrap().is_none());
        for name in [
            "test_imgs/2.jpg",
            "test_imgs/notes.txt",
            "train_imgs/1.JPG",
            "other/3.jpg",
        ] {
            let path = root.join("visual").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let found = images(root, &mut inventory).unwrap().unwrap();
        let found: Vec<(&str, &str)> = found.iter().map(|n| (&*n.id, &*n.split)).collect();
        assert_eq!(found, [("2", "test"), ("1", "train")]);
        let left_out = inventory.of(NO_IMAGE);
        assert_eq!(
            (left_out.len(), left_out[0].as_str()),
            (1, "visual/test_imgs/notes.txt")
        );
    }
}
