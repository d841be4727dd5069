//! Names of classes in a fixed order.

use std::fs;
use std::ops::Deref;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{DataError, Result};

/// Names of classes; a label is a position in this list.
///
/// Save it beside the model or by [`FitConfig::with_configuration`](burn_mla::fit::FitConfig): the same
/// name must have the same label wherever the model predicts.
///
/// ```
/// use burn_mla_data::dataset::ClassNames;
///
/// let classes = ClassNames::sorted(["dog", "cat", "dog"])?;
/// assert_eq!(classes.label("dog")?, 1);
/// let error = classes.label("horse").unwrap_err();
/// assert_eq!(error.to_string(), "unknown class `horse`: expected one of cat, dog");
/// # Ok::<(), burn_mla_data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct ClassNames(Vec<String>);

impl ClassNames {
    /// Classes in the given order.
    ///
    /// # Errors
    ///
    /// [`DataError::ClassName`] for an empty name or one that occurs twice.
    pub fn new<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Result<Self> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let mut sorted: Vec<&String> = names.iter().collect();
        sorted.sort();
        let refused = |name: &str, problem| DataError::ClassName {
            name: name.to_string(),
            problem,
        };
        if let Some(name) = names.iter().find(|name| name.trim().is_empty()) {
            return Err(refused(name, "is empty"));
        }
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(refused(pair[0], "occurs twice"));
        }
        Ok(Self(names))
    }

    /// The classes of a published data set, which are distinct.
    pub(crate) fn published(names: impl IntoIterator<Item = &'static str>) -> Self {
        Self(names.into_iter().map(str::to_string).collect())
    }

    /// The distinct names, sorted by their bytes.
    ///
    /// # Errors
    ///
    /// [`DataError::ClassName`] for an empty name.
    pub fn sorted<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Result<Self> {
        let mut names: Vec<String> = names.into_iter().map(Into::into).collect();
        names.sort();
        names.dedup();
        Self::new(names)
    }

    /// The label of a class.
    ///
    /// # Errors
    ///
    /// [`DataError::UnknownClass`].
    pub fn label(&self, name: &str) -> Result<usize> {
        let found = self.0.iter().position(|class| class == name);
        found.ok_or_else(|| DataError::UnknownClass {
            name: name.to_string(),
            known: self.0.join(", "),
        })
    }

    /// Writes the names to a file, a JSON array. The write is atomic.
    ///
    /// # Errors
    ///
    /// [`DataError::File`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let text = serde_json::to_vec_pretty(self).map_err(DataError::file(path))?;
        burn_mla::atomic_file::write(path, &text).map_err(DataError::file(path))
    }

    /// Reads a file of [`save`](Self::save).
    ///
    /// # Errors
    ///
    /// [`DataError::File`], also for names as [`new`](Self::new) refuses them.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = fs::read(path).map_err(DataError::file(path))?;
        serde_json::from_slice(&text).map_err(DataError::file(path))
    }
}

/// As a slice of names.
impl Deref for ClassNames {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.0
    }
}

impl TryFrom<Vec<String>> for ClassNames {
    type Error = DataError;

    fn try_from(names: Vec<String>) -> Result<Self> {
        Self::new(names)
    }
}

impl From<ClassNames> for Vec<String> {
    fn from(classes: ClassNames) -> Self {
        classes.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_stays_through_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("classes.json");
        let classes = ClassNames::new(["sad", "angry", "häppy, very"]).unwrap();
        classes.save(&path).unwrap();
        assert_eq!(ClassNames::load(&path).unwrap(), classes);
        assert_eq!(classes.label("sad"), Ok(0));
        assert_eq!(classes.len(), 3);
        let sorted = ClassNames::sorted(["b", "a", "b"]).unwrap();
        assert_eq!(sorted.to_vec(), ["a", "b"]);
    }

    #[test]
    fn names_that_make_no_labels_are_refused() {
        let error = |names: &[&str]| ClassNames::new(names.to_vec()).unwrap_err().to_string();
        assert_eq!(error(&["a", "b", "a"]), "class name `a` occurs twice");
        assert_eq!(error(&["a", " "]), "class name ` ` is empty");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("classes.json");
        fs::write(&path, "[\"a\", \"a\"]").unwrap();
        let error = ClassNames::load(&path).unwrap_err().to_string();
        assert!(error.contains("`a` occurs twice"), "{error}");
    }
}
