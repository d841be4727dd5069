//! The tables of the study in Markdown, in percent.

use std::fmt::Write as _;

use crate::arriving::cell::History;
use crate::arriving::results::{Results, Row, Table};
use crate::spread::Spread;

/// Formats all tables.
pub fn markdown(results: &Results) -> String {
    let mut text = format!(
        "Test accuracy in percent, mean ± standard deviation over {} seeds. *Each old*: mean of the old modalities \
         alone, each when it was learnt, and at the end. *Old fused*: their fused prediction before the last \
         modality arrives, and after. *New*: mean of the modalities that arrived, alone, each when it was \
         learnt. *All fused*: at the end.\n",
        results.seeds.len()
    );
    for table in &results.scenarios {
        let _ = writeln!(text, "\n## {}\n", table.scenario);
        text += &scores(table);
        text += &modalities(table);
        text += &paired(table);
    }
    text
}

fn spread(scores: &[f64]) -> String {
    Spread::from_scores(scores).map_or(String::new(), |spread| spread.to_string())
}

fn scores(table: &Table) -> String {
    let mut text =
        "| way | each old | at the end | old fused | after | new | all fused | trial | valid |\n\
                    |---|---|---|---|---|---|---|---|---|\n"
            .to_string();
    let columns: [fn(&History) -> f64; 6] = [
        |history| history.each_old()[0],
        |history| history.each_old()[1],
        |history| history.fused_old()[0],
        |history| history.fused_old()[1],
        |history| history.new_ones(),
        |history| history.fused(),
    ];
    for row in &table.rows {
        let _ = write!(text, "| {} |", row.way);
        for score in columns {
            let _ = write!(text, " {} |", spread(&row.scores(&table.phases, score)));
        }
        let _ = writeln!(text, " {} | {:.1} |", row.trial, 100.0 * row.valid);
    }
    text
}

/// Each modality alone: when it was learnt, and at the end.
fn modalities(table: &Table) -> String {
    let names = &table.modalities;
    let mut text = format!("\n| way | {} |\n|---|", names.join(" | "));
    text += &"---|".repeat(names.len());
    text.push('\n');
    for row in &table.rows {
        let _ = write!(text, "| {} |", row.way);
        for modality in 0..names.len() {
            let [learnt, end] = [0, 1].map(|at| mean(row, table, modality, at));
            let _ = match table.phases.last() {
                Some(last) if last.contains(&modality) => write!(text, " {end:.1} |"),
                _ => write!(text, " {learnt:.1} → {end:.1} |"),
            };
        }
        text.push('\n');
    }
    text
}

fn mean(row: &Row, table: &Table, modality: usize, at: usize) -> f64 {
    let scores = row.scores(&table.phases, |history| history.modality(modality)[at]);
    Spread::from_scores(&scores).map_or(f64::NAN, |spread| 100.0 * spread.mean)
}

fn paired(table: &Table) -> String {
    let mut text = "\nProjectors against the other ways, paired by seed (t-test, Holm within a measure):\n\n\
                    | measure | projector | other | difference, points | 95 % interval | p | p (Holm) |\n\
                    |---|---|---|---|---|---|---|\n"
        .to_string();
    for against in &table.paired_tests {
        let (measure, projector, other) = (against.measure, against.projector, against.other);
        let _ = write!(text, "| {measure} | {projector} | {other} |");
        let test = &against.test;
        let _ = writeln!(text, " {test} |");
    }
    text
}
