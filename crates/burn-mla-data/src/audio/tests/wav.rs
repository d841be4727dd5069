//! WAV files made in the test, of every kind of sample; and the other formats.

use rstest::rstest;

use super::read;
use crate::audio::AudioReader;

/// A WAV file. `format` is 1 for integers, 3 for floats.
pub(super) fn wav(format: u16, bits: u16, n_channels: u16, rate: u32, data: &[u8]) -> Vec<u8> {
    let block = n_channels * bits / 8;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + data.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0");
    bytes.extend(format.to_le_bytes());
    bytes.extend(n_channels.to_le_bytes());
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate * u32::from(block)).to_le_bytes());
    bytes.extend(block.to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    bytes.extend(b"data");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes
}

#[rstest]
#[case::u8(1, 8, &[0, 128, 192], &[-1.0, 0.0, 0.5])]
#[case::i16(1, 16, &[0, 0x80, 0, 0x40, 0xff, 0xff], &[-1.0, 0.5, -1.0 / 32768.0])]
#[case::i24(1, 24, &[0, 0, 0x80, 0, 0, 0x40], &[-1.0, 0.5])]
#[case::i32(1, 32, &[0, 0, 0, 0x80, 0, 0, 0, 0x40], &[-1.0, 0.5])]
#[case::f32(3, 32, &[0, 0, 0x20, 0xc0, 0, 0, 0, 0x3f], &[-2.5, 0.5])]
#[case::f64(3, 64, &[0, 0, 0, 0, 0, 0, 4, 0xc0], &[-2.5])]
fn samples_are_scaled(
    #[case] format: u16,
    #[case] bits: u16,
    #[case] data: &[u8],
    #[case] expected: &[f32],
) {
    let bytes = wav(format, bits, 1, 16_000, data);
    let waveform = AudioReader::new().decode(bytes).unwrap();
    assert_eq!(waveform.samples(), expected);
    assert_eq!(waveform.sample_rate(), 16_000);
}

#[test]
fn channels_are_interleaved() {
    let bytes = wav(1, 16, 2, 8000, &[0, 0x40, 0, 0x80, 0, 0, 0, 0x20]);
    let stereo = AudioReader::new().decode(bytes).unwrap();
    assert_eq!(stereo.n_channels(), 2);
    assert_eq!(stereo.samples(), [0.5, -1.0, 0.0, 0.25]);
}

#[test]
fn chunks_before_the_samples_and_unknown_lengths_are_read() {
    let mut bytes = wav(1, 16, 1, 8000, &[0, 0x40]);
    let list = b"LIST\x05\0\0\0INFO\0\0";
    bytes.splice(36..36, list.iter().copied());
    let length = bytes.len() as u32 - 8;
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    let waveform = AudioReader::new().decode(bytes).unwrap();
    assert_eq!(waveform.samples(), [0.5]);

    // A pipe does not know how long it will be.
    let mut bytes = wav(1, 16, 1, 8000, &[0, 0x40, 0, 0x20]);
    bytes[4..8].fill(0xff);
    bytes[40..44].fill(0xff);
    let waveform = AudioReader::new().decode(bytes).unwrap();
    assert_eq!(waveform.samples(), [0.5, 0.25]);
}

#[test]
fn lossless_formats_hold_the_same_samples() {
    let wav = read("sound/tone.wav");
    assert_eq!(wav.n_frames(), 8000);
    assert_eq!(read("sound/tone.flac"), wav);
    assert_eq!(read("sound/tone24.wav"), wav);
}

/// Lossy formats, which begin with some samples of their encoder where the container does not count them.
#[rstest]
#[case("tone.mp3", 2600)]
#[case("tone.ogg", 200)]
#[case("tone.m4a", 2100)]
#[case("tone.aac", 2100)]
#[case("clip.mp4", 34_000)]
fn lossy_formats_hold_the_tone(#[case] name: &str, #[case] longer: usize) {
    let waveform = read(&format!("sound/{name}"));
    let (n, rate) = (waveform.n_frames(), waveform.sample_rate());
    assert_eq!((waveform.n_channels(), rate), (1, 16_000));
    assert!((8000..=8000 + longer).contains(&n), "{n}");
    // The share of the power at 440 Hz, in the middle.
    let part = &waveform.samples()[n / 2 - 1600..n / 2 + 1600];
    let (mut sine, mut cosine, mut power) = (0.0, 0.0, 0.0);
    for (t, x) in part.iter().enumerate() {
        let phase = std::f32::consts::TAU * 440.0 * t as f32 / rate as f32;
        sine += x * phase.sin();
        cosine += x * phase.cos();
        power += x * x;
    }
    let share = 2.0 * (sine * sine + cosine * cosine) / (part.len() as f32 * power);
    assert!(share > 0.99, "{share}");
}

#[rstest]
#[case("tone.wav", 0.0)]
#[case("tone24.wav", 0.0)]
#[case("tone.flac", 0.0)]
#[case("tone.ogg", 0.001)]
// Their encoders add silence.
#[case("tone.mp3", 0.1)]
#[case("tone.m4a", 0.1)]
#[case("tone.aac", 0.1)]
#[case("clip.mp4", 0.1)]
fn the_duration_is_that_of_the_samples(#[case] name: &str, #[case] tolerance: f64) {
    let path = crate::fixtures::path(&format!("sound/{name}"));
    let seconds = AudioReader::new().read(&path).unwrap().seconds();
    let found = AudioReader::duration(&path).unwrap().unwrap();
    assert!(
        (found.as_secs_f64() - seconds).abs() <= tolerance,
        "{found:?}, {seconds} s"
    );
}

#[test]
fn the_duration_of_samples_that_are_not_there_is_not_counted() {
    use std::io::Cursor;
    let duration = |bytes: Vec<u8>| AudioReader::duration_of(Box::new(Cursor::new(bytes))).unwrap();
    let whole = wav(1, 16, 1, 8000, &[0; 16_000]);
    assert_eq!(duration(whole.clone()).unwrap().as_secs_f64(), 1.0);
    assert_eq!(
        duration(whole[..44 + 4000].to_vec()).unwrap().as_secs_f64(),
        0.25
    );
    assert_eq!(duration(whole[..40].to_vec()), None);
    assert_eq!(duration(whole[..13].to_vec()), None);
}
