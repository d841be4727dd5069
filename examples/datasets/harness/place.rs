//! Where the data are: the user's, or a miniature in a temporary folder.

use std::io::Write;
use std::path::{Path, PathBuf};

use burn_mla_data::dataset::miniature::{Miniature, MiniatureError};
use burn_mla_data::prepare::PrepareConfig;
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
    /// Whether to prepare.
    pub prepare: bool,
    max_failures: f64,
    /// Removed in the end.
    _temporary: Option<TempDir>,
}

impl Place {
    /// The user's folders, or a miniature that `write` makes.
    ///
    /// # Errors
    ///
    /// Those of `write` and of the file system.
    pub fn new(
        name: &str,
        options: &Options,
        write: impl FnOnce(&Path, &Miniature) -> Result<(), MiniatureError>,
    ) -> Result<Self> {
        let out = |root: &Path| options.out.clone().unwrap_or_else(|| root.join(name));
        if let Some(root) = &options.data {
            let prepared = options.prepared.clone();
            return Ok(Self {
                root: root.clone(),
                prepared: prepared.unwrap_or_else(|| root.join("prepared")),
                out: out(Path::new("target")),
                is_miniature: false,
                prepare: options.prepare,
                max_failures: options.max_failures,
                _temporary: None,
            });
        }
        println!(
            "No --data: this is a MINIATURE of {name}, made of synthetic tones, stripes and words. \
             Its scores say nothing about the data set.\n"
        );
        let temporary = tempfile::tempdir()?;
        let root = temporary.path().join(name);
        let ffmpeg = Some(Ffmpeg::new()).filter(Ffmpeg::is_installed);
        if ffmpeg.is_none() {
            println!("ffmpeg is not installed: prepared frames are written instead of clips");
        }
        let miniature = Miniature {
            ffmpeg,
            ..Miniature::default()
        };
        write(&root, &miniature).map_err(|error| error.to_string())?;
        Ok(Self {
            prepared: root.join("prepared"),
            out: out(temporary.path()),
            root,
            is_miniature: true,
            prepare: miniature.ffmpeg.is_some(),
            max_failures: options.max_failures,
            _temporary: Some(temporary),
        })
    }

    /// Options of the preparation.
    pub fn prepare_config(&self) -> PrepareConfig {
        PrepareConfig::new().with_max_failures(self.max_failures)
    }

    /// A line of progress on standard error that replaces itself.
    pub fn progress(what: &str) -> impl FnMut(usize, usize) {
        let what = what.to_string();
        move |done, all| {
            if done == all || done % 50 == 0 {
                let end = if done == all { "\n" } else { "" };
                eprint!("\r{what}: {done} of {all}{end}");
                // A progress that cannot be shown is no reason to stop.
                let _ = std::io::stderr().flush();
            }
        }
    }
}
