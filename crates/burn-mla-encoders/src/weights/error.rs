//! The error of loading weights, with every key that does not fit.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use burn::store::{ApplyError, ApplyResult};

use crate::FileError;

/// An error in loading weights from a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// A file that cannot be read, or that lacks the requested dictionary.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file name without one of the known extensions.
    #[error("{}: expected a file named .safetensors, .pth, .pt or .bin", path.display())]
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// A file without a single parameter of the module.
    #[error(
        "{}: no tensor fits the module: the file has {}, the module {}",
        path.display(), few(found), few(expected)
    )]
    NoMatch {
        /// The file.
        path: PathBuf,
        /// Keys of the file after the steps of the caller, sorted.
        found: Vec<String>,
        /// Parameters of the module, by their paths, sorted.
        expected: Vec<String>,
    },
    /// Weights that differ from the parameters of the module.
    #[error("{}: the weights do not fit the module{mismatch}", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// Every key that does not fit.
        mismatch: Box<Mismatch>,
    },
}

/// All differences between the keys of a file and the parameters of a module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// Parameters of the module that the file lacks, by their paths in the module, sorted.
    pub missing: Vec<String>,
    /// Keys of the file that the module lacks, after the steps of the caller, sorted.
    pub unexpected: Vec<String>,
    /// Keys that two or more tensors of the file share after the steps of the caller, sorted.
    pub ambiguous: Vec<String>,
    /// Parameters with another shape in the file, sorted by path.
    pub shapes: Vec<ShapeMismatch>,
    /// Tensors of another type, or whose data cannot be read: path and problem, sorted.
    pub unreadable: Vec<String>,
    /// Shapes of the parameters of the module, and of the other tensors of the file.
    pub(super) known: BTreeMap<String, Vec<usize>>,
}

/// The first keys of a list.
fn few(keys: &[String]) -> String {
    match keys {
        [] => "no tensors".to_string(),
        keys if keys.len() <= 4 => keys.join(", "),
        keys => format!("{} and {} others", keys[..3].join(", "), keys.len() - 3),
    }
}

/// A parameter with another shape in the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShapeMismatch {
    /// Path of the parameter in the module.
    pub path: String,
    /// Shape in the module.
    pub expected: Vec<usize>,
    /// Shape in the file, in Burn's layout: `[in, out]` for a linear layer.
    pub found: Vec<usize>,
}

impl Mismatch {
    /// Adds what applying tensors to a module found, and sorts all lists.
    pub(super) fn add(&mut self, result: ApplyResult) {
        self.unexpected.extend(result.unused);
        for error in result.errors {
            match error {
                ApplyError::ShapeMismatch {
                    path,
                    expected,
                    found,
                } => self.shapes.push(ShapeMismatch {
                    path,
                    expected: expected.to_vec(),
                    found: found.to_vec(),
                }),
                other => self.unreadable.push(other.to_string()),
            }
        }
        let lists = [
            &mut self.missing,
            &mut self.unexpected,
            &mut self.ambiguous,
            &mut self.unreadable,
        ];
        lists.into_iter().for_each(|list| list.sort());
        self.shapes.sort();
    }

    /// Whether all keys and shapes match.
    pub(super) fn is_empty(&self) -> bool {
        let Self {
            missing,
            unexpected,
            ambiguous,
            shapes,
            unreadable,
            known: _,
        } = self;
        let lists = [missing, unexpected, ambiguous, unreadable];
        lists.into_iter().all(Vec::is_empty) && shapes.is_empty()
    }

    /// Keys with their shapes.
    fn named(&self, keys: &[String]) -> Vec<String> {
        let named = keys.iter().map(|key| match self.known.get(key) {
            Some(shape) => format!("{key} {shape:?}"),
            None => key.clone(),
        });
        named.collect()
    }
}

impl fmt::Display for ShapeMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            expected,
            found,
        } = self;
        write!(f, "{path} (expected {expected:?}, found {found:?})")
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shapes: Vec<String> = self.shapes.iter().map(ToString::to_string).collect();
        let lists = [
            ("missing", self.named(&self.missing)),
            ("unexpected", self.named(&self.unexpected)),
            ("ambiguous", self.ambiguous.clone()),
            ("another shape", shapes),
            ("unreadable", self.unreadable.clone()),
        ];
        for (problem, keys) in lists.into_iter().filter(|(_, keys)| !keys.is_empty()) {
            write!(f, "\n  {problem}: {}", keys.join(", "))?;
        }
        if !self.missing.is_empty() {
            f.write_str("\n  `with_absent` allows missing parameters")?;
        }
        if !self.unexpected.is_empty() {
            f.write_str("\n  `with_ignored` leaves out unexpected tensors")?;
        }
        Ok(())
    }
}
