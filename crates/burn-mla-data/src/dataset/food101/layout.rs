//! Images on the disk.

use std::path::{Path, PathBuf};

use super::classes::CLASSES;
use super::{Sample, Samples};
use crate::dataset::image_text::{self, NO_IMAGE, named};
use crate::dataset::published::{DatasetError, Inventory, file_names};
use crate::dataset::{ClassNames, Split};

const UNUSED: &str = "of a class that is not used";

/// The class in the name of a sample, `<class>_<n>` with digits or `n-k`.
pub(super) fn class_of(id: &str) -> Option<&str> {
    let (class, number) = id.rsplit_once('_')?;
    let is_number = |c: char| c.is_ascii_digit() || c == '-';
    (!number.is_empty() && number.chars().all(is_number)).then_some(class)
}

/// All images. A class that is none of the published ones is an error.
pub(super) fn images(
    root: &Path,
    classes: &ClassNames,
    inventory: &mut Inventory,
) -> Result<Samples, DatasetError> {
    let folder = root.join("images");
    refuse_ethz(root, &folder)?;
    if !folder.is_dir() {
        if let Some(images) = image_text::images(root, inventory)? {
            return mla_images(root, classes, images, inventory);
        }
        let problem = "neither `images` nor `visual` is here, as UPMC Food-101 has them";
        return Err(DatasetError::layout(root, problem));
    }
    let mut samples = Samples::new();
    for split in [Split::Train, Split::Test] {
        let folder = folder.join(split.name());
        if !folder.is_dir() {
            return Err(DatasetError::layout(folder, "the folder is missing"));
        }
        for class in file_names(&folder)? {
            let of_class = folder.join(&class);
            if !of_class.is_dir() {
                let name = format!("images/{split}/{class}");
                inventory.leave_out("no folder of a class", name);
                continue;
            }
            let used = is_used(&class, classes)
                .ok_or_else(|| DatasetError::layout(&of_class, "the folder is no class"))?;
            for file in file_names(&of_class)? {
                let path = format!("images/{split}/{class}/{file}");
                let Some(id) = named(&file) else {
                    inventory.leave_out(NO_IMAGE, path);
                    continue;
                };
                if class_of(id) != Some(&class) {
                    let problem =
                        format!("not named `{class}_NUMBER`, as images of this folder are");
                    return Err(DatasetError::layout(root.join(path), problem));
                }
                if used {
                    insert(root, &mut samples, id, split, path)?;
                } else {
                    inventory.leave_out(UNUSED, id);
                }
            }
        }
    }
    Ok(samples)
}

/// The folders of images that are there.
pub(super) fn folders(root: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let mut folders = image_text::image_folders(root)?;
    for split in [Split::Train, Split::Test] {
        let folder = root.join("images").join(split.name());
        if folder.is_dir() {
            let names = file_names(&folder)?.into_iter();
            let classes: Vec<PathBuf> = names.map(|name| folder.join(name)).collect();
            folders.push(folder);
            folders.extend(classes);
        }
    }
    Ok(folders)
}

/// The images of MLA's folders.
fn mla_images(
    root: &Path,
    classes: &ClassNames,
    images: Vec<image_text::Named>,
    inventory: &mut Inventory,
) -> Result<Samples, DatasetError> {
    let mut samples = Samples::new();
    for image in images {
        let refused = |problem: String| DatasetError::layout(root.join(&image.path), problem);
        let split = image.split.parse::<Split>();
        let split = split.map_err(|error| refused(error.to_string()))?;
        let class = class_of(&image.id).and_then(|class| is_used(class, classes));
        let used = class.ok_or_else(|| refused("not named `CLASS_NUMBER.jpg`".to_string()))?;
        if used {
            insert(root, &mut samples, &image.id, split, image.path)?;
        } else {
            inventory.leave_out(UNUSED, image.id);
        }
    }
    Ok(samples)
}

fn insert(
    root: &Path,
    samples: &mut Samples,
    id: &str,
    split: Split,
    path: String,
) -> Result<(), DatasetError> {
    let sample = Sample {
        class: class_of(id).unwrap_or_default().to_string(),
        split,
        image: path.clone(),
        text: String::new(),
        is_published_so: false,
    };
    match samples.insert(id.to_string(), sample) {
        None => Ok(()),
        Some(first) => {
            let problem = format!("`{}` has the same name", first.image);
            Err(DatasetError::layout(root.join(path), problem))
        }
    }
}

/// Whether a class is one of the chosen; `None` for what is no class at all.
pub(super) fn is_used(class: &str, classes: &ClassNames) -> Option<bool> {
    let used = classes.iter().any(|name| name == class);
    (used || CLASSES.contains(&class)).then_some(used)
}

/// Refuses the Food-101 of ETH Zurich: `images/<class>/<number>.jpg` and `meta/`.
fn refuse_ethz(root: &Path, images: &Path) -> Result<(), DatasetError> {
    let has_classes = || CLASSES.iter().any(|class| images.join(class).is_dir());
    let has_meta =
        ["meta", "food-101/meta"].map(|meta| root.join(meta).join("classes.txt").is_file());
    if has_meta.contains(&true) || has_classes() {
        let problem = "this is Food-101 of ETH Zurich, which has images only. UPMC Food-101 has the same \
                       classes with other images and their texts: `images/train`, `images/test` and `texts`";
        return Err(DatasetError::layout(root, problem));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_is_all_before_the_last_underscore() {
        assert_eq!(class_of("apple_pie_0"), Some("apple_pie"));
        assert_eq!(class_of("cheese_plate_717-8"), Some("cheese_plate"));
        assert_eq!(class_of("hot_and_sour_soup_12"), Some("hot_and_sour_soup"));
        for id in ["sushi", "apple_pie", "sushi_", "sushi_1a"] {
            assert_eq!(class_of(id), None, "{id}");
        }
    }
}
