//! The error of the audio front end.

use std::error::Error;
use std::path::{Path, PathBuf};

use crate::ContentType;

/// An error in reading or transforming audio.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AudioError {
    /// An error in one file.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The problem.
        source: Box<AudioError>,
    },
    /// A file that cannot be opened or read.
    #[error("cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// Content that is not audio of a known format.
    #[error("expected WAV, FLAC, MP3, Ogg, AAC or MP4 audio, found {0}")]
    Content(ContentType),
    /// A container without audio that can be decoded.
    #[error("{content} without an audio track that can be decoded")]
    NoTrack {
        /// The container.
        content: ContentType,
    },
    /// Audio that its decoder refuses.
    #[error("malformed {content} after {n_frames} samples per channel: {source}")]
    Malformed {
        /// The format.
        content: ContentType,
        /// Samples per channel that were decoded before.
        n_frames: usize,
        /// The decoder's error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Audio that ends before its header says.
    #[error("truncated {content}: {declared} {unit} declared, {found} found")]
    Truncated {
        /// The format.
        content: ContentType,
        /// The counted quantity.
        unit: &'static str,
        /// Length according to the header.
        declared: u64,
        /// Length found.
        found: u64,
    },
    /// Audio whose rate or number of channels changes.
    #[error("{expected} changes to {found} after {n_frames} samples per channel")]
    FormatChange {
        /// Format at the start.
        expected: String,
        /// Format later.
        found: String,
        /// Samples per channel before the change.
        n_frames: usize,
    },
    /// A file without a sample.
    #[error("no samples")]
    NoSamples,
    /// A sample that is NaN or infinite.
    #[error("sample {index} is {value}")]
    NonFinite {
        /// Index in the interleaved samples.
        index: usize,
        /// The sample.
        value: f32,
    },
    /// Audio beyond a limit.
    #[error("more than the limit of {limit} {unit}")]
    Limit {
        /// The counted quantity.
        unit: &'static str,
        /// The limit.
        limit: u64,
    },
    /// Another sample rate than that of the configuration.
    #[error("sample rate {found} Hz, expected {expected} Hz: resample it, or configure its rate")]
    SampleRate {
        /// Configured rate.
        expected: u32,
        /// Rate of the waveform.
        found: u32,
    },
    /// Several channels where one is needed.
    #[error("{0} channels where one is needed: mix them down")]
    Channels(usize),
    /// A channel that does not exist.
    #[error("no channel {channel} in audio of {n_channels} channels")]
    NoChannel {
        /// The channel asked for, counted from 0.
        channel: usize,
        /// Number of channels.
        n_channels: usize,
    },
    /// A waveform that is shorter than one window.
    #[error("{n_samples} samples are shorter than one window of {window}")]
    TooShort {
        /// Samples of the waveform.
        n_samples: usize,
        /// Samples of a window.
        window: usize,
    },
    /// A signal without power where a ratio of powers is needed.
    #[error("the {0} is silent: no signal-to-noise ratio exists")]
    Silent(&'static str),
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

impl AudioError {
    /// Adds the path of a file.
    pub(super) fn at(path: &Path) -> impl FnOnce(Self) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File {
            path,
            source: Box::new(source),
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

pub(super) type Result<T, E = AudioError> = std::result::Result<T, E>;
