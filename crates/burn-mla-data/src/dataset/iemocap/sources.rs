//! The files of utterances: sound, pictures and features.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::corpus::{Utterance, sound_folders, sound_problem};
use super::name::UtteranceName;
use super::{FRAMES, Iemocap};
use crate::dataset::Split;
use crate::dataset::published::media::{self, Media};
use crate::dataset::published::{DatasetError, Inventory, Row, file_names};
use crate::error::DataError;

/// Files of the sound and the pictures of utterances.
pub(super) struct Sources {
    root: PathBuf,
    release: PathBuf,
    /// Files by utterance, instead of the sound.
    pub(super) features: Option<BTreeMap<String, PathBuf>>,
    prepared: PathBuf,
    face_crops: Option<PathBuf>,
    /// The folders that were searched.
    pub(super) folders: Vec<PathBuf>,
}

impl Sources {
    pub(super) fn new(
        options: &Iemocap,
        root: &Path,
        release: &Path,
        inventory: &mut Inventory,
    ) -> Result<Self, DatasetError> {
        for folder in options.audio_features.iter().chain(&options.face_crops) {
            folder.metadata().map_err(DataError::file(folder))?;
        }
        let id = |name: &str| UtteranceName::parse(name).map(|name| name.id);
        let features = if options.audio_features.is_empty() {
            None
        } else {
            let npy = Media::Files(&["npy"]);
            Some(media::find(&options.audio_features, npy, id, inventory)?)
        };
        let prepared = options.prepared_folder(root).join(FRAMES);
        let mut folders = sound_folders(release)?;
        if prepared.is_dir() {
            let names = file_names(&prepared)?.into_iter();
            folders.extend(names.map(|dialog| prepared.join(dialog)));
        }
        folders.push(prepared.clone());
        folders.extend(
            options
                .audio_features
                .iter()
                .chain(&options.face_crops)
                .cloned(),
        );
        Ok(Self {
            root: root.to_path_buf(),
            release: release.to_path_buf(),
            features,
            prepared,
            face_crops: options.face_crops.clone(),
            folders,
        })
    }

    pub(super) fn row(
        &self,
        utterance: &Utterance,
        class: &str,
        split: Option<Split>,
        inventory: &mut Inventory,
    ) -> Result<Row, DatasetError> {
        let name = &utterance.labelled.name;
        let sound = match &self.features {
            Some(files) => match files.get(&name.id) {
                Some(file) => self.cell(file)?,
                None => String::new(),
            },
            None => self.sound(utterance, inventory)?,
        };
        let image = match &self.face_crops {
            Some(folder) => self.middle_crop(&folder.join(&name.id), name.speaker)?,
            None => self.existing(self.prepared.join(frame(utterance)))?,
        };
        Ok(Row {
            id: name.id.clone(),
            label: class.to_string(),
            split,
            cells: vec![sound, image, utterance.text.clone()],
            extra: vec![
                format!("Ses{:02}", name.session),
                name.speaker_id(),
                name.dialog.clone(),
            ],
            ..Row::default()
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

    fn cell(&self, path: &Path) -> Result<String, DatasetError> {
        media::cell(&self.root, path)
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

/// The frame of an utterance within the folder of frames.
pub(super) fn frame(utterance: &Utterance) -> PathBuf {
    let dialog = &utterance.labelled.name.dialog;
    Path::new(dialog).join(format!("{}.jpg", utterance.id()))
}
