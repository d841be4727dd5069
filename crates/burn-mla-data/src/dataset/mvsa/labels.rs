//! The label file, and the rules that join the labels of a text and its image.

use std::collections::HashMap;
use std::path::Path;

use crate::dataset::published::{DatasetError, read_lines};

/// A sentiment, in the order of MLA's labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sentiment {
    Negative,
    Neutral,
    Positive,
}

impl Sentiment {
    pub(super) const ALL: [Self; 3] = [Self::Negative, Self::Neutral, Self::Positive];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Negative => "negative",
            Self::Neutral => "neutral",
            Self::Positive => "positive",
        }
    }

    pub(super) fn parse(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|label| label.name() == name);
        found.ok_or_else(|| {
            format!("unknown label `{name}`: expected negative, neutral or positive")
        })
    }
}

/// Which label a pair has whose text and image were labelled apart.
///
/// | Rule | Pairs | Positive / neutral / negative | Used by |
/// |---|---|---|---|
/// | `Agree` | 2592 | 1398 / 470 / 724 | MLA, QMF |
/// | `Merge` | 4511 | 2683 / 470 / 1358 | MultiSentiNet and most papers |
/// | `Text` | 4869 | 1731 / 1921 / 1217 | |
/// | `Image` | 4869 | 2708 / 938 / 1223 | |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MvsaRule {
    /// Pairs with equal labels only.
    #[default]
    Agree,
    /// Equal labels stay, neutral gives way to the other, and pairs of positive and negative are left out.
    Merge,
    /// All pairs, with the label of the text.
    Text,
    /// All pairs, with the label of the image.
    Image,
}

impl MvsaRule {
    /// Number of pairs of the published set.
    pub fn n_published(self) -> usize {
        match self {
            Self::Agree => 2592,
            Self::Merge => 4511,
            Self::Text | Self::Image => 4869,
        }
    }

    /// The label of a pair; `None` for one that is left out.
    pub(super) fn label(self, text: Sentiment, image: Sentiment) -> Option<Sentiment> {
        match self {
            Self::Text => Some(text),
            Self::Image => Some(image),
            _ if text == image => Some(text),
            Self::Agree => None,
            Self::Merge => match (text, image) {
                (Sentiment::Neutral, polar) | (polar, Sentiment::Neutral) => Some(polar),
                _ => None,
            },
        }
    }
}

/// A row of the label file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Labels {
    pub(super) id: u32,
    pub(super) line: u32,
    pub(super) text: Sentiment,
    pub(super) image: Sentiment,
}

/// Reads `labelResultAll.txt`: a header, then rows of an ID, a tab, and two labels with a comma between.
pub(super) fn read(path: &Path) -> Result<Vec<Labels>, DatasetError> {
    let lines = read_lines(path)?;
    let Some((header, rows)) = lines.split_first() else {
        return Err(DatasetError::layout(path, "the file is empty"));
    };
    if header.text.matches('\t').count() > 1 {
        let problem = "three pairs of labels in a row: this is MVSA-Multiple, MVSA-Single has one";
        return Err(DatasetError::line(path, header.number, problem));
    }
    if header.text.trim() != "ID\ttext,image" {
        let problem = format!(
            "the header is {:?}, expected \"ID\\ttext,image\"",
            header.text
        );
        return Err(DatasetError::line(path, header.number, problem));
    }
    let mut seen = HashMap::new();
    let mut labels = vec![];
    for line in rows {
        let refused = |problem: String| DatasetError::line(path, line.number, problem);
        let row = parse(&line.text, line.number).map_err(refused)?;
        if let Some(first) = seen.insert(row.id, line.number) {
            return Err(refused(format!(
                "the ID {} is on line {first}, too",
                row.id
            )));
        }
        labels.push(row);
    }
    Ok(labels)
}

