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
#[cfg(all(test, feature = "miniature"))]
mod tests;
mod transcripts;

use std::path::{Path, PathBuf};

use super::published::{DatasetError, Inventory, Listing, Row, file_names};
use super::{Incomplete, PublishedDataset, Split, SplitSource};
use crate::error::DataError;
use crate::manifest::ColumnKind;
use corpus::{Utterance, read_corpus, release_folder, sound_problem};
use lists::{Listed, read_lists};

pub use classes::IemocapClasses;
pub use folds::IemocapFold;
#[cfg(feature = "miniature")]
pub use miniature::write_miniature;

const NAME: &str = "IEMOCAP";
/// The folder of frames within that of prepared files.
const FRAMES: &str = "speaker-frame";

/// Options of reading IEMOCAP as it is released.
///
/// | Name | Default | Purpose |
/// |---|---|---|
/// | `classes` | [`IemocapClasses::Four`] | which labels are classes |
/// | `splits` | [`SplitSource::Official`]: by `fold` | where splits come from; groups are speakers |
/// | `fold` | session 5 for testing, 4 for validation | sessions or speakers that are held out |
/// | `unlisted_valid` | false | utterances on no list are for validation, as MLA's unpublished list has them |
/// | `incomplete` | [`Incomplete::Refuse`] | utterances without sound, picture or words |
/// | `prepared` | `<root>/prepared` | folder of the frames that [`prepare`](Self::prepare) writes |
/// | `fbank` | none | folder of filter banks `<utterance>.npy` instead of the sound |
/// | `face_crops` | none | folder of GCNet's face crops instead of prepared frames |
///
/// The columns are `audio`, `image` and `text`, in MLA's order, and the extra columns `session`, `speaker` and
/// `dialog`. Samples are in the order of their names.
///
/// The corpus has no official split. The default holds two sessions out: whoever is in a test dialog is heard
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
    splits: SplitSource,
    fold: IemocapFold,
    unlisted_valid: bool,
    incomplete: Incomplete,
    prepared: Option<PathBuf>,
    fbank: Option<PathBuf>,
    face_crops: Option<PathBuf>,
}

