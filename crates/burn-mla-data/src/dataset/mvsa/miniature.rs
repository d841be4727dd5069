//! A miniature of MVSA-Single.

use std::path::Path;

use rand::{Rng, RngExt};

use super::labels::Sentiment;
use crate::dataset::miniature::{
    Miniature, MiniatureError, picture, save_jpeg, save_vocabulary, sentence, write,
};

/// Writes a miniature to `root`: the label file, pictures, texts, lists as MLA has them (`my_train_mvsa.txt`,
/// `my_test_mvsa.txt`), and `vocab.txt` for a WordPiece tokenizer, which the published set does not have.
///
/// IDs have gaps. `n_per_class` pairs of each sentiment agree; beside them there are a pair of each of the six
/// disagreeing cases, and the files of a pair without labels. One text is in Windows-1252, and one in 15 is a
/// retweet of an earlier one.
///
/// # Errors
///
/// Fewer than 3 samples of a class, another number of classes than 3, and files that cannot be written.
pub fn write_miniature(root: &Path, options: &Miniature) -> Result<(), MiniatureError> {
    if options.n_per_class < 3 || options.n_classes.is_some_and(|n| n != 3) {
        return Err("a miniature of MVSA-Single needs 3 classes of at least 3 samples".into());
    }
    let mut pairs: Vec<(Sentiment, Sentiment)> = vec![];
    for _ in 0..options.n_per_class {
        pairs.extend(Sentiment::ALL.map(|label| (label, label)));
    }
    for text in Sentiment::ALL {
        let others = Sentiment::ALL.into_iter().filter(|image| *image != text);
        pairs.extend(others.map(|image| (text, image)));
    }
    let mut rows = String::from("ID\ttext,image\r\n");
    let mut texts: Vec<String> = vec![];
    let mut lists = [String::new(), String::new()];
    for (n, (text, image)) in pairs.into_iter().enumerate() {
        let id = id(n);
        rows += &format!("{id}\t{},{}\r\n", text.name(), image.name());
        if text == image {
            // The last third of each sentiment is for the test.
            let is_test = n >= 3 * (options.n_per_class - options.n_per_class / 3);
            lists[usize::from(is_test)] += &format!("{id}.jpg {}\n", text.name());
        }
        let numbers = &mut options.numbers(&id.to_string());
        // Its first text has the same sentiment: agreeing pairs come in threes.
        let tweet = match n % 15 {
            5 => format!("RT @someone: {}", texts[n - 3]),
            _ => tweet(text, numbers),
        };
        let bytes = match n {
            0 => [tweet.as_bytes(), b" caf\xe9"].concat(),
            _ => tweet.clone().into_bytes(),
        };
        save_pair(root, id, &bytes, image, numbers)?;
        texts.push(tweet);
    }
    let unlabelled = id(texts.len());
    let numbers = &mut options.numbers(&unlabelled.to_string());
    save_pair(root, unlabelled, b"no label", Sentiment::Neutral, numbers)?;
    write(&root.join("labelResultAll.txt"), rows)?;
    write(&root.join("my_train_mvsa.txt"), &lists[0])?;
    write(&root.join("my_test_mvsa.txt"), &lists[1])?;
    save_vocabulary(&root.join("vocab.txt"), texts.iter().map(String::as_str))
}

/// IDs from 1 with a gap after every fourth.
fn id(n: usize) -> usize {
    n + 1 + n / 4
}

fn tweet(sentiment: Sentiment, numbers: &mut impl Rng) -> String {
    let words = sentence(sentiment as usize, sentiment.name(), numbers);
    match numbers.random_range(0..3) {
        0 => format!("{words} #today http://t.co/x"),
        1 => format!("@me {words}!"),
        _ => words,
    }
}

fn save_pair(
    root: &Path,
    id: usize,
    text: &[u8],
    image: Sentiment,
    numbers: &mut impl Rng,
) -> Result<(), MiniatureError> {
    write(&root.join(format!("data/{id}.txt")), text)?;
    let picture = picture(image as usize, 48, 40, 0.0, numbers)?;
    save_jpeg(&root.join(format!("data/{id}.jpg")), &picture)
}
