//! The figure: what the old modalities lose against the accuracy of the new ones.

use std::error::Error;
use std::path::Path;

use crate::arriving::results::{Results, Row, Table};
use crate::charts::scatter::{self, Group, Panel};
use crate::spread::Spread;

/// Draws a panel per scenario with one point per way, the mean over seeds.
pub fn draw(path: &Path, results: &Results) -> Result<(), Box<dyn Error>> {
    let panel = |table: &Table| Panel {
        title: table.scenario.clone(),
        groups: table.rows.iter().map(|row| group(table, row)).collect(),
        axes: [
            "loss of the old modalities alone, points".to_string(),
            "accuracy of the new modalities, %".to_string(),
        ],
    };
    let panels: Vec<Panel> = results.scenarios.iter().map(panel).collect();
    let caption = format!(
        "A modality that arrives later: what is forgotten and what is learnt, {} seeds",
        results.seeds.len()
    );
    scatter::draw(path, &caption, &panels)
}

fn group(table: &Table, row: &Row) -> Group {
    let lost = row.scores(&table.phases, |history| {
        let [learnt, end] = history.each_old();
        learnt - end
    });
    let learnt = row.scores(&table.phases, |history| history.new_ones());
    let mean = |scores: &[f64]| Spread::from_scores(scores).map(|spread| 100.0 * spread.mean);
    let point = mean(&lost).zip(mean(&learnt));
    Group {
        name: row.way.to_string(),
        points: point.into_iter().map(|(x, y)| [x, y]).collect(),
    }
}
