//! A folder of checkpoints: names, the newest and the best one, removal of old ones.

use std::fs;
use std::path::{Path, PathBuf};

use crate::atomic_file;
use crate::checkpoint::{CheckpointError, Snapshot};
use crate::error::at_least_one;

const PREFIX: &str = "turn-";
const EXTENSION: &str = "ckpt";
const BEST: &str = "best.ckpt";

/// A folder of checkpoints: `turn-<number of turns>.ckpt` and `best.ckpt`.
///
/// A checkpoint is written to another file in the folder, flushed to the disk and then renamed. A
/// crash of the process or the machine in between, or a full disk, leaves all earlier checkpoints
/// intact. Only one process at a time may write.
#[derive(Debug, Clone)]
pub struct CheckpointStore {
    directory: PathBuf,
    keep_last: usize,
}

impl CheckpointStore {
    /// Opens or creates a folder. By default it keeps the last two checkpoints.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Io`].
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        let directory = directory.as_ref().to_path_buf();
        fs::create_dir_all(&directory).map_err(CheckpointError::io(&directory))?;
        Ok(Self {
            directory,
            keep_last: 2,
        })
    }

    /// Sets the number of the newest checkpoints to keep. The best one is kept in addition.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`](crate::MlaError::HyperParameter) for 0.
    pub fn with_keep_last(mut self, keep_last: usize) -> crate::Result<Self> {
        self.keep_last = at_least_one("keep_last", keep_last)?;
        Ok(self)
    }

    /// The folder.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes a checkpoint, and then removes those that are too old to keep.
    ///
    /// It also removes checkpoints of later turns, which are obsolete after a training resumed from
    /// an older checkpoint.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Io`]. Existing checkpoints stay.
    pub fn save(&self, snapshot: &Snapshot) -> Result<PathBuf, CheckpointError> {
        let turns = snapshot.progress.turns;
        let path = self
            .directory
            .join(format!("{PREFIX}{turns:010}.{EXTENSION}"));
        Self::write(&path, snapshot)?;
        let all = self.numbered()?;
        let (until_now, later): (Vec<_>, Vec<_>) = all.into_iter().partition(|(n, _)| *n <= turns);
        let too_old = until_now.into_iter().rev().skip(self.keep_last);
        for (_, old) in later.into_iter().chain(too_old) {
            fs::remove_file(&old).map_err(CheckpointError::io(&old))?;
        }
        self.remove_unfinished()?;
        Ok(path)
    }

    /// Removes the best checkpoint if it is of a later turn than `turns`, or cannot be read. It is
    /// obsolete for a training that resumes from there.
    pub(crate) fn remove_later_best(&self, turns: u64) -> Result<(), CheckpointError> {
        let path = self.directory.join(BEST);
        let stays = match self.best() {
            Ok(best) => best.is_none_or(|best| best.progress.turns <= turns),
            Err(CheckpointError::Unusable { .. }) => false,
            Err(error) => return Err(error),
        };
        if stays {
            Ok(())
        } else {
            fs::remove_file(&path).map_err(CheckpointError::io(&path))
        }
    }

    /// Removes unfinished files and folders of killed processes.
    fn remove_unfinished(&self) -> Result<(), CheckpointError> {
        let in_folder = || CheckpointError::io(&self.directory);
        for entry in fs::read_dir(&self.directory).map_err(in_folder())? {
            let path = entry.map_err(in_folder())?.path();
            if atomic_file::is_unfinished(&path) {
                let removed = if path.is_dir() {
                    fs::remove_dir_all(&path)
                } else {
                    fs::remove_file(&path)
                };
                removed.map_err(CheckpointError::io(&path))?;
            }
        }
        Ok(())
    }

    /// Writes a checkpoint as the best one and replaces the previous one.
    ///
    /// # Errors
    ///
    /// As [`save`](Self::save).
    pub fn save_best(&self, snapshot: &Snapshot) -> Result<PathBuf, CheckpointError> {
        let path = self.directory.join(BEST);
        Self::write(&path, snapshot)?;
        Ok(path)
    }

    fn write(path: &Path, snapshot: &Snapshot) -> Result<(), CheckpointError> {
        atomic_file::write_with(path, |file| snapshot.write(file))
            .map_err(CheckpointError::io(path))
    }

    /// All checkpoints except the best one, oldest first.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Io`].
    pub fn list(&self) -> Result<Vec<PathBuf>, CheckpointError> {
        let numbered = self.numbered()?.into_iter();
        Ok(numbered.map(|(_, path)| path).collect())
    }

    fn numbered(&self) -> Result<Vec<(u64, PathBuf)>, CheckpointError> {
        let in_folder = || CheckpointError::io(&self.directory);
        let mut found: Vec<(u64, PathBuf)> = vec![];
        for entry in fs::read_dir(&self.directory).map_err(in_folder())? {
            let path = entry.map_err(in_folder())?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == EXTENSION)
            {
                let stem = path.file_stem().and_then(|stem| stem.to_str());
                let number = stem.and_then(|stem| stem.strip_prefix(PREFIX)?.parse().ok());
                found.extend(number.map(|number| (number, path)));
            }
        }
        found.sort();
        Ok(found)
    }

    /// The newest checkpoint; `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Unusable`] when the newest one cannot be used. The error names the newest
    /// good one, for [`load`](Self::load).
    pub fn latest(&self) -> Result<Option<Snapshot>, CheckpointError> {
        let all = self.list()?;
        let Some((newest, older)) = all.split_last() else {
            return Ok(None);
        };
        match Self::load(newest) {
            Ok(snapshot) => Ok(Some(snapshot)),
            Err(CheckpointError::Unusable { path, problem, .. }) => {
                let good = older.iter().rev().find(|path| Self::load(path).is_ok());
                Err(CheckpointError::Unusable {
                    path,
                    problem,
                    previous: good.cloned(),
                })
            }
            Err(error) => Err(error),
        }
    }

    /// The best checkpoint; `None` when there is none.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn best(&self) -> Result<Option<Snapshot>, CheckpointError> {
        let path = self.directory.join(BEST);
        if path.exists() {
            Self::load(&path).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Opens a checkpoint and verifies its checksum.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Io`], and [`CheckpointError::Unusable`] for a file that is truncated,
    /// corrupted, of another format or no checkpoint at all.
    pub fn load(path: impl AsRef<Path>) -> Result<Snapshot, CheckpointError> {
        Snapshot::open(path.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::part::Part;
    use crate::checkpoint::{CheckpointProblem, TrainingProgress};

    fn snapshot(turns: u64) -> Snapshot {
        let mut progress = TrainingProgress::new(1);
        progress.turns = turns;
        Snapshot {
            path: None,
            progress,
            model: Part::of_bytes(&[1, 2, 3]),
            optimizer: Part::of_bytes(&[]),
            scheduler: Part::of_bytes(&[4]),
        }
    }

    fn store(folder: &tempfile::TempDir) -> CheckpointStore {
        CheckpointStore::open(folder.path().join("new/checkpoints")).unwrap()
    }

    fn names(store: &CheckpointStore) -> Vec<String> {
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_string();
        store.list().unwrap().iter().map(name).collect()
    }

    #[test]
    fn keeps_the_newest_and_the_best() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).with_keep_last(2).unwrap();
        assert_eq!(store.latest().unwrap(), None);
        assert_eq!(store.best().unwrap(), None);
        store.save_best(&snapshot(5)).unwrap();
        for turns in [5, 90, 1000, 20_000_000_000] {
            store.save(&snapshot(turns)).unwrap();
        }
        assert_eq!(
            names(&store),
            ["turn-0000001000.ckpt", "turn-20000000000.ckpt"],
            "by number, not by name"
        );
        let latest = store.latest().unwrap().unwrap();
        assert_eq!(latest, snapshot(20_000_000_000));
        assert_eq!(store.best().unwrap().unwrap(), snapshot(5));
        assert!(store.with_keep_last(0).is_err());
    }

    #[test]
    fn going_on_from_an_older_checkpoint_leaves_the_later_ones_behind() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder);
        for turns in [8, 100, 104] {
            store.save(&snapshot(turns)).unwrap();
        }
        store.save_best(&snapshot(100)).unwrap();
        let written = store.save(&snapshot(16)).unwrap();
        assert!(written.exists());
        assert_eq!(store.latest().unwrap().unwrap(), snapshot(16));
        assert_eq!(store.list().unwrap(), [written]);
        store.remove_later_best(100).unwrap();
        assert!(store.best().unwrap().is_some());
        store.remove_later_best(16).unwrap();
        assert!(store.best().unwrap().is_none());
    }

    #[test]
    fn a_bad_checkpoint_is_refused_and_the_last_good_one_offered() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).with_keep_last(9).unwrap();
        let good = store.save(&snapshot(1)).unwrap();
        let torn = store.save(&snapshot(2)).unwrap();
        let foreign = store.save(&snapshot(3)).unwrap();
        let bytes = fs::read(&torn).unwrap();
        fs::write(&torn, &bytes[..bytes.len() / 2]).unwrap();
        fs::write(&foreign, "something else").unwrap();
        let error = store.latest().unwrap_err();
        let text = error.to_string();
        assert!(text.contains(foreign.to_str().unwrap()), "{text}");
        assert!(text.contains("not a checkpoint of burn-mla"), "{text}");
        assert!(text.ends_with(&format!("is {}", good.display())), "{text}");
        assert!(matches!(
            CheckpointStore::load(&torn),
            Err(CheckpointError::Unusable {
                problem: CheckpointProblem::Truncated { .. },
                ..
            })
        ));
        assert_eq!(CheckpointStore::load(&good).unwrap(), snapshot(1));
    }

    #[test]
    fn what_an_interrupted_write_leaves_is_no_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder);
        store.save(&snapshot(1)).unwrap();
        let half = store.directory().join("turn-0000000002.ckpt.x1.unfinished");
        fs::write(&half, "half of a").unwrap();
        let scratch = store.directory().join(".tmpx1.unfinished");
        fs::create_dir(&scratch).unwrap();
        fs::write(scratch.join("part.bpk"), "half of a").unwrap();
        assert_eq!(store.latest().unwrap().unwrap(), snapshot(1));
        store.save(&snapshot(3)).unwrap();
        assert!(!half.exists() && !scratch.exists());
    }

    #[test]
    fn a_write_that_fails_names_the_file_and_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder);
        store.save(&snapshot(1)).unwrap();
        // A folder of this name makes the rename fail.
        let blocked = store.directory().join("turn-0000000002.ckpt");
        fs::create_dir(&blocked).unwrap();
        let error = store.save(&snapshot(2)).unwrap_err();
        assert!(
            error.to_string().starts_with(blocked.to_str().unwrap()),
            "{error}"
        );
        fs::remove_dir(&blocked).unwrap();
        assert_eq!(store.latest().unwrap().unwrap(), snapshot(1));
    }
}
