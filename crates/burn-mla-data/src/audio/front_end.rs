//! From a file of audio to the input of an encoder: the whole recipe as one configuration.

use std::path::Path;

use burn::config::Config;
use rand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::augment::SpecAugment;
use super::error::{AudioError, Result};
use super::excerpt::Excerpt;
use super::fbank::{Fbank, FbankConfig};
use super::prepared::PreparedAudio;
use super::reader::AudioReader;
use super::spectrogram::{Spectrogram, SpectrogramConfig};
use super::time_frequency::{AudioNormalization, TimeFrequency};
use super::waveform::{DownMix, Waveform, check_rate};

/// Features that an [`AudioFrontEnd`] computes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum AudioFeatures {
    /// A log-mel filter bank of the whole waveform, without its mean.
    Fbank(FbankConfig),
    /// A log spectrogram of an excerpt that is clipped to `[-1, 1]`.
    Spectrogram {
        /// The part of the waveform.
        excerpt: Excerpt,
        /// The transform.
        spectrogram: SpectrogramConfig,
    },
}

/// Configuration of an [`AudioFrontEnd`]: the recipe that a model was trained with. Save it with the model.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `sample_rate` | required | waveforms of another rate are resampled to it, in Hz | 1 to 768000 |
/// | `down_mix` | required | how channels become one | |
/// | `features` | required | filter bank or spectrogram | |
/// | `n_frames` | none | frames are cut or appended as zeros | |
/// | `normalization` | none | is applied after the zeros are appended | |
/// | `gain_db` | none | range of the random gain in training, in decibels | |
/// | `spec_augment` | none | masks in training, after the normalization | |
/// | `reader` | [`AudioReader::new`] | limits of files | |
#[derive(Config, Debug, PartialEq)]
pub struct AudioFrontEndConfig {
    /// Sample rate in Hz.
    pub sample_rate: u32,
    /// Down-mix of several channels to one.
    pub down_mix: DownMix,
    /// Features to compute.
    pub features: AudioFeatures,
    /// Number of frames; none for as many as the sound has.
    #[config(default = "None")]
    pub n_frames: Option<usize>,
    /// Shift and scale.
    #[config(default = "None")]
    pub normalization: Option<AudioNormalization>,
    /// Lowest and highest random gain in training, in decibels.
    #[config(default = "None")]
    pub gain_db: Option<(f64, f64)>,
    /// Masks in training.
    #[config(default = "None")]
    pub spec_augment: Option<SpecAugment>,
    /// Limits of files.
    #[config(default = "AudioReader::new()")]
    pub reader: AudioReader,
}

/// A reader of audio files that computes the input of an encoder.
#[derive(Debug, Clone)]
pub struct AudioFrontEnd {
    config: AudioFrontEndConfig,
    transform: Transform,
}

#[derive(Debug, Clone)]
enum Transform {
    Fbank(Fbank),
    Spectrogram(Excerpt, Spectrogram),
}

impl AudioFrontEndConfig {
    /// MLA's for the ResNet: 16 kHz, Kaldi's filter bank of channel 0, 1024 frames, no normalization.
    pub fn mla_fbank() -> Self {
        let features = AudioFeatures::Fbank(FbankConfig::kaldi(16_000));
        Self::new(16_000, DownMix::Channel(0), features).with_n_frames(Some(1024))
    }

    /// MLA's for CAV-MAE: [`mla_fbank`](Self::mla_fbank), normalized.
    pub fn mla_cav_mae() -> Self {
        Self::mla_fbank().with_normalization(Some(AudioNormalization::CAV_MAE))
    }

    /// OGM-GE's for Kinetics-Sounds: [`mla_fbank`](Self::mla_fbank), normalized.
    pub fn ogm_kinetics_sounds() -> Self {
        Self::mla_fbank().with_normalization(Some(AudioNormalization::OGM_KINETICS_SOUNDS))
    }

    /// OGM-GE's for CREMA-D: 22050 Hz, 3 seconds, spectrogram of 512 with hop 353: `[257, 188]`.
    pub fn ogm_crema_d() -> Self {
        let features = AudioFeatures::Spectrogram {
            excerpt: Excerpt::OGM,
            spectrogram: SpectrogramConfig::ogm(),
        };
        Self::new(22_050, DownMix::Mean, features)
    }

    /// MLA's spectrogram: 16 kHz, 5 random seconds, 256 with hop 128: `[129, 626]`.
    pub fn mla_spectrogram() -> Self {
        let features = AudioFeatures::Spectrogram {
            excerpt: Excerpt::MLA,
            spectrogram: SpectrogramConfig::mla(),
        };
        Self::new(16_000, DownMix::Mean, features)
    }

    /// Computes windows and filters.
    ///
    /// # Errors
    ///
    /// An option outside of its range, or a filter bank of another sample rate.
    pub fn init(&self) -> Result<AudioFrontEnd> {
        check_rate(self.sample_rate)?;
        let transform = match &self.features {
            AudioFeatures::Fbank(fbank) if fbank.sample_rate != self.sample_rate => {
                return Err(AudioError::SampleRate {
                    expected: self.sample_rate,
                    found: fbank.sample_rate,
                });
            }
            AudioFeatures::Fbank(fbank) => Transform::Fbank(fbank.init()?),
            AudioFeatures::Spectrogram {
                excerpt,
                spectrogram,
            } => Transform::Spectrogram(*excerpt, spectrogram.init()?),
        };
        Ok(AudioFrontEnd {
            config: self.clone(),
            transform,
        })
    }
}

