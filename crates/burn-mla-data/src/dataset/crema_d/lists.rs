//! Lists of clips: MLA's, OGM-GE's, and those of the papers that follow it.

use std::collections::HashMap;
use std::path::Path;

use super::clip::{Clip, EMOTIONS};
use crate::dataset::published::{DatasetError, Line, read_lines};
use crate::dataset::{Split, SplitSource};

/// The clips of the lists of a split source, with their splits; `None` for another source.
pub(super) fn read(splits: &SplitSource) -> Result<Option<Vec<(Clip, Split)>>, DatasetError> {
    let SplitSource::Lists { train, valid, test } = splits else {
        return Ok(None);
    };
    let parts = [
        (Some(train), Split::Train),
        (valid.as_ref(), Split::Valid),
        (Some(test), Split::Test),
    ];
    let mut clips = vec![];
    let mut seen = HashMap::new();
    for (path, split) in parts {
        let Some(path) = path else {
            continue;
        };
        for line in lines(path)? {
            let refused = |problem: String| DatasetError::line(path, line.number, problem);
            let clip = parse(&line.text).map_err(refused)?;
            if let Some((first, number)) = seen.insert(clip, (path, line.number)) {
                let first = first.display();
                let problem = format!("`{clip}` is also on line {number} of {first}");
                return Err(refused(problem));
            }
            clips.push((clip, split));
        }
    }
    Ok(Some(clips))
}

/// The lines of a list without the header that some have.
fn lines(path: &Path) -> Result<Vec<Line>, DatasetError> {
    let mut lines = read_lines(path)?;
    if lines
        .first()
        .is_some_and(|line| line.text.trim() == "name,label")
    {
        lines.remove(0);
    }
    if lines.is_empty() {
        return Err(DatasetError::layout(path, "the list has no clip"));
    }
    Ok(lines)
}

/// `1001_DFA_ANG_XX.flv Anger` as in MLA, or `1001_DFA_ANG_XX,ANG` as in OGM-GE.
fn parse(line: &str) -> Result<Clip, String> {
    let (name, label) = line
        .split_once(".flv ")
        .or_else(|| line.split_once(','))
        .ok_or_else(|| {
            format!("`{line}` is neither like `1001_DFA_ANG_XX.flv Anger` nor like `1001_DFA_ANG_XX,ANG`")
        })?;
    let clip = Clip::parse(name.trim())?;
    let label = label.trim();
    let mut emotions = EMOTIONS.iter();
    let known = emotions.position(|(code, _, class)| label == *code || label == *class);
    let emotion = known.ok_or_else(|| {
        let known = EMOTIONS.map(|(code, _, class)| format!("{class} ({code})"));
        format!(
            "unknown label `{label}`: expected one of {}",
            known.join(", ")
        )
    })?;
    if emotion != clip.emotion {
        return Err(format!("`{clip}` is not of the class `{label}`"));
    }
    Ok(clip)
}
