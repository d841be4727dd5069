use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::atomic_file;
use crate::logger::table::error::TableLogError;
use crate::logger::table::row::{Format, Row};

/// A file of rows that knows where those of each epoch are.
#[derive(Debug)]
pub(super) struct TableFile {
    /// As given, for messages.
    path: PathBuf,
    /// The same without links and whatever the current folder is.
    target: PathBuf,
    format: Format,
    /// How many bytes of the table the file holds.
    written: u64,
    /// The bytes after them, kept until they are written.
    pending: Vec<u8>,
    /// Whether the file as a whole is to be replaced by what is pending.
    replaces: bool,
    segments: Vec<Segment>,
}

/// Rows of an epoch and a split that follow each other.
#[derive(Debug, Clone)]
struct Segment {
    epoch: usize,
    split: String,
    bytes: Range<u64>,
}

impl TableFile {
    /// Opens a table, made if it is not there, and repairs it where its last line is torn.
    pub fn open(path: &Path, format: Format) -> Result<Self, TableLogError> {
        let io = || TableLogError::io(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(io())?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(io())?;
        let mut bytes = vec![];
        file.read_to_end(&mut bytes).map_err(io())?;
        let mut table = Self {
            path: path.to_path_buf(),
            target: fs::canonicalize(path).map_err(io())?,
            format,
            written: 0,
            pending: vec![],
            replaces: false,
            segments: vec![],
        };
        table.index(&bytes)?;
        let n_bytes = bytes.len() as u64;
        if table.written < n_bytes {
            log::warn!("{}: its last line was torn and is dropped", path.display());
            file.set_len(table.written).map_err(io())?;
        }
        drop(file);
        if table.written == 0 {
            table.pending = format.header().into_bytes();
            table.flush().map_err(io())?;
        }
        Ok(table)
    }

    /// Finds the epochs in what the file holds, up to its last whole line.
    fn index(&mut self, bytes: &[u8]) -> Result<(), TableLogError> {
        let foreign = |line: usize, message: &str| TableLogError::Foreign {
            path: self.path.clone(),
            line,
            message: message.to_string(),
        };
        let header = self.format.header();
        let mut start = 0;
        let mut n_lines = 0;
        let mut segments: Vec<Segment> = vec![];
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            let Some(content) = line.strip_suffix(b"\n") else {
                break;
            };
            n_lines += 1;
            let bytes = start..start + line.len() as u64;
            start = bytes.end;
            if n_lines == 1 && !header.is_empty() {
                if line != header.as_bytes() {
                    return Err(foreign(1, &format!("expected {}", header.trim_end())));
                }
                continue;
            }
            let row = self.format.parse(content);
            let row = row.map_err(|message| foreign(n_lines, &message))?;
            extend(&mut segments, row.epoch, &row.split, bytes);
        }
        if n_lines == 0 && !self.format.may_begin_with(bytes) {
            return Err(foreign(1, "it does not begin like one"));
        }
        self.written = start;
        self.segments = segments;
        Ok(())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn has(&self, epoch: usize, split: &str) -> bool {
        self.segments.iter().any(|of| of.is(epoch, split))
    }

    /// Adds a row, to be written by the next [`flush`](Self::flush).
    pub fn push(&mut self, row: &Row) {
        let start = self.len();
        self.pending.extend(self.format.line(row).bytes());
        let bytes = start..self.len();
        extend(&mut self.segments, row.epoch, &row.split, bytes);
    }

    /// Removes the rows of a split from an epoch on, on disk with the next
    /// [`flush`](Self::flush).
    ///
    /// # Errors
    ///
    /// When the others cannot be read: they stay in the file, but are not found any more.
    pub fn remove_from(&mut self, epoch: usize, split: &str) -> io::Result<()> {
        let goes = |of: &Segment| of.split == split && of.epoch >= epoch;
        if !self.segments.iter().any(goes) {
            return Ok(());
        }
        self.segments.retain(|of| !goes(of));
        let all = self.read(0..self.len())?;
        let mut kept = self.format.header().into_bytes();
        for of in &mut self.segments {
            let start = kept.len() as u64;
            kept.extend(&all[of.bytes.start as usize..of.bytes.end as usize]);
            of.bytes = start..kept.len() as u64;
        }
        self.written = 0;
        self.pending = kept;
        self.replaces = true;
        Ok(())
    }

    /// The rows of an epoch of a split.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is not any more what was written.
    pub fn rows(&self, epoch: usize, split: &str) -> io::Result<Vec<Row>> {
        let mut rows = vec![];
        for of in self.segments.iter().filter(|of| of.is(epoch, split)) {
            let bytes = self.read(of.bytes.clone())?;
            for line in bytes.trim_ascii_end().split(|&byte| byte == b'\n') {
                let row = self.format.parse(line);
                rows.push(row.map_err(|message| io::Error::other(changed(&message)))?);
            }
        }
        Ok(rows)
    }

    /// Writes what is pending; it stays so where that fails.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.replaces {
            atomic_file::write(&self.target, &self.pending)?;
            self.replaces = false;
        } else if !self.pending.is_empty() {
            let mut file = OpenOptions::new().write(true).open(&self.target)?;
            if file.metadata()?.len() < self.written {
                return Err(io::Error::other(changed("it is shorter")));
            }
            file.seek(SeekFrom::Start(self.written))?;
            let written = file.write_all(&self.pending);
            if written.is_err() {
                // Whole lines for who reads it now; the next write begins here in any case.
                let _ = file.set_len(self.written);
                return written;
            }
        }
        self.written += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// Flushes the file to the disk.
    pub fn sync(&self) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(&self.target)?;
        file.sync_data()
    }

    fn len(&self) -> u64 {
        self.written + self.pending.len() as u64
    }

    fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let mut bytes = vec![];
        let on_disk = range.start.min(self.written)..range.end.min(self.written);
        if !on_disk.is_empty() {
            let mut file = fs::File::open(&self.target)?;
            file.seek(SeekFrom::Start(on_disk.start))?;
            bytes.resize((on_disk.end - on_disk.start) as usize, 0);
            file.read_exact(&mut bytes)?;
        }
        let in_memory = |at: u64| (at.max(self.written) - self.written) as usize;
        bytes.extend(&self.pending[in_memory(range.start)..in_memory(range.end)]);
        Ok(bytes)
    }
}

