//! The file of finished runs.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rstest::rstest;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::cells::{Cells, CellsError, Keyed};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Cell {
    key: String,
    found: Vec<f64>,
}

impl Keyed for Cell {
    type Key = String;

    fn key(&self) -> &String {
        &self.key
    }
}

fn cell(key: &str, found: f64) -> Cell {
    Cell {
        key: key.to_string(),
        found: vec![found],
    }
}

/// A temporary folder, and the path of a file in it that does not exist yet.
fn nowhere() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cells.jsonl");
    (folder, path)
}

fn open(path: &Path) -> Cells<Cell> {
    Cells::open(path.to_path_buf()).unwrap()
}

/// Leaves the file as a process does that ends during an append.
fn append(path: &Path, text: &[u8]) {
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(text).unwrap();
}

#[test]
fn runs_are_remembered_in_their_order() {
    let (_folder, path) = nowhere();
    let mut cells = open(&path);
    assert!(cells.all().is_empty());
    let all = [cell("b", 0.25), cell("a", -1e-3), cell("±\n\"", 3.0)];
    for cell in &all {
        assert_eq!(cells.get(&cell.key), None);
        cells.add(cell.clone()).unwrap();
    }
    assert_eq!(cells.all(), all);
    let again = open(&path);
    assert_eq!(again.all(), all);
    assert_eq!(again.get(&"a".to_string()), Some(&all[1]));
    assert_eq!(again.get(&"c".to_string()), None);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 3);
    assert!(text.starts_with("{\"key\":\"b\",\"found\":[0.25]}\n"));
}

/// The second of two lines may be cut anywhere, even within the two bytes of ± or before its end.
#[test]
fn a_torn_line_is_dropped_and_overwritten() {
    let (_folder, path) = nowhere();
    let all = [cell("a", 1.0), cell("±", 2.0)];
    let mut cells = open(&path);
    cells.add(all[0].clone()).unwrap();
    let first = std::fs::read(&path).unwrap();
    cells.add(all[1].clone()).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for end in first.len()..whole.len() {
        std::fs::write(&path, &whole[..end]).unwrap();
        let mut cells = open(&path);
        assert_eq!(cells.all(), &all[..1], "{end}");
        assert_eq!(std::fs::read(&path).unwrap(), first, "{end}");
        cells.add(all[1].clone()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), whole, "{end}");
    }
    std::fs::write(&path, &first[..first.len() - 1]).unwrap();
    assert!(open(&path).all().is_empty());
    assert_eq!(std::fs::read(&path).unwrap(), b"");
}

#[test]
fn a_line_that_another_process_tears_after_the_opening_is_not_appended_to() {
    let (_folder, path) = nowhere();
    let mut cells = open(&path);
    append(&path, b"{\"key\":\"torn\",\"fou");
    cells.add(cell("a", 1.0)).unwrap();
    append(&path, b"{");
    cells.add(cell("b", 2.0)).unwrap();
    assert_eq!(open(&path).all(), [cell("a", 1.0), cell("b", 2.0)]);
}

/// Lines of many pages, which the system may write in pieces while other threads open the file.
#[test]
fn several_writers_lose_no_run() {
    let (_folder, path) = nowhere();
    let (writers, runs) = (4, 10);
    let long = |writer, run| Cell {
        key: format!("{writer}/{run}"),
        found: vec![f64::from(writer) + 0.125; 4000],
    };
    thread::scope(|scope| {
        for writer in 0..writers {
            let path = &path;
            scope.spawn(move || {
                let mut cells = open(path);
                for run in 0..runs {
                    cells.add(long(writer, run)).unwrap();
                    let all = open(path);
                    for before in 0..=run {
                        let cell = long(writer, before);
                        assert_eq!(all.get(&cell.key), Some(&cell));
                    }
                }
            });
        }
    });
    assert_eq!(open(&path).all().len(), (writers * runs) as usize);
}

#[test]
fn opening_waits_for_the_end_of_an_append() {
    let (_folder, path) = nowhere();
    open(&path).add(cell("a", 1.0)).unwrap();
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.lock().unwrap();
    file.write_all(b"{\"key\":\"b\",").unwrap();
    let found = thread::scope(|scope| {
        let opened = scope.spawn(|| open(&path).all().to_vec());
        thread::sleep(Duration::from_millis(50));
        file.write_all(b"\"found\":[2.0]}\n").unwrap();
        file.unlock().unwrap();
        opened.join().unwrap()
    });
    assert_eq!(found, [cell("a", 1.0), cell("b", 2.0)]);
}

#[test]
fn of_two_runs_with_one_key_the_first_counts() {
    let (_folder, path) = nowhere();
    let (mut one, mut other) = (open(&path), open(&path));
    one.add(cell("a", 1.0)).unwrap();
    other.add(cell("a", 2.0)).unwrap();
    other.add(cell("b", 3.0)).unwrap();
    // Later additions by another process are not visible.
    assert_eq!(one.all(), [cell("a", 1.0)]);
    assert_eq!(open(&path).all(), [cell("a", 1.0), cell("b", 3.0)]);
}

#[rstest]
#[case::other_fields("{\"key\":\"a\"}\n", "missing field `found`")]
#[case::no_json("key a\n", "expected value")]
#[case::empty("\n", "EOF")]
#[case::glued("{\"key\":\"a\",\"fo{\"key\":\"b\",\"found\":[]}\n", "expected `:`")]
fn a_whole_line_that_is_no_run_is_an_error_that_says_where(
    #[case] line: &str,
    #[case] problem: &str,
) {
    let (_folder, path) = nowhere();
    let text = format!("{{\"key\":\"a\",\"found\":[]}}\n{line}");
    std::fs::write(&path, &text).unwrap();
    let error = Cells::<Cell>::open(path.clone()).unwrap_err();
    assert!(matches!(error, CellsError::Line { line: 2, .. }));
    let message = error.to_string();
    let place = format!("{}:2: ", path.display());
    assert!(message.starts_with(&place), "{message}");
    assert!(message.contains(problem), "{message}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_file_that_cannot_be_opened_is_named_in_the_error() {
    let (folder, path) = nowhere();
    let mut cells = open(&path);
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let error = cells.add(cell("a", 1.0)).unwrap_err();
    assert!(matches!(error, CellsError::File { .. }));
    assert!(error.to_string().starts_with(&path.display().to_string()));
    assert!(cells.all().is_empty());

    let path = folder.path().join("no folder").join("cells.jsonl");
    let error = Cells::<Cell>::open(path.clone()).unwrap_err();
    assert!(error.to_string().starts_with(&path.display().to_string()));
}