fn parse(row: &str, line: u32) -> Result<Labels, String> {
    let malformed =
        || format!("{row:?}, expected an ID, a tab and two labels with a comma between");
    let (id, labels) = row.split_once('\t').ok_or_else(malformed)?;
    let (text, image) = labels.split_once(',').ok_or_else(malformed)?;
    Ok(Labels {
        id: id.trim().parse().map_err(|_| malformed())?,
        line,
        text: Sentiment::parse(text.trim())?,
        image: Sentiment::parse(image.trim())?,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The published numbers of pairs by the labels of text and image.
    const CASES: [(&str, &str, usize); 9] = [
        ("positive", "positive", 1398),
        ("neutral", "positive", 1030),
        ("negative", "negative", 724),
        ("neutral", "neutral", 470),
        ("neutral", "negative", 421),
        ("negative", "positive", 280),
        ("positive", "neutral", 255),
        ("negative", "neutral", 213),
        ("positive", "negative", 78),
    ];

    fn read_text(text: &str) -> Result<Vec<Labels>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labelResultAll.txt");
        fs::write(&path, text).unwrap();
        read(&path).map_err(|error| {
            let error = error.to_string();
            error[error.find("labelResultAll").unwrap()..].to_string()
        })
    }

    #[test]
    fn rules_keep_the_published_numbers_of_pairs() {
        // Made up: only the numbers by case are those of the published file, and so are 260 gaps in the IDs.
        let mut text = String::from("ID\ttext,image\r\n");
        let mut id = 0;
        for (of_text, of_image, n) in CASES {
            for _ in 0..n {
                id += 1 + usize::from(id % 19 == 18 && id / 19 < 260);
                text += &format!("{id}\t{of_text},{of_image}\r\n");
            }
        }
        let rows = read_text(&text).unwrap();
        assert_eq!((rows.len(), rows.last().unwrap().id), (4869, 5129));
        for (rule, expected) in [
            (MvsaRule::Agree, [724, 470, 1398]),
            (MvsaRule::Merge, [1358, 470, 2683]),
            (MvsaRule::Text, [1217, 1921, 1731]),
            (MvsaRule::Image, [1223, 938, 2708]),
        ] {
            let labels = rows
                .iter()
                .filter_map(|row| rule.label(row.text, row.image));
            let labels: Vec<Sentiment> = labels.collect();
            let count = |class| labels.iter().filter(|label| **label == class).count();
            assert_eq!(Sentiment::ALL.map(count), expected, "{rule:?}");
            assert_eq!(labels.len(), rule.n_published(), "{rule:?}");
        }
    }

    #[test]
    fn neutral_gives_way_and_contradictions_are_left_out() {
        use Sentiment::{Negative, Neutral, Positive};
        let merged = |text, image| MvsaRule::Merge.label(text, image);
        assert_eq!(merged(Neutral, Positive), Some(Positive));
        assert_eq!(merged(Negative, Neutral), Some(Negative));
        assert_eq!(merged(Neutral, Neutral), Some(Neutral));
        assert_eq!(merged(Positive, Negative), None);
        assert_eq!(merged(Negative, Positive), None);
        assert_eq!(MvsaRule::Agree.label(Neutral, Positive), None);
    }

    #[test]
    fn malformed_files_are_named() {
        let error = |text: &str| read_text(text).unwrap_err();
        let header = "ID\ttext,image\n";
        assert!(error("").ends_with("the file is empty"));
        let multiple =
            "ID\ttext,image\ttext,image\ttext,image\n1\tneutral,positive\tneutral,neutral\t";
        assert!(
            error(multiple)
                .starts_with("labelResultAll.txt:1: three pairs of labels in a row: this is")
        );
        assert!(
            error("1\tneutral,positive\n")
                .contains("txt:1: the header is \"1\\tneutral,positive\"")
        );
        let row = |row: &str| error(&format!("{header}1\tneutral,neutral\n{row}\n"));
        for malformed in [
            "2 neutral,positive",
            "2\tneutral positive",
            "x\tneutral,positive",
        ] {
            assert!(row(malformed).contains("txt:3: "), "{malformed}");
        }
        assert_eq!(
            row("2\thappy,neutral"),
            "labelResultAll.txt:3: unknown label `happy`: expected negative, neutral or positive"
        );
        assert_eq!(
            row("1\tneutral,neutral"),
            "labelResultAll.txt:3: the ID 1 is on line 2, too"
        );
        // A row of MVSA-Multiple below a header of MVSA-Single.
        assert!(
            row("2\tneutral,neutral\tneutral,neutral\tneutral,neutral").contains("unknown label")
        );
    }
}
