//! Video: frames and sound of files by the `ffmpeg` program, and folders of frames to the input of an encoder.
//!
//! Prepare once ([`Ffmpeg::extract_frames`], [`Ffmpeg::extract_audio`]), then read folders with a [`VideoFrontEnd`] and
//! sound with [`AudioFrontEnd`](crate::audio::AudioFrontEnd).

mod error;
mod extract;
mod ffmpeg;
mod folder;
mod frames;
mod probe;
mod still;
#[cfg(all(test, feature = "audio"))]
mod tests;

pub use error::VideoError;
pub use ffmpeg::Ffmpeg;
pub use folder::{VideoFrontEnd, frame_files};
pub use frames::{FrameSelection, frame_step, kept_frames};
pub use probe::VideoInfo;
pub use still::Half;
