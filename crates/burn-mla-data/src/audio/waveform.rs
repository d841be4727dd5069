//! A waveform in memory, and how its channels become one.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::{AudioError, Result};

/// Highest sample rate that is accepted, in Hz. A header may claim four billion.
const MAX_RATE: u32 = 768_000;

/// A waveform: samples of interleaved channels, integers scaled to `[-1, 1)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Waveform {
    pub(super) samples: Vec<f32>,
    n_channels: usize,
    sample_rate: u32,
}

/// How several channels become one.
///
/// There is no default: torchaudio's filter bank takes channel 0, librosa the mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DownMix {
    /// The mean of all channels.
    Mean,
    /// One channel, counted from 0.
    Channel(usize),
}

impl Waveform {
    /// Makes a waveform of interleaved samples.
    ///
    /// # Errors
    ///
    /// No samples, a number of samples that is no multiple of the channels, a sample that is not finite, or a
    /// rate outside of 1 to 768000 Hz.
    pub fn new(samples: Vec<f32>, n_channels: usize, sample_rate: u32) -> Result<Self> {
        if samples.is_empty() {
            return Err(AudioError::NoSamples);
        }
        AudioError::check(
            "the number of channels",
            n_channels as f64,
            "at least 1 and a divisor of the number of samples",
            n_channels > 0 && samples.len().is_multiple_of(n_channels),
        )?;
        check_rate(sample_rate)?;
        match samples.iter().position(|x| !x.is_finite()) {
            Some(index) => Err(AudioError::NonFinite {
                index,
                value: samples[index],
            }),
            None => Ok(Self {
                samples,
                n_channels,
                sample_rate,
            }),
        }
    }

    /// Returns the interleaved samples.
    pub fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// Returns the number of channels.
    pub fn n_channels(&self) -> usize {
        self.n_channels
    }

    /// Returns the sample rate in Hz.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Returns the number of samples per channel.
    pub fn n_frames(&self) -> usize {
        self.samples.len() / self.n_channels
    }

    /// Returns the duration in seconds.
    pub fn seconds(&self) -> f64 {
        self.n_frames() as f64 / f64::from(self.sample_rate)
    }

    /// Returns the largest magnitude of a sample; digital silence is 0.
    pub fn peak(&self) -> f32 {
        self.samples.iter().fold(0.0, |peak, x| peak.max(x.abs()))
    }

    /// Returns the mean square of the samples.
    pub fn power(&self) -> f64 {
        let squares = self.samples.iter().map(|x| f64::from(*x).powi(2));
        squares.sum::<f64>() / self.samples.len() as f64
    }

    /// Subtracts the mean over all samples of all channels.
    pub fn subtract_mean(&mut self) {
        let sum: f64 = self.samples.iter().map(|x| f64::from(*x)).sum();
        let mean = (sum / self.samples.len() as f64) as f32;
        for sample in &mut self.samples {
            *sample -= mean;
        }
    }

    /// Clips the samples to `[-1, 1]`.
    pub fn clip(&mut self) {
        for sample in &mut self.samples {
            *sample = sample.clamp(-1.0, 1.0);
        }
    }

    /// Returns the waveform with one channel.
    ///
    /// # Errors
    ///
    /// A channel that does not exist.
    pub fn down_mix(self, mix: DownMix) -> Result<Self> {
        let n = self.n_channels;
        let frames = self.samples.chunks_exact(n);
        let samples = match mix {
            DownMix::Channel(channel) if channel >= n => {
                return Err(AudioError::NoChannel {
                    channel,
                    n_channels: n,
                });
            }
            _ if n == 1 => return Ok(self),
            DownMix::Channel(channel) => frames.map(|frame| frame[channel]).collect(),
            DownMix::Mean => frames
                .map(|frame| frame.iter().sum::<f32>() / n as f32)
                .collect(),
        };
        Ok(self.with_samples(samples, 1))
    }

