//! A file of rows, which are kept in memory as well.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::atomic_file;
use crate::logger::table::error::TableLogError;
use crate::logger::table::row::{Format, Row};

/// A table of metrics and the file that holds it.
#[derive(Debug)]
pub(super) struct TableFile {
    /// As given, for messages.
    path: PathBuf,
    /// The same without links, independent of the current folder.
    target: PathBuf,
    format: Format,
    rows: Vec<Row>,
    /// Number of the first rows that the file holds, and their bytes with the header.
    written: (usize, u64),
    /// Whether the file must be replaced, because it holds rows that are removed.
    stale: bool,
}

impl TableFile {
    /// Opens or creates a table. A torn last line is dropped.
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
        // Another writer of the table may be in the middle of a line.
        lock(&file).map_err(io())?;
        let mut bytes = vec![];
        file.read_to_end(&mut bytes).map_err(io())?;
        let end = bytes.iter().rposition(|&byte| byte == b'\n');
        let end = end.map_or(0, |end| end + 1);
        let foreign = |(line, message)| TableLogError::Foreign {
            path: path.to_path_buf(),
            line,
            message,
        };
        let mark = bytes.len() - without_mark(&bytes).len();
        if end == 0 && !format.may_begin_with(&bytes[mark..]) {
            return Err(foreign((1, "unexpected start".to_string())));
        }
        let lines = without_mark(&bytes[..end]);
        let rows = format.parse(lines).map_err(foreign)?;
        if end < bytes.len() {
            log::warn!("{}: the torn last line is dropped", path.display());
            file.set_len(end as u64).map_err(io())?;
        }
        let mut table = Self {
            path: path.to_path_buf(),
            target: fs::canonicalize(path).map_err(io())?,
            format,
            written: (rows.len(), end as u64),
            rows,
            stale: false,
        };
        if end == 0 {
            let header = format.header().into_bytes();
            table.append(&mut file, &header).map_err(io())?;
        }
        Ok(table)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn has(&self, epoch: usize, split: &str) -> bool {
        self.rows(epoch, split).next().is_some()
    }

    /// Rows of an epoch of a split.
    pub fn rows(&self, epoch: usize, split: &str) -> impl Iterator<Item = &Row> {
        let wanted = move |row: &&Row| row.epoch == epoch && row.split == split;
        self.rows.iter().filter(wanted)
    }

    /// Appends a row, which the next [`flush`](Self::flush) writes.
    pub fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Removes the rows of a split from an epoch on, in the file with the next
    /// [`flush`](Self::flush).
    pub fn remove_from(&mut self, epoch: usize, split: &str) {
        let n_rows = self.rows.len();
        self.rows
            .retain(|row| row.split != split || row.epoch < epoch);
        self.stale |= self.rows.len() < n_rows;
    }

    /// Writes what the file lacks. After an error the next call tries again.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.stale {
            // Closed before its file is replaced, which Windows demands.
            drop(self.locked()?);
            let mut bytes = self.format.header().into_bytes();
            bytes.extend(self.format.lines(&self.rows)?);
            atomic_file::write(&self.target, &bytes)?;
            self.written = (self.rows.len(), bytes.len() as u64);
            self.stale = false;
            return Ok(());
        }
        let (n_rows, _) = self.written;
        let lines = self.format.lines(&self.rows[n_rows..])?;
        if !lines.is_empty() {
            let mut file = self.locked()?;
            self.append(&mut file, &lines)?;
        }
        self.written.0 = self.rows.len();
        Ok(())
    }

    /// The file, locked for other writers until it is dropped, if it is as this table left it.
    fn locked(&self) -> io::Result<File> {
        let (_, end) = self.written;
        let file = OpenOptions::new().write(true).open(&self.target)?;
        lock(&file)?;
        let length = file.metadata()?.len();
        if length == end {
            return Ok(file);
        }
        let message = "another program has changed the table";
        Err(io::Error::other(format!(
            "{message}: it has {length} bytes instead of {end}"
        )))
    }

    fn append(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        let (_, end) = self.written;
        file.seek(SeekFrom::Start(end))?;
        if let Err(error) = file.write_all(bytes) {
            // Only whole lines remain for readers; the next write begins here.
            let _ = file.set_len(end);
            return Err(error);
        }
        self.written.1 += bytes.len() as u64;
        Ok(())
    }

    /// Flushes the file to the disk.
    pub fn sync(&self) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(&self.target)?;
        file.sync_data()
    }
}

