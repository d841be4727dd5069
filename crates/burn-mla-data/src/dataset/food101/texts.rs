//! Titles in CSV files or in a file per image.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, StringRecord};

use super::layout::{class_of, is_used};
use super::{Sample, Samples};
use crate::dataset::image_text::named;
use crate::dataset::published::{DatasetError, Inventory, file_names, read_text, safe_name};
use crate::dataset::{ClassNames, Split};
use crate::line_ends::LfReader;

/// The note of samples whose title is empty.
pub(super) const EMPTY: &str = "an empty title";
/// The reason of titles of classes that were not chosen.
const UNUSED_TITLE: &str = "a title of a class that is not used";
/// The file and line of each title.
pub(super) type Places = HashMap<String, (PathBuf, u64)>;

/// Adds the texts to the images. A title without an image becomes a sample without one; a file without an image,
/// whose split is not known, is named in the inventory.
pub(super) fn read(
    root: &Path,
    classes: &ClassNames,
    samples: &mut Samples,
    inventory: &mut Inventory,
) -> Result<(), DatasetError> {
    if root.join("texts").is_dir() {
        let mut places = Places::new();
        for split in [Split::Train, Split::Test] {
            let path = root.join(format!("texts/{split}_titles.csv"));
            titles(&path, split, classes, &mut places, samples, inventory)?;
        }
        for sample in samples.values_mut() {
            sample.is_published_so = sample.text.is_empty();
        }
        return Ok(());
    }
    let folder = root.join("texts_txt");
    if folder.is_dir() {
        files(&folder, classes, samples, inventory)
    } else {
        let problem =
            "neither `texts` nor `texts_txt` is here: a copy with images only has no texts";
        Err(DatasetError::layout(root, problem))
    }
}

/// Reads a CSV file without a header: image, title, class. A title may have quotes, commas and line breaks.
pub(super) fn titles(
    path: &Path,
    split: Split,
    classes: &ClassNames,
    places: &mut Places,
    samples: &mut Samples,
    inventory: &mut Inventory,
) -> Result<(), DatasetError> {
    let text = read_text(path)?;
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(LfReader::new(text.as_bytes()));
    let mut record = StringRecord::new();
    loop {
        let start = reader.position().line();
        let refused = |line: u64, problem: String| {
            DatasetError::line(path, u32::try_from(line).unwrap_or(u32::MAX), problem)
        };
        let read = reader.read_record(&mut record);
        if !read.map_err(|error| refused(start, error.to_string()))? {
            return Ok(());
        }
        let line = record.position().map_or(start, |position| position.line());
        let refused = |problem: String| refused(line, problem);
        let (Some(file), Some(title), Some(class), 3) =
            (record.get(0), record.get(1), record.get(2), record.len())
        else {
            let n = record.len();
            let problem = format!("{n} fields, expected 3: image, title, class");
            return Err(refused(problem));
        };
        let file = safe_name(file.trim()).map_err(&refused)?;
        let id = named(file).ok_or_else(|| refused(format!("`{file}` is no image")))?;
        let class = class.trim();
        if class_of(id) != Some(class) {
            return Err(refused(format!("`{file}` is not of the class `{class}`")));
        }
        if let Some((first, line)) = places.insert(id.to_string(), (path.to_path_buf(), line)) {
            let problem = format!("`{id}` is in {}:{line}, too", first.display());
            return Err(refused(problem));
        }
        match is_used(class, classes) {
            None => return Err(refused(format!("`{class}` is no class"))),
            Some(false) => {
                inventory.leave_out(UNUSED_TITLE, id);
                continue;
            }
            Some(true) => {}
        }
        let title = title.trim();
        if title.is_empty() {
            inventory.note(EMPTY, id);
        }
        let sample = samples.entry(id.to_string()).or_insert_with(|| Sample {
            class: class.to_string(),
            split,
            image: String::new(),
            text: String::new(),
            is_published_so: false,
        });
        // MLA's folders have samples of one split in that of another.
        if sample.split != split && sample.image.starts_with("images/") {
            let problem = format!("the image `{}` is of another split", sample.image);
            return Err(refused(problem));
        }
        sample.text = title.to_string();
    }
}

/// Reads `<class>/<id>.txt` of each image.
fn files(
    folder: &Path,
    classes: &ClassNames,
    samples: &mut Samples,
    inventory: &mut Inventory,
) -> Result<(), DatasetError> {
    for class in file_names(folder)? {
        let folder = folder.join(&class);
        if !folder.is_dir() {
            inventory.leave_out("no folder of a class", format!("texts_txt/{class}"));
            continue;
        }
        let is_unused = is_used(&class, classes) == Some(false);
        for file in file_names(&folder)? {
            let Some(id) = file.strip_suffix(".txt") else {
                inventory.leave_out("no text by its name", format!("texts_txt/{class}/{file}"));
                continue;
            };
            if is_unused {
                inventory.leave_out(UNUSED_TITLE, id);
                continue;
            }
            match samples.get_mut(id) {
                Some(sample) => {
                    sample.text = read_text(&folder.join(&file))?.trim().to_string();
                    if sample.text.is_empty() {
                        inventory.note(EMPTY, id);
                        sample.is_published_so = true;
                    }
                }
                None => inventory.add("a text without an image", id),
            }
        }
    }
    Ok(())
}
