//! The released folders: sessions, dialogs and their utterances.

use std::fs;
use std::path::{Path, PathBuf};

use super::labels::{Labelled, read_labels};
use super::name::parse_dialog;
use super::transcripts::{Transcripts, read_transcripts};
use crate::ContentType;
use crate::dataset::published::{DatasetError, file_names};
use crate::error::DataError;

const RELEASE: &str = "IEMOCAP_full_release";
/// Bytes of the header of a WAV file; a file that is not longer has no sound.
const WAV_HEADER: u64 = 44;

/// A labelled utterance of the corpus.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Utterance {
    pub(super) labelled: Labelled,
    /// Empty without a transcription.
    pub(super) text: String,
}

/// The utterances of all labels in the order of their names, and what is missing: a reason and a name.
#[derive(Debug, Default)]
pub(super) struct Corpus {
    pub(super) utterances: Vec<Utterance>,
    pub(super) missing: Vec<(&'static str, String)>,
    /// Utterances that are transcribed twice.
    pub(super) repeated: Vec<String>,
}

/// The folder with `Session1` to `Session5`: the given one, or the release in it.
pub(super) fn release_folder(root: &Path) -> Result<PathBuf, DatasetError> {
    let inside = root.join(RELEASE);
    let folder = if inside.is_dir() {
        inside
    } else {
        root.to_path_buf()
    };
    for session in 1..=5 {
        let session = folder.join(format!("Session{session}"));
        if !session.is_dir() {
            let problem = "is not there; IEMOCAP_full_release has the folders Session1 to Session5";
            return Err(DatasetError::layout(session, problem));
        }
    }
    Ok(folder)
}

/// Reads labels and transcriptions. Files whose names do not begin with `Ses` are ignored, such as the `._Ses..`
/// that macOS leaves, and so are the folders of single raters.
pub(super) fn read_corpus(release: &Path) -> Result<Corpus, DatasetError> {
    let mut corpus = Corpus::default();
    for session in 1..=5_u8 {
        let folder = release.join(format!("Session{session}"));
        let labels = folder.join("dialog/EmoEvaluation");
        let dialogs = dialogs(&labels, session)?;
        for dialog in &dialogs {
            let file = format!("{dialog}.txt");
            let transcription = folder.join("dialog/transcriptions").join(&file);
            let mut transcripts = if transcription.is_file() {
                read_transcripts(&transcription)?
            } else {
                let missing = ("dialog without transcription", dialog.clone());
                corpus.missing.push(missing);
                Transcripts::default()
            };
            corpus.repeated.extend(transcripts.repeated);
            for labelled in read_labels(&labels.join(&file), dialog)? {
                let text = transcripts.texts.remove(&labelled.name.id);
                corpus.utterances.push(Utterance {
                    labelled,
                    text: text.unwrap_or_default(),
                });
            }
        }
        let sounds = folder.join("sentences/wav");
        if sounds.is_dir() {
            let unlabelled = file_names(&sounds)?
                .into_iter()
                .filter(|name| parse_dialog(name).is_some() && !dialogs.contains(name));
            let missing = |dialog| ("dialog without label file", dialog);
            corpus.missing.extend(unlabelled.map(missing));
        }
    }
    let name = |utterance: &Utterance| utterance.labelled.name.id.clone();
    corpus.utterances.sort_by_cached_key(name);
    Ok(corpus)
}

/// The dialogs of the label files, sorted.
fn dialogs(labels: &Path, session: u8) -> Result<Vec<String>, DatasetError> {
    let mut dialogs = vec![];
    for name in file_names(labels)? {
        let Some(dialog) = name
            .strip_suffix(".txt")
            .filter(|name| name.starts_with("Ses"))
        else {
            continue;
        };
        if parse_dialog(dialog).is_none_or(|(found, _)| found != session) {
            let problem = format!("is not the label file of a dialog of session {session}");
            return Err(DatasetError::layout(labels.join(&name), problem));
        }
        dialogs.push(dialog.to_string());
    }
    if dialogs.is_empty() {
        return Err(DatasetError::layout(labels, "has no label file `Ses..txt`"));
    }
    Ok(dialogs)
}

/// The folders of sound that are there, each of which may be a link.
pub(super) fn sound_folders(release: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let mut folders = vec![release.to_path_buf()];
    for session in 1..=5 {
        let session = release.join(format!("Session{session}"));
        let sounds = session.join("sentences/wav");
        if sounds.is_dir() {
            let dialogs = file_names(&sounds)?.into_iter();
            let dialogs: Vec<PathBuf> = dialogs.map(|dialog| sounds.join(dialog)).collect();
            folders.extend([session, sounds]);
            folders.extend(dialogs);
        }
    }
    Ok(folders)
}

impl Utterance {
    pub(super) fn id(&self) -> &str {
        &self.labelled.name.id
    }

    /// The sound within the release.
    pub(super) fn sound(&self) -> String {
        let name = &self.labelled.name;
        let (session, dialog, id) = (name.session, &name.dialog, &name.id);
        format!("Session{session}/sentences/wav/{dialog}/{id}.wav")
    }
}

/// The problem of a file of sound without content.
pub(super) fn sound_problem(path: &Path) -> Result<Option<String>, DatasetError> {
    let n_bytes = fs::metadata(path).map_err(DataError::file(path))?.len();
    if n_bytes > 1024 {
        return Ok(None);
    }
    let bytes = fs::read(path).map_err(DataError::file(path))?;
    Ok(match ContentType::detect(&bytes) {
        content @ (ContentType::Empty | ContentType::GitLfsPointer) => {
            Some(format!("the sound is {content}"))
        }
        _ if n_bytes <= WAV_HEADER => Some("the sound has no samples".to_string()),
        _ => None,
    })
}