    /// Writes a WAV file of 16-bit samples; values outside of `[-1, 1)` are clipped. The write is atomic.
    ///
    /// # Errors
    ///
    /// [`AudioError::File`] for a file that cannot be written, or more than 4 GB of samples.
    pub fn save_wav(&self, path: &Path) -> Result<()> {
        let refused = |source: AudioError| AudioError::File {
            path: path.to_path_buf(),
            source: source.into(),
        };
        let n_bytes = u32::try_from(2 * self.samples.len()).ok();
        let (Some(n_bytes), Ok(n_channels)) = (
            n_bytes.filter(|n| *n < u32::MAX - 36),
            u16::try_from(self.n_channels),
        ) else {
            let error = std::io::Error::other("more than 4 GB of samples, or 65535 channels");
            return Err(refused(error.into()));
        };
        let frame = u32::from(n_channels) * 2;
        let mut bytes = Vec::with_capacity(44 + n_bytes as usize);
        bytes.extend(b"RIFF");
        bytes.extend((n_bytes + 36).to_le_bytes());
        bytes.extend(b"WAVEfmt ");
        bytes.extend(16_u32.to_le_bytes());
        bytes.extend([1_u16, n_channels].map(u16::to_le_bytes).as_flattened());
        let rates = [self.sample_rate, self.sample_rate * frame];
        bytes.extend(rates.map(u32::to_le_bytes).as_flattened());
        bytes.extend([frame as u16, 16].map(u16::to_le_bytes).as_flattened());
        bytes.extend(b"data");
        bytes.extend(n_bytes.to_le_bytes());
        // The reader divides by 32768.
        let sample = |&x: &f32| (x * 32768.0).round().clamp(-32768.0, 32767.0) as i16;
        bytes.extend(self.samples.iter().flat_map(|x| sample(x).to_le_bytes()));
        burn_mla::atomic_file::write(path, &bytes).map_err(|error| refused(error.into()))
    }

    /// The samples of the only channel.
    pub(super) fn mono(&self) -> Result<&[f32]> {
        if self.n_channels == 1 {
            Ok(&self.samples)
        } else {
            Err(AudioError::Channels(self.n_channels))
        }
    }

    /// Refuses another rate.
    pub(super) fn check_rate(&self, expected: u32) -> Result<()> {
        if self.sample_rate == expected {
            Ok(())
        } else {
            Err(AudioError::SampleRate {
                expected,
                found: self.sample_rate,
            })
        }
    }

    fn with_samples(self, samples: Vec<f32>, n_channels: usize) -> Self {
        Self {
            samples,
            n_channels,
            ..self
        }
    }
}

/// Refuses rates that no audio has.
pub(super) fn check_rate(rate: u32) -> Result<()> {
    AudioError::check(
        "the sample rate",
        f64::from(rate),
        "1 to 768000 Hz",
        (1..=MAX_RATE).contains(&rate),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_mixed_by_name() {
        let stereo = Waveform::new(vec![1.0, 0.0, 0.5, -0.5], 2, 8000).unwrap();
        let mean = stereo.clone().down_mix(DownMix::Mean).unwrap();
        assert_eq!(mean.samples(), [0.5, 0.0]);
        let second = stereo.clone().down_mix(DownMix::Channel(1)).unwrap();
        assert_eq!(second.samples(), [0.0, -0.5]);
        let missing = stereo.clone().down_mix(DownMix::Channel(2)).unwrap_err();
        assert_eq!(missing.to_string(), "no channel 2 in audio of 2 channels");
        assert_eq!(second.down_mix(DownMix::Mean).unwrap().n_channels(), 1);
        assert!(matches!(stereo.mono(), Err(AudioError::Channels(2))));
    }

    #[test]
    fn a_saved_waveform_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let stereo = Waveform::new(vec![-1.0, 0.5, 1.0, -0.25, 3.0, 0.0], 2, 16_000).unwrap();
        stereo.save_wav(&path).unwrap();
        let read = crate::audio::AudioReader::new().read(&path).unwrap();
        assert_eq!((read.n_channels(), read.sample_rate()), (2, 16_000));
        let highest = 32767.0 / 32768.0;
        assert_eq!(read.samples(), [-1.0, 0.5, highest, -0.25, highest, 0.0]);
        let error = stereo
            .save_wav(&folder.path().join("none/a.wav"))
            .unwrap_err();
        assert!(error.to_string().contains("a.wav: "), "{error}");
    }

    #[test]
    fn the_mean_is_of_all_channels() {
        let mut stereo = Waveform::new(vec![1.0, 0.0, 0.0, 0.0], 2, 8000).unwrap();
        stereo.subtract_mean();
        assert_eq!(stereo.samples(), [0.75, -0.25, -0.25, -0.25]);
    }

    #[test]
    fn what_is_no_waveform_is_refused() {
        let error = |samples, channels, rate| {
            let waveform = Waveform::new(samples, channels, rate);
            waveform.unwrap_err().to_string()
        };
        assert_eq!(error(vec![], 1, 8000), "no samples");
        assert_eq!(error(vec![0.0, f32::NAN], 1, 8000), "sample 1 is NaN");
        assert!(error(vec![0.0; 3], 2, 8000).contains("divisor"));
        assert!(error(vec![0.0; 3], 0, 8000).contains("at least 1"));
        assert!(error(vec![0.0], 1, 0).contains("768000 Hz, got 0"));
        assert!(error(vec![0.0], 1, u32::MAX).contains("sample rate"));
    }
}
