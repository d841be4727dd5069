//! The error of the video front end.

use std::path::{Path, PathBuf};

use crate::ContentType;
use crate::image::ImageError;

/// An error in reading or preparing video.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VideoError {
    /// An error with one file or folder.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The problem.
        source: Box<VideoError>,
    },
    /// A file or folder that cannot be read or written.
    #[error("cannot be read or written: {0}")]
    Io(#[from] std::io::Error),
    /// A file whose content is known to be no video.
    #[error("expected a video, found {0}")]
    Content(ContentType),
    /// A program that is not installed.
    #[error(
        "the program `{program}` was not found; ffmpeg has it: `apt-get install ffmpeg` (Debian, Ubuntu), \
         `brew install ffmpeg` (macOS), `winget install ffmpeg` (Windows)"
    )]
    NotInstalled {
        /// The program.
        program: String,
    },
    /// A program that failed.
    #[error("`{program}` failed: {message}")]
    Failed {
        /// The program.
        program: String,
        /// The end of what it wrote.
        message: String,
    },
    /// A program that was stopped because it took too long.
    #[error("`{program}` was stopped after {seconds} seconds")]
    Timeout {
        /// The program.
        program: String,
        /// The limit.
        seconds: u64,
    },
    /// Output of a program that is not understood.
    #[error("`{program}` wrote {output:?}, expected {expected}")]
    Output {
        /// The program.
        program: String,
        /// The expected output.
        expected: &'static str,
        /// What was written.
        output: String,
    },
    /// A file without the stream asked for.
    #[error("no {0} stream")]
    NoStream(&'static str),
    /// A video or folder without a frame.
    #[error("no frames")]
    NoFrames,
    /// A frame that cannot be read.
    #[error(transparent)]
    Frame(#[from] ImageError),
    /// Frames of unequal size.
    #[error("frame {index} is {found:?}, expected {expected:?} (channels, height, width)")]
    FrameShape {
        /// Index among the selected frames.
        index: usize,
        /// Shape of the first frame.
        expected: Vec<usize>,
        /// Shape of this frame.
        found: Vec<usize>,
    },
    /// A number of frames of zero.
    #[error("the number of frames must be at least 1, got 0")]
    NoneSelected,
}

impl VideoError {
    /// Adds the path of a file or folder.
    pub(super) fn at(path: &Path) -> impl FnOnce(Self) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File {
            path,
            source: Box::new(source),
        }
    }
}

pub(super) type Result<T, E = VideoError> = std::result::Result<T, E>;
