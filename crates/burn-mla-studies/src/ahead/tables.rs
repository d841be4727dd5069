//! The tables of the study in Markdown, in percent.

use std::fmt::Write as _;

use crate::ahead::results::{Results, Row, Search, Set};
use crate::ahead::score::{Reading, Score, Scoring};
use crate::spread::Spread;

/// Formats the search.
pub fn search(search: &Search) -> String {
    let mut text =
        "Validation accuracy in percent, mean over the sets and seeds of the search, of the best trial of each \
         method. Averaged: with the averages of the weights.\n\n| method | trial |"
            .to_string();
    for reading in Reading::ALL {
        let _ = write!(text, " {} |", reading.name());
    }
    text += " best |\n|---|---|";
    text += &"---|".repeat(Reading::ALL.len() + 1);
    text.push('\n');
    for row in &search.rows {
        let _ = write!(text, "| {} | {} |", row.method, row.trial);
        for accuracy in &row.accuracies {
            let _ = write!(text, " {:.1} |", 100.0 * accuracy);
        }
        let _ = writeln!(text, " {} |", row.best);
    }
    let (method, reading) = &search.chosen;
    let _ = writeln!(text, "\nChosen: {method}, {reading}.");
    text
}

/// Formats all tables.
pub fn markdown(results: &Results) -> String {
    let mut text = format!(
        "Test scores, mean ± standard deviation over {} seeds. ECE: calibration error in 15 bins; NLL: nats.\n",
        results.seeds.len()
    );
    for set in &results.sets {
        let _ = writeln!(
            text,
            "\n## {}, {:.0} % missing\n",
            set.data,
            100.0 * set.missing_rate
        );
        text += &scores(set);
        text += &paired(set, &results.search.chosen);
    }
    text.push('\n');
    text + &search(&results.search)
}

/// The readings that every method has in a table, beside its best one.
const SHOWN: [Scoring; 2] = [Scoring::AsTrained, Scoring::Calibrated];

fn scores(set: &Set) -> String {
    let shown = SHOWN.map(Scoring::name);
    let mut text =
        "| method | reading | accuracy, % | NLL | ECE, % | weakest modality, % |\n|---|---|---|---|---|---|\n"
            .to_string();
    let rows = set.rows.iter();
    for row in rows.filter(|row| row.is_best || shown.contains(&row.reading.as_str())) {
        let Row {
            method, reading, ..
        } = row;
        let best = if row.is_best { " (chosen)" } else { "" };
        let percent = |values: Vec<f64>| {
            Spread::from_scores(&values).map_or(String::new(), |spread| spread.to_string())
        };
        let column = |of: fn(&Score) -> f64| row.scores.iter().map(of).collect::<Vec<f64>>();
        let loss = Spread::from_scores(&column(|score| score.loss));
        let _ = writeln!(
            text,
            "| {method} | {reading}{best} | {} | {:.3} | {} | {} |",
            percent(column(|score| score.accuracy)),
            loss.map_or(f64::NAN, |loss| loss.mean),
            percent(column(|score| score.calibration_error)),
            percent(row.weakest.clone()),
        );
    }
    text
}

fn paired(set: &Set, chosen: &(String, String)) -> String {
    let (method, reading) = chosen;
    let mut text = format!(
        "\n{method}, {reading}, against each baseline, paired by seed (t-test, Holm):\n\n\
         | baseline | reading | difference, points | 95 % interval | p | p (Holm) |\n|---|---|---|---|---|---|\n"
    );
    for against in &set.paired_tests {
        let (baseline, reading) = (&against.baseline, &against.reading);
        let test = &against.test;
        let _ = writeln!(text, "| {baseline} | {reading} | {test} |");
    }
    text
}
