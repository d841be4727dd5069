//! Tables of text from CSV, TSV and JSON Lines.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use csv::{ReaderBuilder, StringRecord};

use super::ManifestError;
use super::cells::Cells;
use super::json_lines::read_object;
use crate::ContentType;
use crate::line_ends::LfReader;

/// In UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A table of text.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(super) names: Vec<String>,
    pub(super) columns: Vec<Cells>,
    /// The line of each row, counted from 1.
    pub(super) lines: Vec<u32>,
}

/// Reads a file by its extension: `.csv`, `.tsv`, and `.jsonl` or `.ndjson`.
pub(super) fn read(path: &Path) -> Result<Table, ManifestError> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let extension = extension.unwrap_or_default().to_ascii_lowercase();
    let file = File::open(path).map_err(|error| ManifestError::file(path, error))?;
    let mut file = BufReader::with_capacity(1 << 16, file);
    let start = file
        .fill_buf()
        .map_err(|error| ManifestError::file(path, error))?;
    if let pointer @ ContentType::GitLfsPointer = ContentType::detect(start) {
        let problem = format!("{pointer}; run `git lfs pull`");
        return Err(ManifestError::file(path, problem));
    }
    match extension.as_str() {
        "csv" => read_csv(path, file, b','),
        "tsv" => read_csv(path, file, b'\t'),
        "jsonl" | "ndjson" => read_json_lines(path, file),
        _ => Err(ManifestError::file(
            path,
            "a manifest ends in .csv, .tsv, .jsonl or .ndjson",
        )),
    }
}

pub(super) fn read_csv(
    path: &Path,
    input: impl BufRead,
    delimiter: u8,
) -> Result<Table, ManifestError> {
    // The reader skips a byte-order mark.
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .from_reader(LfReader::new(input));
    let failed = |error: csv::Error| {
        let line = error.position().map(|position| position.line());
        match line {
            Some(line) => ManifestError::line(path, line, csv_problem(error)),
            None => ManifestError::file(path, error),
        }
    };
    let names = reader.headers().map_err(failed)?;
    let mut table = Table::with_columns(path, names.iter().map(str::trim))?;
    let mut record = StringRecord::new();
    loop {
        // The position of a record is that of its first line, whatever precedes it.
        if !reader.read_record(&mut record).map_err(failed)? {
            return Ok(table);
        }
        let line = record.position().map_or(0, |position| position.line());
        table.start(path, line)?;
        for (column, cell) in table.columns.iter_mut().zip(&record) {
            column.push(cell.trim());
        }
    }
}

fn csv_problem(error: csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("{len} fields, expected {expected_len}"),
        csv::ErrorKind::Utf8 { .. } => "not in UTF-8".to_string(),
        _ => error.to_string(),
    }
}

pub(super) fn read_json_lines(
    path: &Path,
    mut input: impl BufRead,
) -> Result<Table, ManifestError> {
    let mut table = Table::default();
    let mut bytes = vec![];
    for line in 1.. {
        bytes.clear();
        let n_read = input.read_until(b'\n', &mut bytes);
        if n_read.map_err(|error| ManifestError::line(path, line, error))? == 0 {
            break;
        }
        let text = if line == 1 {
            bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes)
        } else {
            &bytes
        };
        if text.trim_ascii().is_empty() {
            continue;
        }
        table.start(path, line)?;
        read_object(text, &mut table)
            .map_err(|problem| ManifestError::line(path, line, problem))?;
    }
    let n_rows = table.lines.len();
    table
        .columns
        .iter_mut()
        .for_each(|column| column.pad(n_rows));
    Ok(table)
}

impl Table {
    /// An empty table with columns of distinct names.
    pub(crate) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Vec<String> = names.into_iter().map(str::to_string).collect();
        Self {
            columns: vec![Cells::default(); names.len()],
            names,
            lines: vec![],
        }
    }

    /// Adds a row. A line of 0 is none: the row is of a folder, not of a file.
    pub(crate) fn push<'a>(&mut self, line: u32, cells: impl IntoIterator<Item = &'a str>) {
        self.lines.push(line);
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.push(cell.trim());
        }
    }

    fn with_columns<'a>(
        path: &Path,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<Self, ManifestError> {
        let mut table = Self::default();
        for name in names {
            if table.names.iter().any(|known| known == name) {
                return Err(ManifestError::column(path, name, "occurs twice"));
            }
            table.names.push(name.to_string());
            table.columns.push(Cells::default());
        }
        Ok(table)
    }

    /// Sets a cell of the last row, in a new column if it has an unknown name; false if it is set already.
    pub(super) fn set_cell(&mut self, name: &str, cell: &str) -> bool {
        let known = self.names.iter().position(|known| known == name);
        let column = known.unwrap_or_else(|| {
            self.names.push(name.to_string());
            self.columns.push(Cells::default());
            self.columns.len() - 1
        });
        let (column, row) = (&mut self.columns[column], self.lines.len() - 1);
        if column.len() > row {
            return false;
        }
        column.pad(row);
        column.push(cell);
        true
    }

    /// Starts a row.
    fn start(&mut self, path: &Path, line: u64) -> Result<(), ManifestError> {
        let line = u32::try_from(line)
            .map_err(|_| ManifestError::line(path, line, "more than 4294967295 lines"))?;
        self.lines.push(line);
        Ok(())
    }
}
