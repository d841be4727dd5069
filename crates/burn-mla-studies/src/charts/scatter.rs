//! Points in two dimensions, by group.

use std::error::Error;
use std::ops::Range;
use std::path::Path;

use plotters::prelude::*;

use super::sheet::{Canvas, Sheet};
use super::stroke::Stroke;
use super::text::sans;
use crate::distinct::distinct;

/// The features of several modalities of one method, projected on two principal components.
pub struct Panel {
    /// The method, and a value such as its modality gap.
    pub title: String,
    pub groups: Vec<Group>,
    /// Share of the variance that each of the two components explains, in 0..1.
    pub explained: [f64; 2],
}

/// The points of one modality.
pub struct Group {
    pub name: String,
    /// Points that are not finite are left out.
    pub points: Vec<[f64; 2]>,
}

/// Draws the panels side by side, at most 4 in a row, each with axes of its own.
pub fn draw(path: &Path, caption: &str, panels: &[Panel]) -> Result<(), Box<dyn Error>> {
    let groups = panels.iter().flat_map(|panel| &panel.groups);
    let names = distinct(groups.map(|group| group.name.as_str()));
    let swatch = |canvas: &Canvas, i, ends| Stroke(i).marker_swatch(canvas, ends);
    let sheet = Sheet::new(path, caption, &names, swatch, panels.len(), (460, 430))?;
    for (area, panel) in sheet.panels.iter().zip(panels) {
        let [x_desc, y_desc] = ["first", "second"];
        let label = |which: &str, share: f64| {
            format!(
                "{which} principal component ({:.0} % of variance)",
                100.0 * share
            )
        };
        let mut chart = ChartBuilder::on(area)
            .caption(&panel.title, sans(18))
            .margin(12)
            .x_label_area_size(42)
            .y_label_area_size(62)
            .build_cartesian_2d(range(panel, 0), range(panel, 1))?;
        chart
            .configure_mesh()
            .x_desc(label(x_desc, panel.explained[0]))
            .y_desc(label(y_desc, panel.explained[1]))
            .x_labels(7)
            .y_labels(7)
            .label_style(sans(13))
            .axis_desc_style(sans(14))
            .light_line_style(WHITE)
            .draw()?;
        for group in &panel.groups {
            let Some(i) = names.iter().position(|name| *name == group.name) else {
                continue;
            };
            for &[x, y] in group.points.iter().filter(|point| is_finite(point)) {
                Stroke(i).marker(&sheet.canvas, chart.backend_coord(&(x, y)), 3)?;
            }
        }
    }
    sheet.save()
}

fn is_finite(point: &[f64; 2]) -> bool {
    point.iter().all(|x| x.is_finite())
}

/// The range of the values along a component, with a margin.
fn range(panel: &Panel, component: usize) -> Range<f64> {
    let points = panel.groups.iter().flat_map(|group| &group.points);
    let values = points
        .filter(|point| is_finite(point))
        .map(|point| point[component]);
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), x| {
        (low.min(x), high.max(x))
    });
    if low < high {
        let margin = 0.06 * (high - low);
        low - margin..high + margin
    } else if low == high {
        low - 0.5..low + 0.5
    } else {
        -1.0..1.0
    }
}
