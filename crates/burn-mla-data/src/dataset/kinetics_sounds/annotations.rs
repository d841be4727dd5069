//! Clips by the annotations of Kinetics-400, and by folders of classes.

use std::path::{Path, PathBuf};

use super::clip::{Clip, Entry, Place};
use super::{KineticsSounds, OtherFolders, TestPart, classes};
use crate::dataset::published::{DatasetError, Inventory, file_names, read_columns};
use crate::dataset::{ClassNames, Split};

/// The parts of Kinetics-400 and their splits.
fn parts(test: TestPart) -> Vec<(&'static str, Split)> {
    match test {
        TestPart::Test => vec![
            ("train", Split::Train),
            ("val", Split::Valid),
            ("test", Split::Test),
        ],
        TestPart::Validation => vec![("train", Split::Train), ("val", Split::Test)],
    }
}

/// The clips of the classes, by `annotations/*.csv` if they are there, or else by folders of classes.
pub(super) fn entries(
    options: &KineticsSounds,
    classes: &ClassNames,
    root: &Path,
    inventory: &mut Inventory,
) -> Result<Vec<Entry>, DatasetError> {
    let annotations = root.join("annotations");
    let mut entries = vec![];
    if annotations.is_dir() {
        for (part, split) in parts(options.test) {
            let path = annotations.join(format!("{part}.csv"));
            if !path.is_file() {
                let problem = "is not there; with `TestPart::Validation`, the validation clips of Kinetics-400 are \
                               for testing";
                return Err(DatasetError::layout(path, problem));
            }
            annotated(&path, classes, split, &mut entries)?;
        }
        return Ok(entries);
    }
    let mut others = vec![];
    let mut found = false;
    for (part, split) in parts(options.test) {
        for folder in part_folders(root, part) {
            found = true;
            of_folders(&folder, classes, split, &mut entries, &mut others)?;
        }
    }
    if !found {
        let problem =
            "has neither `annotations/train.csv` of Kinetics-400 nor folders `train/<class>`";
        return Err(DatasetError::layout(root, problem));
    }
    if let (Some(first), OtherFolders::Refuse) = (others.first(), options.other_folders) {
        let names = others.iter().map(|path| format!("`{}`", name(path)));
        let names = names.collect::<Vec<_>>().join(", ");
        let problem = format!(
            "the folders {names} are not of the {} classes; choose another `ClassList`, or leave them out by \
             `OtherFolders::LeaveOut`",
            classes.len()
        );
        return Err(DatasetError::layout(first, problem));
    }
    for folder in others {
        inventory.leave_out("a folder of another class", name(&folder));
    }
    Ok(entries)
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The folders of a part of Kinetics-400: as it is distributed, and as CVDF's `arrange_by_classes.py` leaves it.
pub(super) fn part_folders(root: &Path, part: &str) -> Vec<PathBuf> {
    let folders = [root.join(part), root.join("videos").join(part)];
    folders
        .into_iter()
        .filter(|folder| folder.is_dir())
        .collect()
}

pub(super) fn annotated(
    path: &Path,
    classes: &ClassNames,
    split: Split,
    entries: &mut Vec<Entry>,
) -> Result<(), DatasetError> {
    let columns = ["youtube_id", "time_start"];
    let file = Place::file(path);
    for row in read_columns(path, &columns, &["label", "time_end"])? {
        let [video, start, label, end] = row.cells.try_into().unwrap_or_default();
        let refused = |problem: String| DatasetError::line(path, row.line, problem);
        if label.is_empty() {
            let problem = "no label, as in ActivityNet's test.csv: take that of CVDF, or choose \
                           `TestPart::Validation`";
            return Err(refused(problem.to_string()));
        }
        let Some(class) = classes::find(classes, &label) else {
            continue;
        };
        let video = Clip::video(&video).map(str::to_string);
        let video =
            video.ok_or_else(|| refused("the YouTube id is not of 11 characters".to_string()))?;
        let time = |text: &str| {
            let time = text
                .parse::<f64>()
                .ok()
                .filter(|time| (0.0..1e6).contains(time));
            time.map(|time| time as u32)
        };
        let start =
            time(&start).ok_or_else(|| refused(format!("the start `{start}` is no time")))?;
        entries.push(Entry::new(
            Clip { video, start },
            time(&end),
            class,
            Some(split),
            file.line(row.line),
        ));
    }
    Ok(())
}

/// The clips of folders of classes, and the folders that are of other classes.
fn of_folders(
    folder: &Path,
    classes: &ClassNames,
    split: Split,
    entries: &mut Vec<Entry>,
    others: &mut Vec<PathBuf>,
) -> Result<(), DatasetError> {
    for class_name in file_names(folder)? {
        let path = folder.join(&class_name);
        if !path.is_dir() {
            continue;
        }
        let Some(class) = classes::find(classes, &class_name) else {
            others.push(path);
            continue;
        };
        let place = Place::file(&path);
        for name in file_names(&path)? {
            // Other names are those of `Videos::unnamed`.
            if let Some((clip, end)) = super::disk::clip_of(&name) {
                entries.push(Entry::new(clip, end, class, Some(split), place.clone()));
            }
        }
    }
    Ok(())
}
