//! Each option of a text front end, by numbers of terms counted by hand.

use burn::tensor::Device;

use super::HashedTextConfig;

/// Enough buckets for the few terms of these tests to have one each.
const BUCKETS: usize = 1 << 20;

/// Number of terms of a text.
fn n_terms(config: &HashedTextConfig, text: &str) -> usize {
    let vector = config.init::<&str>(&[]).unwrap().vector(text);
    assert_eq!(vector.len(), config.d_output);
    vector.iter().filter(|&&x| x > 0.0).count()
}

/// With its ends marked, "ab" is `<ab>`: 4, 3, 2 and 1 n-grams of 1, 2, 3 and 4 characters.
#[test]
fn terms_are_words_and_ngrams_of_the_lengths_asked_for() {
    let config = || HashedTextConfig::new(BUCKETS);
    for (config, expected) in [
        (config(), 1 + 3 + 2 + 1),
        (config().with_words(false), 3 + 2 + 1),
        (config().with_min_n(1), 1 + 4 + 3 + 2 + 1),
        (config().with_min_n(3), 1 + 2 + 1),
        (config().with_max_n(2), 1 + 3),
        (config().with_max_n(3), 1 + 3 + 2),
        (config().with_max_n(0), 1),
        (config().with_max_n(0).with_words(false), 0),
        (config().with_min_n(5), 1),
    ] {
        assert_eq!(n_terms(&config, "ab"), expected, "{config}");
    }
}

#[test]
fn the_width_is_the_number_of_buckets() {
    for d_output in [1, 7, 64] {
        let hashed = HashedTextConfig::new(d_output).init(&["a"]).unwrap();
        assert_eq!(hashed.d_output(), d_output);
        let tensor = hashed.tensor(&["a b", "c"], &Device::flex());
        assert_eq!(tensor.dims(), [2, d_output]);
    }
    // One bucket holds everything.
    assert_eq!(
        n_terms(&HashedTextConfig::new(1), "many different words"),
        1
    );
}

/// Of three texts, all have "a" and one has "b": smoothed by one more text with every word, their
/// inverse document frequencies are `log(4 / 4) + 1` and `log(4 / 2) + 1`.
#[test]
fn weights_are_inverse_document_frequencies() {
    let config = HashedTextConfig::new(BUCKETS).with_max_n(0);
    let hashed = config.init(&["a b", "a", "a"]).unwrap();
    let mut found: Vec<f32> = hashed
        .vector("b a")
        .into_iter()
        .filter(|&x| x > 0.0)
        .collect();
    found.sort_by(f32::total_cmp);
    let (a, b) = (1.0, 2f32.ln() + 1.0);
    let length = (a * a + b * b).sqrt();
    for (found, expected) in found.iter().zip([a / length, b / length]) {
        assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
    }
    // A term that occurs three times counts 1 + log 3.
    let mut found: Vec<f32> = hashed
        .vector("b a a a")
        .into_iter()
        .filter(|&x| x > 0.0)
        .collect();
    found.sort_by(f32::total_cmp);
    let (a, b) = (3f32.ln() + 1.0, 2f32.ln() + 1.0);
    let length = (a * a + b * b).sqrt();
    for (found, expected) in found.iter().zip([b / length, a / length]) {
        assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
    }
}
