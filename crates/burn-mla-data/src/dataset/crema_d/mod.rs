//! CREMA-D: 7442 clips of 91 actors who speak 12 sentences in 6 emotions, as sound and video.
//!
//! Cao et al., IEEE Transactions on Affective Computing 2014; licence ODbL 1.0, contents DbCL 1.0.
//!
//! ```text
//! CREMA-D/AudioWAV/1001_DFA_ANG_XX.wav        sound, read as it is
//! CREMA-D/VideoFlash/1001_DFA_ANG_XX.flv      video, of which `CremaD::prepare` makes frames
//! CREMA-D/VideoDemographics.csv               sex and age of the actors
//! CREMA-D/processedResults/summaryTable.csv   votes of raters
//! CREMA-D/processedResults/tabulatedVotes.csv agreement of raters
//! CREMA-D/prepared/Image-01-FPS/1001_DFA_ANG_XX/00000.jpg
//! ```

mod actors;
mod clip;
mod disk;
mod lists;
#[cfg(feature = "miniature")]
mod miniature;
#[cfg(feature = "video")]
mod prepare;
mod ratings;
#[cfg(all(test, feature = "miniature"))]
mod tests;
mod votes;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::published::{DatasetError, Incomplete, Inventory, Listing, Row, media};
use super::{ClassNames, PublishedDataset, Split, SplitSource};
use crate::manifest::{ColumnKind, Shares};
use clip::{Clip, EMOTIONS};
use disk::Disk;

pub use actors::ActorFold;
#[cfg(feature = "miniature")]
pub use miniature::write_miniature;
pub use votes::CremaDLabels;

/// CREMA-D as it lies on the disk, with the modalities `audio` and `visual`, in this order.
///
/// | Name | Default | Purpose |
/// |---|---|---|
/// | `splits` | 80 / 10 / 10 % of the clips, no actor in two splits, seed 0 | there is no official split, and those of MLA and OGM-GE have every actor in training and test |
/// | `actor_fold` | none | a fold of cross-validation over actors, instead of `splits` |
/// | `labels` | intended | the emotion asked for, or a vote of raters |
/// | `classes` | [`CremaD::classes`] | order of the classes |
/// | `incomplete` | refuse | clips without sound or frames |
/// | `prepared` | `<root>/prepared` | folder of prepared files |
/// | `audio_features` | none | folders of `<clip>.npy`, instead of sound |
///
/// Frames are looked for in `<prepared>/Image-01-FPS`, and where MLA's scripts leave them:
/// `<root>/visual/{train,test}_imgs/Image-01-FPS`. Sound is that of `AudioWAV`: the MP3s of 28 and more clips are
/// silent. The column `actor` is for groups; `sex`, `age`, `sentence` and `level` are extra columns, too.
///
/// Of `processedResults/tabulatedVotes.csv`, if it is there, are the extra columns `voice_agreement`, `face_agreement`
/// and `multimodal_agreement`, the share of raters who chose the same emotion for the sound, the silent video and
/// both, and `voice_rating`, `face_rating` and `multimodal_rating`, the mean level from 0 to 100 of the intended
/// emotion. A rating is empty where no rater chose that emotion, which the file writes as -1.
///
/// ```no_run
/// use burn_mla_data::audio::AudioFrontEndConfig;
/// use burn_mla_data::dataset::Split;
/// use burn_mla_data::dataset::crema_d::CremaD;
/// use burn_mla_data::manifest::TrainAndTest;
/// use burn_mla_data::prepare::PrepareConfig;
/// use burn_mla_data::video::{Ffmpeg, VideoFrontEnd};
///
/// let root = "/data/CREMA-D";
/// CremaD::new().prepare(root, &Ffmpeg::new(), &PrepareConfig::new(), |_, _| ())?;
/// let clips = CremaD::open(root)?;
/// println!("{}", clips.inventory());
/// let audio = AudioFrontEndConfig::mla_fbank().init()?;
/// let visual = TrainAndTest {
///     train: VideoFrontEnd::mla_train(),
///     test: VideoFrontEnd::mla(),
/// };
/// let train = clips.dataset((audio, visual))?.part(Split::Train)?;
/// # let _ = train;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct CremaD {
    splits: SplitSource,
    actor_fold: Option<ActorFold>,
    labels: CremaDLabels,
    classes: Option<ClassNames>,
    incomplete: Incomplete,
    prepared: Option<PathBuf>,
    audio_features: Vec<PathBuf>,
}

