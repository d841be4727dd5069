//! Points in two dimensions, by group.

use std::error::Error;
use std::ops::Range;
use std::path::Path;

use plotters::prelude::*;

use super::sheet::{Canvas, Sheet};
use super::stroke::Stroke;
use super::text::sans;
use crate::distinct::distinct;

/// Points of several groups, such as the features of modalities on two principal components.
pub struct Panel {
    pub title: String,
    pub groups: Vec<Group>,
    /// The names of both axes, with units.
    pub axes: [String; 2],
}

/// The points of one group.
pub struct Group {
    pub name: String,
    /// Points that are not finite are left out.
    pub points: Vec<[f64; 2]>,
}

/// Up to this number of points in a panel are drawn larger.
const FEW: usize = 50;

/// Draws the panels side by side, at most 4 in a row, each with axes of its own.
pub fn draw(path: &Path, caption: &str, panels: &[Panel]) -> Result<(), Box<dyn Error>> {
    let groups = panels.iter().flat_map(|panel| &panel.groups);
    let names = distinct(groups.map(|group| group.name.as_str()));
    let swatch = |canvas: &Canvas, i, ends| Stroke(i).marker_swatch(canvas, ends);
    let sheet = Sheet::new(path, caption, &names, swatch, panels.len(), (460, 430))?;
    for (area, panel) in sheet.panels.iter().zip(panels) {
        let points = panel.groups.iter().map(|group| group.points.len());
        let size = if points.sum::<usize>() > FEW { 3 } else { 6 };
        let mut chart = ChartBuilder::on(area)
            .caption(&panel.title, sans(18))
            .margin(12)
            .x_label_area_size(42)
            .y_label_area_size(62)
            .build_cartesian_2d(range(panel, 0), range(panel, 1))?;
        chart
            .configure_mesh()
            .x_desc(panel.axes[0].as_str())
            .y_desc(panel.axes[1].as_str())
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
                Stroke(i).marker(&sheet.canvas, chart.backend_coord(&(x, y)), size)?;
            }
        }
    }
    sheet.save()
}

fn is_finite(point: &[f64; 2]) -> bool {
    point.iter().all(|x| x.is_finite())
}

/// The range of the values along an axis, with a margin.
fn range(panel: &Panel, axis: usize) -> Range<f64> {
    let points = panel.groups.iter().flat_map(|group| &group.points);
    let values = points
        .filter(|point| is_finite(point))
        .map(|point| point[axis]);
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
