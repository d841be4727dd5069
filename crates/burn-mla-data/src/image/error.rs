//! The error of the image front end.

use std::error::Error;
use std::path::{Path, PathBuf};

use crate::ContentType;

/// An error in reading or transforming an image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// An error in one file.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The problem.
        source: Box<ImageError>,
    },
    /// A file that cannot be opened or read.
    #[error("cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// Content that is no image of a known format.
    #[error("expected a JPEG, PNG, WebP or GIF image, found {0}")]
    Content(ContentType),
    /// An image that its decoder refuses: malformed, truncated, or of an unsupported kind.
    #[error("malformed {content}: {source}")]
    Malformed {
        /// The format.
        content: ContentType,
        /// The decoder's error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A file beyond the limit.
    #[error("more than the limit of {limit} bytes")]
    FileSize {
        /// The limit.
        limit: u64,
    },
    /// An image beyond the limit, which is checked before memory is taken.
    #[error("{width} x {height} pixels are more than the limit of {limit}")]
    Pixels {
        /// Width in pixels.
        width: u64,
        /// Height in pixels.
        height: u64,
        /// The limit.
        limit: u64,
    },
    /// A width or height of zero, or a number of bytes that is not that of the pixels.
    #[error("{n_bytes} bytes are no RGB image of {width} x {height} pixels")]
    Size {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// Bytes given.
        n_bytes: usize,
    },
    /// A region that is not within the image.
    #[error("{width} x {height} pixels at ({left}, {top}) are not within the image")]
    Region {
        /// First column.
        left: usize,
        /// First row.
        top: usize,
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
    },
    /// An option outside of its range.
    #[error("{name} must be {requirement}, got {value}")]
    Option {
        /// Name of the option.
        name: &'static str,
        /// Its range.
        requirement: &'static str,
        /// The given value.
        value: f64,
    },
}

impl ImageError {
    /// Adds the path of a file.
    pub(super) fn at(path: &Path) -> impl FnOnce(Self) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File {
            path,
            source: Box::new(source),
        }
    }

    /// Keeps the error of a decoder.
    pub(super) fn malformed<E>(content: ContentType) -> impl Fn(E) -> Self
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        move |source| Self::Malformed {
            content,
            source: source.into(),
        }
    }

    /// Checks an option.
    pub(super) fn check(
        name: &'static str,
        value: f64,
        requirement: &'static str,
        holds: bool,
    ) -> Result<()> {
        if holds {
            Ok(())
        } else {
            Err(Self::Option {
                name,
                requirement,
                value,
            })
        }
    }
}

pub(super) type Result<T, E = ImageError> = std::result::Result<T, E>;