impl Default for CremaD {
    fn default() -> Self {
        Self {
            splits: SplitSource::Grouped(Shares::new(0.1, 0.1, 0)),
            actor_fold: None,
            labels: CremaDLabels::default(),
            classes: None,
            incomplete: Incomplete::default(),
            prepared: None,
            audio_features: vec![],
        }
    }
}

impl CremaD {
    /// Number of published clips.
    pub const N_CLIPS: usize = 7442;

    /// The default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the data set with the default options.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn open(root: impl AsRef<Path>) -> Result<PublishedDataset, DatasetError> {
        Self::new().read(root)
    }

    /// The classes in MLA's order: Anger, Disgust, Fear, Happy, Neutral, Sad.
    pub fn classes() -> ClassNames {
        ClassNames::published(EMOTIONS.map(|(.., class)| class))
    }

    /// The classes in the order of OGM-GE, BalanceBenchmark and LFM: Neutral, Happy, Sad, Fear, Disgust, Anger.
    pub fn ogm_classes() -> ClassNames {
        ClassNames::published(["Neutral", "Happy", "Sad", "Fear", "Disgust", "Anger"])
    }

    /// Sets where the splits come from, instead of `actor_fold`. Lists are MLA's (`1001_DFA_ANG_XX.flv Anger`) or
    /// OGM-GE's (`1001_DFA_ANG_XX,ANG`), with or without a header.
    pub fn with_splits(mut self, splits: SplitSource) -> Self {
        self.splits = splits;
        self.actor_fold = None;
        self
    }

    /// Sets a fold of cross-validation over actors, instead of `splits`.
    pub fn with_actor_fold(mut self, fold: ActorFold) -> Self {
        self.actor_fold = Some(fold);
        self
    }

    /// Sets what the label of a clip is.
    pub fn with_labels(mut self, labels: CremaDLabels) -> Self {
        self.labels = labels;
        self
    }

    /// Sets the order of the classes, such as that of a trained model.
    pub fn with_classes(mut self, classes: ClassNames) -> Self {
        self.classes = Some(classes);
        self
    }

    /// Sets how clips without sound or frames are read.
    pub fn with_incomplete(mut self, incomplete: Incomplete) -> Self {
        self.incomplete = incomplete;
        self
    }

    /// Sets the folder of prepared files.
    pub fn with_prepared(mut self, folder: impl Into<PathBuf>) -> Self {
        self.prepared = Some(folder.into());
        self
    }

    /// Sets folders with features of the sound, `<clip>.npy`, such as MLA's `audio/train_fbank` and
    /// `audio/test_fbank` or one of
    /// [`PrepareConfig::save_features`](crate::prepare::PrepareConfig::save_features). A
    /// [`FeaturesFrontEnd`](crate::manifest::FeaturesFrontEnd) reads them.
    pub fn with_audio_features<P: Into<PathBuf>>(
        mut self,
        folders: impl IntoIterator<Item = P>,
    ) -> Self {
        self.audio_features = folders.into_iter().map(Into::into).collect();
        self
    }

    fn prepared(&self, root: &Path) -> PathBuf {
        self.prepared
            .clone()
            .unwrap_or_else(|| root.join("prepared"))
    }

    /// Reads the data set below `root`. Media files are looked for, not opened.
    ///
    /// The inventory has the published or listed clips that are not on the disk, the clips on the disk that are
    /// on no list, and notes on the clips with known defects.
    ///
    /// # Errors
    ///
    /// - [`DatasetError::Layout`] without sound and frames, or without a file that the options need;
    /// - [`DatasetError::Line`] for a malformed line of a list or table: an unknown label, a clip that was not
    ///   published, a label that is not that of the name, a clip that occurs twice;
    /// - [`DatasetError::Incomplete`] for clips without a modality, unless `incomplete` allows them;
    /// - [`DatasetError::NoSuchSplit`] for [`SplitSource::Official`];
    /// - [`DatasetError::Manifest`] for splits that cannot be made.
    pub fn read(&self, root: impl AsRef<Path>) -> Result<PublishedDataset, DatasetError> {
        let root = root.as_ref();
        let mut inventory = Inventory::new("CREMA-D");
        let disk = Disk::look(self, root, &mut inventory)?;
        let actors = actors::read(root)?;
        let wanted = self.wanted(root, &actors, &disk, &mut inventory)?;
        let votes = self.labels.votes(root)?;
        let ratings = ratings::read(root)?;
        let mut rows = vec![];
        for (clip, split) in wanted {
            let id = clip.to_string();
            let label = match votes.as_ref().map(|votes| votes.get(&clip)) {
                None => clip.class(),
                Some(Some(Some(class))) => *class,
                Some(tied) => {
                    match tied {
                        Some(_) => inventory.leave_out_published("a tie of votes", id),
                        None => inventory.add("no votes", id),
                    }
                    continue;
                }
            };
            let cells = disk.cells(root, &clip)?;
            if cells.iter().all(String::is_empty) {
                inventory.add("not on the disk", id);
                continue;
            }
            if let Some(defect) = clip.defect() {
                inventory.note(defect, id.as_str());
            }
            let actor = actors.get(&clip.actor).cloned().unwrap_or_default();
            let mut extra = vec![
                clip.actor.to_string(),
                actor.sex,
                actor.age,
                clip.sentence.to_string(),
                clip.level.to_string(),
            ];
            extra.extend(ratings.get(&clip).cloned().unwrap_or_default());
            rows.push(Row {
                id,
                label: label.to_string(),
                split,
                cells,
                extra,
                ..Row::default()
            });
        }
        let audio = if self.audio_features.is_empty() {
            ColumnKind::Audio
        } else {
            ColumnKind::Features
        };
        let listing = Listing {
            dataset: "CREMA-D",
            source: root.to_path_buf(),
            folder: root.to_path_buf(),
            allowed: media::elsewhere(root, &disk.folders)?,
            columns: vec![("audio", audio), ("visual", ColumnKind::Frames)],
            extra: [
                &["actor", "sex", "age", "sentence", "level"][..],
                &ratings::COLUMNS,
            ]
            .concat(),
            classes: self.classes.clone().unwrap_or_else(Self::classes),
            rows,
        };
        let has_pointers = disk.has_pointers;
        let hint = move |modality: &str| self.hint(modality, has_pointers);
        listing.publish(
            inventory,
            self.incomplete,
            hint,
            &self.splits,
            Some("actor"),
        )
    }

    /// The clips of the data set or the lists, with their splits where these are known.
    fn wanted(
        &self,
        root: &Path,
        actors: &BTreeMap<u16, actors::Actor>,
        disk: &Disk,
        inventory: &mut Inventory,
    ) -> Result<Vec<(Clip, Option<Split>)>, DatasetError> {
        if let Some(fold) = &self.actor_fold {
            let splits = fold.splits(root, actors)?;
            inventory.n_published = Some(Self::N_CLIPS);
            let split = |clip: Clip| {
                let split = splits.get(&clip.actor).copied();
                let problem = || format!("VideoDemographics.csv has no actor {}", clip.actor);
                split.ok_or_else(|| DatasetError::layout(root, problem()))
            };
            return Clip::published()
                .map(|clip| Ok((clip, Some(split(clip)?))))
                .collect();
        }
        if let Some(listed) = lists::read(&self.splits)? {
            inventory.n_published = Some(listed.len());
            let on_lists: BTreeSet<Clip> = listed.iter().map(|(clip, _)| *clip).collect();
            for clip in disk.clips().difference(&on_lists) {
                inventory.leave_out("on no list", clip.to_string());
            }
            return Ok(listed
                .into_iter()
                .map(|(clip, split)| (clip, Some(split)))
                .collect());
        }
        inventory.n_published = Some(Self::N_CLIPS);
        Ok(Clip::published().map(|clip| (clip, None)).collect())
    }

    fn hint(&self, modality: &str, has_pointers: bool) -> String {
        let get = match modality {
            "visual" => "make frames by `CremaD::prepare`, which needs ffmpeg",
            _ if has_pointers => "their files are git-lfs pointers, run `git lfs pull`",
            _ if self.audio_features.is_empty() => "get `AudioWAV` of the data set",
            _ => "compute the features",
        };
        format!("{get}; or choose another `Incomplete`")
    }
}

/// Reads `list.txt` of a folder as a list of clips, beside another one, and its tables, for the fuzz targets.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn fuzz(root: &Path) {
    let splits = SplitSource::Lists {
        train: root.join("list.txt"),
        valid: None,
        test: root.join("crema_d.txt"),
    };
    if let Ok(Some(clips)) = lists::read(&splits) {
        let distinct: BTreeSet<_> = clips.iter().map(|(clip, _)| *clip).collect();
        assert_eq!(distinct.len(), clips.len());
    }
    if let Ok(actors) = actors::read(root) {
        assert!(actors.values().all(|actor| !actor.sex.is_empty()));
    }
    let _ = CremaDLabels::MultimodalVote.votes(root);
    let _ = ratings::read(root);
}
