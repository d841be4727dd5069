//! Sound and frames of the videos of Kinetics-Sounds.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use burn_mla::atomic_file;

use super::KineticsSounds;
use super::disk::{self, NO_AUDIO, Videos};
use crate::dataset::published::media::FRAMES;
use crate::dataset::published::{DatasetError, Inventory};
use crate::error::DataError;
use crate::prepare::{Job, PrepareConfig, PrepareError, PrepareReport};
use crate::video::{Ffmpeg, VideoError};

/// Sample rate of the sound in Hz, as in MLA and OGM-GE.
const SAMPLE_RATE: u32 = 16_000;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl KineticsSounds {
    /// Writes sound and frames of the videos of the classes: `<prepared>/audio/<clip>.wav` with 16 kHz, all channels
    /// mixed to one, and `<prepared>/Image-01-FPS/<clip>/` with one frame for each second.
    ///
    /// A video without sound gets a file `<clip>.no-audio` instead of its sound, until another video is in its place; the
    /// inventory of [`read`](Self::read) names it. Existing files are kept, and files of other names among the videos
    /// are ignored and listed. `progress` is called with the number of files
    /// done and of all.
    ///
    /// # Errors
    ///
    /// [`PrepareError::Dataset`] as [`read`](Self::read) and for no video at all, and as [`PrepareConfig::run`].
    pub fn prepare(
        &self,
        root: impl AsRef<Path>,
        ffmpeg: &Ffmpeg,
        config: &PrepareConfig,
        progress: impl FnMut(usize, usize),
    ) -> Result<PrepareReport, PrepareError> {
        let root = root.as_ref();
        let entries = self.entries(root, &self.class_names(), &mut Inventory::new(Self::NAME))?;
        let videos = Videos::look(root)?;
        let prepared = self.prepared(root);
        let silent = disk::silent_in(&prepared.join("audio"))?;
        let mut jobs = vec![];
        for entry in &entries {
            let (name, Some(video)) = (entry.name(), videos.get(&entry.clip)) else {
                continue;
            };
            let frames = prepared.join(FRAMES).join(&name);
            jobs.push(Job::new(name.as_str(), frames, move |folder: &Path| {
                ffmpeg.extract_frames_to(video, folder).map(drop)
            }));
            let mark = silent.get(&entry.clip);
            if !mark.is_some_and(|mark| is_of(mark, video)) {
                let wav = prepared.join("audio").join(format!("{name}.wav"));
                jobs.push(Job::new(name, wav, move |wav: &Path| {
                    sound(ffmpeg, video, wav)
                }));
            }
        }
        if jobs.is_empty() {
            return Err(DatasetError::layout(root, "no video of the classes was found").into());
        }
        let mut report = config.run(&jobs, progress)?;
        report.ignored = videos.unnamed.clone();
        Ok(report)
    }
}

/// Returns true if a `.no-audio` mark belongs to this version of a video, by the size that it holds.
fn is_of(mark: &Path, video: &Path) -> bool {
    let size = || {
        fs::metadata(video)
            .ok()
            .map(|found| found.len().to_string())
    };
    fs::read_to_string(mark).is_ok_and(|marked| Some(marked) == size())
}

fn sound(ffmpeg: &Ffmpeg, video: &Path, wav: &Path) -> Result<(), BoxError> {
    let mark = wav.with_extension(NO_AUDIO);
    match ffmpeg.extract_audio(video, wav, Some(SAMPLE_RATE), Some(1)) {
        Err(error) if has_no_sound(&error) => {
            let size = fs::metadata(video).map_err(DataError::file(video))?.len();
            let size = size.to_string();
            atomic_file::write(&mark, size.as_bytes()).map_err(DataError::file(&mark))?;
            Ok(())
        }
        result => {
            result?;
            match fs::remove_file(&mark) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    Err(DataError::file(&mark)(error).into())
                }
                _ => Ok(()),
            }
        }
    }
}

fn has_no_sound(error: &VideoError) -> bool {
    match error {
        VideoError::File { source, .. } => has_no_sound(source),
        VideoError::NoStream(stream) => *stream == "audio",
        _ => false,
    }
}
