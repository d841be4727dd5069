//! CSV files with a header, of which some columns are read.

use std::path::Path;

use csv::{ReaderBuilder, StringRecord};

use super::{DatasetError, read_text};
use crate::line_ends::LfReader;

/// A row of a CSV file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CsvRow {
    /// The line that it begins on, counted from 1.
    pub(crate) line: u32,
    /// The cells of the columns that were asked for, trimmed.
    pub(crate) cells: Vec<String>,
}

/// Reads columns of a CSV file by their names, in whatever order and case the header has them. The optional ones
/// come after the others, and are empty where the file lacks them.
///
/// Quoted fields may hold commas, quotes and line breaks; byte-order marks, CRLF and Windows-1252 are read.
pub(crate) fn read_columns(
    path: &Path,
    columns: &[&str],
    optional: &[&str],
) -> Result<Vec<CsvRow>, DatasetError> {
    let text = read_text(path)?;
    let mut reader = ReaderBuilder::new().from_reader(LfReader::new(text.as_bytes()));
    let failed = |error: csv::Error| {
        let line = error.position().map_or(0, |position| position.line());
        DatasetError::line(path, u32::try_from(line).unwrap_or(u32::MAX), error)
    };
    let header = reader.headers().map_err(failed)?.clone();
    let find = |name: &str| {
        let mut names = header.iter();
        names.position(|found| found.trim().eq_ignore_ascii_case(name))
    };
    let mut places = vec![];
    for name in columns {
        let place = find(name).ok_or_else(|| {
            let found = header.iter().collect::<Vec<_>>().join(", ");
            DatasetError::line(path, 1, format!("no column `{name}`; there are {found}"))
        })?;
        places.push(Some(place));
    }
    places.extend(optional.iter().map(|name| find(name)));
    let mut rows = vec![];
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(failed)? {
        let line = record.position().map_or(0, |position| position.line());
        let cell = |place: &Option<usize>| place.and_then(|at| record.get(at)).unwrap_or("").trim();
        rows.push(CsvRow {
            line: u32::try_from(line).unwrap_or(u32::MAX),
            cells: places.iter().map(|place| cell(place).to_string()).collect(),
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn columns_are_found_by_name_and_errors_have_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        let read = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            read_columns(&path, &["Name", "label"], &["start"])
        };
        let rows =
            read(b"\xef\xbb\xbfLABEL,name\r\n\"a, b\",x\r\n\"c\nd\",\"y\"\"\"\r\n e , z \r\n");
        let cells = |label: &str, name: &str| vec![name.into(), label.into(), String::new()];
        let expected = [
            (2, cells("a, b", "x")),
            (3, cells("c\nd", "y\"")),
            (5, cells("e", "z")),
        ];
        let rows = rows.unwrap().into_iter().map(|row| (row.line, row.cells));
        assert_eq!(rows.collect::<Vec<_>>(), expected);
        let error = |bytes: &[u8]| {
            let error = read(bytes).unwrap_err().to_string();
            error.rsplit_once("t.csv").unwrap().1.to_string()
        };
        assert_eq!(
            error(b"id,label\n"),
            ":1: no column `Name`; there are id, label"
        );
        assert!(error(b"name,label\na,b\nc\n").starts_with(":3: "));
        assert_eq!(error(b""), ":1: no column `Name`; there are ");
    }
}
