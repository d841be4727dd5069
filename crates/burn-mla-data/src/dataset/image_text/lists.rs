//! Lists of the authors of MLA, MMBT and QMF.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::dataset::published::{DatasetError, Line, SplitSource, read_lines, safe_name};
use crate::dataset::{ClassNames, Split};

/// A sample of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) line: u32,
    /// The name of its image without the extension.
    pub(crate) id: String,
    pub(crate) label: String,
    /// Its text; `None` in a list without texts.
    pub(crate) text: Option<String>,
}

/// The list of a split.
#[derive(Debug, Clone)]
pub(crate) struct List {
    pub(crate) split: Split,
    pub(crate) path: PathBuf,
    pub(crate) samples: Vec<Listed>,
}

/// The lists of [`SplitSource::Lists`]; no lists for another source.
pub(crate) fn read_lists(source: &SplitSource) -> Result<Vec<List>, DatasetError> {
    let SplitSource::Lists { train, valid, test } = source else {
        return Ok(vec![]);
    };
    let valid = valid.iter().map(|valid| (Split::Valid, valid));
    let paths = [(Split::Train, train)].into_iter().chain(valid);
    let mut lists = vec![];
    for (split, path) in paths.chain([(Split::Test, test)]) {
        lists.push(List {
            split,
            path: path.clone(),
            samples: read_list(path)?,
        });
    }
    check_repeated(&lists)?;
    Ok(lists)
}

/// The classes in the order in which they appear on a list.
pub(crate) fn order_of_appearance(path: &Path) -> Result<ClassNames, DatasetError> {
    let mut labels: Vec<String> = vec![];
    for sample in read_list(path)? {
        if !labels.contains(&sample.label) {
            labels.push(sample.label);
        }
    }
    Ok(ClassNames::new(labels)?)
}

/// Reads a list: JSON Lines, or lines such as `apple_pie_7.jpg apple_pie`.
fn read_list(path: &Path) -> Result<Vec<Listed>, DatasetError> {
    let lines = read_lines(path)?;
    let is_json = match lines.first() {
        Some(line) => line.text.starts_with('{'),
        None => return Err(DatasetError::layout(path, "the list is empty")),
    };
    let read = if is_json { json } else { plain };
    let samples = lines
        .iter()
        .map(|line| read(line).map_err(|problem| DatasetError::line(path, line.number, problem)));
    samples.collect()
}

/// The fields of MMBT's lists that are used.
#[derive(Deserialize)]
struct Fields {
    img: String,
    label: String,
    text: Option<String>,
}

fn json(line: &Line) -> Result<Listed, String> {
    let fields: Fields = serde_json::from_str(&line.text).map_err(|error| error.to_string())?;
    let path = Path::new(&fields.img);
    let inside = |part: Component| matches!(part, Component::Normal(_) | Component::CurDir);
    if !path.components().all(inside) || fields.img.contains('\\') {
        return Err(format!("the path `{}` leaves the folder", fields.img));
    }
    let name = path.file_name().and_then(|name| name.to_str());
    let name = safe_name(name.unwrap_or_default())?;
    let id = name.rsplit_once('.').map_or(name, |(id, _)| id);
    Ok(Listed {
        line: line.number,
        id: id.to_string(),
        label: fields.label,
        text: fields.text,
    })
}

fn plain(line: &Line) -> Result<Listed, String> {
    let text = line.text.trim();
    let (id, label) = text
        .rsplit_once(".jpg ")
        .ok_or_else(|| format!("`{text}`, expected `NAME.jpg CLASS`"))?;
    Ok(Listed {
        line: line.number,
        id: safe_name(id)?.to_string(),
        label: label.trim().to_string(),
        text: None,
    })
}

/// Refuses samples that occur twice: in two splits they would be a leak.
fn check_repeated(lists: &[List]) -> Result<(), DatasetError> {
    let mut seen: HashMap<&str, (&Path, u32)> = HashMap::new();
    for list in lists {
        for sample in &list.samples {
            let place = (list.path.as_path(), sample.line);
            if let Some((path, line)) = seen.insert(&sample.id, place) {
                let problem = format!("`{}` is in {}:{line}, too", sample.id, path.display());
                return Err(DatasetError::line(&list.path, sample.line, problem));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The list of a text.
    fn list(text: &str) -> Result<Vec<Listed>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        fs::write(&path, text).unwrap();
        read_list(&path).map_err(|error| {
            let error = error.to_string();
            error[error.find("/list").unwrap() + 1..].to_string()
        })
    }

    #[test]
    fn both_formats_are_told_apart_by_their_content() {
        let sample = |line: u32, id: &str, label: &str, text: Option<&str>| Listed {
            line,
            id: id.to_string(),
            label: label.to_string(),
            text: text.map(String::from),
        };
        let plain = "apple_pie_7.jpg apple_pie\r\n\r\ncheese_plate_717-8.jpg cheese_plate";
        let expected = vec![
            sample(1, "apple_pie_7", "apple_pie", None),
            sample(3, "cheese_plate_717-8", "cheese_plate", None),
        ];
        assert_eq!(list(plain), Ok(expected.clone()));
        assert_eq!(list(&format!("\u{feff}{plain}")), Ok(expected));
        let json = "{\"id\": \"sushi_sushi_1.jpg\", \"label\": \"sushi\", \"text\": \"caf\\u00e9 {\", \
                    \"img\": \"images/train/sushi/sushi_1.jpg\"}\n\
                    {\"id\": 17, \"img\": \"data/17.jpg\", \"label\": \"positive\"}\n";
        let expected = vec![
            sample(1, "sushi_1", "sushi", Some("caf\u{e9} {")),
            sample(2, "17", "positive", None),
        ];
        assert_eq!(list(json), Ok(expected));
    }

    #[test]
    fn malformed_lines_are_named() {
        let error = |text: &str| list(text).unwrap_err();
        assert_eq!(error(""), "list: the list is empty");
        assert_eq!(
            error("a_1.jpg a\nb_1.png b\n"),
            "list:2: `b_1.png b`, expected `NAME.jpg CLASS`"
        );
        let refused = "is not the name of a file in this folder";
        assert_eq!(error("../a_1.jpg a"), format!("list:1: `../a_1` {refused}"));
        assert!(error("{\"img\": \"a.jpg\"}").starts_with("list:1: missing field `label`"));
        for path in ["images/../../x.jpg", "/etc/passwd", "..\\\\x.jpg"] {
            let line = format!("{{\"img\": \"{path}\", \"label\": \"a\"}}");
            assert!(error(&line).ends_with("leaves the folder"), "{path}");
        }
        assert!(error("{\"img\": \"\", \"label\": \"a\"}").contains(refused));
    }

    #[test]
    fn a_sample_of_two_lists_is_a_leak() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("train.txt"), "a_1.jpg a\nb_1.jpg b\n").unwrap();
        fs::write(path("test.txt"), "a_2.jpg a\na_1.jpg a\n").unwrap();
        let source = SplitSource::Lists {
            train: path("train.txt"),
            valid: None,
            test: path("test.txt"),
        };
        let error = read_lists(&source).unwrap_err().to_string();
        let train = path("train.txt");
        let expected = format!("test.txt:2: `a_1` is in {}:1, too", train.display());
        assert!(error.ends_with(&expected), "{error}");
        assert!(read_lists(&SplitSource::Official).unwrap().is_empty());
        let classes = order_of_appearance(&train).unwrap();
        assert_eq!(classes.to_vec(), ["a", "b"]);
    }
}
