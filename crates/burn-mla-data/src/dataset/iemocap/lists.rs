//! MLA's lists: `<name>.mp4 [split|sign] <words> [split|sign] <class>`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::name::UtteranceName;
use crate::dataset::Split;
use crate::dataset::published::{DatasetError, SplitSource, read_lines, safe_name};

const SEPARATOR: &str = " [split|sign] ";

/// An utterance on a list.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Listed {
    pub(super) class: String,
    pub(super) split: Split,
    pub(super) path: PathBuf,
    pub(super) line: u32,
}

/// The utterances of all lists, by name; none for another source of splits.
///
/// The words of the lists are not used: the corpus has them.
pub(super) fn read_lists(
    splits: &SplitSource,
) -> Result<Option<BTreeMap<String, Listed>>, DatasetError> {
    let SplitSource::Lists { train, valid, test } = splits else {
        return Ok(None);
    };
    let mut listed = BTreeMap::new();
    let files = [
        (Some(train), Split::Train),
        (valid.as_ref(), Split::Valid),
        (Some(test), Split::Test),
    ];
    for (path, split) in files {
        if let Some(path) = path {
            read_list(path, split, &mut listed)?;
        }
    }
    Ok(Some(listed))
}

fn read_list(
    path: &Path,
    split: Split,
    listed: &mut BTreeMap<String, Listed>,
) -> Result<(), DatasetError> {
    let before = listed.len();
    for line in read_lines(path)? {
        let refused = |problem: String| DatasetError::line(path, line.number, problem);
        let (id, class) = parse(line.text.trim_end()).map_err(refused)?;
        let new = Listed {
            class: class.to_string(),
            split,
            path: path.to_path_buf(),
            line: line.number,
        };
        if let Some(first) = listed.insert(id.to_string(), new) {
            let place = first.path.display();
            return Err(refused(format!(
                "`{id}` is on line {} of {place} too",
                first.line
            )));
        }
    }
    if listed.len() == before {
        return Err(DatasetError::layout(path, "the list is empty"));
    }
    Ok(())
}

/// The name of the utterance and of its class.
fn parse(text: &str) -> Result<(&str, &str), String> {
    let parts = text
        .split_once(SEPARATOR)
        .and_then(|(file, rest)| Some((file, rest.rsplit_once(SEPARATOR)?.1)));
    // Without words, one blank is between the separators.
    let parts = parts.or_else(|| {
        let (file, class) = text.split_once(" [split|sign] [split|sign] ")?;
        Some((file, class))
    });
    let Some((file, class)) = parts else {
        return Err("expected `<name>.mp4 [split|sign] <words> [split|sign] <class>`".to_string());
    };
    let file = safe_name(file.trim())?;
    let id = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    if UtteranceName::parse(id).is_none() {
        return Err(format!("`{id}` is not the name of an utterance"));
    }
    Ok((id, class.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_name_first_and_the_class_last() {
        let line = "Ses01F_impro01_F900.mp4 [split|sign] made-up | words. [split|sign] and [split|sign] Happy";
        assert_eq!(parse(line), Ok(("Ses01F_impro01_F900", "Happy")));
        let empty = "Ses01F_impro01_F900.mp4 [split|sign] [split|sign] Sad";
        assert_eq!(parse(empty), Ok(("Ses01F_impro01_F900", "Sad")));
        let empty = "Ses01F_impro01_F900.mp4 [split|sign]  [split|sign] Sad";
        assert_eq!(parse(empty), Ok(("Ses01F_impro01_F900", "Sad")));
        for refused in [
            "Ses01F_impro01_F900.mp4 Happy",
            "../Ses01F_impro01_F900.mp4 [split|sign] words [split|sign] Happy",
            "12.jpg [split|sign] words [split|sign] Happy",
        ] {
            assert!(parse(refused).is_err(), "{refused}");
        }
    }
}
