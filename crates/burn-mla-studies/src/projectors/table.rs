//! The tables of `docs/projectors.md`.

use std::fmt::Write;

use crate::projectors::cell::{Accuracies, Cells, Scores};
use crate::projectors::rules;
use crate::projectors::synthetic::Forgetting;
use burn_mla_data::dataset::emoji::Modality;

/// Formats all tables.
pub fn markdown(
    cells: &Cells,
    pairs: &[[Modality; 2]],
    image_pair: [Modality; 2],
    seeds: u64,
    epochs: usize,
    forgetting: &[Forgetting],
) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "| rule, feature, target | valid weakest | valid fused | test weakest | test fused |\n\
         |---|---|---|---|---|"
    );
    let name = |pair: &[Modality; 2]| pair.map(Modality::name).join("+");
    let mut names: Vec<String> = pairs.iter().map(name).collect();
    let runs_of = |setting: &str, pairs: &[String]| -> Vec<(u64, Scores)> {
        let cells = cells.all().iter();
        cells
            .filter(|cell| cell.key.setting == setting && cell.key.epochs == epochs)
            .filter(|cell| cell.key.seed < seeds)
            .filter(|cell| pairs.contains(&cell.key.pair))
            .map(|cell| (cell.key.seed, cell.scores))
            .collect()
    };
    for setting in rules::settings() {
        let setting = setting.to_string();
        let runs = runs_of(&setting, &names);
        let column = |score: fn(&Scores) -> f64| mean_over_seeds(&runs, seeds, score);
        let _ = writeln!(
            out,
            "| {setting} | {} | {} | {} | {} |",
            column(|s| s.valid.weakest()),
            column(|s| s.valid.fused),
            column(|s| s.test.weakest()),
            column(|s| s.test.fused),
        );
    }
    names.push(name(&image_pair));
    let _ = writeln!(
        out,
        "\n| rule, feature, target | {} |\n|---|{}",
        names.join(" | "),
        "---|".repeat(names.len())
    );
    for setting in rules::settings() {
        let setting = setting.to_string();
        let _ = write!(out, "| {setting} |");
        for name in &names {
            let runs = runs_of(&setting, std::slice::from_ref(name));
            if runs.len() < seeds as usize {
                out.push_str(" |");
                continue;
            }
            let mean = |score: fn(&Accuracies) -> f64| {
                let sum: f64 = runs.iter().map(|(_, scores)| score(&scores.test)).sum();
                100.0 * sum / runs.len() as f64
            };
            let (a, b) = (mean(|s| s.modalities[0]), mean(|s| s.modalities[1]));
            let _ = write!(out, " {a:.1} / {b:.1} / {:.1} |", mean(|s| s.fused));
        }
        out.push('\n');
    }
    let _ = writeln!(
        out,
        "\n| rule | A before B's steps | A after | B after |\n|---|---|---|---|"
    );
    for found in forgetting {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            found.rule,
            spread(&found.first),
            spread(&found.kept),
            spread(&found.second)
        );
    }
    out
}

/// Mean over all pairs of a seed; then mean and standard deviation over seeds, in percent.
fn mean_over_seeds(runs: &[(u64, Scores)], seeds: u64, score: fn(&Scores) -> f64) -> String {
    let of_seed = |seed| {
        let runs = runs.iter().filter(|(run_seed, _)| *run_seed == seed);
        let scores: Vec<f64> = runs.map(|(_, scores)| score(scores)).collect();
        100.0 * scores.iter().sum::<f64>() / scores.len() as f64
    };
    spread(&(0..seeds).map(of_seed).collect::<Vec<f64>>())
}

fn spread(values: &[f64]) -> String {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
    let deviation = (squares / (n - 1.0).max(1.0)).sqrt();
    format!("{mean:.1} ± {deviation:.1}")
}
