//! A sentence of a class.

use rand::{Rng, RngExt};

const FILLERS: [&str; 12] = [
    "the", "a", "some", "with", "and", "very", "today", "one", "my", "really", "just", "here",
];

/// Words that many classes share, and some of the class: its name in about every second sentence.
pub(crate) fn sentence(class: usize, name: &str, numbers: &mut impl Rng) -> String {
    let mut words = vec![];
    for _ in 0..numbers.random_range(4..9) {
        match numbers.random_range(0..8) {
            0 => words.push(name.replace('_', " ")),
            1 | 2 => words.push(format!("word{class}")),
            3 => words.push(format!("word{}", numbers.random_range(0..20))),
            _ => words.push(FILLERS[numbers.random_range(0..FILLERS.len())].to_string()),
        }
    }
    words.join(" ")
}