impl AudioFrontEnd {
    /// Returns the configuration.
    pub fn config(&self) -> &AudioFrontEndConfig {
        &self.config
    }

    /// Reads a file for evaluation: no augmentation. An excerpt begins at the first sample.
    ///
    /// # Errors
    ///
    /// [`AudioError::File`] with the path and the problem.
    pub fn read(&self, path: &Path) -> Result<TimeFrequency> {
        let waveform = self.config.reader.read(path)?;
        self.compute(waveform).map_err(AudioError::at(path))
    }

    /// Reads a file for training: random gain, excerpt and masks.
    ///
    /// # Errors
    ///
    /// [`AudioError::File`] with the path and the problem.
    pub fn read_augmented(&self, path: &Path, numbers: &mut impl Rng) -> Result<TimeFrequency> {
        let waveform = self.config.reader.read(path)?;
        self.compute_augmented(waveform, numbers)
            .map_err(AudioError::at(path))
    }

    /// Computes the features of a waveform as [`read`](Self::read) does.
    ///
    /// # Errors
    ///
    /// A waveform that is too short, or a channel that does not exist.
    pub fn compute(&self, waveform: Waveform) -> Result<TimeFrequency> {
        self.features(&self.one_channel(waveform)?, 0)
    }

    /// Computes the features of a waveform as [`read_augmented`](Self::read_augmented) does.
    ///
    /// # Errors
    ///
    /// As [`compute`](Self::compute), and gains that are no range.
    pub fn compute_augmented(
        &self,
        waveform: Waveform,
        numbers: &mut impl Rng,
    ) -> Result<TimeFrequency> {
        self.finish_augmented(self.prepared(waveform, true)?, numbers)
    }

    /// Reads a file and computes what does not depend on random numbers.
    pub(crate) fn prepare(&self, path: &Path, training: bool) -> Result<PreparedAudio> {
        let waveform = self.config.reader.read(path)?;
        self.prepared(waveform, training)
            .map_err(AudioError::at(path))
    }

    /// Computes the rest.
    pub(crate) fn finish(
        &self,
        prepared: PreparedAudio,
        numbers: Option<&mut impl Rng>,
    ) -> Result<TimeFrequency> {
        match (numbers, prepared) {
            (Some(numbers), prepared) => self.finish_augmented(prepared, numbers),
            (None, PreparedAudio::Features(features)) => Ok(features),
            (None, PreparedAudio::Waveform(waveform)) => self.features(&waveform, 0),
        }
    }

    /// Everything that the prepared part depends on.
    pub(crate) fn prepared_recipe(&self, training: bool) -> Value {
        let config = &self.config;
        if training && self.is_waveform_random() {
            return json!({
                "sample_rate": config.sample_rate,
                "down_mix": config.down_mix,
                "without_mean": self.subtracts_mean(),
                "reader": config.reader,
            });
        }
        let fixed = config.clone().with_gain_db(None).with_spec_augment(None);
        json!({"features": fixed})
    }

    fn prepared(&self, waveform: Waveform, training: bool) -> Result<PreparedAudio> {
        let waveform = self.one_channel(waveform)?;
        if training && self.is_waveform_random() {
            return Ok(PreparedAudio::Waveform(waveform));
        }
        self.features(&waveform, 0).map(PreparedAudio::Features)
    }

    fn finish_augmented(
        &self,
        prepared: PreparedAudio,
        numbers: &mut impl Rng,
    ) -> Result<TimeFrequency> {
        let mut features = match prepared {
            PreparedAudio::Features(features) => features,
            PreparedAudio::Waveform(mut waveform) => {
                if let Some((low, high)) = self.config.gain_db {
                    waveform.random_gain(low, high, numbers)?;
                }
                let start = match &self.transform {
                    Transform::Fbank(_) => 0,
                    Transform::Spectrogram(excerpt, _) => {
                        excerpt.draw_start(self.config.sample_rate, numbers)
                    }
                };
                self.features(&waveform, start)?
            }
        };
        if let Some(masks) = &self.config.spec_augment {
            masks.apply(&mut features, numbers);
        }
        Ok(features)
    }

    /// Returns whether augmentation changes the waveform or its excerpt.
    fn is_waveform_random(&self) -> bool {
        let is_excerpt_random = match &self.transform {
            Transform::Fbank(_) => false,
            Transform::Spectrogram(excerpt, _) => excerpt.is_random(self.config.sample_rate),
        };
        is_excerpt_random || self.config.gain_db.is_some()
    }

    fn subtracts_mean(&self) -> bool {
        matches!(self.transform, Transform::Fbank(_))
    }

    /// One channel at the configured rate. The mean is that of all channels, as published.
    fn one_channel(&self, mut waveform: Waveform) -> Result<Waveform> {
        if self.subtracts_mean() {
            waveform.subtract_mean();
        }
        waveform
            .down_mix(self.config.down_mix)?
            .resample(self.config.sample_rate)
    }

    fn features(&self, waveform: &Waveform, start: usize) -> Result<TimeFrequency> {
        let mut features = match &self.transform {
            Transform::Fbank(fbank) => fbank.compute(waveform)?,
            Transform::Spectrogram(excerpt, spectrogram) => {
                let mut excerpt = excerpt.cut(waveform, start)?;
                excerpt.clip();
                spectrogram.compute(&excerpt)?
            }
        };
        if let Some(n_frames) = self.config.n_frames {
            features = features.with_frames(n_frames);
        }
        Ok(match self.config.normalization {
            Some(normalization) => features.normalized(normalization),
            None => features,
        })
    }
}
