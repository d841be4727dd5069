//! MLA on CREMA-D: emotions of 91 actors by sound and video, with ResNet-18 from scratch for each.
//!
//! ```text
//! cargo run --release --example crema_d                                        # a miniature, seconds
//! cargo run --release --example crema_d -- --data CREMA-D --prepare            # the data set, no actor in two splits
//! cargo run --release --example crema_d -- --data CREMA-D --paper-mode \
//!     --lists my_train_cre.txt my_test_cre.txt                                 # the authors' split and selection
//! cargo run --release --example crema_d -- --data CREMA-D --prepare \
//!     --sound spectrogram --audio-features                                     # spectrograms, computed once
//! ```
//!
//! Expected: a table with the test accuracy of sound, video and both, below the paper's row for MLA. It has not been
//! run on the data set yet. On actors that were not trained on, expect less than the paper: in the authors' split, all
//! 91 actors are in training and test.
//!
//! Time and memory of 100 epochs with batches of 64, estimated from 4e12 operations for each batch, not measured: 1 to
//! 2 hours and 6 GB on one data-centre GPU; more than a week on two cores, where `--encoder small` takes hours. The
//! preparation needs ffmpeg and about 15 minutes on two cores; frames take 1 GB, and filter banks 4 GB.
//!
//! Data: github.com/CheyneyComputerScience/CREMA-D, cloned with git-lfs; 3.7 GB. Licence: ODbL 1.0, contents DbCL 1.0.

use std::process::ExitCode;

use burn_mla_data::audio::AudioFrontEndConfig;
use burn_mla_data::dataset::crema_d::{CremaD, write_miniature};
use clap::{Parser, ValueEnum};
use harness::{AudioVisual, Paper, Place, Result, Session, Sound};
use serde::Serialize;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PAPER: Paper = Paper {
    dataset: "CREMA-D",
    modalities: &[("audio", 59.27), ("visual", 64.91)],
    fused: 79.70,
};

/// MLA on CREMA-D
#[derive(Parser, Serialize)]
struct Arguments {
    #[command(flatten)]
    #[serde(flatten)]
    clips: AudioVisual,
    /// Input of the audio encoder
    #[arg(long, value_enum, default_value_t = Input::Fbank)]
    sound: Input,
}

#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
enum Input {
    /// MLA's filter bank, 1024 frames of 128 bins.
    Fbank,
    /// OGM-GE's spectrogram, 257 bins of 188 frames.
    Spectrogram,
}

fn main() -> ExitCode {
    harness::main(run)
}

fn run(arguments: &Arguments) -> Result<()> {
    let (clips, options) = (&arguments.clips, &arguments.clips.options);
    let Some(place) = Place::new("crema_d", options, None, write_miniature)? else {
        return Ok(());
    };
    let mut set = CremaD::new()
        .with_prepared(&place.prepared)
        .with_incomplete(options.incomplete.into());
    if let Some(lists) = clips.lists(&place, ["my_train_cre.txt", "my_test_cre.txt"])? {
        set = set.with_splits(lists);
    }
    place.prepare_videos("frames", |ffmpeg, config, progress| {
        set.prepare(&place.root, ffmpeg, config, progress)
    })?;
    let sound = match arguments.sound {
        Input::Fbank => Sound::new(&AudioFrontEndConfig::mla_fbank(), [1024, 128], "fbank")?,
        Input::Spectrogram => {
            let config = AudioFrontEndConfig::ogm_crema_d();
            Sound::new(&config, [257, 188], "spectrogram")?
        }
    };
    let data = clips.sound.read(&sound, &place, |folders| {
        let set = set.clone().with_audio_features(folders);
        set.read(&place.root)
    })?;
    let session = Session::new(&PAPER, arguments, options, &place)?;
    session.run(&data, Some("actor"), &clips.model(&sound, &place))
}
