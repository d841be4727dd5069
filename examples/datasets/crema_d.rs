//! MLA on CREMA-D: emotions of 91 actors by sound and video, with ResNet-18 from scratch for each.
//!
//! ```text
//! cargo run --release --example crema_d                                        # a miniature, seconds
//! cargo run --release --example crema_d -- --data CREMA-D --prepare            # the data set, no actor in two splits
//! cargo run --release --example crema_d -- --data CREMA-D --paper-mode \
//!     --lists my_train_cre.txt my_test_cre.txt                                 # the authors' split and selection
//! ```
//!
//! Expected: a table with the test accuracy of sound, video and both, below the paper's row for MLA. It has not been
//! run on the data set yet. On actors that were not trained on, expect less than the paper: in the authors' split, all
//! 91 actors are in training and test.
//!
//! Time and memory of 100 epochs with batches of 64, estimated from 4e12 operations for each batch, not measured: 1 to
//! 2 hours and 6 GB on one data-centre GPU; more than a week on two cores, where `--encoder small` takes hours. The
//! preparation needs ffmpeg and about 15 minutes on two cores; frames take 1 GB.
//!
//! Data: github.com/CheyneyComputerScience/CREMA-D, cloned with git-lfs; 3.7 GB. Licence: ODbL 1.0, contents DbCL 1.0.

use burn_mla_data::audio::AudioFrontEndConfig;
use burn_mla_data::dataset::Incomplete;
use burn_mla_data::dataset::crema_d::{CremaD, write_miniature};
use burn_mla_data::video::Ffmpeg;
use clap::{Parser, ValueEnum};
use harness::{AudioVisual, Options, Paper, Place, Recipe, Result, Session};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(about = "MLA on CREMA-D")]
struct Arguments {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    clips: AudioVisual,
    /// Input of the audio encoder
    #[arg(long, value_enum, default_value_t = Sound::Fbank)]
    sound: Sound,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Sound {
    /// MLA's filter bank, 1024 frames of 128 bins.
    Fbank,
    /// OGM-GE's spectrogram, 257 bins of 188 frames.
    Spectrogram,
}

fn main() -> Result<()> {
    let Arguments {
        options,
        clips,
        sound,
    } = Arguments::parse();
    let place = Place::new("crema_d", &options, write_miniature)?;
    let mut data = CremaD::new()
        .with_prepared(&place.prepared)
        .with_incomplete(Incomplete::LeaveOut);
    if place.prepare {
        let config = place.prepare_config();
        let progress = Place::progress("frames of");
        let report = data.prepare(&place.root, &Ffmpeg::new(), &config, progress)?;
        println!("{report}");
    }
    let names = ["my_train_cre.txt", "my_test_cre.txt"];
    if let Some(lists) = clips.lists(&options, &place, names)? {
        data = data.with_splits(lists);
    }
    let manifest = clips.complete(&data.read(&place.root)?, &options, "actor")?;
    let audio = match sound {
        Sound::Fbank => AudioFrontEndConfig::mla_fbank(),
        Sound::Spectrogram => AudioFrontEndConfig::ogm_crema_d(),
    };
    let parts = clips.parts(&manifest, &audio, &options, &place)?;
    let session = Session {
        name: "CREMA-D",
        modalities: &["audio", "visual"],
        n_classes: manifest.classes().len(),
        options: &options,
        place: &place,
        recipe: Recipe::AUTHORS,
        paper: Paper {
            modalities: &[59.27, 64.91],
            fused: 79.70,
        },
    };
    session.run(parts, |device| clips.encoders(&options, &place, device))
}
