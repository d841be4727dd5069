//! The folder of a manifest, which its paths do not leave.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Why a path is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct PathProblem {
    /// Whether there is no such file.
    pub(super) missing: bool,
    pub(super) message: String,
}

impl PathProblem {
    fn refused(message: String) -> Self {
        Self {
            missing: false,
            message,
        }
    }

    fn io(cell: &str, error: &io::Error) -> Self {
        Self {
            missing: error.kind() == io::ErrorKind::NotFound,
            message: format!("`{cell}`: {error}"),
        }
    }
}

type Result<T, E = PathProblem> = std::result::Result<T, E>;

/// The folder of a manifest, and other folders that its paths may lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Root {
    folder: PathBuf,
    /// Without symbolic links; the first is the folder.
    real: Vec<PathBuf>,
    /// The allowed folders as they were named.
    allowed: Vec<PathBuf>,
}

impl Root {
    pub(super) fn new(folder: &Path, allowed: &[PathBuf]) -> Result<Self, String> {
        let folder = folder.to_path_buf();
        let folders = [&folder].into_iter().chain(allowed);
        let real = folders.map(|folder| {
            fs::canonicalize(folder).map_err(|error| format!("{}: {error}", folder.display()))
        });
        Ok(Self {
            real: real.collect::<Result<_, _>>()?,
            folder,
            allowed: allowed.to_vec(),
        })
    }

    /// Checks what can be checked without reading the disk.
    pub(super) fn check(&self, cell: &str) -> Result<()> {
        let path = Path::new(cell);
        if path.components().any(|part| part == Component::ParentDir) {
            let problem = format!("the path `{cell}` has `..`");
            return Err(PathProblem::refused(problem));
        }
        let inside = |folder: &PathBuf| path.starts_with(folder);
        if path.has_root() && !self.allowed.iter().chain(&self.real[1..]).any(inside) {
            return Err(PathProblem::refused(format!(
                "the path `{cell}` is absolute; allow its folder by `with_folder`"
            )));
        }
        if cell.contains('\0') {
            let problem = format!("the path {cell:?} has a zero byte");
            return Err(PathProblem::refused(problem));
        }
        Ok(())
    }

    /// The file of a path, with symbolic links resolved.
    pub(super) fn file(&self, cell: &str) -> Result<PathBuf> {
        let path = self.existing(cell)?;
        if path.is_dir() {
            return Err(PathProblem::refused(format!("`{cell}` is a folder")));
        }
        Ok(path)
    }

    /// The folder of a path and the files in it, sorted by name. Hidden files are left out.
    pub(super) fn frames(&self, cell: &str) -> Result<(PathBuf, Vec<PathBuf>)> {
        let folder = self.existing(cell)?;
        let failed = |error: io::Error| PathProblem::io(cell, &error);
        let entries = fs::read_dir(&folder).map_err(failed)?;
        let mut names = vec![];
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            if !name.as_encoded_bytes().starts_with(b".") {
                names.push(name);
            }
        }
        if names.is_empty() {
            let problem = format!("the folder `{cell}` has no frames");
            return Err(PathProblem::refused(problem));
        }
        names.sort();
        let resolve = |name| self.within(&folder.join(name), cell);
        let files = names.into_iter().map(resolve).collect::<Result<_>>()?;
        Ok((folder, files))
    }

    /// Whether a path may be followed and leads to a folder.
    pub(super) fn is_folder(&self, cell: &str) -> bool {
        self.existing(cell).is_ok_and(|path| path.is_dir())
    }

    fn existing(&self, cell: &str) -> Result<PathBuf> {
        self.check(cell)?;
        self.within(&self.folder.join(cell), cell)
    }

    fn within(&self, path: &Path, cell: &str) -> Result<PathBuf> {
        let real = fs::canonicalize(path).map_err(|error| PathProblem::io(cell, &error))?;
        if self.real.iter().any(|folder| real.starts_with(folder)) {
            return Ok(real);
        }
        let target = real.display();
        Err(PathProblem::refused(format!(
            "`{cell}` is a link to {target}, outside of the folder of the manifest; allow that folder \
             by `with_folder`"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_within_the_root() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("data");
        fs::create_dir_all(folder.join("images")).unwrap();
        fs::write(folder.join("images/a.png"), "a").unwrap();
        fs::write(outer.path().join("secret"), "s").unwrap();
        let root = Root::new(&folder, &[]).unwrap();
        let found = root.file("images/a.png").unwrap();
        assert_eq!(fs::read(found).unwrap(), b"a");
        assert!(root.file("./images//a.png").is_ok());
        for refused in ["../secret", "images/../../secret", "images/../images/a.png"] {
            let error = root.file(refused).unwrap_err();
            assert_eq!(error.message, format!("the path `{refused}` has `..`"));
        }
        let secret = outer.path().join("secret");
        let secret = secret.to_str().unwrap();
        assert!(
            root.file(secret)
                .unwrap_err()
                .message
                .contains("is absolute")
        );
        assert!(root.file("a\0b").is_err());
        assert!(
            root.file("images")
                .unwrap_err()
                .message
                .contains("is a folder")
        );
        let missing = root.file("images/b.png").unwrap_err();
        assert!(missing.missing && missing.message.starts_with("`images/b.png`: "));
        // Allowed by name.
        let allowed = [outer.path().to_path_buf()];
        let root = Root::new(&folder, &allowed).unwrap();
        assert!(root.file(secret).is_ok());
        assert!(root.file("../secret").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_out_are_refused() {
        use std::os::unix::fs::symlink;
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("data");
        fs::create_dir_all(folder.join("clip")).unwrap();
        fs::write(outer.path().join("secret"), "s").unwrap();
        fs::write(folder.join("clip/1.png"), "1").unwrap();
        symlink(outer.path().join("secret"), folder.join("link")).unwrap();
        symlink("clip/1.png", folder.join("inside")).unwrap();
        let root = Root::new(&folder, &[]).unwrap();
        assert!(root.file("inside").is_ok());
        let error = root.file("link").unwrap_err();
        assert!(error.message.contains("outside of the folder"), "{error}");
        symlink(outer.path().join("secret"), folder.join("clip/2.png")).unwrap();
        assert!(root.frames("clip").is_err());
        let root = Root::new(&folder, &[outer.path().to_path_buf()]).unwrap();
        assert!(root.file("link").is_ok());
        assert_eq!(root.frames("clip").unwrap().1.len(), 2);
    }

    #[test]
    fn frames_are_sorted_and_hidden_files_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let clip = folder.path().join("clip");
        fs::create_dir(&clip).unwrap();
        let root = Root::new(folder.path(), &[]).unwrap();
        assert!(
            root.frames("clip")
                .unwrap_err()
                .message
                .ends_with("has no frames")
        );
        for name in ["00030.jpg", "00000.jpg", ".DS_Store", "00015.jpg"] {
            fs::write(clip.join(name), "").unwrap();
        }
        let (_, frames) = root.frames("clip").unwrap();
        let names = frames.iter().map(|path| path.file_name().unwrap());
        assert_eq!(
            names.collect::<Vec<_>>(),
            ["00000.jpg", "00015.jpg", "00030.jpg"]
        );
    }
}
