//! Preparation of IEMOCAP: the middle frame of each utterance, cut to the speaker's half.

use std::path::Path;

use super::corpus::{Utterance, read_corpus, release_folder};
use super::sources::frame;
use super::{FRAMES, Iemocap};
use crate::prepare::{Job, PrepareConfig, PrepareError, PrepareReport};
use crate::video::{Ffmpeg, Half};

impl Utterance {
    /// The video of the dialog within the release.
    fn video(&self) -> String {
        let name = &self.labelled.name;
        let (session, dialog) = (name.session, &name.dialog);
        format!("Session{session}/dialog/avi/DivX/{dialog}.avi")
    }

    /// The middle of the utterance in seconds of the dialog.
    fn middle(&self) -> f64 {
        let (begin, end) = self.labelled.seconds;
        (begin + end) / 2.0
    }
}

impl Iemocap {
    /// Writes a frame of each utterance of the classes: the middle one of the dialog's video between begin and
    /// end, cut to the half of the speaker. The one who wears the markers is on the left. Faces are not searched.
    ///
    /// Frames that exist are not written again, so a run that was stopped can be repeated. `progress` is
    /// called with the number of frames done and of all.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read) for labels, and [`PrepareError::TooManyFailures`]; fewer failures are in the
    /// report.
    pub fn prepare(
        &self,
        root: impl AsRef<Path>,
        ffmpeg: &Ffmpeg,
        config: &PrepareConfig,
        progress: impl FnMut(usize, usize),
    ) -> Result<PrepareReport, PrepareError> {
        let release = &release_folder(root.as_ref())?;
        let corpus = read_corpus(release)?;
        let prepared = self.prepared_folder(root.as_ref()).join(FRAMES);
        let wanted = |u: &&Utterance| self.classes.class(u.labelled.emotion).is_some();
        let job = |utterance: &Utterance| {
            let half = if utterance.labelled.name.is_left() {
                Half::Left
            } else {
                Half::Right
            };
            let (video, middle) = (release.join(utterance.video()), utterance.middle());
            Job::new(
                utterance.id(),
                prepared.join(frame(utterance)),
                move |output: &Path| ffmpeg.extract_still(&video, middle, Some(half), output),
            )
        };
        let jobs: Vec<Job> = corpus.utterances.iter().filter(wanted).map(job).collect();
        config.run(&jobs, progress)
    }
}
