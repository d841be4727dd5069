//! Hashed words and n-grams, a text front end without a vocabulary.

use burn::config::Config;
use burn::tensor::{Device, Tensor, TensorData};
use sha2::Digest;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::error::{DataError, Result};

/// Configuration of [`HashedText`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `d_output` | required | number of buckets, the width of the vectors | >= 1 |
/// | `words` | true | hashes whole words | |
/// | `min_n` | 2 | shortest character n-gram | 1 to `max_n` |
/// | `max_n` | 5 | longest character n-gram; 0 for none | 0, or >= `min_n` |
#[derive(Config, Debug)]
pub struct HashedTextConfig {
    /// Number of buckets.
    pub d_output: usize,
    /// Whether whole words are hashed.
    #[config(default = true)]
    pub words: bool,
    /// Shortest character n-gram.
    #[config(default = 2)]
    pub min_n: usize,
    /// Longest character n-gram; 0 for none.
    #[config(default = 5)]
    pub max_n: usize,
}

/// Text vectors of hashed words and character n-grams, weighted by their inverse document frequency
/// and scaled to length 1.
///
/// The hashing trick (Weinberger et al., ICML 2009) needs no vocabulary. N-grams are within a word
/// with its ends marked, as in fastText. The hash is 64-bit FNV-1a, which makes vectors the same on
/// every machine.
///
/// Texts are compared in Unicode's normalization form C and in lower case: a letter with an accent is
/// the same whether it is one character or two. Words are runs of letters and digits with their
/// combining marks, such as the vowel signs of Hindi. Joiners of zero width are ignored.
///
/// ```
/// use burn_mla_data::text::HashedTextConfig;
///
/// let texts = ["grinning face", "dog face", "red apple"];
/// let hashed = HashedTextConfig::new(1024).init(&texts)?;
/// let vector = hashed.vector("grinning cat");
/// let length: f32 = vector.iter().map(|x| x * x).sum();
/// assert!((length - 1.0).abs() < 1e-6);
/// assert!(hashed.vector("?!").iter().all(|&x| x == 0.0));
/// # Ok::<(), burn_mla_data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct HashedText {
    pub(super) d_output: usize,
    pub(super) words: bool,
    pub(super) min_n: usize,
    pub(super) max_n: usize,
    pub(super) inverse_document_frequency: Vec<f32>,
}

impl HashedTextConfig {
    /// Computes the document frequencies of `texts`, which should be those of the training split.
    ///
    /// # Errors
    ///
    /// [`DataError::HyperParameter`] for a value outside of the ranges above.
    pub fn init<T: AsRef<str>>(&self, texts: &[T]) -> Result<HashedText> {
        let range = |name, requirement, value, holds| {
            if holds {
                Ok(())
            } else {
                Err(DataError::HyperParameter {
                    name,
                    requirement,
                    value,
                })
            }
        };
        let (min_n, max_n) = (self.min_n, self.max_n);
        range("d_output", "at least 1", self.d_output, self.d_output > 0)?;
        range("min_n", "at least 1", min_n, max_n == 0 || min_n > 0)?;
        let ordered = max_n == 0 || max_n >= min_n;
        range("max_n", "0 or at least min_n", max_n, ordered)?;
        let mut hashed = HashedText {
            d_output: self.d_output,
            words: self.words,
            min_n: self.min_n,
            max_n: self.max_n,
            inverse_document_frequency: vec![1.0; self.d_output],
        };
        let mut documents = vec![0u32; self.d_output];
        for text in texts {
            let counts = hashed.counts(text.as_ref());
            for (documents, count) in documents.iter_mut().zip(counts) {
                *documents += u32::from(count > 0.0);
            }
        }
        // Smoothed as if one more text contained every word, which keeps unseen words finite.
        let total = texts.len() as f32 + 1.0;
        hashed.inverse_document_frequency = documents
            .into_iter()
            .map(|n| (total / (n as f32 + 1.0)).ln() + 1.0)
            .collect();
        Ok(hashed)
    }
}

impl HashedText {
    /// Returns the width of the vectors.
    pub fn d_output(&self) -> usize {
        self.d_output
    }

    /// Computes the vector of a text, `d_output` values of length 1, or zeros for a text without words.
    pub fn vector(&self, text: &str) -> Vec<f32> {
        let mut vector = self.counts(text);
        for (value, weight) in vector.iter_mut().zip(&self.inverse_document_frequency) {
            // 1 + log of the count, because the tenth occurrence is less informative than the first.
            *value = if *value > 0.0 {
                (1.0 + value.ln()) * weight
            } else {
                0.0
            };
        }
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        if length > 0.0 {
            vector.iter_mut().for_each(|value| *value /= length);
        }
        vector
    }

    /// Computes the vectors of several texts, `[n_texts, d_output]`.
    pub fn tensor<T: AsRef<str>>(&self, texts: &[T], device: &Device) -> Tensor<2> {
        let values: Vec<f32> = texts
            .iter()
            .flat_map(|text| self.vector(text.as_ref()))
            .collect();
        Tensor::from_data(
            TensorData::new(values, [texts.len(), self.d_output()]),
            device,
        )
    }

