//! MLA on Kinetics-Sounds: 31 classes of Kinetics-400 by sound and video, with ResNet-18 from scratch for each.
//!
//! ```text
//! cargo run --release --example kinetics_sounds                                # a miniature of 3 classes
//! cargo run --release --example kinetics_sounds -- --data k400 --prepare --max-failures 0.05
//! cargo run --release --example kinetics_sounds -- --data k400 --paper-mode \
//!     --lists my_train.txt my_test.txt                                         # OGM-GE's lists
//! ```
//!
//! Expected: a table with the test accuracy of sound, video and both, below the paper's row for MLA. It has not been
//! run on the data set yet. The lists of the paper are not published: paper mode takes those of OGM-GE.
//!
//! Time and memory of 100 epochs with batches of 64, estimated from 4e12 operations for each batch, not measured: 3 to
//! 5 hours and 6 GB on one data-centre GPU; weeks on two cores, where `--encoder small` takes hours. The preparation
//! needs ffmpeg and some hours on two cores; sound and frames take about 10 GB.
//!
//! Data: Kinetics-400 by github.com/cvdfoundation/kinetics-dataset, of which the 31 classes are read. Licence of the
//! annotations: CC BY 4.0; the videos keep the terms of those who uploaded them.

use std::process::ExitCode;

use burn_mla_data::audio::AudioFrontEndConfig;
use burn_mla_data::dataset::ClassNames;
use burn_mla_data::dataset::kinetics_sounds::{
    ClassList, KineticsSounds, OtherFolders, TestPart, write_miniature,
};
use clap::{Parser, ValueEnum};
use harness::{AudioVisual, Paper, Place, Result, Session, Sound};
use serde::Serialize;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PAPER: Paper = Paper {
    dataset: "Kinetics-Sounds",
    modalities: &[("audio", 54.67), ("visual", 51.03)],
    fused: 71.35,
};

/// Classes of the miniature.
const N_MINIATURE: usize = 3;

/// MLA on Kinetics-Sounds
#[derive(Parser, Serialize)]
struct Arguments {
    #[command(flatten)]
    #[serde(flatten)]
    clips: AudioVisual,
    /// List of classes
    #[arg(long, value_enum, default_value_t = Classes::Ogm31)]
    classes: Classes,
    /// Takes the validation clips of Kinetics-400 for testing, where its test clips have no labels
    #[arg(long)]
    test_on_val: bool,
    /// Leaves out folders of other classes, as of all of Kinetics-400
    #[arg(long)]
    all_folders: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
enum Classes {
    Ogm31,
    #[value(name = "criss-cross32")]
    CrissCross32,
    #[value(name = "dmr-net33")]
    DmrNet33,
    Paper34,
}

impl Classes {
    fn names(self) -> ClassNames {
        let list = match self {
            Self::Ogm31 => ClassList::Ogm31,
            Self::CrissCross32 => ClassList::CrissCross32,
            Self::DmrNet33 => ClassList::DmrNet33,
            Self::Paper34 => ClassList::Paper34,
        };
        list.classes()
    }
}

fn main() -> ExitCode {
    harness::main(run)
}

fn run(arguments: &Arguments) -> Result<()> {
    let (clips, options) = (&arguments.clips, &arguments.clips.options);
    let few = Some(N_MINIATURE);
    let Some(place) = Place::new("kinetics_sounds", options, few, write_miniature)? else {
        return Ok(());
    };
    let mut classes = arguments.classes.names();
    if place.is_miniature {
        classes = ClassNames::new(classes.iter().take(N_MINIATURE).cloned())?;
    }
    let mut set = KineticsSounds::new()
        .with_classes(classes)
        .with_prepared(&place.prepared)
        .with_incomplete(options.incomplete.into());
    if arguments.test_on_val {
        set = set.with_test(TestPart::Validation);
    }
    if arguments.all_folders {
        set = set.with_other_folders(OtherFolders::LeaveOut);
    }
    if let Some(lists) = clips.lists(&place, ["my_train.txt", "my_test.txt"])? {
        set = set.with_splits(lists);
    }
    place.prepare_videos("sound and frames", |ffmpeg, config, progress| {
        set.prepare(&place.root, ffmpeg, config, progress)
    })?;
    let config = AudioFrontEndConfig::ogm_kinetics_sounds();
    let sound = Sound::new(&config, [1024, 128], "fbank")?;
    let data = clips.sound.read(&sound, &place, |folders| {
        let set = set.clone().with_audio_features(folders);
        set.read(&place.root)
    })?;
    let session = Session::new(&PAPER, arguments, options, &place)?;
    session.run(&data, Some("video"), &clips.model(&sound, &place))
}
