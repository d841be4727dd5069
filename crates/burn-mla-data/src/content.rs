//! What a file holds, judged by its first bytes: extensions lie.

use std::fmt;

/// The kind of content of a file, judged by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContentType {
    /// A file of zero bytes.
    Empty,
    /// A pointer that git-lfs leaves where the content was not downloaded.
    GitLfsPointer,
    /// RIFF WAVE audio.
    Wav,
    /// FLAC audio, with or without an ID3v2 tag in front.
    Flac,
    /// MPEG audio (MP3), with or without an ID3v2 tag in front.
    Mp3,
    /// An Ogg stream.
    Ogg,
    /// An AAC stream in ADTS frames.
    Adts,
    /// An ISO base media file: MP4, M4A, MOV.
    Mp4,
    /// A JPEG image.
    Jpeg,
    /// A PNG image.
    Png,
    /// A WebP image.
    WebP,
    /// A GIF image.
    Gif,
    /// Anything else.
    Unknown,
}

impl ContentType {
    /// Judges the first bytes of a file.
    pub fn detect(bytes: &[u8]) -> Self {
        match bytes {
            [] => Self::Empty,
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'A',
                b'V',
                b'E',
                ..,
            ] => Self::Wav,
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => Self::WebP,
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => Self::Mp4,
            [b'f', b'L', b'a', b'C', ..] => Self::Flac,
            [b'O', b'g', b'g', b'S', ..] => Self::Ogg,
            [b'I', b'D', b'3', _, _, _, size @ ..] => Self::after_id3(bytes, size),
            [0xff, 0xd8, 0xff, ..] => Self::Jpeg,
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Self::Png,
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Self::Gif,
            // Bits 1 and 2 are the layer: 0 is ADTS, 1 is layer III. Bits 3 and 4 are the version, of which 1 is reserved.
            [0xff, second, ..] if second & 0xf6 == 0xf0 => Self::Adts,
            [0xff, second, ..] if second & 0xe6 == 0xe2 && second & 0x18 != 0x08 => Self::Mp3,
            _ if bytes.starts_with(b"version https://git-lfs") => Self::GitLfsPointer,
            _ => Self::Unknown,
        }
    }

    /// ID3v2 tags stand before MPEG audio by design, and before FLAC by bad habit.
    fn after_id3(bytes: &[u8], size: &[u8]) -> Self {
        match id3_length(size).and_then(|length| bytes.get(length..)) {
            Some([b'f', b'L', b'a', b'C', ..]) => Self::Flac,
            _ => Self::Mp3,
        }
    }
}

/// Length of an ID3v2 tag with its header, from the four bytes of its size: seven bits in each.
fn id3_length(size: &[u8]) -> Option<usize> {
    let size = size.first_chunk::<4>()?;
    let bits = |length, byte: &u8| length << 7 | usize::from(byte & 0x7f);
    Some(10 + size.iter().fold(0, bits))
}

/// The bytes after an ID3v2 tag, if there is one.
#[cfg(feature = "audio")]
pub(crate) fn without_id3(bytes: &[u8]) -> &[u8] {
    match bytes {
        [b'I', b'D', b'3', _, _, _, size @ ..] => id3_length(size)
            .and_then(|length| bytes.get(length..))
            .unwrap_or(&[]),
        _ => bytes,
    }
}

/// Runs a decoder. A panic of it is an error: the bytes are not the program's fault.
pub(crate) fn guarded<T>(decode: impl FnOnce() -> T) -> Result<T, String> {
    // What the decoder held is lost with the panic.
    let decode = std::panic::AssertUnwindSafe(decode);
    std::panic::catch_unwind(decode).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        format!("its decoder panicked: {}", text.unwrap_or("no message"))
    })
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "an empty file",
            Self::GitLfsPointer => "a git-lfs pointer, whose content was not downloaded",
            Self::Wav => "WAV",
            Self::Flac => "FLAC",
            Self::Mp3 => "MP3",
            Self::Ogg => "Ogg",
            Self::Adts => "AAC",
            Self::Mp4 => "MP4",
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
            Self::Gif => "GIF",
            Self::Unknown => "an unknown format",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_a_decoder_is_an_error() {
        assert_eq!(guarded(|| 7), Ok(7));
        let zero = std::hint::black_box(0);
        let error = guarded(|| 1 / zero).unwrap_err();
        assert_eq!(error, "its decoder panicked: attempt to divide by zero");
    }

    #[test]
    fn content_decides() {
        let cases: [(&[u8], ContentType); 16] = [
            (b"", ContentType::Empty),
            (b"RIFF\0\0\0\0WAVEfmt ", ContentType::Wav),
            (b"RIFF\0\0\0\0WEBPVP8 ", ContentType::WebP),
            (b"RIFF\0\0\0\0AVI ", ContentType::Unknown),
            (b"\0\0\0\x20ftypisom", ContentType::Mp4),
            (b"ID3\x04\0\0\0\0\0\x02..fLaC", ContentType::Flac),
            (b"ID3\x04\0\0\0\0\0\x02..\xff\xfb", ContentType::Mp3),
            (b"ID3", ContentType::Unknown),
            (b"\xff\xfb\x90\x00", ContentType::Mp3),
            (b"\xff\xf1\x50\x80", ContentType::Adts),
            (b"\xff\xd8\xff\xe0", ContentType::Jpeg),
            (b"GIF89a", ContentType::Gif),
            (b"\xff", ContentType::Unknown),
            // A text in UTF-16, and an MP2.
            (b"\xff\xfea\0", ContentType::Unknown),
            (b"\xff\xfd\x90\x00", ContentType::Unknown),
            (
                b"version https://git-lfs.github.com/spec/v1\noid",
                ContentType::GitLfsPointer,
            ),
        ];
        for (bytes, expected) in cases {
            assert_eq!(ContentType::detect(bytes), expected, "{bytes:?}");
        }
    }
}
