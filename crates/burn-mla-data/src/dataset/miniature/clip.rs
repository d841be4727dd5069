//! A clip of a class: moving stripes and a tone.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use rand::Rng;

use super::{MiniatureError, picture, save_jpeg, tone};
use crate::video::Ffmpeg;

/// A container with the codecs that published clips have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Container {
    /// Sorenson H.263 and MP3.
    Flv,
    /// MPEG-4 and AAC.
    Mp4,
}

impl Container {
    fn codecs(self) -> [&'static str; 4] {
        match self {
            Self::Flv => ["-c:v", "flv", "-c:a", "libmp3lame"],
            Self::Mp4 => ["-c:v", "mpeg4", "-c:a", "aac"],
        }
    }
}

/// Writes frames as a preparation leaves them: one per second, named by its index at `rate` frames a second.
pub(crate) fn save_frames(
    folder: &Path,
    class: usize,
    seconds: f32,
    rate: usize,
    numbers: &mut impl Rng,
) -> Result<(), MiniatureError> {
    for second in 0..seconds.ceil().max(1.0) as usize {
        let image = picture(class, 64, 48, 0.2 * second as f32, numbers)?;
        save_jpeg(&folder.join(format!("{:05}.jpg", second * rate)), &image)?;
    }
    Ok(())
}

/// Writes a clip of 64 x 48 pixels at 10 frames a second with sound of 44.1 kHz.
pub(crate) fn save_clip(
    ffmpeg: &Ffmpeg,
    path: &Path,
    container: Container,
    class: usize,
    seconds: f32,
    numbers: &mut impl Rng,
) -> Result<(), MiniatureError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let parts = tempfile::tempdir()?;
    for frame in 0..(10.0 * seconds).ceil().max(1.0) as usize {
        let image = picture(class, 64, 48, 0.02 * frame as f32, numbers)?;
        save_jpeg(&parts.path().join(format!("{frame:05}.jpg")), &image)?;
    }
    tone(class, seconds, 44_100, numbers)?.save_wav(&parts.path().join("sound.wav"))?;
    let inputs = [
        "-nostdin",
        "-v",
        "error",
        "-framerate",
        "10",
        "-i",
        "%05d.jpg",
        "-i",
        "sound.wav",
    ];
    let mut arguments: Vec<OsString> = inputs.map(Into::into).to_vec();
    arguments.extend(container.codecs().map(Into::into));
    let name = path.file_name().ok_or("a clip without a name")?;
    arguments.push(
        Path::new("clip")
            .with_extension(path.extension().unwrap_or_default())
            .into(),
    );
    ffmpeg.run_in(parts.path(), arguments)?;
    let made = parts
        .path()
        .join("clip")
        .with_extension(path.extension().unwrap_or_default());
    fs::copy(made, folder.join(name))?;
    Ok(())
}
