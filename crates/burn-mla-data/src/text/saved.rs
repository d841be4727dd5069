//! Files of a [`HashedText`], for programs that predict without the texts of the training.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{HashedText, HashedTextConfig};
use crate::error::{DataError, Result};
use burn_mla::atomic_file;

/// Version of words and hashes. It rises whenever the vector of a text changes.
const FORMAT: u32 = 1;

/// The content of a file, in JSON.
#[derive(Serialize, Deserialize)]
struct Saved {
    format: u32,
    d_output: usize,
    words: bool,
    min_n: usize,
    max_n: usize,
    inverse_document_frequency: Vec<f32>,
}

impl HashedText {
    /// Writes options and document frequencies to a file in JSON. The write is atomic.
    ///
    /// # Errors
    ///
    /// [`DataError::File`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let saved = Saved {
            format: FORMAT,
            d_output: self.d_output,
            words: self.words,
            min_n: self.min_n,
            max_n: self.max_n,
            inverse_document_frequency: self.inverse_document_frequency.clone(),
        };
        let text = serde_json::to_vec(&saved).map_err(DataError::file(path))?;
        atomic_file::write(path, &text).map_err(DataError::file(path))
    }

    /// Reads a file of [`save`](Self::save). Vectors of texts are the same as those of the saved one.
    ///
    /// # Errors
    ///
    /// [`DataError::File`] for a file that cannot be read, has a format of another version of this
    /// crate, or contradicts itself.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let refused = |message: String| DataError::File {
            path: path.to_path_buf(),
            message,
        };
        let text = fs::read(path).map_err(DataError::file(path))?;
        let saved: Saved = serde_json::from_slice(&text).map_err(DataError::file(path))?;
        if saved.format != FORMAT {
            let format = saved.format;
            return Err(refused(format!("format {format}, expected {FORMAT}")));
        }
        let frequencies = saved.inverse_document_frequency;
        if frequencies.len() != saved.d_output {
            let (expected, got) = (saved.d_output, frequencies.len());
            return Err(refused(format!(
                "{got} document frequencies, expected {expected}"
            )));
        }
        // Those of `HashedTextConfig::init` are at least 1.
        if let Some(at) = frequencies.iter().position(|f| !f.is_finite() || *f < 1.0) {
            let value = frequencies[at];
            return Err(refused(format!(
                "document frequency {value} of bucket {at} must be finite and >= 1"
            )));
        }
        let config = HashedTextConfig::new(saved.d_output)
            .with_words(saved.words)
            .with_min_n(saved.min_n)
            .with_max_n(saved.max_n);
        let options = config.init::<&str>(&[]);
        let options = options.map_err(|error| refused(error.to_string()))?;
        Ok(Self {
            inverse_document_frequency: frequencies,
            ..options
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loaded_front_end_gives_the_same_vectors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text.json");
        let config = HashedTextConfig::new(257).with_words(false).with_min_n(3);
        let hashed = config.init(&["grinning face", "dog face"]).unwrap();
        hashed.save(&path).unwrap();
        let loaded = HashedText::load(&path).unwrap();
        assert_eq!(loaded, hashed);
        assert_eq!(loaded.vector("a dog"), hashed.vector("a dog"));
        hashed.save(&path).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn files_that_contradict_themselves_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text.json");
        HashedTextConfig::new(2)
            .init(&["a"])
            .unwrap()
            .save(&path)
            .unwrap();
        let good = fs::read_to_string(&path).unwrap();
        for (from, to, message) in [
            ("\"format\":1", "\"format\":9", "format 9, expected 1"),
            (
                "\"d_output\":2",
                "\"d_output\":3",
                "2 document frequencies, expected 3",
            ),
            ("\"min_n\":2", "\"min_n\":0", "min_n must be at least 1"),
            ("1.0", "-1.0", "must be finite and >= 1"),
        ] {
            assert!(good.contains(from), "{good}");
            fs::write(&path, good.replace(from, to)).unwrap();
            let error = HashedText::load(&path).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
            assert!(error.starts_with(path.to_str().unwrap()), "{error}");
        }
        fs::write(&path, "no front end").unwrap();
        assert!(HashedText::load(&path).is_err());
        assert!(HashedText::load(folder.path().join("nowhere")).is_err());
    }
}
