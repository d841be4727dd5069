//! Where the data are: the user's, or a miniature in a temporary folder.

use std::io::Write;
use std::path::{Path, PathBuf};

use burn_mla_data::dataset::miniature::{Miniature, MiniatureError};
use burn_mla_data::prepare::{PrepareConfig, PrepareError, PrepareReport};
use burn_mla_data::video::Ffmpeg;
use tempfile::TempDir;

use crate::{Options, Result};

/// The folders of a run.
pub struct Place {
    /// The data set.
    pub root: PathBuf,
    /// Prepared files.
    pub prepared: PathBuf,
    /// Results.
    pub out: PathBuf,
    /// Whether the data set is a miniature.
    pub is_miniature: bool,
    /// Whether files are prepared.
    pub prepares: bool,
    ffmpeg: Option<Ffmpeg>,
    config: PrepareConfig,
    /// Removed in the end.
    _temporary: Option<TempDir>,
}

/// A function that is called with the number of files done and of all.
pub(crate) type Progress<'a> = &'a mut dyn FnMut(usize, usize);

impl Place {
    /// The user's folders, or a miniature of `n_classes` that `write` makes; `None` if a miniature was all that the
    /// options ask for.
    ///
    /// # Errors
    ///
    /// A folder that is not there, and the errors of `write` and of the file system.
    pub fn new(
        name: &str,
        options: &Options,
        n_classes: Option<usize>,
        write: impl FnOnce(&Path, &Miniature) -> Result<(), MiniatureError>,
    ) -> Result<Option<Self>> {
        let ffmpeg = Ffmpeg::new().with_accept_damage(options.accept_damage);
        let out = |root: &Path| options.out.clone().unwrap_or_else(|| root.join(name));
        let config = PrepareConfig::new().with_max_failures(options.max_failures);
        if let Some(root) = &options.data {
            crate::exist("--data", [root])?;
            let prepared = options.prepared.clone();
            return Ok(Some(Self {
                root: root.clone(),
                prepared: prepared.unwrap_or_else(|| root.join("prepared")),
                out: out(Path::new("target")),
                is_miniature: false,
                prepares: options.prepare,
                ffmpeg: Some(ffmpeg),
                config,
                _temporary: None,
            }));
        }
        let ffmpeg = Some(ffmpeg).filter(Ffmpeg::is_installed);
        if ffmpeg.is_none() {
            println!("ffmpeg is not installed: prepared frames are written instead of clips");
        }
        let miniature = |n_classes| Miniature {
            n_classes,
            ffmpeg: ffmpeg.clone(),
            ..Miniature::default()
        };
        if let Some(root) = &options.miniature {
            write(root, &miniature(None)).map_err(|error| error.to_string())?;
            println!("{}: a miniature of {name}", root.display());
            return Ok(None);
        }
        println!(
            "No --data: this is a MINIATURE of {name}, made of synthetic tones, stripes and words. \
             Its scores say nothing about the data set.\n"
        );
        let temporary = tempfile::tempdir()?;
        let root = temporary.path().join(name);
        write(&root, &miniature(n_classes)).map_err(|error| error.to_string())?;
        Ok(Some(Self {
            prepared: root.join("prepared"),
            out: out(temporary.path()),
            root,
            is_miniature: true,
            prepares: true,
            ffmpeg,
            config,
            _temporary: Some(temporary),
        }))
    }

    /// Prepares files of videos by `make`, if the options ask for it. A miniature without ffmpeg has frames instead of
    /// videos.
    ///
    /// # Errors
    ///
    /// As [`prepare`](Self::prepare).
    pub fn prepare_videos(
        &self,
        what: &str,
        make: impl FnOnce(&Ffmpeg, &PrepareConfig, Progress<'_>) -> Result<PrepareReport, PrepareError>,
    ) -> Result<()> {
        match &self.ffmpeg {
            Some(ffmpeg) => self.prepare(what, |config, progress| make(ffmpeg, config, progress)),
            None => Ok(()),
        }
    }

    /// Prepares files by `make`, if the options ask for it, and prints how many there are.
    ///
    /// # Errors
    ///
    /// Those of `make`.
    pub fn prepare(
        &self,
        what: &str,
        make: impl FnOnce(&PrepareConfig, Progress<'_>) -> Result<PrepareReport, PrepareError>,
    ) -> Result<()> {
        if !self.prepares {
            return Ok(());
        }
        let report = make(&self.config, &mut progress(what))?;
        println!("{what}: {report}");
        Ok(())
    }
}

/// A line of progress on standard error that replaces itself.
pub(crate) fn progress(what: &str) -> impl FnMut(usize, usize) {
    move |done, all| {
        if done == all || done % 50 == 0 {
            let end = if done == all { "\n" } else { "" };
            eprint!("\r{what}: {done} of {all}{end}");
            // A progress that cannot be shown is no reason to stop.
            let _ = std::io::stderr().flush();
        }
    }
}
