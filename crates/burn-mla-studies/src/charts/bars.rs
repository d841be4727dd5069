//! Horizontal bars in groups, with error bars.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::fill::Fill;
use super::sheet::{Canvas, Pixel, Sheet};
use super::stroke::whisker;
use super::text::{self, Font, anchored, sans};
use crate::distinct::distinct;
use crate::spread::Spread;

/// The scores of all methods on one set of modalities.
pub struct Panel {
    pub title: String,
    pub groups: Vec<Group>,
}

/// The scores of a method: those of each modality, and the fused one.
pub struct Group {
    pub name: String,
    pub bars: Vec<Bar>,
}

/// A score of a method. A score that is not finite is left out.
pub struct Bar {
    pub name: String,
    pub score: Spread,
}

const BAR: i32 = 13;
const GROUP_GAP: i32 = 12;
const GROUP_NAME: Font = sans(14);
const VALUE: Font = sans(11);
const TITLE: i32 = 36;
const AXIS: i32 = 42;
/// Space for the value beside the longest bar.
const VALUE_WIDTH: i32 = 36;
const PLOT_WIDTH: i32 = 380;

/// Draws horizontal bars in percent, from 0, one group per method, with the standard deviation as an
/// error bar and the mean beside it. Panels are side by side, at most 4 in a row. Bars of the same
/// name look the same in all of them. `score` is the name of the axis, with its unit.
pub fn draw(
    path: &Path,
    caption: &str,
    score: &str,
    panels: &[Panel],
) -> Result<(), Box<dyn Error>> {
    let groups = || panels.iter().flat_map(|panel| &panel.groups);
    let bars = groups().flat_map(|group| &group.bars);
    let mut names = distinct(bars.clone().map(|bar| bar.name.as_str()));
    // The last bar of a group, the fused score, is last in the legend too.
    let ends = || groups().filter_map(|group| group.bars.last());
    names.sort_by_key(|name| ends().any(|bar| bar.name == *name));
    let longest = bars.map(|bar| bar.score.mean + bar.score.deviation.unwrap_or(0.0));
    let longest = longest
        .filter(|score| score.is_finite())
        .fold(0.0, f64::max);
    // Rounded up to a multiple of 10 %.
    let end = 10.0 * (10.0 * longest).ceil().clamp(1.0, 10.0);

    text::register()?;
    let mut label_width = 0;
    for group in groups() {
        label_width = label_width.max(text::width(&group.name, GROUP_NAME)?);
    }
    let height_of = |panel: &Panel| panel.groups.iter().map(height).sum::<i32>();
    let height = panels.iter().map(height_of).max().unwrap_or(0);
    let size = (
        (label_width + 24 + PLOT_WIDTH + VALUE_WIDTH) as u32,
        (TITLE + height + AXIS) as u32,
    );
    let swatch = |canvas: &Canvas, i, ends| Fill(i).swatch(canvas, ends);
    let sheet = Sheet::new(path, caption, &names, swatch, panels.len(), size)?;
    for (area, panel) in sheet.panels.iter().zip(panels) {
        let height = height_of(panel).max(1);
        // Panels with fewer bars end higher.
        let (area, _) = area.split_vertically(TITLE + height + AXIS);
        let mut chart = ChartBuilder::on(&area)
            .margin_top(TITLE)
            .margin_left(12)
            .margin_right(VALUE_WIDTH)
            .x_label_area_size(AXIS)
            .y_label_area_size(label_width + 12)
            .build_cartesian_2d(0.0..end, 0.0..1.0)?;
        chart
            .configure_mesh()
            .x_desc(score)
            .x_label_formatter(&|x| format!("{x:.0}"))
            .disable_y_mesh()
            .y_labels(0)
            .label_style(sans(14))
            .axis_desc_style(sans(15))
            .light_line_style(WHITE)
            .draw()?;
        let (left, top) = chart.backend_coord(&(0.0, 1.0));
        let plot = Plot {
            left,
            width: f64::from(chart.backend_coord(&(end, 0.0)).0 - left),
            end,
        };
        let title = (left + plot.width as i32 / 2, top - 18);
        let style = anchored(sans(18), HPos::Center);
        sheet.canvas.draw_text(&panel.title, &style, title)?;
        let mut y = top;
        for group in &panel.groups {
            let middle = y + self::height(group) / 2;
            let style = anchored(GROUP_NAME, HPos::Right);
            sheet
                .canvas
                .draw_text(&group.name, &style, (left - 10, middle))?;
            y += GROUP_GAP / 2;
            for bar in &group.bars {
                let fill = names.iter().position(|name| *name == bar.name).map(Fill);
                if let Some(fill) = fill.filter(|_| bar.score.mean.is_finite()) {
                    plot.bar(&sheet.canvas, fill, bar.score, [y, y + BAR])?;
                }
                y += BAR;
            }
            y += GROUP_GAP / 2;
        }
    }
    sheet.save()
}

fn height(group: &Group) -> i32 {
    BAR * group.bars.len() as i32 + GROUP_GAP
}

/// Position of a percentage on the canvas.
struct Plot {
    left: i32,
    width: f64,
    end: f64,
}

impl Plot {
    fn x(&self, score: f64) -> i32 {
        let share = (100.0 * score / self.end).clamp(0.0, 1.0);
        self.left + (self.width * share).round() as i32
    }

    fn bar(
        &self,
        canvas: &Canvas,
        fill: Fill,
        score: Spread,
        [top, bottom]: [i32; 2],
    ) -> Result<(), Box<dyn Error>> {
        let corners: [Pixel; 2] = [(self.left, top), (self.x(score.mean), bottom)];
        fill.bar(canvas, corners)?;
        let middle = (top + bottom) / 2;
        let mut end = self.x(score.mean);
        if let Some(deviation) = score.deviation.filter(|sd| sd.is_finite()) {
            let ends = [-deviation, deviation].map(|by| (self.x(score.mean + by), middle));
            whisker(canvas, ends, BLACK)?;
            end = ends[1].0;
        }
        let value = format!("{:.1}", 100.0 * score.mean);
        canvas.draw_text(&value, &anchored(VALUE, HPos::Left), (end + 5, middle))?;
        Ok(())
    }
}
