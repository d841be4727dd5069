//! What a video file holds, by `ffprobe`.

use std::path::Path;

use serde::Deserialize;

use super::error::{Result, VideoError};
use super::ffmpeg::{Ffmpeg, input};
use crate::ContentType;

/// What a video file holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VideoInfo {
    /// Width of the frames in pixels.
    pub width: u32,
    /// Height of the frames in pixels.
    pub height: u32,
    /// Frames per second, such as 29.97.
    pub frame_rate: f64,
    /// Whether there is sound.
    pub has_audio: bool,
}

#[derive(Deserialize)]
struct Listing {
    #[serde(default)]
    streams: Vec<Stream>,
}

#[derive(Deserialize)]
struct Stream {
    codec_type: Option<String>,
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
    avg_frame_rate: Option<String>,
    r_frame_rate: Option<String>,
}

impl Ffmpeg {
    /// Looks at the streams of a file.
    ///
    /// # Errors
    ///
    /// A file that is missing, empty, a pointer of git-lfs, or has no video; `ffprobe` that is missing, fails, or takes too
    /// long.
    pub fn probe(&self, path: &Path) -> Result<VideoInfo> {
        self.listing(path)
            .and_then(video_info)
            .map_err(VideoError::at(path))
    }

    pub(super) fn has_audio(&self, path: &Path) -> Result<bool> {
        Ok(self.listing(path)?.has("audio"))
    }

    fn listing(&self, path: &Path) -> Result<Listing> {
        check_content(path)?;
        let entries = "stream=codec_type,width,height,avg_frame_rate,r_frame_rate";
        let options = ["-v", "error", "-show_entries", entries, "-of", "json"];
        let mut arguments = options.map(Into::into).to_vec();
        arguments.push(input(path)?);
        let output = self.run(&self.ffprobe, Path::new("."), arguments)?;
        serde_json::from_slice(&output).map_err(|_| VideoError::Output {
            program: self.ffprobe.clone(),
            expected: "JSON with the streams",
            output: String::from_utf8_lossy(&output).into(),
        })
    }
}

impl Listing {
    fn has(&self, kind: &str) -> bool {
        let mut streams = self.streams.iter();
        streams.any(|stream| stream.codec_type.as_deref() == Some(kind))
    }
}

fn video_info(listing: Listing) -> Result<VideoInfo> {
    let has_audio = listing.has("audio");
    let mut streams = listing.streams.into_iter();
    let stream = streams
        .find(|stream| stream.codec_type.as_deref() == Some("video"))
        .ok_or(VideoError::NoStream("video"))?;
    // The average is 0/0 where it is not known.
    let rates = [stream.avg_frame_rate, stream.r_frame_rate];
    let frame_rate = rates.iter().flatten().find_map(|rate| fraction(rate));
    Ok(VideoInfo {
        width: stream.width,
        height: stream.height,
        frame_rate: frame_rate.ok_or(VideoError::NoStream("video with a frame rate"))?,
        has_audio,
    })
}

/// A positive fraction, such as `30000/1001`.
fn fraction(text: &str) -> Option<f64> {
    let (above, below) = text.split_once('/')?;
    let value = above.parse::<f64>().ok()? / below.parse::<f64>().ok()?;
    Some(value).filter(|value| value.is_finite() && *value > 0.0)
}

/// Says what a program could not: that the content was not downloaded, or is none.
pub(super) fn check_content(path: &Path) -> Result<()> {
    use std::io::Read;

    let mut start = Vec::new();
    std::fs::File::open(path)?
        .take(64)
        .read_to_end(&mut start)?;
    match ContentType::detect(&start) {
        content @ (ContentType::Empty | ContentType::GitLfsPointer) => {
            Err(VideoError::Content(content))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_fractions() {
        assert_eq!(fraction("30/1"), Some(30.0));
        assert_eq!(fraction("30000/1001"), Some(30_000.0 / 1001.0));
        for text in ["0/0", "0/1", "1/0", "-1/1", "x/1", "30", ""] {
            assert_eq!(fraction(text), None, "{text}");
        }
    }

    #[test]
    fn listings_are_read() {
        let parse = |json: &str| video_info(serde_json::from_str(json).unwrap());
        let info = parse(
            r#"{"streams": [{"codec_type": "audio", "avg_frame_rate": "0/0"},
                {"codec_type": "video", "width": 4, "height": 2, "avg_frame_rate": "0/0", "r_frame_rate": "25/1"}]}"#,
        )
        .unwrap();
        let expected = VideoInfo {
            width: 4,
            height: 2,
            frame_rate: 25.0,
            has_audio: true,
        };
        assert_eq!(info, expected);
        for json in [r"{}", r#"{"streams": [{"codec_type": "audio"}]}"#] {
            assert_eq!(parse(json).unwrap_err().to_string(), "no video stream");
        }
    }
}
