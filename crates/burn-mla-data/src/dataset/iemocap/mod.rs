//! IEMOCAP: sound, the speaker's picture and the words of acted conversations, with emotions.
//!
//! C. Busso et al., "IEMOCAP: interactive emotional dyadic motion capture database", Language Resources and
//! Evaluation 42, 2008. The University of Southern California gives it for academic use after a signed form;
//! neither media nor transcripts may be passed on.

mod classes;
mod corpus;
mod folds;
mod labels;
mod lists;
#[cfg(feature = "miniature")]
mod miniature;
mod name;
#[cfg(feature = "video")]
mod prepare;
mod sources;
#[cfg(all(test, feature = "miniature"))]
mod tests;
#[cfg(feature = "text")]
mod tokens;
mod transcripts;

use std::path::{Path, PathBuf};

use super::published::{DatasetError, Inventory, Listing, media, use_tokens};
use super::{ClassNames, Incomplete, PublishedDataset, Split, SplitSource};
use crate::manifest::ColumnKind;
use corpus::{Utterance, read_corpus, release_folder};
use lists::{Listed, read_lists};
use sources::Sources;

pub use classes::IemocapClasses;
pub use folds::IemocapFold;
#[cfg(feature = "miniature")]
pub use miniature::write_miniature;

const NAME: &str = "IEMOCAP";
/// The folder of frames within that of prepared files.
const FRAMES: &str = "speaker-frame";
/// The place of the words among the modalities.
const TEXT: usize = 2;

/// Options of reading IEMOCAP as it is released.
///
/// | Name | Default | Purpose |
/// |---|---|---|
/// | `classes` | [`IemocapClasses::Four`] | which labels are classes |
/// | `class_order` | [`IemocapClasses::names`] | order of the classes, such as GCNet's |
/// | `splits` | [`SplitSource::Official`]: by `fold` | where splits come from; groups are speakers |
/// | `fold` | session 5 for testing, 4 for validation | sessions or speakers that are held out |
/// | `unlisted_valid` | false | utterances on no list are for validation, as MLA's unpublished list has them |
/// | `incomplete` | [`Incomplete::Refuse`] | utterances without sound, picture or words |
/// | `prepared` | `<root>/prepared` | folder of the frames that [`prepare`](Self::prepare) writes |
/// | `audio_features` | none | folders of `<utterance>.npy`, instead of the sound |
/// | `tokens` | none | folder with `text_token`, instead of the words |
/// | `face_crops` | none | folder of GCNet's face crops instead of prepared frames |
///
/// The columns are `audio`, `image` and `text`, in MLA's order, and the extra columns `session`, `speaker` and
/// `dialog`. Samples are in the order of their names.
///
/// The corpus has no official split. The default holds two sessions out: the speakers of a test dialog are heard
/// and seen nowhere else. MLA's lists have all ten speakers and all 151 dialogs in both training and test
/// data. With GCNet's folds or a list without validation, [`hold_out`](crate::manifest::Manifest::hold_out)
/// takes a validation part from the training samples.
///
/// ```no_run
/// use burn_mla_data::dataset::Split;
/// use burn_mla_data::dataset::iemocap::{Iemocap, IemocapFold};
///
/// let data = Iemocap::new().with_fold(IemocapFold::session(1)).read("IEMOCAP_full_release")?;
/// println!("{}", data.inventory());
/// let train = data.split(Split::Train)?;
/// println!("{}", train.summary());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Iemocap {
    classes: IemocapClasses,
    class_order: Option<ClassNames>,
    splits: SplitSource,
    fold: IemocapFold,
    unlisted_valid: bool,
    incomplete: Incomplete,
    prepared: Option<PathBuf>,
    audio_features: Vec<PathBuf>,
    tokens: Option<PathBuf>,
    face_crops: Option<PathBuf>,
}

impl Default for Iemocap {
    fn default() -> Self {
        Self {
            classes: IemocapClasses::Four,
            class_order: None,
            splits: SplitSource::Official,
            fold: IemocapFold::session(5),
            unlisted_valid: false,
            incomplete: Incomplete::Refuse,
            prepared: None,
            audio_features: vec![],
            tokens: None,
            face_crops: None,
        }
    }
}

impl Iemocap {
    /// The default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets which labels are classes.
    pub fn with_classes(mut self, classes: IemocapClasses) -> Self {
        self.classes = classes;
        self
    }

