//! One frame of a video as a picture.

use std::fs;
use std::path::Path;

use super::error::{Result, VideoError};
use super::ffmpeg::{Ffmpeg, input};
use super::probe::check_content;
use crate::prepare::PARTIAL;

/// Half of a picture, for videos with two people side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Half {
    /// The left half.
    Left,
    /// The right half.
    Right,
}

impl Ffmpeg {
    /// Writes the frame at a time in seconds as a JPEG of the best quality, cut to a half if one is given. The file
    /// appears when it is complete; one that exists is replaced.
    ///
    /// The frame is the first at or after the time, whatever key frames there are.
    ///
    /// # Errors
    ///
    /// [`VideoError::File`] with the path of the video and the problem, such as [`VideoError::NoFrames`] for a time
    /// after the end.
    pub fn extract_still(
        &self,
        video: &Path,
        seconds: f64,
        half: Option<Half>,
        jpeg: &Path,
    ) -> Result<()> {
        self.try_extract_still(video, seconds, half, jpeg)
            .map_err(VideoError::at(video))
    }

    fn try_extract_still(
        &self,
        video: &Path,
        seconds: f64,
        half: Option<Half>,
        jpeg: &Path,
    ) -> Result<()> {
        check_content(video)?;
        let parent = match jpeg.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent)?;
        let partial = tempfile::Builder::new()
            .prefix(PARTIAL)
            .tempdir_in(parent)?;
        let options = ["-nostdin", "-v", "error", "-ss"];
        let mut arguments = options.map(Into::into).to_vec();
        arguments.extend([format!("{seconds:.6}").into(), "-i".into(), input(video)?]);
        arguments.extend(["-map", "0:v:0", "-frames:v", "1", "-update", "1"].map(Into::into));
        if let Some(half) = half {
            let crop = match half {
                Half::Left => "crop=iw/2:ih:0:0",
                Half::Right => "crop=iw/2:ih:iw/2:0",
            };
            arguments.extend(["-vf", crop].map(Into::into));
        }
        let quality = ["-qmin", "1", "-q:v", "1", "-pix_fmt", "yuvj420p"];
        arguments.extend(quality.map(Into::into));
        arguments.push("still.jpg".into());
        self.run(&self.ffmpeg, partial.path(), arguments)?;
        let still = partial.path().join("still.jpg");
        if !still.is_file() {
            return Err(VideoError::NoFrames);
        }
        fs::rename(still, jpeg)?;
        Ok(())
    }
}
