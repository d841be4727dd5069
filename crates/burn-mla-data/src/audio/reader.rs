//! Files of audio to waveforms, by `symphonia`.

use std::fs::File;
use std::io::{Cursor, Read, Seek};
use std::path::Path;
use std::time::Duration;

use burn::config::Config;
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::formats::probe::{Hint, Probe};
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::default::formats::{
    AdtsReader, FlacReader, IsoMp4Reader, MpaReader, OggReader, WavReader,
};
use symphonia::default::{get_codecs, meta::Id3v2Reader};

use super::error::{AudioError, Result};
use super::riff;
use super::waveform::{Waveform, check_rate};
use crate::ContentType;
use crate::content::{self, without_id3};

/// A reader of audio files: WAV, FLAC, MP3, Ogg Vorbis, AAC and the sound of MP4.
///
/// The content decides the format, not the extension. Integer samples are scaled to `[-1, 1)`: 16 bits are
/// divided by 32768. Nothing is dropped silently: a file that is shorter than its header says, or of which a
/// part cannot be decoded, is an error. An AAC stream, or an MP3 stream without a Xing header, has no length to
/// compare with: one that was cut between two of its frames is a shorter sound.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `max_bytes` | 1 GiB | largest file | |
/// | `max_seconds` | 3600 | longest sound, checked while decoding | |
#[derive(Config, Debug, PartialEq)]
pub struct AudioReader {
    /// Size of the largest file in bytes.
    #[config(default = 1_073_741_824)]
    pub max_bytes: u64,
    /// Duration of the longest sound in seconds.
    #[config(default = 3600)]
    pub max_seconds: u64,
}

impl Default for AudioReader {
    fn default() -> Self {
        Self::new()
    }
}

impl AudioReader {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`AudioError::File`] with the path and the problem: what cannot be read, is no audio, is malformed,
    /// truncated, empty or beyond a limit.
    pub fn read(&self, path: &Path) -> Result<Waveform> {
        self.bytes(path)
            .and_then(|bytes| self.decode(bytes))
            .map_err(AudioError::at(path))
    }

    /// Decodes the content of a file.
    ///
    /// # Errors
    ///
    /// As [`AudioReader::read`], without the path.
    pub fn decode(&self, bytes: Vec<u8>) -> Result<Waveform> {
        let content = ContentType::detect(&bytes);
        let decoded = content::guarded(|| self.decode_content(bytes, content));
        decoded.unwrap_or_else(|panic| Err(panicked(content, panic)))
    }

    /// Reads the duration of a file from its header, without decoding it; `None` if it has none. That of an AAC
    /// stream, or of an MP3 stream without a Xing header, is an estimate.
    ///
    /// # Errors
    ///
    /// [`AudioError::File`] with the path and the problem: what cannot be read, is no audio or is malformed.
    pub fn duration(path: &Path) -> Result<Option<Duration>> {
        let file = File::open(path).map_err(AudioError::from);
        file.and_then(|file| Self::duration_of(Box::new(file)))
            .map_err(AudioError::at(path))
    }

    pub(crate) fn duration_of(mut source: Box<dyn MediaSource>) -> Result<Option<Duration>> {
        let mut start = vec![];
        source.by_ref().take(64).read_to_end(&mut start)?;
        let content = ContentType::detect(&start);
        if content == ContentType::Wav {
            return riff::duration(&mut source);
        }
        source.rewind()?;
        let opened = content::guarded(|| container(source, content));
        let container = opened.unwrap_or_else(|panic| Err(panicked(content, panic)))?;
        let track = container.default_track(TrackType::Audio);
        let track = track.or_else(|| container.tracks().first());
        let track = track.ok_or(AudioError::NoTrack { content })?;
        let by_clock = track.time_base.zip(track.duration);
        let by_clock = by_clock.and_then(|(base, ticks)| base.calc_duration(ticks));
        let by_samples = || {
            let parameters = track.codec_params.as_ref()?.audio()?;
            Some(track.num_frames? as f64 / f64::from(parameters.sample_rate?))
        };
        let seconds = by_clock.map(|time| time.as_secs_f64()).or_else(by_samples);
        Ok(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
    }

    fn decode_content(&self, mut bytes: Vec<u8>, content: ContentType) -> Result<Waveform> {
        if content == ContentType::Wav {
            bytes = riff::essential(&bytes)?;
        }
        let has_exact_length = match content {
            ContentType::Wav | ContentType::Flac => true,
            ContentType::Mp3 => mp3_declares_length(&bytes),
            _ => false,
        };
        let container = container(Box::new(Cursor::new(bytes)), content)?;
        self.decode_track(container, content, has_exact_length)
    }

    fn decode_track(
        &self,
        mut container: Box<dyn FormatReader>,
        content: ContentType,
        has_exact_length: bool,
    ) -> Result<Waveform> {
        let no_track = || AudioError::NoTrack { content };
        let track = container
            .default_track(TrackType::Audio)
            .ok_or_else(no_track)?;
        let (id, declared) = (track.id, track.num_frames);
        let parameters = track.codec_params.as_ref().and_then(|codec| codec.audio());
        let mut decoder = get_codecs()
            .make_audio_decoder(
                parameters.ok_or_else(no_track)?,
                &AudioDecoderOptions::default(),
            )
            .map_err(malformed(content, 0))?;

        let mut samples = Vec::new();
        let mut part = Vec::new();
        let mut format = None;
        let mut n_frames = 0;
        while let Some(packet) = container
            .next_packet()
            .map_err(malformed(content, n_frames))?
        {
            if packet.track_id != id {
                continue;
            }
            let decoded = decoder
                .decode(&packet)
                .map_err(malformed(content, n_frames))?;
            let found = (decoded.spec().rate(), decoded.spec().channels().count());
            check_rate(found.0)?;
            let expected = *format.get_or_insert(found);
            if found != expected {
                let name = |(rate, channels)| format!("{rate} Hz, {channels} channels");
                return Err(AudioError::FormatChange {
                    expected: name(expected),
                    found: name(found),
                    n_frames,
                });
            }
            n_frames += decoded.frames();
            if n_frames as u64 > self.max_seconds.saturating_mul(found.0.into()) {
                return Err(AudioError::Limit {
                    unit: "seconds",
                    limit: self.max_seconds,
                });
            }
            decoded.copy_to_vec_interleaved(&mut part);
            samples.extend_from_slice(&part);
        }
        let (rate, n_channels) = format.ok_or(AudioError::NoSamples)?;
        match declared {
            Some(declared) if has_exact_length && declared > n_frames as u64 => {
                Err(AudioError::Truncated {
                    content,
                    unit: "samples per channel",
                    declared,
                    found: n_frames as u64,
                })
            }
            _ => Waveform::new(samples, n_channels, rate),
        }
    }

    fn bytes(&self, path: &Path) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let limit = self.max_bytes.saturating_add(1);
        File::open(path)?.take(limit).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > self.max_bytes {
            return Err(AudioError::Limit {
                unit: "bytes",
                limit: self.max_bytes,
            });
        }
        Ok(bytes)
    }
}

