//! Frames of the videos of CREMA-D.

use std::path::Path;

use super::CremaD;
use super::clip::Clip;
use crate::dataset::published::media::FRAMES;
use crate::dataset::published::{DatasetError, file_names};
use crate::prepare::{Job, PrepareConfig, PrepareError, PrepareReport};
use crate::video::Ffmpeg;

impl CremaD {
    /// Writes frames of the videos in `<root>/VideoFlash` to `<prepared>/Image-01-FPS/<clip>/`, one for each second as
    /// MLA and OGM-GE do. Sound needs no preparation.
    ///
    /// Existing files are kept, and files of other names are ignored and listed. `progress` is called with the number of clips done and of all.
    ///
    /// # Errors
    ///
    /// [`PrepareError::Dataset`] without videos, and as [`PrepareConfig::run`].
    pub fn prepare(
        &self,
        root: impl AsRef<Path>,
        ffmpeg: &Ffmpeg,
        config: &PrepareConfig,
        progress: impl FnMut(usize, usize),
    ) -> Result<PrepareReport, PrepareError> {
        let root = root.as_ref();
        let videos = root.join("VideoFlash");
        let frames = self.prepared(root).join(FRAMES);
        let mut jobs = vec![];
        let mut ignored = vec![];
        for name in file_names(&videos)? {
            let stem = name
                .rsplit_once('.')
                .filter(|(_, end)| end.eq_ignore_ascii_case("flv"));
            let Some(Ok(clip)) = stem.map(|(stem, _)| Clip::parse(stem)) else {
                ignored.push(format!("VideoFlash/{name}"));
                continue;
            };
            let video = videos.join(&name);
            let output = frames.join(clip.to_string());
            jobs.push(Job::new(clip.to_string(), output, move |folder: &Path| {
                ffmpeg.extract_frames_to(&video, folder).map(drop)
            }));
        }
        if jobs.is_empty() {
            return Err(DatasetError::layout(videos, "no video of CREMA-D was found").into());
        }
        let mut report = config.run(&jobs, progress)?;
        report.ignored = ignored;
        Ok(report)
    }
}
