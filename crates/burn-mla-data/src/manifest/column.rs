//! The columns of a manifest and what their cells are.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cells::Cells;
use super::root::{PathProblem, Root};

/// What the cells of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnKind {
    /// Texts.
    Text,
    /// Paths of images.
    Image,
    /// Paths of sound.
    Audio,
    /// Paths of folders with the frames of a video. Frames are in the order of their names.
    Frames,
    /// Paths of features: `.npy` or `.safetensors`.
    Features,
    /// Paths of other files.
    File,
}

impl ColumnKind {
    /// The kind of a path by its extension; `None` for another extension, such as that of a text.
    pub(super) fn of_extension(cell: &str) -> Option<Self> {
        let extension = Path::new(cell).extension()?.to_str()?;
        let is = |known: &[&str]| {
            known
                .iter()
                .any(|known| extension.eq_ignore_ascii_case(known))
        };
        if is(&["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"]) {
            Some(Self::Image)
        } else if is(&["wav", "flac", "mp3", "ogg", "oga", "opus", "m4a", "aac"]) {
            Some(Self::Audio)
        } else if is(&["npy", "safetensors"]) {
            Some(Self::Features)
        } else if is(&["mp4", "avi", "flv", "mkv", "mov", "webm"]) {
            Some(Self::File)
        } else {
            None
        }
    }

    /// Whether cells are paths.
    pub fn is_path(self) -> bool {
        self != Self::Text
    }
}

impl fmt::Display for ColumnKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::Audio => "audio",
            Self::Frames => "frames",
            Self::Features => "features",
            Self::File => "file",
        })
    }
}

/// The value of a sample in a column of a modality.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell<'a> {
    /// A text.
    Text(&'a str),
    /// The path of a file, checked to be within an allowed folder.
    File(PathBuf),
    /// The frames of a video.
    Frames {
        /// Their folder.
        folder: PathBuf,
        /// The paths of the frames, in the order of their names.
        files: Vec<PathBuf>,
    },
}

/// A column of a modality.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: ColumnKind,
    pub(super) cells: Cells,
    /// Where paths begin.
    pub(super) root: Arc<Root>,
}

impl Column {
    /// The cell of a row, `None` if it is empty.
    pub(super) fn cell(&self, row: usize) -> Result<Option<Cell<'_>>, PathProblem> {
        let text = self.cells.get(row);
        if text.is_empty() {
            return Ok(None);
        }
        let cell = match self.kind {
            ColumnKind::Text => Cell::Text(text),
            ColumnKind::Frames => {
                let (folder, files) = self.root.frames(text)?;
                Cell::Frames { folder, files }
            }
            _ => Cell::File(self.root.file(text)?),
        };
        Ok(Some(cell))
    }
}
