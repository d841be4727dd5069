//! Kinetics-Sounds: the clips of Kinetics-400 whose classes can be seen and heard, 10 seconds each.
//!
//! Arandjelovic and Zisserman, ICCV 2017. It is a list of classes, not a download of its own. The annotations of
//! Kinetics-400 are CC BY 4.0; the videos keep the terms of those who uploaded them.
//!
//! ```text
//! k400/annotations/{train,val,test}.csv                    label,youtube_id,time_start,time_end,split[,is_cc]
//! k400/{train,val,test}/<id>_<start>_<end>.mp4             videos, of which `KineticsSounds::prepare` makes
//! k400/replacement/replacement_for_corrupted_k400/*.mp4    sound and frames
//! k400/prepared/audio/<id>_<start>_<end>.wav
//! k400/prepared/Image-01-FPS/<id>_<start>_<end>/00000.jpg
//! ```

mod annotations;
mod classes;
mod clip;
mod disk;
mod lists;
#[cfg(feature = "miniature")]
mod miniature;
#[cfg(feature = "video")]
mod prepare;
#[cfg(all(test, feature = "miniature"))]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::published::{DatasetError, Incomplete, Inventory, Listing, Row, media};
use super::{ClassNames, PublishedDataset, SplitSource};
use crate::manifest::ColumnKind;
use clip::{Clip, Entry, distinct};
use disk::{Prepared, Videos};

pub use classes::ClassList;
#[cfg(feature = "miniature")]
pub use miniature::write_miniature;

/// The part of Kinetics-400 whose clips are for testing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TestPart {
    /// Its test clips, with its validation clips for validation. Its `test.csv` must have labels, as CVDF's has.
    #[default]
    Test,
    /// Its validation clips, as in papers that have no labels of the test clips. None are for validation; take some
    /// of the training clips by [`Manifest::hold_out`](crate::manifest::Manifest::hold_out).
    Validation,
}

/// Handling of class folders that are not on the class list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OtherFolders {
    /// An error names them: the list of classes is another one, or a name has changed.
    #[default]
    Refuse,
    /// They are left out, as of all of Kinetics-400; the inventory has their names.
    LeaveOut,
}

/// Kinetics-Sounds as it lies on the disk, with the modalities `audio` and `visual`, in this order.
///
/// | Name | Default | Purpose |
/// |---|---|---|
/// | `classes` | [`ClassList::Ogm31`] | classes in their order |
/// | `splits` | [`SplitSource::Official`] | the parts of Kinetics-400, or lists such as OGM-GE's |
/// | `test` | [`TestPart::Test`] | the part that is for testing, for other splits than lists |
/// | `other_folders` | refuse | folders of classes that are not on the list |
/// | `incomplete` | refuse | clips without sound or frames |
/// | `prepared` | `<root>/prepared` | folder of prepared files |
/// | `audio_features` | none | folders of `<clip>.npy`, instead of sound |
///
/// Clips are those of the annotations. Without the folder `annotations`, they are those in folders of classes:
/// `<root>/train/<class>`, or `<root>/videos/train/<class>` as CVDF's script arranges them. `_` in the name of a class
/// is read as a space.
///
/// Frames are looked for in `<prepared>/Image-01-FPS` and, as MLA's scripts leave them, in
/// `<root>/visual/{train,test}_imgs/Image-01-FPS`. The column `video` has the identity of the video.
///
/// ```no_run
/// use burn_mla_data::dataset::Incomplete;
/// use burn_mla_data::dataset::kinetics_sounds::KineticsSounds;
/// use burn_mla_data::prepare::PrepareConfig;
/// use burn_mla_data::video::Ffmpeg;
///
/// let root = "/data/k400";
/// // Videos disappear from YouTube, and some have no sound.
/// let options = KineticsSounds::new().with_incomplete(Incomplete::LeaveOut);
/// let config = PrepareConfig::new().with_max_failures(0.05);
/// let report = options.prepare(root, &Ffmpeg::new(), &config, |done, n| eprint!("\r{done}/{n}"))?;
/// println!("{report}");
/// let clips = options.read(root)?;
/// println!("{}", clips.inventory());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct KineticsSounds {
    classes: Option<ClassNames>,
    splits: SplitSource,
    test: TestPart,
    other_folders: OtherFolders,
    incomplete: Incomplete,
    prepared: Option<PathBuf>,
    audio_features: Vec<PathBuf>,
}

impl Default for KineticsSounds {
    fn default() -> Self {
        Self {
            classes: None,
            splits: SplitSource::Official,
            test: TestPart::default(),
            other_folders: OtherFolders::default(),
            incomplete: Incomplete::default(),
            prepared: None,
            audio_features: vec![],
        }
    }
}

impl KineticsSounds {
    const NAME: &'static str = "Kinetics-Sounds";

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

    /// Sets the classes and their order: those of a [`ClassList`], or your own.
    pub fn with_classes(mut self, classes: ClassNames) -> Self {
        self.classes = Some(classes);
        self
    }

    /// Sets where the splits come from. Lists are OGM-GE's (`<name>,10,<class>`), with the columns in either order,
    /// separated by commas or spaces, or MLA's (`<name>.mp4 <class>`). Numbers of classes are positions in `classes`.
    pub fn with_splits(mut self, splits: SplitSource) -> Self {
        self.splits = splits;
        self
    }