impl Default for Iemocap {
    fn default() -> Self {
        Self {
            classes: IemocapClasses::Four,
            splits: SplitSource::Official,
            fold: IemocapFold::session(5),
            unlisted_valid: false,
            incomplete: Incomplete::Refuse,
            prepared: None,
            fbank: None,
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

    /// Sets what becomes of utterances that lack a modality.
    pub fn with_incomplete(mut self, incomplete: Incomplete) -> Self {
        self.incomplete = incomplete;
        self
    }

    /// Sets the folder of prepared files.
    pub fn with_prepared(mut self, folder: impl Into<PathBuf>) -> Self {
        self.prepared = Some(folder.into());
        self
    }

    /// Takes filter banks `<utterance>.npy` of a folder, as MLA's script writes them, instead of the sound. They
    /// are read by a [`FeaturesFrontEnd`](crate::manifest::FeaturesFrontEnd), `[1024, 128]` for MLA's.
    pub fn with_fbank(mut self, folder: impl Into<PathBuf>) -> Self {
        self.fbank = Some(folder.into());
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
    /// - [`DatasetError::Layout`] for a session or its label files that are not there, and
    ///   [`DatasetError::Line`] for a malformed line, an unknown label, an utterance that occurs twice or one
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
        for (reason, name) in corpus.notes {
            inventory.add(reason, name);
        }
        inventory.n_published = Some(match &lists {
            Some(lists) if !self.unlisted_valid => lists.len(),
            _ => self.classes.n_published(),
        });
        let sources = Sources::new(self, root, &release)?;
        let mut rows = vec![];
        let mut left = lists.unwrap_or_default();
        let is_listed = !left.is_empty();
        for utterance in &corpus.utterances {
            let (id, emotion) = (utterance.id(), utterance.labelled.emotion);
            let listed = left.remove(id);
            let Some(class) = self.classes.class(emotion) else {
                inventory.add(format!("label {emotion} is no class"), id);
                continue;
            };
            let split = match &listed {
                Some(listed) => Some(split_of(listed, id, class)?),
                None if !is_listed => self.own_split(utterance),
                None if self.unlisted_valid => Some(Split::Valid),
                None => {
                    inventory.add("on no list", id);
                    continue;
                }
            };
            rows.push(sources.row(utterance, class, split, &mut inventory)?);
        }
        for id in left.into_keys() {
            inventory.add("on a list, but not in the corpus", id);
        }
        let listing = Listing {
            dataset: NAME,
            source: release,
            folder: root.to_path_buf(),
            columns: vec![
                ("audio", sources.sound_kind()),
                ("image", ColumnKind::Image),
                ("text", ColumnKind::Text),
            ],
            allowed: sources.allowed,
            extra: vec!["session", "speaker", "dialog"],
            classes: self.classes.names()?,
            rows,
        };
        listing.publish(
            inventory,
            self.incomplete,
            hint,
            &self.splits,
            Some("speaker"),
        )
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

fn hint(modality: &str) -> String {
    match modality {
        "image" => "make the frames by `Iemocap::prepare`",
        "audio" => "they are in sentences/wav of the release",
        _ => "they are in dialog/transcriptions of the release",
    }
    .to_string()
}

/// Where sound and pictures of utterances are.
struct Sources {
    root: PathBuf,
    /// Without symbolic links, as the folders below; a folder in the root is named from there.
    real_root: PathBuf,
    release: PathBuf,
    prepared: Option<PathBuf>,
    fbank: Option<PathBuf>,
    face_crops: Option<PathBuf>,
    allowed: Vec<PathBuf>,
}

impl Sources {
    fn new(options: &Iemocap, root: &Path, release: &Path) -> Result<Self, DatasetError> {
        let real = |folder: &Path| folder.canonicalize().map_err(DataError::file(folder));
        let named = |folder: &Option<PathBuf>| folder.as_deref().map(real).transpose();
        let (fbank, face_crops) = (named(&options.fbank)?, named(&options.face_crops)?);
        // Frames that are not prepared yet are missing, and an error says so.
        let prepared = real(&options.prepared_folder(root)).ok();
        let folders = [&prepared, &fbank, &face_crops];
        Ok(Self {
            allowed: [real(release)?]
                .into_iter()
                .chain(folders.into_iter().flatten().cloned())
                .collect(),
            root: root.to_path_buf(),
            real_root: real(root)?,
            release: release.to_path_buf(),
            prepared,
            fbank,
            face_crops,
        })
    }

    fn sound_kind(&self) -> ColumnKind {
        if self.fbank.is_some() {
            ColumnKind::Features
        } else {
            ColumnKind::Audio
        }
    }

    fn row(
        &self,
        utterance: &Utterance,
        class: &str,
        split: Option<Split>,
        inventory: &mut Inventory,
    ) -> Result<Row, DatasetError> {
        let name = &utterance.labelled.name;
        let sound = match &self.fbank {
            Some(folder) => self.existing(folder.join(format!("{}.npy", name.id)))?,
            None => self.sound(utterance, inventory)?,
        };
        let image = match (&self.face_crops, &self.prepared) {
            (Some(folder), _) => self.middle_crop(&folder.join(&name.id), name.speaker)?,
            (None, Some(folder)) => self.existing(folder.join(frame(utterance)))?,
            (None, None) => String::new(),
        };
        Ok(Row {
            id: name.id.clone(),
            line: 0,
            label: class.to_string(),
            split,
            cells: vec![sound, image, utterance.text.clone()],
            extra: vec![
                format!("Ses{:02}", name.session),
                name.speaker_id(),
                name.dialog.clone(),
            ],
        })
    }

    /// The cell of the released sound; empty if there is none, or nothing in it.
    fn sound(
        &self,
        utterance: &Utterance,
        inventory: &mut Inventory,
    ) -> Result<String, DatasetError> {
        let path = self.release.join(utterance.sound());
        if !path.is_file() {
            return Ok(String::new());
        }
        if let Some(problem) = sound_problem(&path)? {
            inventory.add(problem, utterance.id());
            return Ok(String::new());
        }
        self.cell(&path)
    }

    /// The cell of a path, from the root if it is there.
    fn cell(&self, path: &Path) -> Result<String, DatasetError> {
        let inside = path.strip_prefix(&self.root);
        let inside = inside.or_else(|_| path.strip_prefix(&self.real_root));
        match inside.unwrap_or(path).to_str() {
            Some(cell) => Ok(cell.to_string()),
            None => Err(DatasetError::layout(path, "the path is not in Unicode")),
        }
    }

    /// The cell of a file; empty if it is not there.
    fn existing(&self, path: PathBuf) -> Result<String, DatasetError> {
        if path.is_file() {
            self.cell(&path)
        } else {
            Ok(String::new())
        }
    }

    /// The middle picture of a person in a folder of `<frame>_<person>.jpg`, in the order of frames.
    fn middle_crop(&self, folder: &Path, person: char) -> Result<String, DatasetError> {
        if !folder.is_dir() {
            return Ok(String::new());
        }
        let mut names = file_names(folder)?;
        names.retain(|name| name.ends_with(&format!("_{person}.jpg")));
        match names.get(names.len() / 2) {
            Some(name) => self.existing(folder.join(name)),
            None => Ok(String::new()),
        }
    }
}

/// The frame of an utterance within the folder of prepared files.
fn frame(utterance: &Utterance) -> PathBuf {
    let dialog = &utterance.labelled.name.dialog;
    let file = format!("{}.jpg", utterance.id());
    Path::new(FRAMES).join(dialog).join(file)
}