    /// What the vector of a text follows from.
    pub(crate) fn recipe(&self) -> serde_json::Value {
        let weights = self.inverse_document_frequency.iter();
        let weights: Vec<u8> = weights.flat_map(|weight| weight.to_le_bytes()).collect();
        serde_json::json!({
            "hashed": self.d_output,
            "words": self.words,
            "n": [self.min_n, self.max_n],
            "weights": crate::sha256::hex(&sha2::Sha256::digest(weights)),
        })
    }

    fn counts(&self, text: &str) -> Vec<f32> {
        let mut counts = vec![0.0; self.d_output];
        let mut count = |kind: u8, term: &[char]| {
            counts[(fnv1a(kind, term) % self.d_output as u64) as usize] += 1.0;
        };
        for letters in words(text) {
            if self.words {
                count(b'w', &letters);
            }
            let marked: Vec<char> = ['<'].into_iter().chain(letters).chain(['>']).collect();
            for n in self.min_n..=self.max_n.min(marked.len()) {
                marked.windows(n).for_each(|ngram| count(b'n', ngram));
            }
        }
        counts
    }
}

/// The words of a text, each as its characters.
fn words(text: &str) -> Vec<Vec<char>> {
    const JOINERS: [char; 2] = ['\u{200c}', '\u{200d}'];
    // Composed before and after, because lower case may decompose.
    let lower = text.nfc().collect::<String>().to_lowercase();
    let mut words: Vec<Vec<char>> = vec![];
    let mut inside = false;
    for c in lower.nfc().filter(|c| !JOINERS.contains(c)) {
        match words.last_mut().filter(|_| inside) {
            Some(word) if c.is_alphanumeric() || is_combining_mark(c) => word.push(c),
            None if c.is_alphanumeric() => {
                words.push(vec![c]);
                inside = true;
            }
            _ => inside = false,
        }
    }
    words
}

/// Computes the 64-bit FNV-1a hash of a kind of term and its characters.
fn fnv1a(kind: u8, term: &[char]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let bytes = term.iter().flat_map(|&c| u32::from(c).to_le_bytes());
    [kind].into_iter().chain(bytes).fold(OFFSET, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_punctuation_do_not_matter_but_words_do() {
        let hashed = HashedTextConfig::new(4096).init(&["a b", "c"]).unwrap();
        assert_eq!(hashed.vector("Red, Apple!"), hashed.vector("red apple"));
        assert_ne!(hashed.vector("red apple"), hashed.vector("red pear"));
    }

    fn joined(text: &str) -> Vec<String> {
        let words = words(text).into_iter();
        words.map(|word| word.into_iter().collect()).collect()
    }

    #[test]
    fn marks_stay_within_words() {
        // Vowel signs and a virama, a decomposed accent, the dot of a lower-case İ, Hebrew points.
        assert_eq!(joined("हिन्दी भाषा"), ["हिन्दी", "भाषा"]);
        assert_eq!(joined("cafe\u{301} noir"), ["café", "noir"]);
        assert_eq!(joined("İstanbul"), ["i\u{307}stanbul"]);
        assert_eq!(joined("שָׁלוֹם"), ["שָׁלוֹם".nfc().collect::<String>()]);
        // A joiner of zero width, and marks that follow no letter.
        assert_eq!(joined("می\u{200c}خواهم"), ["میخواهم"]);
        assert_eq!(joined("\u{301}a ❤\u{fe0f} b"), ["a", "b"]);
        assert_eq!(joined("Red, 2 apples!"), ["red", "2", "apples"]);
        assert!(joined("?! \u{301}").is_empty());
    }

    #[test]
    fn composed_and_decomposed_texts_have_the_same_vector() {
        let hashed = HashedTextConfig::new(4096).init::<&str>(&[]).unwrap();
        for (composed, decomposed) in [
            ("Ärger", "A\u{308}rger"),
            ("Việt", "Vie\u{323}\u{302}t"),
            ("한글", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}"),
        ] {
            assert_eq!(hashed.vector(composed), hashed.vector(decomposed));
            assert!(hashed.vector(composed).iter().any(|&x| x > 0.0));
        }
    }

    #[test]
    fn related_words_share_ngrams() {
        let hashed = HashedTextConfig::new(4096).init::<&str>(&[]).unwrap();
        let dot = |a: &str, b: &str| -> f32 {
            let (a, b) = (hashed.vector(a), hashed.vector(b));
            a.iter().zip(&b).map(|(x, y)| x * y).sum()
        };
        assert!(dot("smile", "smiling") > 0.2);
        assert!(dot("smile", "truck") < 0.05);
    }

    #[test]
    fn frequent_words_weigh_less() {
        let texts = ["face one", "face two", "face three"];
        let config = HashedTextConfig::new(4096).with_max_n(0);
        let hashed = config.init(&texts).unwrap();
        let bucket = |word: &str| {
            let vector = hashed.vector(word);
            vector.iter().position(|&x| x > 0.0).unwrap()
        };
        let vector = hashed.vector("face two");
        let (frequent, rare) = (vector[bucket("face")], vector[bucket("two")]);
        assert!(0.0 < frequent && frequent < rare, "{frequent} and {rare}");
    }

    #[test]
    fn values_out_of_range_are_refused() {
        assert!(HashedTextConfig::new(0).init::<&str>(&[]).is_err());
        let error = HashedTextConfig::new(8)
            .with_min_n(4)
            .with_max_n(3)
            .init::<&str>(&[]);
        assert_eq!(
            error.unwrap_err().to_string(),
            "max_n must be 0 or at least min_n, got 3"
        );
    }
}
