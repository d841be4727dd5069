//! Lists of clips: OGM-GE's, those of the papers that follow it, and MLA's.

use std::path::Path;

use super::classes;
use super::clip::{Clip, Entry, Place, distinct};
use crate::dataset::published::{DatasetError, Inventory, read_lines};
use crate::dataset::{ClassNames, Split, SplitSource};

/// The clips of the lists of a split source; `None` for another source.
pub(super) fn read(
    splits: &SplitSource,
    classes: &ClassNames,
    inventory: &mut Inventory,
) -> Result<Option<Vec<Entry>>, DatasetError> {
    let SplitSource::Lists { train, valid, test } = splits else {
        return Ok(None);
    };
    let mut entries = vec![];
    let parts = [
        (Some(train), Split::Train),
        (valid.as_ref(), Split::Valid),
        (Some(test), Split::Test),
    ];
    for (path, split) in parts {
        if let Some(path) = path {
            entries.extend(read_list(path, classes, split)?);
        }
    }
    distinct(entries, inventory, false).map(Some)
}

pub(super) fn read_list(
    path: &Path,
    classes: &ClassNames,
    split: Split,
) -> Result<Vec<Entry>, DatasetError> {
    let mut entries = vec![];
    let file = Place::file(path);
    for line in read_lines(path)? {
        let parsed = parse(&line.text, classes, split, file.line(line.number));
        entries.push(parsed.map_err(|problem| DatasetError::line(path, line.number, problem))?);
    }
    if entries.is_empty() {
        return Err(DatasetError::layout(path, "the list has no clip"));
    }
    Ok(entries)
}

/// `<name>,10,<class>` as in OGM-GE, `<class>,10,<name>` as its loader reads it, either with spaces as in
/// BalanceBenchmark, or `<name>.mp4 <class>` as in MLA.
fn parse(line: &str, classes: &ClassNames, split: Split, place: Place) -> Result<Entry, String> {
    let expected = || {
        format!(
            "`{line}` is neither like `<id>_<start>_<end>,10,<class>`, nor like `<class>,10,<id>_<start>`, nor \
                 like `<id>_<start>_<end>.mp4 <class>`"
        )
    };
    let (name, length, class) = if let Some((name, class)) = line.split_once(".mp4 ") {
        (name, None, class)
    } else {
        let fields: Vec<&str> = if line.contains(',') {
            line.split(',').collect()
        } else {
            line.split_whitespace().collect()
        };
        let [first, length, last] = fields[..] else {
            return Err(expected());
        };
        let is_reversed = Clip::parse(first.trim()).is_none();
        let (name, class) = if is_reversed {
            (last, first)
        } else {
            (first, last)
        };
        let length = length.trim().parse::<u32>().map_err(|_| expected())?;
        (name, Some(length), class)
    };
    let (clip, end) = Clip::parse(name.trim()).ok_or_else(expected)?;
    let end = end.or_else(|| length.map(|length| clip.start.saturating_add(length)));
    let class = class.trim();
    let known = match class.parse::<usize>() {
        Ok(number) => classes.get(number).map(String::as_str),
        Err(_) => classes::find(classes, class),
    };
    let known = known.ok_or_else(|| {
        let last = classes.len().saturating_sub(1);
        format!("unknown class `{class}`: expected a number up to {last}, or a name of the list of classes")
    })?;
    Ok(Entry::new(clip, end, known, Some(split), place))
}