/// The bytes after a byte-order mark, which some programs write.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Waits until no other writer is in the middle of a line. A file system without locks is used without
/// one.
fn lock(file: &File) -> io::Result<()> {
    match file.lock() {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        locked => locked,
    }
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
            table.push(row(epoch, split, epoch as f64));
            table.push(row(epoch, split, 0.5));
        }
        table.flush().unwrap();
        table
    }

    fn values(table: &TableFile, epoch: usize, split: &str) -> Vec<f64> {
        table.rows(epoch, split).map(|row| row.value).collect()
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
                table.push(row(9, "train", 9.0));
                table.flush().unwrap();
                assert_eq!(values(&table, 9, "train"), [9.0]);
                let header = format.header().len();
                let kept = whole[..length].iter().rposition(|&byte| byte == b'\n');
                let mut expected = whole[..kept.map_or(0, |at| at + 1).max(header)].to_vec();
                expected.extend(format.lines([&row(9, "train", 9.0)]).unwrap());
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
            (Format::JsonLines, 1, "{\"epoch\":1,\"loss\":2}".to_string()),
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
            table.remove_from(1, "train");
            table.push(row(1, "train", 7.0));
            table.remove_from(3, "valid");
            for flushed in [false, true] {
                assert_eq!(values(&table, 1, "train"), [7.0], "flushed: {flushed}");
                assert_eq!(values(&table, 2, "train"), [0.0; 0]);
                assert_eq!(values(&table, 2, "valid"), [2.0, 0.5]);
                table.flush().unwrap();
            }
            table.push(row(1, "train", 8.0));
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
                table.remove_from(2, "train");
            }
            fs::rename(&path, &away).unwrap();
            // A folder in its place fails a replacement, too.
            fs::create_dir(&path).unwrap();
            table.push(row(2, "test", 5.0));
            table.flush().unwrap_err();
            assert_eq!(values(&table, 2, "test"), [5.0], "still known");
            table.push(row(2, "test", 6.0));
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
        table.push(row(3, "train", 1.0));
        let error = table.flush().unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("another program has changed"), "{text}");
    }

    #[test]
    fn of_two_writers_of_a_table_one_goes_on() {
        for format in FORMATS {
            for replaces in [false, true] {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("table");
                let mut first = table(&path, format);
                let mut second = TableFile::open(&path, format).unwrap();
                first.push(row(3, "train", 1.0));
                first.flush().unwrap();
                let expected = fs::read(&path).unwrap();
                if replaces {
                    second.remove_from(2, "train");
                }
                second.push(row(3, "train", 2.0));
                second.flush().unwrap_err();
                assert_eq!(fs::read(&path).unwrap(), expected);
                first.push(row(4, "train", 1.0));
                first.flush().unwrap();
                let read = TableFile::open(&path, format).unwrap();
                assert_eq!(values(&read, 4, "train"), [1.0]);
            }
        }
    }

    #[test]
    fn a_byte_order_mark_is_read() {
        for format in FORMATS {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("table");
            table(&path, format);
            let marked = [b"\xef\xbb\xbf".to_vec(), fs::read(&path).unwrap()].concat();
            fs::write(&path, marked).unwrap();
            let mut table = TableFile::open(&path, format).unwrap();
            assert_eq!(values(&table, 2, "valid"), [2.0, 0.5]);
            table.push(row(3, "train", 1.0));
            table.flush().unwrap();
            table.remove_from(3, "train");
            table.flush().unwrap();
            assert_eq!(
                values(&TableFile::open(&path, format).unwrap(), 2, "valid"),
                [2.0, 0.5]
            );
        }
    }
}
