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

use burn_mla_data::audio::AudioFrontEndConfig;
use burn_mla_data::dataset::kinetics_sounds::{
    ClassList, KineticsSounds, OtherFolders, TestPart, write_miniature,
};
use burn_mla_data::dataset::miniature::Miniature;
use burn_mla_data::dataset::{ClassNames, Incomplete};
use burn_mla_data::video::Ffmpeg;
use clap::{Parser, ValueEnum};
use harness::{AudioVisual, Options, Paper, Place, Recipe, Result, Session};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Classes of the miniature.
const N_MINIATURE: usize = 3;

#[derive(Parser)]
#[command(about = "MLA on Kinetics-Sounds")]
struct Arguments {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
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

#[derive(Debug, Clone, Copy, ValueEnum)]
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

fn main() -> Result<()> {
    let Arguments {
        options,
        clips,
        classes,
        test_on_val,
        all_folders,
    } = Arguments::parse();
    let place = Place::new("kinetics_sounds", &options, |root, miniature| {
        let few = Miniature {
            n_classes: Some(N_MINIATURE),
            ..miniature.clone()
        };
        write_miniature(root, &few)
    })?;
    let mut classes = classes.names();
    if place.is_miniature {
        classes = ClassNames::new(classes.iter().take(N_MINIATURE).cloned())?;
    }
    let mut data = KineticsSounds::new()
        .with_classes(classes)
        .with_prepared(&place.prepared)
        .with_incomplete(Incomplete::LeaveOut);
    if test_on_val {
        data = data.with_test(TestPart::Validation);
    }
    if all_folders {
        data = data.with_other_folders(OtherFolders::LeaveOut);
    }
    if let Some(lists) = clips.lists(&options, &place, ["my_train.txt", "my_test.txt"])? {
        data = data.with_splits(lists);
    }
    if place.prepare {
        let config = place.prepare_config();
        let progress = Place::progress("sound and frames of");
        let report = data.prepare(&place.root, &Ffmpeg::new(), &config, progress)?;
        println!("{report}");
    }
    let manifest = clips.complete(&data.read(&place.root)?, &options, "video")?;
    let audio = AudioFrontEndConfig::ogm_kinetics_sounds();
    let parts = clips.parts(&manifest, &audio, &options, &place)?;
    let session = Session {
        name: "Kinetics-Sounds",
        modalities: &["audio", "visual"],
        n_classes: manifest.classes().len(),
        options: &options,
        place: &place,
        recipe: Recipe::AUTHORS,
        paper: Paper {
            modalities: &[54.67, 51.03],
            fused: 71.35,
        },
    };
    session.run(parts, |device| clips.encoders(&options, &place, device))
}
