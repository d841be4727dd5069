//! The tables of the study, in Markdown and CSV, in percent.

use std::fmt::Write as _;
use std::io::Write;

use crate::missing::results::{Against, PairedTests, Protocol, Results, Set};
use crate::spread::Spread;
use crate::summary::{self, Row};

/// Formats all tables: accuracies, the search, and paired tests.
pub fn markdown(results: &Results) -> String {
    let mut text = format!(
        "Test accuracy in percent, mean ± standard deviation over {} seeds, the row with the highest mean \
         over the rates above 0 first. Masks: {}. Rows marked (Oracle) train with the true features of \
         what is missing.\n",
        results.seeds.len(),
        results.masks,
    );
    for set in &results.sets {
        let modalities = set.modalities.join(", ");
        let _ = writeln!(text, "\n## {} ({modalities})", set.data);
        for protocol in &set.protocols {
            let _ = writeln!(text, "\n### {}, {}\n", set.data, protocol.missing.title());
            text += &accuracies(protocol);
            for tests in &protocol.paired_tests {
                text += &paired(tests);
            }
        }
        text += &search(set);
    }
    text
}

fn accuracies(protocol: &Protocol) -> String {
    let mut text = "| method |".to_string();
    let points = protocol.rows.first().map_or(&[][..], |row| &row.points);
    for point in points {
        let _ = write!(text, " {:.0} % missing |", 100.0 * point.rate);
    }
    let _ = writeln!(text, " mean |\n|---|{}", "---|".repeat(points.len() + 1));
    for row in &protocol.rows {
        let _ = write!(text, "| {} |", row.method);
        for point in &row.points {
            let _ = match Spread::from_scores(&point.accuracies()) {
                Some(spread) => write!(text, " {spread} |"),
                None => write!(text, " – |"),
            };
        }
        let _ = writeln!(text, " {:.1} |", 100.0 * row.mean);
    }
    text
}

fn paired(tests: &PairedTests) -> String {
    let mut text = format!(
        "\n{} against each baseline, paired by rate and seed (t-test, Holm):\n\n\
         | Baseline | Difference, points | 95 % interval | p | p (Holm) |\n|---|---|---|---|---|\n",
        tests.row
    );
    for Against { baseline, test } in &tests.against {
        let _ = writeln!(text, "| {baseline} | {test} |");
    }
    text
}

fn search(set: &Set) -> String {
    let mut text = format!(
        "\n### {}, search on validation\n\n| method | trial | validation accuracy |\n|---|---|---|\n",
        set.data
    );
    for search in &set.search {
        for found in &search.trials {
            let chosen = if found.trial == search.winner {
                ", chosen"
            } else {
                ""
            };
            let accuracy = found.validation_accuracy;
            let accuracy = accuracy.map_or("–".to_string(), |x| format!("{:.1}", 100.0 * x));
            let _ = writeln!(
                text,
                "| {} | {}{chosen} | {accuracy} |",
                search.method, found.trial
            );
        }
    }
    text
}

/// Writes the accuracies of every seed.
pub fn csv(results: &Results, writer: impl Write) -> Result<(), csv::Error> {
    let mut rows = vec![];
    for set in &results.sets {
        for protocol in &set.protocols {
            for row in &protocol.rows {
                rows.extend(row.points.iter().map(|point| Row {
                    method: row.method.to_string(),
                    modalities: format!("{}, {}", set.data, protocol.missing.title()),
                    column: point.rate.to_string(),
                    scores: point.accuracies(),
                }));
            }
        }
    }
    summary::csv(&rows, writer)
}
