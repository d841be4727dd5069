//! Agreement and ratings of the raters, from `processedResults/tabulatedVotes.csv`.

use std::collections::BTreeMap;
use std::path::Path;

use super::clip::Clip;
use crate::dataset::published::{DatasetError, read_columns};

/// The extra columns: the agreement and the level of the intended emotion, for each way that a clip was shown.
pub(super) const COLUMNS: [&str; 6] = [
    "voice_agreement",
    "voice_rating",
    "face_agreement",
    "face_rating",
    "multimodal_agreement",
    "multimodal_rating",
];
/// Mean levels by emotion, in the order of [`EMOTIONS`](super::clip::EMOTIONS).
const LEVELS: [&str; 6] = [
    "meanAngerResp",
    "meanDisgustResp",
    "meanFearResp",
    "meanHappyResp",
    "meanNeutralResp",
    "meanSadResp",
];
/// The values of [`COLUMNS`] by clip; empty without the file. A value is empty if no rater gave one.
pub(super) fn read(root: &Path) -> Result<BTreeMap<Clip, [String; 6]>, DatasetError> {
    let path = root.join("processedResults").join("tabulatedVotes.csv");
    let mut ratings: BTreeMap<Clip, [Option<String>; 6]> = BTreeMap::new();
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    // The first column has no name: 1, 2 or 3 for sound, silent video or both, and five digits of the clip.
    let columns = [&["", "fileName", "agreement"][..], &LEVELS].concat();
    for row in read_columns(&path, &columns, &[])? {
        let refused = |problem: String| DatasetError::line(&path, row.line, problem);
        let [key, name, agreement, levels @ ..] = &row.cells[..] else {
            continue;
        };
        let way = ["1", "2", "3"].iter().position(|way| key.starts_with(way));
        let way = way.filter(|_| key.len() == 6).ok_or_else(|| {
            refused(format!(
                "the key `{key}` does not begin with 1, 2 or 3, or has not 6 digits"
            ))
        })?;
        let clip = Clip::parse(name).map_err(refused)?;
        let level = levels.get(clip.emotion).map_or("", String::as_str);
        let values = [
            ("agreement", agreement.as_str()),
            (LEVELS[clip.emotion], level),
        ];
        let of_clip = ratings.entry(clip).or_default();
        for (at, (column, value)) in values.into_iter().enumerate() {
            let value = number(value)
                .ok_or_else(|| refused(format!("{column} is `{value}`, no number")))?;
            if of_clip[2 * way + at].replace(value).is_some() {
                return Err(refused(format!(
                    "`{clip}` occurs twice with {} as its first digit",
                    way + 1
                )));
            }
        }
    }
    let filled = |values: [Option<String>; 6]| values.map(Option::unwrap_or_default);
    Ok(ratings
        .into_iter()
        .map(|(clip, values)| (clip, filled(values)))
        .collect())
}

/// A number as it is written; empty for -1 and R's `NA`, which are no response. `None` for no number.
fn number(text: &str) -> Option<String> {
    if text == "NA" {
        return Some(String::new());
    }
    let value = text.parse::<f64>().ok()?;
    let is_response = value.is_finite() && value >= 0.0;
    Some(if is_response {
        text.to_string()
    } else {
        String::new()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const HEADER: &str = "\"\",\"A\",\"fileName\",\"agreement\",\"meanEmoResp\",\"meanAngerResp\",\"meanDisgustResp\",\
                          \"meanFearResp\",\"meanHappyResp\",\"meanNeutralResp\",\"meanSadResp\"";

    fn read_rows(rows: &str) -> Result<BTreeMap<Clip, [String; 6]>, String> {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("processedResults");
        assert!(read(root.path()).unwrap().is_empty());
        fs::create_dir(&folder).unwrap();
        fs::write(
            folder.join("tabulatedVotes.csv"),
            format!("{HEADER}\r\n{rows}"),
        )
        .unwrap();
        read(root.path()).map_err(|error| {
            let error = error.to_string();
            error
                .rsplit_once("tabulatedVotes.csv")
                .unwrap()
                .1
                .to_string()
        })
    }

    #[test]
    fn levels_that_nobody_gave_are_empty() {
        let rows = "\"100001\",2,\"1001_DFA_ANG_XX\",0.5,60,-1,61.5,-1,-1,-1,-1\r\n\
                    \"300001\",4,\"1001_DFA_ANG_XX\",1,70,70.25,-1,-1,-1,-1,-1\r\n";
        let ratings = read_rows(rows).unwrap();
        let clip = Clip::parse("1001_DFA_ANG_XX").unwrap();
        assert_eq!(ratings[&clip], ["0.5", "", "", "", "1", "70.25"]);
    }

    #[test]
    fn malformed_rows_are_named() {
        let levels = "60,-1,61.5,-1,-1,-1,-1";
        let row = |key: &str, name: &str, agreement: &str| {
            format!("{key},2,{name},{agreement},{levels}\n")
        };
        let good = row("100001", "1001_DFA_ANG_XX", "0.5");
        let error = |bad: String| read_rows(&format!("{good}{bad}")).unwrap_err();
        assert_eq!(
            error(row("100002", "1001_DFA_ANG_XX", "0.6")),
            ":3: `1001_DFA_ANG_XX` occurs twice with 1 as its first digit"
        );
        assert_eq!(
            error(row("200001", "1001_DFA_ANG_XX", "all")),
            ":3: agreement is `all`, no number"
        );
        assert!(error(row("400001", "1001_DFA_ANG_XX", "1")).starts_with(":3: the key `400001`"));
        assert!(error(row("200001", "1001_DFA_ANG", "1")).starts_with(":3: `1001_DFA_ANG` is not"));
    }
}
