//! Lists of samples as the authors of papers leave them: byte-order marks, CRLF, Windows-1252, names that
//! lead out of a folder.

use std::fs;
use std::path::{Component, Path};

use super::DatasetError;
use crate::ContentType;
use crate::error::DataError;

/// A line of a list, without its line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Counted from 1.
    pub(crate) number: u32,
    pub(crate) text: String,
}

/// The lines of a file that are not blank: without a byte-order mark, with LF, CRLF or none at the end.
pub(crate) fn read_lines(path: &Path) -> Result<Vec<Line>, DatasetError> {
    let text = read_text(path)?;
    let lines = text.lines().zip(1..).map(|(line, number)| Line {
        number,
        text: line.trim_end_matches('\r').to_string(),
    });
    Ok(lines.filter(|line| !line.text.trim().is_empty()).collect())
}

/// The text of a file; see [`decode_text`].
pub(crate) fn read_text(path: &Path) -> Result<String, DatasetError> {
    Ok(decode_text(&read_bytes(path)?).into_owned())
}

/// The content of a text file, which a pointer of git-lfs has not.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, DatasetError> {
    let bytes = fs::read(path).map_err(DataError::file(path))?;
    match ContentType::detect(&bytes) {
        pointer @ ContentType::GitLfsPointer => {
            let problem = format!("{pointer}; run `git lfs pull`");
            Err(DatasetError::layout(path, problem))
        }
        _ => Ok(bytes),
    }
}

/// Text in UTF-8, or else in Windows-1252, in which every byte is a character; without a byte-order mark.
pub(crate) fn decode_text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => encoding_rs::WINDOWS_1252
            .decode_without_bom_handling(bytes)
            .0
            .into_owned()
            .into(),
    }
}

/// Checks that a name of a list is the name of a file: not empty, not hidden, of one component.
pub(crate) fn safe_name(name: &str) -> Result<&str, String> {
    let mut parts = Path::new(name).components();
    let one = matches!(
        (parts.next(), parts.next()),
        (Some(Component::Normal(_)), None)
    );
    if !one || name.contains(['/', '\\', '\0']) || name.starts_with('.') {
        return Err(format!("`{name}` is not the name of a file in this folder"));
    }
    Ok(name)
}

/// Names of the files or folders in a folder, sorted; hidden ones and those that are not in Unicode are left
/// out.
pub(crate) fn file_names(folder: &Path) -> Result<Vec<String>, DataError> {
    let mut names = vec![];
    for entry in fs::read_dir(folder).map_err(DataError::file(folder))? {
        let name = entry.map_err(DataError::file(folder))?.file_name();
        if let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) {
            names.push(name.to_string());
        }
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_whatever_their_ends_and_encoding() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.csv");
        let lines = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let lines = read_lines(&path).unwrap().into_iter();
            lines
                .map(|line| (line.number, line.text))
                .collect::<Vec<_>>()
        };
        let both = |a: &str, b: &str| vec![(1, a.to_string()), (3, b.to_string())];
        assert_eq!(lines(b"\xef\xbb\xbfa,1\r\n\r\nb,2\r\n"), both("a,1", "b,2"));
        assert_eq!(lines(b"a\n \nb"), both("a", "b"));
        // Windows-1252: an e with an accent, and a euro.
        assert_eq!(lines(b"caf\xe9\n\n5 \x80"), both("caf\u{e9}", "5 \u{20ac}"));
        assert_eq!(
            lines("caf\u{e9}\n\n\u{20ac}".as_bytes()),
            both("caf\u{e9}", "\u{20ac}")
        );
        assert!(lines(b"").is_empty());
        let error = read_lines(&folder.path().join("none")).unwrap_err();
        assert!(error.to_string().contains("none: "), "{error}");
        fs::write(&path, "version https://git-lfs.github.com/spec/v1\noid x\n").unwrap();
        let error = read_lines(&path).unwrap_err().to_string();
        let expected =
            "list.csv: a git-lfs pointer, whose content was not downloaded; run `git lfs pull`";
        assert!(error.ends_with(expected), "{error}");
    }

    #[test]
    fn names_do_not_lead_elsewhere() {
        for name in ["a.jpg", "-b.mp4", "a b", "caf\u{e9}"] {
            assert_eq!(safe_name(name), Ok(name));
        }
        for name in [
            "",
            ".",
            "..",
            "../a",
            "/etc/passwd",
            "a/b",
            "a\\b",
            ".hidden",
            "a\0b",
            "a/",
        ] {
            assert!(safe_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn listings_are_sorted() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.wav", ".DS_Store", "a.wav", "10.wav"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(
            file_names(folder.path()).unwrap(),
            ["10.wav", "a.wav", "b.wav"]
        );
    }
}
