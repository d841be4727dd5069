//! The figure of each data set.

use std::error::Error;
use std::path::Path;

use crate::charts::lines::{self, Labels, Scores, Series};
use crate::missing::results::{Point, Protocol, Results, Row};
use crate::spread::Spread;

/// Draws `missing-DATA.png`, a panel per protocol. Rows of oracles are left to the tables.
pub fn draw(out: &Path, results: &Results) -> Result<(), Box<dyn Error>> {
    let labels = Labels {
        x: "missing rate, %",
        y: "test accuracy, %",
    };
    for set in &results.sets {
        let panel = |protocol: &Protocol| lines::Panel {
            title: protocol.missing.title().to_string(),
            series: protocol
                .rows
                .iter()
                .filter(|row| !row.is_oracle)
                .map(series)
                .collect(),
        };
        let panels: Vec<lines::Panel> = set.protocols.iter().map(panel).collect();
        let caption = format!(
            "{}: missing modalities, {} seeds",
            set.data,
            results.seeds.len()
        );
        let path = out.join(format!("missing-{}.png", set.data));
        lines::draw(&path, &caption, &labels, Scores::Near, &panels)?;
    }
    Ok(())
}

fn series(row: &Row) -> Series {
    let point = |point: &Point| {
        let spread = Spread::from_scores(&point.accuracies())?;
        // Error bars of this many lines would hide them.
        Some((100.0 * point.rate, Spread::exact(spread.mean)))
    };
    Series {
        name: row.method.to_string(),
        points: row.points.iter().filter_map(point).collect(),
    }
}
