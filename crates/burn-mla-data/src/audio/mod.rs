//! Audio: files to waveforms, waveforms to filter banks and spectrograms.
//!
//! [`AudioFrontEndConfig`] is a whole recipe, with the published ones by name. Its parts can be used alone:
//! [`AudioReader`], [`Waveform`], [`Fbank`], [`Spectrogram`], [`Excerpt`], [`SpecAugment`].

mod augment;
mod error;
mod excerpt;
mod fbank;
mod front_end;
mod mel;
mod prepared;
mod reader;
mod resample;
mod riff;
mod spectrogram;
#[cfg(test)]
mod tests;
mod time_frequency;
mod waveform;
mod window;

pub use augment::SpecAugment;
pub use error::AudioError;
pub use excerpt::Excerpt;
pub use fbank::{Fbank, FbankConfig, Spectrum};
pub use front_end::{AudioFeatures, AudioFrontEnd, AudioFrontEndConfig};
pub use mel::{MelConfig, MelFilters, MelNormalization, MelScale, MelTriangle};
pub(crate) use prepared::PreparedAudio;
pub use reader::AudioReader;
pub use spectrogram::{Padding, Spectrogram, SpectrogramConfig};
pub use time_frequency::{AudioNormalization, Layout, TimeFrequency};
pub use waveform::{DownMix, Waveform};
pub use window::Window;
