//! What the examples of the paper's data sets share: options, preparation, methods, training, and the table of results.
//!
//! An example reads its data set, describes its front ends and encoders as a [`Model`], and calls [`Session::run`].

mod audio_visual;
mod cached;
mod encoder;
mod front_end;
mod key;
mod method;
mod model;
mod options;
mod paper;
mod parts;
mod place;
mod session;
mod sound;
#[cfg(test)]
mod tests;
mod text_image;
mod training;
mod words;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use burn_mla_data::dataset::{DatasetError, SplitSource};
use clap::Parser;

pub use audio_visual::{AudioVisual, AudioVisualModel, ResNet};
pub use encoder::{PaperEncoder, PaperInput};
pub use front_end::PaperFrontEnd;
pub use method::Method;
pub use model::Model;
pub use options::{Features, IncompleteSamples, Options, Protocol};
pub use paper::{Paper, Recipe};
pub use place::Place;
pub use session::Session;
pub use sound::{Sound, SoundOptions};
pub use text_image::{TextImage, TextImageOptions};
pub use words::{Words, WordsOptions};

/// A result with any error.
pub type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// Runs an example with the arguments of the command line. An error is printed as a sentence.
pub fn main<A: Parser>(example: impl FnOnce(&A) -> Result<()>) -> ExitCode {
    match example(&A::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<training::Stopped>() => {
            eprintln!("{error}");
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("error: {error}");
            if let Some(DatasetError::Incomplete { .. }) = error.downcast_ref() {
                eprintln!("--prepare makes files, --incomplete leave-out leaves such samples out");
            }
            ExitCode::FAILURE
        }
    }
}

/// The lists of an option: training, test, and validation if there is one.
///
/// In paper mode, a miniature without the option has its own, which are called `names`.
///
/// # Errors
///
/// Paper mode without lists, and a list that is not there.
pub fn lists(
    given: &[PathBuf],
    options: &Options,
    place: &Place,
    names: [&str; 2],
) -> Result<Option<SplitSource>> {
    let own = names.map(|name| place.root.join(name));
    let (train, test, valid) = match given {
        [train, test, rest @ ..] => (train, test, rest.first()),
        _ if options.paper_mode && place.is_miniature => (&own[0], &own[1], None),
        _ if options.paper_mode => {
            let problem = "--paper-mode needs the split of the authors: --lists TRAIN TEST";
            return Err(problem.into());
        }
        _ => return Ok(None),
    };
    exist("--lists", [train, test].into_iter().chain(valid))?;
    Ok(Some(SplitSource::Lists {
        train: train.clone(),
        valid: valid.cloned(),
        test: test.clone(),
    }))
}

/// Checks that the files of an option are there, before hours of preparation.
///
/// # Errors
///
/// A file or folder that is not there.
pub fn exist<'a>(option: &str, paths: impl IntoIterator<Item = &'a PathBuf>) -> Result<()> {
    match paths.into_iter().find(|path| !path.exists()) {
        Some(path) => Err(format!("{option} {}: no such file or folder", path.display()).into()),
        None => Ok(()),
    }
}
