//! Errors in the files of the data set, and laws of its samples and batches.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use burn_mla::MlaError;
use image::RgbImage;
use tempfile::TempDir;

use super::{Batches, Corruption, Emoji, Modality};
use crate::DataError;
use crate::dataset::Split;

const HEADER: &str = "index,hexcode,family,class,split,label_en,tags_en,label_de\n";

/// A folder of two emoji, with `rows` instead of theirs.
fn folder(rows: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("emoji.csv"), format!("{HEADER}{rows}")).unwrap();
    for name in ["fluent.png", "noto.png"] {
        RgbImage::new(40 * 32, 32)
            .save(folder.path().join(name))
            .unwrap();
    }
    folder
}

const ROWS: &str = "0,1F600,1F600,smileys,train,grinning face,smile,grinsendes Gesicht\n\
                    1,1F436,1F436,animals,test,dog face,pet,Hundegesicht\n";

fn error(folder: &Path) -> DataError {
    match Emoji::open(folder, 64) {
        Ok(emoji) => panic!("{} emoji", emoji.len()),
        Err(error) => error,
    }
}

#[test]
fn a_small_folder_is_read() {
    let folder = folder(ROWS);
    let emoji = Emoji::open(folder.path(), 64).unwrap();
    assert_eq!(emoji.classes.to_vec(), ["animals", "smileys"]);
    assert_eq!([emoji.label(0), emoji.label(1)], [1, 0]);
    assert_eq!(emoji.indices(Split::Test), [1]);
    assert_eq!(emoji.text(Modality::LabelDe, 1), "Hundegesicht");
    assert!(emoji.gray(1).iter().all(|&level| level == -1.0));
}

#[test]
fn an_absent_file_is_named() {
    for name in ["emoji.csv", "fluent.png", "noto.png"] {
        let folder = folder(ROWS);
        let path = folder.path().join(name);
        fs::remove_file(&path).unwrap();
        let error = error(folder.path());
        assert!(matches!(&error, DataError::File { path: found, .. } if *found == path));
        assert!(error.to_string().starts_with(&path.display().to_string()));
    }
}

#[test]
fn a_file_that_is_no_image_is_named() {
    let folder = folder(ROWS);
    let path = folder.path().join("noto.png");
    fs::write(&path, "no image").unwrap();
    let error = error(folder.path());
    assert!(matches!(error, DataError::File { path: found, .. } if found == path));
}

#[test]
fn malformed_rows_are_named_by_line() {
    let cases = [
        ("index 2, expected 1", ROWS.replace("\n1,", "\n2,")),
        ("unknown variant `tset`", ROWS.replace("test", "tset")),
        ("invalid digit", ROWS.replace("\n1,", "\none,")),
        ("fields", ROWS.replace(",pet", "")),
    ];
    for (problem, rows) in cases {
        let folder = folder(&rows);
        let path = folder.path().join("emoji.csv");
        let error = error(folder.path());
        assert!(matches!(&error, DataError::Row { path: found, line: 3, .. } if *found == path));
        assert!(error.to_string().contains(problem), "{error}");
    }
}

#[test]
fn an_atlas_needs_40_columns_and_a_tile_for_each_row() {
    for (width, height) in [(39 * 32, 64), (40 * 32, 31)] {
        let folder = folder(ROWS);
        let path = folder.path().join("fluent.png");
        RgbImage::new(width, height).save(&path).unwrap();
        let expected = DataError::Atlas {
            path,
            columns: width as usize / 32,
            rows: height as usize / 32,
            needed: 2,
        };
        assert_eq!(error(folder.path()), expected);
    }
}

#[test]
fn text_vectors_need_a_width() {
    let error = Emoji::open(folder(ROWS).path(), 0).err().unwrap();
    assert!(matches!(
        error,
        DataError::HyperParameter {
            name: "d_output",
            ..
        }
    ));
}

#[test]
fn each_shipped_emoji_is_in_one_split() {
    let emoji = Emoji::load(64).unwrap();
    let splits = [Split::Train, Split::Valid, Split::Test].map(|split| emoji.indices(split));
    assert_eq!(splits.each_ref().map(Vec::len), [951, 317, 318]);
    let mut all = splits.concat();
    all.sort();
    assert_eq!(all, (0..emoji.len()).collect::<Vec<_>>());
    assert_eq!(emoji.classes.len(), 8);
    assert!((0..emoji.len()).all(|index| emoji.label(index) < 8));
}

#[test]
fn indices_and_masks_are_checked_before_loading() {
    let emoji = Emoji::open(folder(ROWS).path(), 64).unwrap();
    let batches = Batches {
        emoji: &emoji,
        modalities: &[Modality::Fluent, Modality::Label],
        batch_size: 2,
        presence: None,
    };
    let device = Device::flex();
    let error = batches.in_order(vec![0, 2], &device).err();
    assert_eq!(error, Some(MlaError::RowOutOfRange { row: 2, n_rows: 2 }));
    assert!(batches.shuffled(vec![2], 0, &device).is_err());
    let loader = batches.in_order(vec![1, 0], &device).unwrap();
    assert_eq!((loader.num_items(), loader.iter().count()), (2, 1));
}

#[test]
fn corruption_grows_with_its_strength_and_repeats() {
    let corruption = |strength| Corruption {
        modality: Modality::Label,
        strength,
        seed: 3,
    };
    let text = "one two three four five six seven eight";
    let words = |strength| corruption(strength).drop_words(5, text);
    assert_eq!(words(0.0), text);
    assert_eq!(words(1.0), "");
    assert_eq!(words(0.5), words(0.5));
    let kept = words(0.5);
    assert!(words(0.8).split(' ').all(|word| kept.contains(word)));

    let noise = |strength| {
        let mut pixels = [0.0; 4];
        corruption(strength).add_noise(5, &mut pixels);
        pixels
    };
    assert_eq!(noise(0.0), [0.0; 4]);
    for (weak, strong) in noise(0.1).into_iter().zip(noise(0.2)) {
        assert!(strong.abs() >= weak.abs() && strong.abs() <= 1.0 && weak * strong >= 0.0);
    }
}
