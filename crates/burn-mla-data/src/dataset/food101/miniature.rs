//! A miniature of UPMC Food-101, in the layout of the newer copies.

use std::path::Path;

use rand::Rng;

use super::classes::CLASSES;
use crate::dataset::miniature::{
    Miniature, MiniatureError, picture, save_jpeg, save_vocabulary, sentence, write,
};

/// Writes a miniature to `root`: pictures, titles, lists as MLA has them (`my_train_food.txt`, `my_test_food.txt`), and
/// `vocab.txt` for a WordPiece tokenizer, which the published set does not have.
///
/// A third of each class is for the test. Beside the samples there are an image without a title, a title without
/// an image and an empty title, as in the published set, all of the first class.
///
/// # Errors
///
/// Fewer than 3 samples of a class, fewer than 2 classes or more than 101, and files that cannot be written.
pub fn write_miniature(root: &Path, options: &Miniature) -> Result<(), MiniatureError> {
    let n_classes = options.n_classes.unwrap_or(CLASSES.len());
    if options.n_per_class < 3 || !(2..=CLASSES.len()).contains(&n_classes) {
        return Err("a miniature needs 3 samples of each of 2 to 101 classes".into());
    }
    let n_test = options.n_per_class / 3;
    let mut texts = vec![];
    let mut lists = [String::new(), String::new()];
    let mut files = [("train", vec![]), ("test", vec![])];
    for (label, class) in CLASSES.iter().take(n_classes).enumerate() {
        for n in 0..options.n_per_class {
            let id = if n == 1 {
                format!("{class}_{n}-2")
            } else {
                format!("{class}_{n}")
            };
            let numbers = &mut options.numbers(&id);
            let split = usize::from(n + n_test >= options.n_per_class);
            save_image(root, files[split].0, class, &id, label, numbers)?;
            let title = title(&sentence(label, class, numbers), n);
            lists[split] += &format!("{id}.jpg {class}\n");
            texts.push(title.clone());
            files[split]
                .1
                .push([format!("{id}.jpg"), title, class.to_string()]);
        }
    }
    let class = CLASSES[0];
    for n in [9001, 9003] {
        let id = format!("{class}_{n}");
        save_image(root, "train", class, &id, 0, &mut options.numbers(&id))?;
    }
    for (n, title) in [(9002, "a page whose image is gone"), (9003, "")] {
        let row = [format!("{class}_{n}.jpg"), title.into(), class.into()];
        files[0].1.push(row);
    }
    for (split, rows) in &files {
        let mut csv = csv::WriterBuilder::new()
            .has_headers(false)
            .from_writer(vec![]);
        for row in rows {
            csv.write_record(row)?;
        }
        let path = root.join(format!("texts/{split}_titles.csv"));
        write(&path, csv.into_inner()?)?;
    }
    write(&root.join("my_train_food.txt"), &lists[0])?;
    write(&root.join("my_test_food.txt"), &lists[1])?;
    save_vocabulary(&root.join("vocab.txt"), texts.iter().map(String::as_str))
}

/// The words of a page as a title, some with what CSV quotes.
fn title(words: &str, n: usize) -> String {
    match n % 4 {
        0 => format!("{words} | Cr\u{ea}pes & Co."),
        1 => format!("\"{words}\", step by step"),
        2 => format!("{words}\n- My Kitchen"),
        _ => words.to_string(),
    }
}

fn save_image(
    root: &Path,
    split: &str,
    class: &str,
    id: &str,
    label: usize,
    numbers: &mut impl Rng,
) -> Result<(), MiniatureError> {
    let path = root.join(format!("images/{split}/{class}/{id}.jpg"));
    save_jpeg(&path, &picture(label, 48, 40, 0.0, numbers)?)
}