    /// Sets the part of Kinetics-400 that is for testing.
    pub fn with_test(mut self, test: TestPart) -> Self {
        self.test = test;
        self
    }

    /// Sets how folders of classes that are not on the list are read.
    pub fn with_other_folders(mut self, other_folders: OtherFolders) -> Self {
        self.other_folders = other_folders;
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

    fn class_names(&self) -> ClassNames {
        let default = || ClassList::default().classes();
        self.classes.clone().unwrap_or_else(default)
    }

    /// The clips of the annotations, folders or lists.
    fn entries(
        &self,
        root: &Path,
        classes: &ClassNames,
        inventory: &mut Inventory,
    ) -> Result<Vec<Entry>, DatasetError> {
        if let Some(listed) = lists::read(&self.splits, classes, inventory)? {
            return Ok(listed);
        }
        let mut entries = annotations::entries(self, classes, root, inventory)?;
        if self.splits != SplitSource::Official {
            entries.iter_mut().for_each(|entry| entry.split = None);
        }
        distinct(entries, inventory, true)
    }

    /// Reads the data set below `root`. Media files are looked for, not opened.
    ///
    /// The inventory has the annotated or listed clips that are not on the disk, the prepared clips that are on
    /// no list, the videos without sound, files that are named like no clip, and a note on sound that is shorter
    /// than 10 seconds by its header.
    ///
    /// # Errors
    ///
    /// - [`DatasetError::Layout`] without annotations and folders of classes, for a folder that is not a class,
    ///   and for a class without a clip on the disk;
    /// - [`DatasetError::Line`] for a malformed line of an annotation or list, a clip with two classes, and one on
    ///   the lists of two splits;
    /// - [`DatasetError::Incomplete`] for clips without a modality, unless `incomplete` allows them;
    /// - [`DatasetError::Manifest`] for splits that cannot be made.
    pub fn read(&self, root: impl AsRef<Path>) -> Result<PublishedDataset, DatasetError> {
        let root = root.as_ref();
        let mut inventory = Inventory::new(Self::NAME);
        let classes = self.class_names();
        let entries = self.entries(root, &classes, &mut inventory)?;
        inventory.n_published = Some(entries.len());
        let videos = Videos::look(root)?;
        for name in &videos.unnamed {
            inventory.leave_out(media::UNNAMED, name.as_str());
        }
        let prepared = Prepared::look(self, root, &mut inventory)?;
        let mut left = prepared.clips();
        let mut rows = vec![];
        for entry in entries {
            left.remove(&entry.clip);
            let id = entry.name();
            let cells = prepared.cells(root, &entry)?;
            if cells.iter().all(String::is_empty) && videos.get(&entry.clip).is_none() {
                inventory.add("not on the disk", id);
                continue;
            }
            if prepared.is_silent(&entry.clip) {
                inventory.add("a video without sound", id.as_str());
            }
            if prepared.is_short(&entry.clip) {
                inventory.note("sound shorter than 10 seconds", id.as_str());
            }
            rows.push(Row {
                id,
                label: entry.class,
                split: entry.split,
                cells,
                extra: vec![entry.clip.video],
                ..Row::default()
            });
        }
        for Clip { video, start } in left {
            inventory.leave_out("on no list", format!("{video}_{start:06}"));
        }
        check_classes(root, &classes, &rows)?;
        let audio = if self.audio_features.is_empty() {
            ColumnKind::Audio
        } else {
            ColumnKind::Features
        };
        let listing = Listing {
            dataset: Self::NAME,
            source: root.to_path_buf(),
            folder: root.to_path_buf(),
            allowed: media::elsewhere(root, &prepared.folders)?,
            columns: vec![("audio", audio), ("visual", ColumnKind::Frames)],
            extra: vec!["video"],
            classes,
            rows,
        };
        let hint = |_: &str| {
            "prepare the videos by `KineticsSounds::prepare`, which needs ffmpeg, or choose another `Incomplete` for \
             videos without sound"
                .to_string()
        };
        listing.publish(
            inventory,
            self.incomplete,
            hint,
            &self.splits,
            Some("video"),
        )
    }
}

/// Checks that there is a clip of every class.
fn check_classes(root: &Path, classes: &ClassNames, rows: &[Row]) -> Result<(), DatasetError> {
    let found: BTreeSet<&str> = rows.iter().map(|row| row.label.as_str()).collect();
    let without = classes
        .iter()
        .filter(|class| !found.contains(class.as_str()));
    let without: Vec<String> = without.map(|class| format!("`{class}`")).collect();
    if without.is_empty() {
        return Ok(());
    }
    let problem = format!(
        "no clip of {} of the {} classes is on the disk: {}; choose another `ClassList` if they have other names",
        without.len(),
        classes.len(),
        without.join(", ")
    );
    Err(DatasetError::layout(root, problem))
}

/// Reads `list.txt` of a folder as a list of clips and as annotations, for the fuzz targets.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn fuzz(root: &Path) {
    let classes = ClassList::default().classes();
    let path = root.join("list.txt");
    let mut entries = lists::read_list(&path, &classes, super::Split::Train).unwrap_or_default();
    let _ = annotations::annotated(&path, &classes, super::Split::Test, &mut entries);
    for entry in entries {
        assert!(classes.label(&entry.class).is_ok() && entry.end >= entry.clip.start);
    }
}