/// Opens the container of a content.
fn container(source: Box<dyn MediaSource>, content: ContentType) -> Result<Box<dyn FormatReader>> {
    let mut probe = Probe::default();
    match content {
        ContentType::Wav => probe.register_format::<WavReader<'_>>(),
        ContentType::Flac => probe.register_format::<FlacReader<'_>>(),
        ContentType::Mp3 => probe.register_format::<MpaReader<'_>>(),
        ContentType::Ogg => probe.register_format::<OggReader<'_>>(),
        ContentType::Adts => probe.register_format::<AdtsReader<'_>>(),
        ContentType::Mp4 => probe.register_format::<IsoMp4Reader<'_>>(),
        _ => return Err(AudioError::Content(content)),
    }
    probe.register_metadata::<Id3v2Reader<'_>>();
    probe
        .probe(
            &Hint::new(),
            MediaSourceStream::new(source, MediaSourceStreamOptions::default()),
            FormatOptions::default(),
            MetadataOptions::default(),
        )
        .map_err(malformed(content, 0))
}

fn panicked(content: ContentType, message: String) -> AudioError {
    AudioError::Malformed {
        content,
        n_frames: 0,
        source: message.into(),
    }
}

/// Keeps the decoder's error. A file that ends too early is malformed, not unreadable: it is in memory.
fn malformed<E>(content: ContentType, n_frames: usize) -> impl FnOnce(E) -> AudioError
where
    E: std::error::Error + Send + Sync + 'static,
{
    move |source| AudioError::Malformed {
        content,
        n_frames,
        source: source.into(),
    }
}

/// Returns whether the first frame is a Xing or Info header, which counts the frames. Otherwise the length is an
/// estimate of `symphonia`.
fn mp3_declares_length(bytes: &[u8]) -> bool {
    // A frame's header, and the side information of at most 32 bytes.
    let stream = without_id3(bytes);
    let start = &stream[..stream.len().min(4 + 32 + 4)];
    start.windows(4).any(|tag| tag == b"Xing" || tag == b"Info")
}