impl Segment {
    fn is(&self, epoch: usize, split: &str) -> bool {
        self.epoch == epoch && self.split == split
    }
}

fn extend(segments: &mut Vec<Segment>, epoch: usize, split: &str, bytes: Range<u64>) {
    match segments.last_mut() {
        Some(last) if last.is(epoch, split) && last.bytes.end == bytes.start => {
            last.bytes.end = bytes.end;
        }
        _ => segments.push(Segment {
            epoch,
            split: split.to_string(),
            bytes,
        }),
    }
}

fn changed(message: &str) -> String {
    format!("something else has changed the table: {message}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMATS: [Format; 2] = [Format::Csv, Format::JsonLines];

    fn row(epoch: usize, split: &str, value: f64) -> Row {
        Row {
            epoch,
            split: split.to_string(),
            iteration: None,
            metric: "Loss".to_string(),
            value,
            count: None,
            unit: None,
        }
    }

    /// Two epochs of two splits.
    fn table(path: &Path, format: Format) -> TableFile {
        let mut table = TableFile::open(path, format).unwrap();
        for (epoch, split) in [(1, "train"), (1, "valid"), (2, "train"), (2, "valid")] {
            table.push(&row(epoch, split, epoch as f64));
            table.push(&row(epoch, split, 0.5));
        }
        table.flush().unwrap();
        table
    }

    fn values(table: &TableFile, epoch: usize, split: &str) -> Vec<f64> {
        let rows = table.rows(epoch, split).unwrap();
        rows.into_iter().map(|row| row.value).collect()
    }

    #[test]
    fn a_torn_last_line_is_dropped_wherever_it_is_torn() {
        for format in FORMATS {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("new/table");
            table(&path, format);
            let whole = fs::read(&path).unwrap();
            for length in 0..whole.len() {
                fs::write(&path, &whole[..length]).unwrap();
                let mut table = TableFile::open(&path, format).unwrap();
                table.push(&row(9, "train", 9.0));
                table.flush().unwrap();
                assert_eq!(values(&table, 9, "train"), [9.0]);
                let header = format.header().len();
                let kept = whole[..length].iter().rposition(|&byte| byte == b'\n');
                let mut expected = whole[..kept.map_or(0, |at| at + 1).max(header)].to_vec();
                expected.extend(format.line(&row(9, "train", 9.0)).bytes());
                assert_eq!(fs::read(&path).unwrap(), expected, "torn after {length}");
            }
        }
    }

    #[test]
    fn a_foreign_file_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("theirs");
        let ours = Format::Csv.header() + "1,train,,Loss,1.0,,\n";
        for (format, line, content) in [
            (Format::Csv, 1, "notes".to_string()),
            (Format::Csv, 1, "epoch,loss\n1,2\n".to_string()),
            (Format::Csv, 3, format!("{ours}1,2\n{ours}")),
            (Format::Csv, 1, "{\"epoch\":1}\n".to_string()),
            (Format::JsonLines, 1, "notes".to_string()),
            (Format::JsonLines, 1, "\n".to_string()),
            (Format::JsonLines, 1, ours),
        ] {
            fs::write(&path, &content).unwrap();
            let error = TableFile::open(&path, format).unwrap_err();
            let expected = format!("{}, line {line}: not a table", path.display());
            assert!(error.to_string().starts_with(&expected), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        let error = TableFile::open(folder.path(), Format::Csv).unwrap_err();
        assert!(matches!(error, TableLogError::Io { .. }), "{error}");
    }

    #[test]
    fn rows_are_removed_from_an_epoch_on() {
        for format in FORMATS {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("table");
            let mut table = table(&path, format);
            table.remove_from(1, "train").unwrap();
            table.push(&row(1, "train", 7.0));
            table.remove_from(3, "valid").unwrap();
            for flushed in [false, true] {
                assert_eq!(values(&table, 1, "train"), [7.0], "flushed: {flushed}");
                assert_eq!(values(&table, 2, "train"), [0.0; 0]);
                assert_eq!(values(&table, 2, "valid"), [2.0, 0.5]);
                table.flush().unwrap();
            }
            table.push(&row(1, "train", 8.0));
            table.flush().unwrap();
            let again = TableFile::open(&path, format).unwrap();
            assert_eq!(values(&again, 1, "train"), [7.0, 8.0]);
            assert_eq!(values(&again, 1, "valid"), [1.0, 0.5]);
            assert!(!again.has(2, "train"));
        }
    }

    #[test]
    fn what_cannot_be_written_is_written_later() {
        for replaced in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("table");
            let away = folder.path().join("away");
            let mut table = table(&path, Format::Csv);
            if replaced {
                table.remove_from(2, "train").unwrap();
            }
            fs::rename(&path, &away).unwrap();
            // A folder in its place fails a replacement, too.
            fs::create_dir(&path).unwrap();
            table.push(&row(2, "test", 5.0));
            table.flush().unwrap_err();
            assert_eq!(values(&table, 2, "test"), [5.0], "still known");
            table.push(&row(2, "test", 6.0));
            table.flush().unwrap_err();
            fs::remove_dir(&path).unwrap();
            fs::rename(&away, &path).unwrap();
            table.flush().unwrap();
            let again = TableFile::open(&path, Format::Csv).unwrap();
            assert_eq!(values(&again, 1, "valid"), [1.0, 0.5]);
            assert_eq!(values(&again, 2, "test"), [5.0, 6.0]);
            assert_eq!(again.has(2, "train"), !replaced);
        }
    }

    #[test]
    fn a_table_that_something_else_changes_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table");
        let mut table = table(&path, Format::Csv);
        fs::write(&path, Format::Csv.header()).unwrap();
        assert!(table.rows(1, "train").is_err());
        assert!(table.remove_from(1, "train").is_err());
        table.push(&row(3, "train", 1.0));
        let error = table.flush().unwrap_err();
        assert!(error.to_string().ends_with("it is shorter"), "{error}");
    }
}
