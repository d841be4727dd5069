//! Files that are no audio, or not all of it: each is a typed error.

use std::fs;

use rstest::rstest;

use super::wav::wav;
use crate::ContentType;
use crate::audio::{AudioError, AudioReader};
use crate::fixtures;

fn error(bytes: &[u8]) -> AudioError {
    AudioReader::new().decode(bytes.to_vec()).unwrap_err()
}

fn cut(name: &str, keep: usize) -> Vec<u8> {
    let mut bytes = fixtures::bytes(name);
    bytes.truncate(bytes.len() * keep / 100);
    bytes
}

#[rstest]
#[case(b"", ContentType::Empty)]
#[case(
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
    ContentType::GitLfsPointer
)]
#[case(b"<html>404</html>", ContentType::Unknown)]
#[case(&[0; 4096], ContentType::Unknown)]
#[case(b"\xff\xd8\xff\xe0 a picture", ContentType::Jpeg)]
#[case(b"\x89PNG\r\n\x1a\n", ContentType::Png)]
fn other_content_is_named(#[case] bytes: &[u8], #[case] expected: ContentType) {
    let error = error(bytes);
    assert!(matches!(error, AudioError::Content(found) if found == expected));
    assert!(error.to_string().contains(&expected.to_string()));
}

#[test]
fn an_empty_data_chunk_has_no_samples() {
    let error = error(&wav(1, 16, 1, 16_000, &[]));
    assert!(matches!(error, AudioError::NoSamples), "{error}");
}

#[test]
fn a_wav_that_ends_early_is_truncated() {
    let whole = wav(1, 16, 1, 16_000, &[1; 200]);
    for length in 44..244 {
        let error = error(&whole[..length]);
        let expected = format!(
            "truncated WAV: 200 bytes of samples declared, {}",
            length - 44
        );
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
    for length in 12..44 {
        let error = error(&whole[..length]);
        let is_typed = matches!(
            error,
            AudioError::NoTrack { .. } | AudioError::Truncated { .. }
        );
        assert!(is_typed, "{length}: {error}");
    }
}

/// Four gigabytes are claimed in 60 bytes.
#[test]
fn a_giant_header_takes_no_memory() {
    let mut data = wav(1, 16, 1, 16_000, &[1; 4]);
    data[40..44].copy_from_slice(&(u32::MAX - 1).to_le_bytes());
    let mut list = wav(1, 16, 1, 16_000, &[1; 4]);
    list.splice(36..36, *b"LIST\xf0\xff\xff\xffINFO");
    let mut format = wav(1, 16, 1, 16_000, &[1; 4]);
    format[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
    for bytes in [data, list, format] {
        let error = error(&bytes);
        assert!(matches!(error, AudioError::Truncated { .. }), "{error}");
    }
}

#[rstest]
#[case::no_channels(22, &[0, 0])]
#[case::many_channels(22, &[0xff, 0xff])]
#[case::no_rate(24, &[0, 0, 0, 0])]
#[case::giant_rate(24, &[0xff, 0xff, 0xff, 0xff])]
#[case::no_bits(34, &[0, 0])]
#[case::odd_bits(34, &[7, 0])]
#[case::unknown_codec(20, &[0x77, 0x77])]
fn a_wrong_field_of_a_wav_is_an_error(#[case] at: usize, #[case] field: &[u8]) {
    let mut bytes = wav(1, 16, 1, 16_000, &[1; 64]);
    bytes[at..at + field.len()].copy_from_slice(field);
    let error = error(&bytes);
    let is_typed = matches!(
        error,
        AudioError::Malformed { .. } | AudioError::Option { .. } | AudioError::NoSamples
    );
    assert!(is_typed, "{error}");
}

#[test]
fn samples_that_are_not_finite_are_named() {
    let error = error(&wav(3, 32, 1, 8000, &[0, 0, 0, 0, 0, 0, 0xc0, 0x7f]));
    assert_eq!(error.to_string(), "sample 1 is NaN");
}

#[rstest]
fn a_cut_stream_is_an_error(
    #[values(
        "tone.flac",
        "tone.ogg",
        "tone.m4a",
        "tone.aac",
        "clip.mp4",
        "tone.mp3"
    )]
    name: &str,
    #[values(1, 10, 50, 95)] keep: usize,
) {
    let error = error(&cut(&format!("sound/{name}"), keep));
    let is_typed = matches!(
        error,
        AudioError::Malformed { .. }
            | AudioError::Truncated { .. }
            | AudioError::NoTrack { .. }
            | AudioError::NoSamples
    );
    assert!(is_typed, "{error:?}");
}

#[test]
fn a_clip_without_sound_has_no_track() {
    let error = error(&fixtures::bytes("sound/mute.mp4"));
    assert_eq!(
        error.to_string(),
        "MP4 without an audio track that can be decoded"
    );
}

#[test]
fn the_extension_does_not_decide() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("-a clip.jpg");
    fs::copy(fixtures::path("sound/tone.flac"), &path).unwrap();
    assert_eq!(AudioReader::new().read(&path).unwrap().n_frames(), 8000);
    let missing = AudioReader::new().read(&folder.path().join("gone.wav"));
    let error = missing.unwrap_err().to_string();
    assert!(error.contains("gone.wav: cannot be read"), "{error}");
    assert!(AudioReader::new().read(folder.path()).is_err());
}

#[test]
fn limits_are_checked_while_reading() {
    let path = fixtures::path("sound/tone.flac");
    let small = AudioReader::new().with_max_bytes(100);
    let error = small.read(&path).unwrap_err().to_string();
    assert!(
        error.ends_with("more than the limit of 100 bytes"),
        "{error}"
    );
    let short = AudioReader::new().with_max_seconds(0);
    let error = short.read(&path).unwrap_err().to_string();
    assert!(
        error.ends_with("more than the limit of 0 seconds"),
        "{error}"
    );
}

/// Whatever one byte is, the result is a waveform or a typed error, and never a panic.
#[rstest]
fn a_changed_byte_is_no_panic(
    #[values("tone.wav", "tone.flac", "tone.mp3", "tone.ogg", "tone.m4a")] name: &str,
) {
    let whole = fixtures::bytes(&format!("sound/{name}"));
    for at in (0..200).chain((200..whole.len()).step_by(whole.len() / 20)) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        if let Ok(waveform) = AudioReader::new().decode(bytes) {
            assert!(waveform.samples().iter().all(|x| x.is_finite()));
        }
    }
}
