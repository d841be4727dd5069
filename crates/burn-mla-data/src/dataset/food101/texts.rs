//! Titles in CSV files or in a file per image.

use std::collections::HashMap;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord};

use super::layout::{class_of, is_used};
use super::{Sample, Samples};
use crate::dataset::image_text::named;
use crate::dataset::published::{DatasetError, Inventory, file_names, read_text, safe_name};
use crate::dataset::{ClassNames, Split};
use crate::line_ends::LfReader;

/// Adds the texts to the images. A title without an image becomes a sample without one; a file without an image,
/// whose split is not known, is named in the inventory.
pub(super) fn read(
    root: &Path,
    classes: &ClassNames,
    optional: bool,
    samples: &mut Samples,
    inventory: &mut Inventory,
) -> Result<(), DatasetError> {
    if root.join("texts").is_dir() {
        let mut lines = HashMap::new();
        for split in [Split::Train, Split::Test] {
            let path = root.join(format!("texts/{split}_titles.csv"));
            titles(&path, split, classes, &mut lines, samples, inventory)?;
        }
        return Ok(());
    }
    let folder = root.join("texts_txt");
    if folder.is_dir() {
        files(&folder, samples, inventory)
    } else if optional {
        Ok(())
    } else {
        let problem =
            "neither `texts` nor `texts_txt` is here: a copy with images only has no texts";
        Err(DatasetError::layout(root, problem))
    }
}

/// Reads a CSV file without a header: image, title, class. A title may have quotes, commas and line breaks.
fn titles(
    path: &Path,
    split: Split,
    classes: &ClassNames,
    lines: &mut HashMap<String, u64>,
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
        if let Some(first) = lines.insert(id.to_string(), line) {
            return Err(refused(format!("`{id}` is on line {first}, too")));
        }
        match is_used(class, classes) {
            None => return Err(refused(format!("`{class}` is no class"))),
            Some(false) => continue,
            Some(true) => {}
        }
        let title = title.trim();
        if title.is_empty() {
            inventory.add("an empty title", id);
        }
        let sample = samples.entry(id.to_string()).or_insert_with(|| Sample {
            class: class.to_string(),
            split,
            image: String::new(),
            text: String::new(),
        });
        if sample.split != split {
            let problem = format!("the image `{}` is of another split", sample.image);
            return Err(refused(problem));
        }
        sample.text = title.to_string();
    }
}

/// Reads `<class>/<id>.txt` of each image.
fn files(
    folder: &Path,
    samples: &mut Samples,
    inventory: &mut Inventory,
) -> Result<(), DatasetError> {
    for class in file_names(folder)? {
        let folder = folder.join(&class);
        if !folder.is_dir() {
            continue;
        }
        for file in file_names(&folder)? {
            let Some(id) = file.strip_suffix(".txt") else {
                continue;
            };
            match samples.get_mut(id) {
                Some(sample) => {
                    sample.text = read_text(&folder.join(&file))?.trim().to_string();
                    if sample.text.is_empty() {
                        inventory.add("an empty title", id);
                    }
                }
                None => inventory.add("a text without an image", id),
            }
        }
    }
    Ok(())
}
