//! The tables of the comparison, in Markdown and CSV.

use std::fmt::Write;

use crate::compare::results::{Against, Curve, Results, Set, is_ours};
use crate::spread::Spread;
use crate::summary::{self, Row};

/// Formats all tables in Markdown.
pub fn markdown(results: &Results) -> String {
    let mut text = String::new();
    for set in &results.sets {
        let _ = writeln!(text, "## {}\n", set.name());
        text += "Test accuracy, and macro-F1 of the fused prediction:\n\n";
        text += &summary::markdown(&rows(set));
        let _ = writeln!(text, "{}\n{}", contributions(set), claims(set));
        text += &tests(set);
        text.push('\n');
    }
    text += "## Modalities missing in training and test\n\n";
    text += &rates(&results.missing, "fused test accuracy, %, at missing rate");
    text += "\n## The other modality missing in training\n\n";
    text += &rates(
        &results.other_missing,
        "test accuracy, %, with the other modality missing in training at rate",
    );
    text += "\n## Modality gap\n\n| Method | Distance |\n|---|---|\n";
    for (method, distance) in &results.modality_gap {
        let _ = writeln!(text, "| {method} | {distance:.3} |");
    }
    text += "\n## Search\n\n| Method | Trial | Fused validation accuracy, % |\n|---|---|---|\n";
    for search in &results.search {
        for trial in &search.trials {
            let won = trial.trial == search.winner;
            let mark = if won { "**" } else { "" };
            let _ = writeln!(
                text,
                "| {} | {mark}{}{mark} | {:.1} |",
                search.method,
                trial.trial,
                100.0 * trial.validation_accuracy
            );
        }
    }
    text
}

fn spread(scores: &[f64]) -> String {
    Spread::from_scores(scores).map_or("-".to_string(), |spread| spread.to_string())
}

/// Accuracies of each modality alone, of the weakest of them and fused, and the fused macro-F1.
fn rows(set: &Set) -> Vec<Row> {
    let mut rows = vec![];
    for method in &set.methods {
        let mut add = |column: &str, scores: Vec<f64>| {
            rows.push(Row {
                method: method.name().to_string(),
                modalities: set.name(),
                column: column.to_string(),
                scores,
            });
        };
        for name in &set.modalities {
            add(name, method.modality(name));
        }
        add("weakest", method.weakest.clone());
        add("fused", method.fused());
        let runs = method.test.per_seed.iter();
        add(
            "fused macro-F1",
            runs.map(|run| run.multi.macro_f1).collect(),
        );
    }
    rows
}

/// Contribution of each modality to the fused accuracy, and the loss of the fused prediction.
fn contributions(set: &Set) -> String {
    let mut text = "| Method | NLL, nats |".to_string();
    for name in &set.modalities {
        let _ = write!(text, " Shapley value of {name}, points |");
    }
    let _ = writeln!(text, "\n|{}", "---|".repeat(2 + set.modalities.len()));
    for row in &set.methods {
        let loss = row.fused_loss.iter().sum::<f64>() / row.fused_loss.len() as f64;
        let _ = write!(text, "| {} | {loss:.3} |", row.name());
        for name in &set.modalities {
            let _ = write!(text, " {:.1} |", 100.0 * row.shapley[*name]);
        }
        text.push('\n');
    }
    text
}

/// Measurements for the claims about MLA.
fn claims(set: &Set) -> String {
    let mut text = String::new();
    let ours = set.methods.iter().filter(|row| is_ours(row.name()));
    for row in ours {
        let Some(weakest) = Spread::from_scores(&row.weakest) else {
            continue;
        };
        if let Some((joint, best)) = set.best_weakest_of_joint_fusion() {
            let lead = 100.0 * (weakest.mean - best.mean);
            let _ = writeln!(
                text,
                "- {}: weakest modality {lead:+.1} points relative to that of the best joint fusion ({}).",
                row.name(),
                joint.name()
            );
        }
        if let Some(baseline) = set.best_baseline() {
            let lead = row.test.mean.multi.accuracy - baseline.test.mean.multi.accuracy;
            let _ = writeln!(
                text,
                "- {}: fused {:+.1} points relative to the best baseline ({}).",
                row.name(),
                100.0 * lead,
                baseline.name()
            );
        }
    }
    text
}

fn tests(set: &Set) -> String {
    let mut text = String::new();
    for tests in &set.paired_tests {
        let _ = writeln!(
            text,
            "\n{}, {} accuracy against each baseline, paired by seed (t-test, Holm):\n\n\
             | Baseline | Difference, points | 95 % interval | p | p (Holm) |\n|---|---|---|---|---|",
            tests.row, tests.what
        );
        for Against { baseline, test } in &tests.against {
            let _ = writeln!(text, "| {baseline} | {test} |");
        }
    }
    text
}

fn rates(curves: &[Curve], what: &str) -> String {
    let Some(first) = curves.first() else {
        return String::new();
    };
    let mut text = format!("| {what} |");
    for (rate, _) in &first.points {
        let _ = write!(text, " {:.0} % |", 100.0 * rate);
    }
    let _ = writeln!(text, "\n|{}", "---|".repeat(1 + first.points.len()));
    for curve in curves {
        let _ = write!(text, "| {}, {} |", curve.method, curve.prediction);
        for (_, scores) in &curve.points {
            let _ = write!(text, " {} |", spread(scores));
        }
        text.push('\n');
    }
    text
}

/// Writes the rows of all sets, with the scores of every seed.
pub fn csv(results: &Results, writer: impl std::io::Write) -> Result<(), csv::Error> {
    let rows: Vec<Row> = results.sets.iter().flat_map(rows).collect();
    summary::csv(&rows, writer)
}
