//! Lines with error bars and markers.

use std::error::Error;
use std::ops::Range;
use std::path::Path;

use plotters::prelude::*;

use super::sheet::{Canvas, Pixel, Sheet};
use super::stroke::Stroke;
use super::text::sans;
use super::ticks::Ticks;
use crate::distinct::distinct;
use crate::spread::Spread;

/// Series in one pair of axes.
pub struct Panel {
    pub title: String,
    pub series: Vec<Series>,
}

/// A score at several positions, such as the accuracy of a method at missing rates.
pub struct Series {
    pub name: String,
    /// From left to right. A score that is not finite interrupts the line.
    pub points: Vec<(f64, Spread)>,
}

/// Range of the axis of the scores, the same in all panels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scores {
    /// From 0 to 100 %.
    Whole,
    /// The range of the scores with their error bars.
    Near,
}

/// Names of the axes, with units.
pub struct Labels<'a> {
    pub x: &'a str,
    pub y: &'a str,
}

const MAX_MARKERS: usize = 12;

/// Draws the panels side by side, at most 4 in a row, with standard deviations as error bars.
pub fn draw(
    path: &Path,
    caption: &str,
    labels: &Labels,
    scores: Scores,
    panels: &[Panel],
) -> Result<(), Box<dyn Error>> {
    let series = panels.iter().flat_map(|panel| &panel.series);
    let names = distinct(series.clone().map(|series| series.name.as_str()));
    let swatch = |canvas: &Canvas, i, ends| Stroke(i).swatch(canvas, ends);
    let sheet = Sheet::new(path, caption, &names, swatch, panels.len(), (560, 430))?;
    let y_range = match scores {
        Scores::Whole => 0.0..100.0,
        Scores::Near => range_of_scores(series),
    };
    for (area, panel) in sheet.panels.iter().zip(panels) {
        let points = panel.series.iter().flat_map(|series| &series.points);
        let ticks = Ticks::at(points.map(|(x, _)| *x));
        let mut chart = ChartBuilder::on(area)
            .caption(&panel.title, sans(18))
            .margin(12)
            .x_label_area_size(42)
            .y_label_area_size(60)
            .build_cartesian_2d(ticks, y_range.clone())?;
        chart
            .configure_mesh()
            .x_desc(labels.x)
            .y_desc(labels.y)
            .x_label_formatter(&|x| format!("{}", (x * 1000.0).round() / 1000.0))
            .y_label_formatter(&|y| format!("{}", (y * 10.0).round() / 10.0))
            .label_style(sans(14))
            .axis_desc_style(sans(15))
            .light_line_style(WHITE)
            .draw()?;
        let with_bars = panel
            .series
            .iter()
            .filter(|series| has_bars(series))
            .count();
        for (at, series) in panel.series.iter().enumerate() {
            let Some(i) = names.iter().position(|name| *name == series.name) else {
                continue;
            };
            // Error bars at the same position would hide one another.
            let aside = if with_bars > 1 {
                3 * at as i32 - 3 * (panel.series.len() as i32 - 1) / 2
            } else {
                0
            };
            let pixel = |x: f64, score: f64| {
                let score = (100.0 * score).clamp(y_range.start, y_range.end);
                let (x, y) = chart.backend_coord(&(x, score));
                (x + aside, y)
            };
            let points = series.points.iter();
            let pieces = points
                .as_slice()
                .split(|(x, score)| !(x.is_finite() && score.mean.is_finite()));
            let every = series.points.len().div_ceil(MAX_MARKERS).max(1);
            for piece in pieces.filter(|piece| !piece.is_empty()) {
                let line: Vec<Pixel> = piece
                    .iter()
                    .map(|(x, score)| pixel(*x, score.mean))
                    .collect();
                Stroke(i).line(&sheet.canvas, &line)?;
                for (x, score) in piece {
                    if let Some(deviation) = score.deviation.filter(|sd| sd.is_finite()) {
                        let ends = [-deviation, deviation].map(|by| pixel(*x, score.mean + by));
                        Stroke(i).whisker(&sheet.canvas, ends)?;
                    }
                }
                for &at in line.iter().step_by(every) {
                    Stroke(i).marker(&sheet.canvas, at, 5)?;
                }
            }
        }
    }
    sheet.save()
}

fn has_bars(series: &Series) -> bool {
    let mut points = series.points.iter();
    points.any(|(_, score)| score.deviation.is_some())
}

/// The scores, in percent, rounded outwards to multiples of 5.
fn range_of_scores<'a>(series: impl Iterator<Item = &'a Series>) -> Range<f64> {
    let points = series.flat_map(|series| &series.points);
    let ends = points.flat_map(|(_, score)| {
        let deviation = score.deviation.unwrap_or(0.0);
        [score.mean - deviation, score.mean + deviation]
    });
    let ends: Vec<f64> = ends.filter(|score| score.is_finite()).collect();
    let low = ends.iter().copied().reduce(f64::min).unwrap_or(0.0);
    let high = ends.iter().copied().reduce(f64::max).unwrap_or(1.0);
    let low = (20.0 * low - 0.1).floor().max(0.0);
    let high = (20.0 * high + 0.1)
        .ceil()
        .clamp(low + 1.0, 20.0_f64.max(low + 1.0));
    5.0 * low..5.0 * high
}
