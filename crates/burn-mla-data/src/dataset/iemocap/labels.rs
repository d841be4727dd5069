//! Label files: `dialog/EmoEvaluation/<dialog>.txt`.

use std::path::Path;

use super::classes::Emotion;
use super::name::UtteranceName;
use crate::dataset::published::{DatasetError, read_lines};

/// An utterance with its label and its time within the dialog.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Labelled {
    pub(super) name: UtteranceName,
    pub(super) emotion: Emotion,
    /// Begin and end in seconds of the dialog.
    pub(super) seconds: (f64, f64),
    pub(super) line: u32,
}

/// The labels of a dialog in the order of the file. Lines that do not begin with a time are the opinions of
/// single raters, and a header.
///
/// # Errors
///
/// A malformed line, an unknown label, an utterance of another dialog or one that occurs twice.
pub(super) fn read_labels(path: &Path, dialog: &str) -> Result<Vec<Labelled>, DatasetError> {
    let mut labels: Vec<Labelled> = vec![];
    for line in read_lines(path)? {
        if !line.text.starts_with('[') {
            continue;
        }
        let refused = |problem: String| DatasetError::line(path, line.number, problem);
        let label = parse(&line.text, line.number).map_err(refused)?;
        if label.name.dialog != dialog {
            let problem = format!("`{}` is no utterance of this dialog", label.name.id);
            return Err(refused(problem));
        }
        if let Some(first) = labels.iter().find(|other| other.name == label.name) {
            let problem = format!("`{}` is on line {} too", label.name.id, first.line);
            return Err(refused(problem));
        }
        labels.push(label);
    }
    if labels.is_empty() {
        let problem =
            "no line has a label such as `[6.29 - 8.23]<TAB>Ses01F_impro01_F000<TAB>neu<TAB>..`";
        return Err(DatasetError::layout(path, problem));
    }
    Ok(labels)
}

/// `[begin - end]`, name, label and the means of valence, activation and dominance, by tabs.
fn parse(text: &str, line: u32) -> Result<Labelled, String> {
    let mut fields = text.split('\t').map(str::trim);
    let (Some(times), Some(id), Some(code)) = (fields.next(), fields.next(), fields.next()) else {
        return Err("expected a time, a name and a label by tabs".to_string());
    };
    let seconds = parse_times(times, " - ").ok_or_else(|| format!("`{times}` is no time"))?;
    Ok(Labelled {
        name: UtteranceName::parse(id)
            .ok_or_else(|| format!("`{id}` is not the name of an utterance"))?,
        emotion: Emotion::from_code(code).ok_or_else(|| format!("unknown label `{code}`"))?,
        seconds,
        line,
    })
}

fn parse_times(text: &str, between: &str) -> Option<(f64, f64)> {
    let inside = text.strip_prefix('[')?.strip_suffix(']')?;
    let (begin, end) = inside.split_once(between)?;
    let (begin, end): (f64, f64) = (begin.trim().parse().ok()?, end.trim().parse().ok()?);
    (begin >= 0.0 && end >= begin && end.is_finite()).then_some((begin, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn read(content: &[u8]) -> Result<Vec<Labelled>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Ses01F_impro01.txt");
        fs::write(&path, content).unwrap();
        let labels = read_labels(&path, "Ses01F_impro01");
        labels.map_err(|error| {
            error
                .to_string()
                .split("impro01.txt")
                .last()
                .unwrap()
                .to_string()
        })
    }

    #[test]
    fn only_lines_with_a_time_are_labels() {
        let content = b"% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\r\n\r\n\
            [1.0000 - 2.5000]\tSes01F_impro01_F900\thap\t[3.2500, 2.7500, 3.0000]\r\n\
            C-E1:\tHappiness; Excited;\t()\r\nA-E1:\tval 3; act 3; dom  3;\t()\r\n\r\n\
            [3.0000 - 4.0000]\tSes01F_impro01_M900\txxx\t[2.5, 2.5, 2.5]\r\n";
        let labels = read(content).unwrap();
        let short = |l: &Labelled| (l.name.speaker, l.emotion.code(), l.seconds, l.line);
        assert_eq!(
            labels.iter().map(short).collect::<Vec<_>>(),
            [('F', "hap", (1.0, 2.5), 3), ('M', "xxx", (3.0, 4.0), 7)]
        );
    }

    #[test]
    fn malformed_lines_are_named() {
        let cases = [
            (
                "[1 - 2]\tSes01F_impro01_F000\tjoy\t[]",
                ":1: unknown label `joy`",
            ),
            (
                "[1 - 2] Ses01F_impro01_F000 hap",
                ":1: expected a time, a name and a label by tabs",
            ),
            (
                "[2 - 1]\tSes01F_impro01_F000\thap",
                ":1: `[2 - 1]` is no time",
            ),
            (
                "[1 - nan]\tSes01F_impro01_F000\thap",
                ":1: `[1 - nan]` is no time",
            ),
            (
                "[1 - 2]\t../secret\thap",
                ":1: `../secret` is not the name of an utterance",
            ),
            (
                "[1 - 2]\tSes01F_impro02_F000\thap",
                ":1: `Ses01F_impro02_F000` is no utterance of this dialog",
            ),
            (
                "[1 - 2]\tSes01F_impro01_F000\thap\n\n[1 - 2]\tSes01F_impro01_F000\tsad",
                ":3: `Ses01F_impro01_F000` is on line 1 too",
            ),
        ];
        for (content, expected) in cases {
            assert_eq!(read(content.as_bytes()).unwrap_err(), expected);
        }
        assert!(
            read(b"% header\n")
                .unwrap_err()
                .starts_with(": no line has a label")
        );
    }
}
