//! The error of loading weights, with every key that does not fit.

use std::fmt;
use std::path::PathBuf;

/// An error in loading weights from a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// A file that cannot be read, or that lacks the requested dictionary.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Message of the reader.
        message: String,
    },
    /// A file name without one of the known extensions.
    #[error("{}: expected a file named .safetensors, .pth, .pt or .bin", path.display())]
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// Weights of another module.
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
    pub(super) fn sort(&mut self) {
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
        *self == Self::default()
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
            ("missing", &self.missing),
            ("unexpected", &self.unexpected),
            ("ambiguous", &self.ambiguous),
            ("another shape", &shapes),
            ("unreadable", &self.unreadable),
        ];
        for (problem, keys) in lists.into_iter().filter(|(_, keys)| !keys.is_empty()) {
            write!(f, "\n  {problem}: {}", keys.join(", "))?;
        }
        Ok(())
    }
}
