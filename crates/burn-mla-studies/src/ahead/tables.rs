//! The tables of the study in Markdown, in percent.

use std::fmt::Write as _;

use crate::ahead::results::{Results, Row, Search, Set};
use crate::ahead::score::Score;
use crate::comparison::Comparison;
use crate::spread::Spread;

/// Formats the search.
pub fn search(search: &Search) -> String {
    let mut text = "Validation accuracy in percent, mean over the sets and seeds of the search, for the best \
                    trial of each method and fusion:\n\n| method | fusion | trial | accuracy |\n|---|---|---|---|\n"
        .to_string();
    for row in &search.rows {
        let (method, scoring, trial) = (&row.method, row.scoring, &row.trial);
        let accuracy = 100.0 * row.accuracy;
        let _ = writeln!(text, "| {method} | {scoring} | {trial} | {accuracy:.1} |");
    }
    let (method, scoring) = &search.chosen;
    let _ = writeln!(text, "\nChosen: {method}, {scoring}.");
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

fn scores(set: &Set) -> String {
    let mut text =
        "| method | fusion | accuracy, % | NLL | ECE, % | weakest modality, % |\n|---|---|---|---|---|---|\n"
            .to_string();
    for row in &set.rows {
        let Row {
            method, scoring, ..
        } = row;
        let percent = |values: Vec<f64>| {
            Spread::from_scores(&values).map_or(String::new(), |spread| spread.to_string())
        };
        let column = |of: fn(&Score) -> f64| row.scores.iter().map(of).collect::<Vec<f64>>();
        let loss = Spread::from_scores(&column(|score| score.loss));
        let _ = writeln!(
            text,
            "| {method} | {scoring} | {} | {:.3} | {} | {} |",
            percent(column(|score| score.accuracy)),
            loss.map_or(f64::NAN, |loss| loss.mean),
            percent(column(|score| score.calibration_error)),
            percent(row.weakest.clone()),
        );
    }
    text
}

fn paired(set: &Set, chosen: &(String, &'static str)) -> String {
    let (method, scoring) = chosen;
    let mut text = format!(
        "\n{method}, {scoring}, against each baseline, paired by seed (t-test, Holm):\n\n\
         | baseline | fusion | difference, points | 95 % interval | p | p (Holm) |\n|---|---|---|---|---|---|\n"
    );
    for against in &set.paired_tests {
        let (baseline, scoring) = (&against.baseline, against.scoring);
        let _ = match &against.test {
            Comparison::Tested(test) => writeln!(
                text,
                "| {baseline} | {scoring} | {:+.1} ± {:.1} | {:+.1} to {:+.1} | {:.3} | {:.3} |",
                100.0 * test.mean,
                100.0 * test.deviation,
                100.0 * test.interval[0],
                100.0 * test.interval[1],
                test.p,
                test.p_holm
            ),
            Comparison::Undefined { reason } => {
                writeln!(text, "| {baseline} | {scoring} | {reason} | | | |")
            }
        };
    }
    text
}
