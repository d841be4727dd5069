//! Transcriptions: `dialog/transcriptions/<dialog>.txt`.

use std::collections::HashMap;
use std::path::Path;

use super::name::UtteranceName;
use crate::dataset::published::{DatasetError, read_bytes};

/// Texts by utterance, and utterances that occur twice; of these the first text stays.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Transcripts {
    pub(super) texts: HashMap<String, String>,
    pub(super) repeated: Vec<String>,
}

/// The texts of a dialog, in UTF-8 with replacement characters for other bytes.
///
/// A line is `<name> [<begin>-<end>]: <text>`. The text begins after the first `]:`, and may have `:`, `]:` and
/// `[LAUGHTER]` itself. Lines without the name of an utterance, such as `M: ..` or names with `XX`, have no
/// label and are ignored.
///
/// # Errors
///
/// A file that cannot be read, or a line with a name but without `]:`.
pub(super) fn read_transcripts(path: &Path) -> Result<Transcripts, DatasetError> {
    let bytes = read_bytes(path)?;
    let content = String::from_utf8_lossy(&bytes);
    let mut transcripts = Transcripts::default();
    for (line, number) in content.trim_start_matches('\u{feff}').lines().zip(1..) {
        let id = line.split_whitespace().next().unwrap_or_default();
        if UtteranceName::parse(id).is_none() {
            continue;
        }
        let Some((_, text)) = line.split_once("]:") else {
            let problem = format!("`{id}` has no `]:` before its text");
            return Err(DatasetError::line(path, number, problem));
        };
        if transcripts.texts.contains_key(id) {
            transcripts.repeated.push(id.to_string());
        } else {
            let text = text.trim().to_string();
            transcripts.texts.insert(id.to_string(), text);
        }
    }
    Ok(transcripts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn texts_are_split_once_and_read_whatever_their_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Ses01F_impro01.txt");
        let content = b"\xef\xbb\xbfSes01F_impro01_F900 [001.0000-002.5000]: Made-up words: like [LAUGHTER]: these.\r\n\
            M: no name\r\nSes01F_impro01_MXX1 [002.0000-003.0000]: no label\n\
            Ses01F_impro01_M900 [002.0000-003.0000]: caf\xe9 \xc3\xa9\n\
            Ses01F_impro01_F901 [004.0000-005.0000]:\n\
            Ses01F_impro01_M900 [002.0000-003.0000]: again\n";
        fs::write(&path, content).unwrap();
        let found = read_transcripts(&path).unwrap();
        let text = |id: &str| found.texts.get(id).map(String::as_str);
        assert_eq!(
            text("Ses01F_impro01_F900"),
            Some("Made-up words: like [LAUGHTER]: these.")
        );
        assert_eq!(text("Ses01F_impro01_M900"), Some("caf\u{fffd} \u{e9}"));
        assert_eq!(text("Ses01F_impro01_F901"), Some(""));
        assert_eq!((found.texts.len(), found.repeated.len()), (3, 1));

        fs::write(&path, "\nSes01F_impro01_F900 1-2: text").unwrap();
        let error = read_transcripts(&path).unwrap_err().to_string();
        assert!(
            error.ends_with(":2: `Ses01F_impro01_F900` has no `]:` before its text"),
            "{error}"
        );
        assert!(read_transcripts(&folder.path().join("none")).is_err());
    }
}
