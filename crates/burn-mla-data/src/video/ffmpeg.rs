//! The programs `ffmpeg` and `ffprobe`: they are run with a time limit, and their errors are passed on.

use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use burn::config::Config;

use super::error::{Result, VideoError};

/// Time between two looks at a program.
const POLL: Duration = Duration::from_millis(5);
/// The end of an error message that is kept, in bytes.
const MESSAGE: usize = 2000;

/// The programs that decode video, and the time that they may take for each file.
///
/// No library of a codec is linked: `ffmpeg` 5.1 or later is installed beside. A path is handed over whole, so a name
/// that begins with `-` or holds `:`, `%` or spaces is a name.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `ffmpeg` | `ffmpeg` | the program, by name or path | |
/// | `ffprobe` | `ffprobe` | the program, by name or path | |
/// | `timeout_seconds` | 120 | longest run for one file; the program is killed after it | |
/// | `accept_damage` | false | decodes what is left of a damaged file instead of failing | |
#[derive(Config, Debug, PartialEq)]
pub struct Ffmpeg {
    /// The program `ffmpeg`, by name or path.
    #[config(default = "String::from(\"ffmpeg\")")]
    pub ffmpeg: String,
    /// The program `ffprobe`, by name or path.
    #[config(default = "String::from(\"ffprobe\")")]
    pub ffprobe: String,
    /// Seconds that a program may take.
    #[config(default = 120)]
    pub timeout_seconds: u64,
    /// Whether a damaged file gives what is left of it, instead of an error.
    #[config(default = false)]
    pub accept_damage: bool,
}

impl Default for Ffmpeg {
    fn default() -> Self {
        Self::new()
    }
}

impl Ffmpeg {
    /// Runs `ffmpeg` in a folder.
    #[cfg(feature = "miniature")]
    pub(crate) fn run_in(&self, folder: &Path, arguments: Vec<OsString>) -> Result<()> {
        self.run(&self.ffmpeg, folder, arguments).map(drop)
    }

    /// Whether the programs can be run here.
    pub fn is_installed(&self) -> bool {
        let version = |program: &str| self.run(program, Path::new("."), ["-version"]).is_ok();
        version(&self.ffmpeg) && version(&self.ffprobe)
    }

    /// Runs a program in a folder, and returns what it writes.
    pub(super) fn run<I, A>(&self, program: &str, folder: &Path, arguments: I) -> Result<Vec<u8>>
    where
        I: IntoIterator<Item = A>,
        A: AsRef<OsStr>,
    {
        // A relative path is one from here, not from the folder.
        let path = if Path::new(program).components().count() > 1 {
            std::path::absolute(program)?
        } else {
            program.into()
        };
        let mut child = Command::new(path)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => VideoError::NotInstalled {
                    program: program.into(),
                },
                _ => VideoError::Io(error),
            })?;
        // Both are read at once: a program waits for its reader.
        let output = read(child.stdout.take());
        let message = read(child.stderr.take());
        let Some(status) = self.wait(&mut child)? else {
            return Err(VideoError::Timeout {
                program: program.into(),
                seconds: self.timeout_seconds,
            });
        };
        let message = joined(message);
        // ffmpeg succeeds with what is left of a damaged file, and reports the damage.
        let is_whole = self.accept_damage || message.trim_ascii().is_empty();
        if status.success() && is_whole {
            Ok(joined(output))
        } else {
            let start = message.len().saturating_sub(MESSAGE);
            let message = String::from_utf8_lossy(&message[start..]);
            Err(VideoError::Failed {
                program: program.into(),
                message: format!("{} ({status})", message.trim()),
            })
        }
    }

    /// Waits for a program, and kills it at the limit. A killed program has no status.
    fn wait(&self, child: &mut Child) -> Result<Option<ExitStatus>> {
        let limit = Duration::from_secs(self.timeout_seconds);
        let start = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            if start.elapsed() >= limit {
                child.kill()?;
                child.wait()?;
                return Ok(None);
            }
            thread::sleep(POLL);
        }
    }
}

/// The name of a file as an argument: `file:` and its absolute path, which is no option, no address and no pattern.
pub(super) fn input(path: &Path) -> Result<OsString> {
    let mut argument = OsString::from("file:");
    argument.push(std::path::absolute(path)?);
    Ok(argument)
}

fn read(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read before an error is what there is.
            pipe.read_to_end(&mut bytes).ok();
        }
        bytes
    })
}

fn joined(reader: JoinHandle<Vec<u8>>) -> Vec<u8> {
    reader.join().unwrap_or_default()
}
