//! Frames and sound of a video as files: the preparation that published loaders expect.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::{Result, VideoError};
use super::ffmpeg::{Ffmpeg, input};
use super::folder::frame_files;
use super::frames::frame_step;
use crate::dataset::FRAMES;
use crate::prepare::PARTIAL;

impl Ffmpeg {
    /// Writes one frame for each second to `<root>/Image-01-FPS/<clip>/`, and returns the files in order.
    ///
    /// The frames are those of [`frame_step`]; a file is named by the index of its frame in five digits (`00000.jpg`,
    /// `00029.jpg`). JPEGs have the best quality of ffmpeg (`-q:v 1`), whose quantization is about that of quality 95, and
    /// colours at half the resolution, as OpenCV writes them. A folder that exists is whole and is not written again: it
    /// appears at once when its frames are complete.
    ///
    /// # Errors
    ///
    /// [`VideoError::File`] with the path and the problem.
    pub fn extract_frames(&self, video: &Path, root: &Path) -> Result<Vec<PathBuf>> {
        let name = video.file_stem().unwrap_or_default();
        self.extract_frames_to(video, &root.join(FRAMES).join(name))
    }

    /// Writes the frames to a folder; see [`extract_frames`](Self::extract_frames).
    pub(crate) fn extract_frames_to(&self, video: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
        self.try_extract_frames(video, folder)
            .map_err(VideoError::at(video))
    }

    fn try_extract_frames(&self, video: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
        if folder.is_dir() {
            return frame_files(folder);
        }
        let step = frame_step(self.probe(video)?.frame_rate);
        let parent = folder.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent)?;
        // Hidden, beside the folder: the same file system.
        let partial = tempfile::Builder::new()
            .prefix(PARTIAL)
            .tempdir_in(parent)?;
        let select = format!("select=not(mod(n\\,{step}))");
        let mut arguments = Self::arguments(video)?;
        arguments.extend(
            [
                "-map",
                "0:v:0",
                "-vf",
                &select,
                "-fps_mode",
                "passthrough",
                "-qmin",
                "1",
                "-q:v",
                "1",
                "-pix_fmt",
                "yuvj420p",
                "-start_number",
                "0",
                "%05d.jpg",
            ]
            .map(Into::into),
        );
        self.run(&self.ffmpeg, partial.path(), arguments)?;

        let written = frame_files(partial.path())?;
        // The last first: a name is free before it is needed.
        for (n, path) in written.iter().enumerate().rev() {
            fs::rename(path, partial.path().join(format!("{:05}.jpg", n * step)))?;
        }
        match fs::rename(partial.path(), folder) {
            // Another process was faster.
            Err(_) if folder.is_dir() => {}
            renamed => renamed?,
        }
        frame_files(folder)
    }

    /// Writes the sound of a video as a WAV file of 16 bits, at a sample rate in Hz and with a number of channels; none
    /// for those of the video. The file appears when it is complete; one that exists is replaced.
    ///
    /// # Errors
    ///
    /// [`VideoError::File`] with the path and the problem, such as no sound.
    pub fn extract_audio(
        &self,
        video: &Path,
        wav: &Path,
        sample_rate: Option<u32>,
        n_channels: Option<u32>,
    ) -> Result<()> {
        self.try_extract_audio(video, wav, sample_rate, n_channels)
            .map_err(VideoError::at(video))
    }

    fn try_extract_audio(
        &self,
        video: &Path,
        wav: &Path,
        sample_rate: Option<u32>,
        n_channels: Option<u32>,
    ) -> Result<()> {
        if !self.has_audio(video)? {
            return Err(VideoError::NoStream("audio"));
        }
        let parent = match wav.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent)?;
        let partial = tempfile::Builder::new()
            .prefix(PARTIAL)
            .tempdir_in(parent)?;
        let mut arguments = Self::arguments(video)?;
        arguments.extend(["-map", "0:a:0", "-c:a", "pcm_s16le"].map(Into::into));
        for (option, value) in [("-ar", sample_rate), ("-ac", n_channels)] {
            if let Some(value) = value {
                arguments.extend([option.into(), value.to_string().into()]);
            }
        }
        arguments.push("sound.wav".into());
        self.run(&self.ffmpeg, partial.path(), arguments)?;
        fs::rename(partial.path().join("sound.wav"), wav)?;
        Ok(())
    }
}

impl Ffmpeg {
    /// Errors only, no questions, and the input.
    fn arguments(video: &Path) -> Result<Vec<OsString>> {
        let options = ["-nostdin", "-v", "error", "-i"];
        let mut arguments: Vec<OsString> = options.map(Into::into).to_vec();
        arguments.push(input(video)?);
        Ok(arguments)
    }
}
