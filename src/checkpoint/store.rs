//! A folder of checkpoints: names, the newest and the best one, removal of old ones.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::atomic_file;
use crate::checkpoint::{CheckpointError, Snapshot, TrainingProgress, file};
use crate::directory_lock::DirectoryLock;
use crate::error::at_least_one;

const PREFIX: &str = "turn-";
const EXTENSION: &str = "ckpt";
const BEST: &str = "best.ckpt";

/// A folder of checkpoints: `turn-<number of turns>.ckpt` and `best.ckpt`.
///
/// A checkpoint is written to another file in the folder, flushed to the disk and then renamed. A
/// crash of the process or the machine in between, or a full disk, leaves all earlier checkpoints
/// intact.
///
/// A folder holds the checkpoints of one training. Only those are ever removed or replaced: a file
/// that is not a checkpoint, that is of another training or a newer version of this crate, or that is
/// damaged, is an error and stays. Only one process at a time may write. A file named `.lock` sees to
/// it.
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
    /// - [`CheckpointError::Occupied`] for a folder that holds checkpoints of another training;
    /// - [`CheckpointError::InTheWay`] for a folder that holds a file with the name of a checkpoint
    ///   that cannot be read;
    /// - [`CheckpointError::InUse`] while another process writes;
    /// - [`CheckpointError::Io`].
    ///
    /// Existing checkpoints stay.
    pub fn save(&self, snapshot: &Snapshot) -> Result<PathBuf, CheckpointError> {
        self.save_locked(&self.lock()?, snapshot)
    }

    /// As [`save`](Self::save), with the right to write.
    pub(crate) fn save_locked(
        &self,
        lock: &DirectoryLock,
        snapshot: &Snapshot,
    ) -> Result<PathBuf, CheckpointError> {
        let turns = snapshot.progress.turns;
        let path = self.directory.join(name(turns));
        self.write(lock, &path, snapshot)?;
        let all = self.numbered()?;
        let (until_now, later): (Vec<_>, Vec<_>) = all.into_iter().partition(|(n, _)| *n <= turns);
        let too_old = until_now.into_iter().rev().skip(self.keep_last);
        for (_, old) in later.into_iter().chain(too_old) {
            Self::remove(&old)?;
        }
        lock.remove_unfinished().map_err(failed)?;
        Ok(path)
    }

    /// Removes a checkpoint, unless it is damaged.
    fn remove(path: &Path) -> Result<(), CheckpointError> {
        match Self::load(path) {
            Ok(_) => fs::remove_file(path).map_err(CheckpointError::io(path)),
            Err(CheckpointError::Unusable { problem, .. }) => {
                log::warn!("{} is not removed: {problem}", path.display());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Removes the best checkpoint if it is of a later turn than `turns`. It is obsolete for a
    /// training that resumes from there.
    pub(crate) fn remove_later_best(&self, turns: u64) -> Result<(), CheckpointError> {
        match self.best_path()? {
            Some(best) if file::peek(&best)?.turns > turns => Self::remove(&best),
            _ => Ok(()),
        }
    }

    /// Writes a checkpoint as the best one and replaces the previous one.
    ///
    /// # Errors
    ///
    /// As [`save`](Self::save).
    pub fn save_best(&self, snapshot: &Snapshot) -> Result<PathBuf, CheckpointError> {
        self.save_best_locked(&self.lock()?, snapshot)
    }

    /// As [`save_best`](Self::save_best), with the right to write.
    pub(crate) fn save_best_locked(
        &self,
        lock: &DirectoryLock,
        snapshot: &Snapshot,
    ) -> Result<PathBuf, CheckpointError> {
        let path = self.directory.join(BEST);
        self.write(lock, &path, snapshot)?;
        Ok(path)
    }

    fn write(
        &self,
        _: &DirectoryLock,
        path: &Path,
        snapshot: &Snapshot,
    ) -> Result<(), CheckpointError> {
        self.check_own(&snapshot.progress)?;
        if path.try_exists().map_err(CheckpointError::io(path))? {
            Self::load(path).map_err(in_the_way)?;
        }
        atomic_file::write_with(path, |file| snapshot.write(file))
            .map_err(CheckpointError::io(path))
    }

    /// Takes the right to write to the folder.
    pub(crate) fn lock(&self) -> Result<DirectoryLock, CheckpointError> {
        let lock = DirectoryLock::acquire(&self.directory).map_err(failed)?;
        lock.ok_or_else(|| CheckpointError::InUse {
            directory: self.directory.clone(),
        })
    }

    /// Checks that all checkpoints in the folder are of the same training, by their headers.
    fn check_own(&self, progress: &TrainingProgress) -> Result<(), CheckpointError> {
        self.check_each(progress, file::peek)
    }

    /// Checks that all checkpoints in the folder are undamaged and of the same training.
    pub(crate) fn check_all(&self, progress: &TrainingProgress) -> Result<(), CheckpointError> {
        self.check_each(progress, |path| Ok(Self::load(path)?.progress))
    }

    fn check_each(
        &self,
        progress: &TrainingProgress,
        read: impl Fn(&Path) -> Result<TrainingProgress, CheckpointError>,
    ) -> Result<(), CheckpointError> {
        for path in self.list()?.into_iter().chain(self.best_path()?) {
            if !read(&path)
                .map_err(in_the_way)?
                .is_of_same_training(progress)
            {
                let directory = self.directory.clone();
                return Err(CheckpointError::Occupied { directory });
            }
        }
        Ok(())
    }

    /// The best checkpoint, if there is one.
    fn best_path(&self) -> Result<Option<PathBuf>, CheckpointError> {
        let path = self.directory.join(BEST);
        let exists = path.try_exists().map_err(CheckpointError::io(&path))?;
        Ok(exists.then_some(path))
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
            let entry = entry.map_err(in_folder())?;
            found.extend(
                entry
                    .file_name()
                    .to_str()
                    .and_then(turns_of)
                    .map(|turns| (turns, entry.path())),
            );
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
        self.best_path()?.map(Self::load).transpose()
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

/// The error of a checkpoint that would be removed or replaced.
fn in_the_way(error: CheckpointError) -> CheckpointError {
    match error {
        CheckpointError::Unusable { path, problem, .. } => {
            CheckpointError::InTheWay { path, problem }
        }
        other => other,
    }
}

fn failed((path, source): (PathBuf, io::Error)) -> CheckpointError {
    CheckpointError::Io { path, source }
}

fn name(turns: u64) -> String {
    format!("{PREFIX}{turns:010}.{EXTENSION}")
}

/// The number of turns in the name of a checkpoint; `None` for other names.
fn turns_of(file: &str) -> Option<u64> {
    let number = file.strip_prefix(PREFIX)?.strip_suffix(EXTENSION)?;
    let turns = number.strip_suffix('.')?.parse().ok()?;
    (name(turns) == file).then_some(turns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::part::Part;
    use crate::checkpoint::{CheckpointProblem, Description};
    use crate::directory_lock;

    fn snapshot(turns: u64) -> Snapshot {
        of_training("this one", turns)
    }

    fn of_training(training: &str, turns: u64) -> Snapshot {
        Snapshot {
            path: None,
            progress: TrainingProgress {
                training: training.to_string(),
                turns,
                ..TrainingProgress::new(1)
            },
            description: Description::default(),
            model: Part::of_bytes(&[1, 2, 3]),
            optimizer: Part::of_bytes(&[]),
            scheduler: Part::of_bytes(&[4]),
        }
    }

    fn store(folder: &tempfile::TempDir) -> CheckpointStore {
        CheckpointStore::open(folder.path().join("new/checkpoints")).unwrap()
    }

    fn names_of(store: &CheckpointStore) -> Vec<String> {
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
            names_of(&store),
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
        let half = store
            .directory()
            .join("turn-0000000002.ckpt.x1.burn-mla-unfinished");
        fs::write(&half, "half of a").unwrap();
        let scratch = store.directory().join(".tmpx1.burn-mla-unfinished");
        let theirs = store.directory().join("notes.unfinished");
        fs::write(&theirs, "notes").unwrap();
        fs::create_dir(&scratch).unwrap();
        fs::write(scratch.join("part.bpk"), "half of a").unwrap();
        assert_eq!(store.latest().unwrap().unwrap(), snapshot(1));
        store.save(&snapshot(3)).unwrap();
        assert!(!half.exists() && !scratch.exists() && theirs.exists());
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
        let unfinished = fs::read_dir(store.directory()).unwrap().filter(|entry| {
            let path = entry.as_ref().unwrap().path();
            atomic_file::is_unfinished(&path)
        });
        assert_eq!(unfinished.count(), 0);
        assert_eq!(store.latest().unwrap().unwrap(), snapshot(1));
    }

    fn bytes_of(store: &CheckpointStore) -> Vec<(PathBuf, Vec<u8>)> {
        let mut all: Vec<_> = fs::read_dir(store.directory())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| !path.ends_with(directory_lock::LOCK))
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect();
        all.sort();
        all
    }

    #[test]
    fn checkpoints_of_another_training_stay() {
        for best_only in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let store = store(&folder);
            if !best_only {
                store.save(&snapshot(100)).unwrap();
            }
            store.save_best(&snapshot(100)).unwrap();
            let before = bytes_of(&store);
            let other = of_training("another one", 4);
            for saved in [store.save(&other), store.save_best(&other)] {
                let error = saved.unwrap_err();
                assert!(matches!(error, CheckpointError::Occupied { .. }), "{error}");
            }
            assert_eq!(bytes_of(&store), before);
            assert_eq!(store.best().unwrap().unwrap(), snapshot(100));
        }
    }

    #[test]
    fn what_cannot_be_read_is_neither_removed_nor_replaced() {
        let newer = {
            let mut bytes = vec![];
            snapshot(9).write(&mut bytes).unwrap();
            bytes[b"burn-mla checkpoint\n".len()] = 99;
            bytes
        };
        for content in [b"notes".to_vec(), newer, vec![]] {
            for file in ["best.ckpt", "turn-0000000001.ckpt", "turn-0000000009.ckpt"] {
                let folder = tempfile::tempdir().unwrap();
                let store = store(&folder);
                let path = store.directory().join(file);
                fs::write(&path, &content).unwrap();
                for saved in [store.save(&snapshot(9)), store.save_best(&snapshot(9))] {
                    let error = saved.unwrap_err();
                    let text = error.to_string();
                    assert!(matches!(error, CheckpointError::InTheWay { .. }), "{text}");
                    assert!(text.starts_with(path.to_str().unwrap()), "{text}");
                }
                assert_eq!(bytes_of(&store), [(path, content.clone())]);
            }
        }
    }

    #[test]
    fn only_files_with_the_exact_name_are_checkpoints() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).with_keep_last(1).unwrap();
        store.save(&snapshot(5)).unwrap();
        let names = [
            "turn-5.ckpt",
            "turn-+000000005.ckpt",
            "turn-0000000005.ckpt.old",
        ];
        for name in names {
            fs::copy(
                store.directory().join(super::name(5)),
                store.directory().join(name),
            )
            .unwrap();
        }
        store.save(&snapshot(6)).unwrap();
        assert!(
            names
                .iter()
                .all(|name| store.directory().join(name).exists())
        );
        assert_eq!(names_of(&store), [super::name(6)]);
    }

    #[test]
    fn a_damaged_checkpoint_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).with_keep_last(1).unwrap();
        let path = store.save(&snapshot(5)).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&path, &bytes).unwrap();
        store.save(&snapshot(6)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }

    #[test]
    fn only_one_writes_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder);
        let lock = store.lock().unwrap();
        let error = store.save(&snapshot(1)).unwrap_err();
        assert!(matches!(error, CheckpointError::InUse { .. }), "{error}");
        store.save_locked(&lock, &snapshot(1)).unwrap();
        drop(lock);
        store.save(&snapshot(2)).unwrap();
    }
}
