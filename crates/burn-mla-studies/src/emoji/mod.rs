//! MLA on a small real data set of images and texts, against joint training.
//!
//! ```sh
//! cargo run --release -p burn-mla-studies -- emoji
//! ```
//!
//! Trains the same encoders with the same budget twice: by alternating unimodal adaptation, and
//! jointly on concatenated features. Prints a table of test accuracies, and writes `report.json`,
//! `curves.png` and the MLA model of the last seed to a folder under `target/`. Expect joint
//! training to leave one modality far behind, and MLA not to (`docs/results.md`).
//!
//! Hyper-parameters were chosen on the validation split. Each method trains twice: on the training
//! split, evaluated on the validation split, which gives the learning curves and the temperatures of
//! the fusion; and, with the same settings, on both splits together. The test split is scored once,
//! with the second model.

mod arguments;
mod missing;
mod predict;
mod saved;
mod stop;
mod train;

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

pub use arguments::Arguments;
use burn_mla_data::dataset::emoji::Emoji;

use crate::charts::curves::{self, Panel};
use crate::report::{Method, Report};
use stop::{Stop, Stopped};
use train::{Run, Settings};

/// Runs or resumes the protocol, or predicts with a saved model.
pub fn main(arguments: Arguments) -> ExitCode {
    match arguments.of_run().and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Stopped>() => ExitCode::from(stop::EXIT_CODE),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    arguments.check()?;
    if let Some(query) = &arguments.predict {
        return predict::predict(query, arguments);
    }
    let start = Instant::now();
    let settings = Settings::new(arguments);
    let device = arguments.device.device();
    let out = arguments.out_folder()?;
    arguments.save(&out)?;
    let stop = Stop::on_ctrl_c()?;
    let emoji = Emoji::load(settings.sizes.d_text)?;
    let names: Vec<&str> = settings
        .modalities
        .iter()
        .map(|modality| modality.name())
        .collect();
    println!(
        "emoji: {} samples, {} classes; modalities {}; {} on {}",
        emoji.len(),
        emoji.classes.len(),
        names.join(", "),
        plural(arguments.seeds, "seed"),
        arguments.device.name(),
    );

    let presence = match arguments.missing {
        None => None,
        Some(rate) => Some(missing::presence(rate, &emoji, &settings.modalities, &out)?),
    };

    let seeds: Vec<u64> = (0..arguments.seeds as u64).collect();
    let (mut mla_runs, mut joint_runs) = (vec![], vec![]);
    for &seed in &seeds {
        let run = Run {
            emoji: &emoji,
            settings: &settings,
            seed,
            device: &device,
            presence: presence.as_ref(),
            folder: &out,
            checkpoint_every: arguments.checkpoint_every,
            dashboard: arguments.dashboard,
            stop: &stop,
        };
        let save = |model| saved::save(model, &settings, &out);
        let outcomes = run.mla(save).and_then(|mla| Ok((mla, run.joint()?)));
        let (mla, joint) = outcomes.inspect_err(|error| {
            if error.is::<Stopped>() {
                println!("stopped; resume with");
                println!(
                    "  cargo run --release -p burn-mla-studies -- emoji --resume {}",
                    out.display()
                );
            }
        })?;
        mla_runs.push(mla);
        joint_runs.push(joint);
    }

    let panel = |title: &str, run: &train::Outcome| Panel {
        title: title.to_string(),
        curves: run.curves(&names),
    };
    let panels = [
        panel("MLA", &mla_runs[0]),
        panel("Joint training (concatenation)", &joint_runs[0]),
    ];
    curves::draw(
        &out.join("curves.png"),
        "Validation accuracy of each modality and of all together, emoji, seed 0",
        &panels,
    )?;

    let scores = |runs: &[train::Outcome]| runs.iter().map(|run| run.test.clone()).collect();
    let report = Report {
        dataset: "emoji".to_string(),
        device: arguments.device.name().to_string(),
        seeds,
        epochs: settings.epochs,
        missing_rate: arguments.missing.unwrap_or(0.0),
        wall_s: start.elapsed().as_secs_f64(),
        methods: vec![
            Method::new("MLA", scores(&mla_runs)),
            Method::new("Joint concatenation", scores(&joint_runs)),
        ],
    };
    std::fs::write(
        out.join("report.json"),
        serde_json::to_string_pretty(&report)?,
    )?;
    println!("\n{}", report.table(&names));
    println!(
        "{:.0} s; report.json, curves.png and the model are in",
        report.wall_s
    );
    println!("  {}", out.display());
    println!(
        "predict with the model: --predict \"birthday cake\" --out {}",
        out.display()
    );
    Ok(())
}

fn plural(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
