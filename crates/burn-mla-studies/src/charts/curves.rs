//! Learning curves.

use std::error::Error;
use std::path::Path;

use super::lines::{self, Labels, Scores, Series};
use crate::spread::Spread;

/// The accuracy of one prediction of one method after each epoch.
pub struct Curve {
    pub name: String,
    /// In 0..1, one per epoch.
    pub accuracy: Vec<f64>,
}

/// Curves of one method, drawn in one panel.
pub struct Panel {
    pub title: String,
    pub curves: Vec<Curve>,
}

/// Draws learning curves, the panels side by side, at most 4 in a row.
pub fn draw(path: &Path, caption: &str, panels: &[Panel]) -> Result<(), Box<dyn Error>> {
    let labels = Labels {
        x: "epoch",
        y: "validation accuracy, %",
    };
    let panels: Vec<lines::Panel> = panels
        .iter()
        .map(|panel| lines::Panel {
            title: panel.title.clone(),
            series: panel.curves.iter().map(series).collect(),
        })
        .collect();
    lines::draw(path, caption, &labels, Scores::Whole, &panels)
}

fn series(curve: &Curve) -> Series {
    let epochs = curve.accuracy.iter().enumerate();
    Series {
        name: curve.name.clone(),
        points: epochs
            .map(|(epoch, &accuracy)| ((epoch + 1) as f64, Spread::exact(accuracy)))
            .collect(),
    }
}