    /// Sets the order of the classes, such as [`IemocapClasses::gcnet_names`] or that of a trained model.
    pub fn with_class_order(mut self, classes: ClassNames) -> Self {
        self.class_order = Some(classes);
        self
    }

    /// Sets where splits come from.
    pub fn with_splits(mut self, splits: SplitSource) -> Self {
        self.splits = splits;
        self
    }

    /// Sets the sessions or speakers that are held out.
    pub fn with_fold(mut self, fold: IemocapFold) -> Self {
        self.fold = fold;
        self
    }

    /// Sets whether utterances on no list are for validation. MLA's lists for training and testing have 3318
    /// and 1107 of the 5531 utterances; its third list, which is not published, has the other 1106.
    pub fn with_unlisted_valid(mut self, unlisted_valid: bool) -> Self {
        self.unlisted_valid = unlisted_valid;
        self
    }

    /// Sets how utterances that lack a modality are read.
    pub fn with_incomplete(mut self, incomplete: Incomplete) -> Self {
        self.incomplete = incomplete;
        self
    }

    /// Sets the folder of prepared files.
    pub fn with_prepared(mut self, folder: impl Into<PathBuf>) -> Self {
        self.prepared = Some(folder.into());
        self
    }

    /// Sets folders with features of the sound, `<utterance>.npy`, such as MLA's `audio/train_fbank` and
    /// `audio/test_fbank` or one of
    /// [`PrepareConfig::save_features`](crate::prepare::PrepareConfig::save_features). A
    /// [`FeaturesFrontEnd`](crate::manifest::FeaturesFrontEnd) reads them, `[1024, 128]` for MLA's.
    pub fn with_audio_features<P: Into<PathBuf>>(
        mut self,
        folders: impl IntoIterator<Item = P>,
    ) -> Self {
        self.audio_features = folders.into_iter().map(Into::into).collect();
        self
    }

    /// Reads tokens in `folder` instead of the words, `text_token/*_token/<utterance>_{token,pm}.npy`, as
    /// `prepare_tokens` or MLA's script left them there. `TokenFiles` reads them.
    pub fn with_tokens(mut self, folder: impl Into<PathBuf>) -> Self {
        self.tokens = Some(folder.into());
        self
    }

    /// Takes the pictures of a folder of GCNet's face crops, `<utterance>/<frame>_F.jpg` and `.._M.jpg`, instead
    /// of prepared frames: the middle one of the speaker. MLA's loader takes the middle of an unsorted listing of both
    /// people, so often the listener. Where no face was found, a crop is black.
    pub fn with_face_crops(mut self, folder: impl Into<PathBuf>) -> Self {
        self.face_crops = Some(folder.into());
        self
    }

