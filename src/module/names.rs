//! Names of a model's modalities and classes.

use std::collections::HashSet;

use crate::error::{MlaError, Result, same_size};

/// Names of the modalities and the classes of a model, in their order. A list may be empty: its names
/// are then unknown.
///
/// They are part of the [model file](crate::Mla::save_safetensors). A model without names takes those of
/// the file, and a model with other names than the file is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelNames {
    modalities: Vec<String>,
    classes: Vec<String>,
}

impl ModelNames {
    /// Creates the names of modalities and classes. The model checks their number.
    pub fn new<M: Into<String>, C: Into<String>>(
        modalities: impl IntoIterator<Item = M>,
        classes: impl IntoIterator<Item = C>,
    ) -> Self {
        Self {
            modalities: modalities.into_iter().map(Into::into).collect(),
            classes: classes.into_iter().map(Into::into).collect(),
        }
    }

    /// The names of the modalities; empty if they are unknown.
    pub fn modalities(&self) -> &[String] {
        &self.modalities
    }

    /// The names of the classes; empty if they are unknown.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Checks the number of names, and that they are distinct.
    pub(crate) fn check(&self, n_modalities: usize, n_classes: usize) -> Result<()> {
        if !self.modalities.is_empty() && self.modalities.len() != n_modalities {
            return Err(MlaError::ModalityCount {
                what: "the list of names",
                expected: n_modalities,
                got: self.modalities.len(),
            });
        }
        if !self.classes.is_empty() {
            same_size("names of classes", n_classes, self.classes.len())?;
        }
        distinct_names("modalities", &self.modalities)?;
        distinct_names("classes", &self.classes)
    }
}

/// Checks that no name occurs twice.
pub(crate) fn distinct_names(what: &'static str, names: &[String]) -> Result<()> {
    let mut so_far = HashSet::new();
    match names.iter().find(|name| !so_far.insert(*name)) {
        None => Ok(()),
        Some(name) => Err(MlaError::NameTwice {
            what,
            name: name.clone(),
        }),
    }
}
