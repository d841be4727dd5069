//! The programs behind the numbers in `docs/`: one subcommand per study.

mod ahead;
mod arriving;
mod best;
mod calibration;
mod cells;
mod charts;
mod compare;
mod comparison;
mod distinct;
mod emoji;
mod fusion;
mod missing;
mod paired;
mod projectors;
mod reliability;
mod report;
mod sets;
mod share;
mod small_emoji;
mod spread;
mod stability;
mod stage;
mod summary;
mod training;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

// A CPU backend allocates every result. glibc returns freed blocks of that size to the system,
// whose page faults then cost more than small products do.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The studies behind the numbers in burn-mla's documents.
#[derive(Debug, Parser)]
#[command(name = "burn-mla-studies")]
struct Cli {
    #[command(subcommand)]
    study: Study,
}

#[derive(Debug, Subcommand)]
enum Study {
    /// Parts that may put MLA ahead on the fused prediction, chosen and confirmed
    Ahead(ahead::Arguments),
    /// A modality that arrives later: ways to learn it without the old data
    Arriving(arriving::Arguments),
    /// MLA and the baselines as trained and calibrated, on views of digits
    Calibration(calibration::Arguments),
    /// MLA, its ablation and the baselines on four sets of emoji modalities
    Compare(compare::Arguments),
    /// MLA against joint training on emoji, by the protocol of docs/results.md
    Emoji(emoji::Arguments),
    /// All fusion rules, calibrated or not, clean and corrupted
    Fusion(fusion::Arguments),
    /// Baselines for missing modalities at missing rates, on emoji and on views of digits
    Missing(missing::Arguments),
    /// All projector rules
    Projectors(projectors::Arguments),
    /// Projector rules in long runs in f32, against f64
    Stability(stability::Arguments),
}

fn main() -> ExitCode {
    let result: Result<(), Box<dyn Error>> = match Cli::parse().study {
        Study::Ahead(arguments) => ahead::main(arguments),
        Study::Arriving(arguments) => arriving::main(arguments),
        Study::Calibration(arguments) => calibration::main(arguments),
        Study::Compare(arguments) => compare::main(arguments),
        Study::Emoji(arguments) => return emoji::main(arguments),
        Study::Fusion(arguments) => fusion::main(arguments),
        Study::Missing(arguments) => missing::main(arguments),
        Study::Projectors(arguments) => projectors::main(arguments),
        Study::Stability(arguments) => {
            stability::main(&arguments);
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