    /// Reads the corpus with the default options; see [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn open(root: impl AsRef<Path>) -> Result<PublishedDataset, DatasetError> {
        Self::new().read(root)
    }

    /// Reads the corpus: `root` is the folder `IEMOCAP_full_release` or the one above it.
    ///
    /// The [inventory](PublishedDataset::inventory) has the utterances of other labels by label, and what is
    /// missing.
    ///
    /// # Errors
    ///
    /// - [`DatasetError::Layout`] for a session or its label files that are not there, and other classes than those
    ///   of the labels;
    /// - [`DatasetError::Line`] for a malformed line, an unknown label, an utterance that occurs twice or one
    ///   with another class on a list;
    /// - [`DatasetError::Incomplete`] for an utterance that lacks a modality, unless
    ///   [`with_incomplete`](Self::with_incomplete) permits it;
    /// - [`DatasetError::Data`] for a fold outside of its range;
    /// - [`DatasetError::Manifest`] for splits that do not fit.
    pub fn read(&self, root: impl AsRef<Path>) -> Result<PublishedDataset, DatasetError> {
        self.fold.check()?;
        let root = root.as_ref();
        let release = release_folder(root)?;
        let corpus = read_corpus(&release)?;
        let lists = read_lists(&self.splits)?;
        let mut inventory = Inventory::new(NAME);
        for (reason, name) in corpus.missing {
            inventory.add(reason, name);
        }
        for id in corpus.repeated {
            inventory.note("transcribed twice, the first text is taken", id);
        }
        inventory.n_published = Some(match &lists {
            Some(lists) if !self.unlisted_valid => lists.len(),
            _ => self.classes.n_published(),
        });
        let sources = Sources::new(self, root, &release, &mut inventory)?;
        let mut rows = vec![];
        let mut left = lists.unwrap_or_default();
        let is_listed = !left.is_empty();
        for utterance in &corpus.utterances {
            let (id, emotion) = (utterance.id(), utterance.labelled.emotion);
            let listed = left.remove(id);
            let Some(class) = self.classes.class(emotion) else {
                inventory.leave_out(format!("label {emotion} is no class"), id);
                continue;
            };
            let split = match &listed {
                Some(listed) => Some(split_of(listed, id, class)?),
                None if !is_listed => self.own_split(utterance),
                None if self.unlisted_valid => Some(Split::Valid),
                None => {
                    inventory.leave_out("on no list", id);
                    continue;
                }
            };
            rows.push(sources.row(utterance, class, split, &mut inventory)?);
        }
        for id in left.into_keys() {
            inventory.add("on a list, but not in the corpus", id);
        }
        let mut folders = sources.folders;
        let mut text = ColumnKind::Text;
        if let Some(prepared) = &self.tokens {
            let tokens = use_tokens(root, prepared, TEXT, &mut rows, &mut inventory)?;
            folders.extend(tokens.folders);
            text = ColumnKind::Features;
        }
        let audio = if sources.features.is_some() {
            ColumnKind::Features
        } else {
            ColumnKind::Audio
        };
        let listing = Listing {
            dataset: NAME,
            folder: root.to_path_buf(),
            columns: vec![
                ("audio", audio),
                ("image", ColumnKind::Image),
                ("text", text),
            ],
            allowed: media::elsewhere(root, &folders)?,
            extra: vec!["session", "speaker", "dialog"],
            classes: self.class_names(&release)?,
            source: release,
            rows,
        };
        listing.publish(
            inventory,
            self.incomplete,
            |modality| self.hint(modality).to_string(),
            &self.splits,
            Some("speaker"),
        )
    }

    fn class_names(&self, release: &Path) -> Result<ClassNames, DatasetError> {
        let names = self.classes.names()?;
        let Some(order) = &self.class_order else {
            return Ok(names);
        };
        if order.len() != names.len() || !names.iter().all(|name| order.contains(name)) {
            let (found, expected) = (order.join(", "), names.join(", "));
            let problem = format!("the classes are {found}, expected {expected} in any order");
            return Err(DatasetError::layout(release, problem));
        }
        Ok(order.clone())
    }

    /// Advice for a modality that no sample has.
    fn hint(&self, modality: &str) -> &'static str {
        match modality {
            "image" if self.face_crops.is_some() => {
                "they are `<frame>_F.jpg` and `.._M.jpg` of the face crops"
            }
            "image" => "make the frames by `Iemocap::prepare`",
            "audio" if self.audio_features.is_empty() => "they are in sentences/wav of the release",
            "audio" => {
                "compute the features by `PrepareConfig::save_features`, or name all of their folders"
            }
            _ if self.tokens.is_some() => "write the tokens by `Iemocap::prepare_tokens`",
            _ => "they are in dialog/transcriptions of the release",
        }
    }

    /// The split by fold, unless another one is made of all rows.
    fn own_split(&self, utterance: &Utterance) -> Option<Split> {
        let is_fold = self.splits == SplitSource::Official;
        is_fold.then(|| self.fold.split(&utterance.labelled.name))
    }

    fn prepared_folder(&self, root: &Path) -> PathBuf {
        self.prepared
            .clone()
            .unwrap_or_else(|| root.join("prepared"))
    }
}

fn split_of(listed: &Listed, id: &str, class: &str) -> Result<Split, DatasetError> {
    if listed.class == class {
        return Ok(listed.split);
    }
    let problem = format!("`{id}` is `{}`, but `{class}` in the corpus", listed.class);
    Err(DatasetError::line(&listed.path, listed.line, problem))
}

/// Reads `list.txt` of a folder as a list, as labels and as a transcription, for the fuzz targets.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn fuzz(root: &Path) {
    let path = root.join("list.txt");
    let splits = SplitSource::Lists {
        train: path.clone(),
        valid: None,
        test: root.join("iemocap.txt"),
    };
    let _ = read_lists(&splits);
    if let Ok(labels) = labels::read_labels(&path, "Ses01F_impro01") {
        assert!(
            labels
                .iter()
                .all(|label| label.seconds.1 >= label.seconds.0)
        );
    }
    let _ = transcripts::read_transcripts(&path);
}
