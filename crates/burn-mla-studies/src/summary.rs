//! The table of a comparison, in Markdown and CSV, in percent.

use std::fmt::Write as _;
use std::io::Write;

use crate::distinct::distinct;
use crate::spread::Spread;

/// Scores of a method in one column of the table, such as a modality or "fused".
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub method: String,
    /// The set of modalities of the training. Each set has its own table.
    pub modalities: String,
    pub column: String,
    /// In 0..1, one per seed.
    pub scores: Vec<f64>,
}

/// Formats one table per set of modalities with one line per method, in the order in which they
/// first occur. A cell is the mean ± the sample standard deviation, the score alone for one seed, or –
/// without scores.
pub fn markdown(rows: &[Row]) -> String {
    let mut out = String::new();
    for modalities in distinct(rows.iter().map(|row| row.modalities.as_str())) {
        let of_set = || rows.iter().filter(|row| row.modalities == modalities);
        let columns = distinct(of_set().map(|row| row.column.as_str()));
        let _ = write!(out, "| {}, % |", escape(modalities));
        for column in &columns {
            let _ = write!(out, " {} |", escape(column));
        }
        let _ = writeln!(out, "\n|---|{}", "---|".repeat(columns.len()));
        for method in distinct(of_set().map(|row| row.method.as_str())) {
            let _ = write!(out, "| {} |", escape(method));
            for column in &columns {
                let mut cells = of_set().filter(|row| row.method == method);
                let cell = cells.find(|row| row.column == *column);
                match cell.and_then(|row| Spread::from_scores(&row.scores)) {
                    Some(spread) => write!(out, " {spread} |"),
                    None => write!(out, " – |"),
                }
                .unwrap_or_default();
            }
            out.push('\n');
        }
        out.push('\n');
    }
    out
}

/// Writes one line per row: `method, modalities, column, n_seeds, mean, deviation`, in percent, and
/// `scores` of the seeds, separated by spaces. `deviation` is empty for one seed, and `mean` too
/// without scores.
///
/// # Errors
///
/// Those of the writer.
pub fn csv(rows: &[Row], writer: impl Write) -> Result<(), csv::Error> {
    let mut table = csv::Writer::from_writer(writer);
    table.write_record([
        "method",
        "modalities",
        "column",
        "n_seeds",
        "mean",
        "deviation",
        "scores",
    ])?;
    let percent = |score: f64| format!("{:.3}", 100.0 * score);
    let optional = |score: Option<f64>| score.map_or(String::new(), percent);
    for row in rows {
        let spread = Spread::from_scores(&row.scores);
        let scores: Vec<String> = row.scores.iter().map(|score| percent(*score)).collect();
        table.write_record([
            &row.method,
            &row.modalities,
            &row.column,
            &row.scores.len().to_string(),
            &optional(spread.map(|spread| spread.mean)),
            &optional(spread.and_then(|spread| spread.deviation)),
            &scores.join(" "),
        ])?;
    }
    table.flush()?;
    Ok(())
}

fn escape(name: &str) -> String {
    name.replace('|', "\\|")
}

#[cfg(test)]
mod tests;
