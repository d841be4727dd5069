//! A picture with a caption, a legend and rows of panels.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::text::{self, Font, anchored, sans};

pub(super) type Canvas<'a> = DrawingArea<BitMapBackend<'a>, Shift>;
pub(super) type Pixel = (i32, i32);

const MAX_COLUMNS: usize = 4;
const CAPTION: Font = sans(20);
const NAME: Font = sans(15);
const MARGIN: i32 = 12;
/// Width of the swatch of a name in the legend, and of the space after it.
const SWATCH: i32 = 46;
const SWATCH_GAP: i32 = 8;
const NAME_GAP: i32 = 26;
const LEGEND_ROW: i32 = 24;

/// A picture: a caption, a legend for all panels, and rows of panels.
pub(super) struct Sheet<'a> {
    /// The whole picture, in pixels.
    pub(super) canvas: Canvas<'a>,
    pub(super) panels: Vec<Canvas<'a>>,
}

impl<'a> Sheet<'a> {
    /// Reserves space for `n_panels` of a size of about `panel`. `swatch` draws the look of the `i`-th
    /// name between two pixels of the same row.
    pub(super) fn new(
        path: &'a Path,
        caption: &str,
        names: &[&str],
        swatch: impl Fn(&Canvas, usize, [Pixel; 2]) -> Result<(), Box<dyn Error>>,
        n_panels: usize,
        panel: (u32, u32),
    ) -> Result<Self, Box<dyn Error>> {
        if n_panels == 0 {
            return Err(format!("{}: there is nothing to draw", path.display()).into());
        }
        text::register()?;
        let rows = n_panels.div_ceil(MAX_COLUMNS);
        let columns = n_panels.div_ceil(rows);
        let captioned = text::width(caption, CAPTION)? + 2 * MARGIN;
        let width = (columns as i32 * panel.0 as i32).max(captioned);
        let legend = Legend::new(names, width)?;
        let head = 44 + legend.height;
        let height = head + (rows as u32 * panel.1) as i32;

        let canvas = BitMapBackend::new(path, (width as u32, height as u32)).into_drawing_area();
        canvas.fill(&WHITE)?;
        let centered = anchored(CAPTION, HPos::Center);
        canvas.draw_text(caption, &centered, (width / 2, 22))?;
        for (i, (name, (x, y))) in names.iter().zip(legend.places).enumerate() {
            let y = y + 40 + LEGEND_ROW / 2;
            swatch(&canvas, i, [(x, y), (x + SWATCH, y)])?;
            canvas.draw_text(
                name,
                &anchored(NAME, HPos::Left),
                (x + SWATCH + SWATCH_GAP, y),
            )?;
        }
        let (_, body) = canvas.split_vertically(head);
        let mut panels = body.split_evenly((rows, columns));
        panels.truncate(n_panels);
        Ok(Self { canvas, panels })
    }

    pub(super) fn save(self) -> Result<(), Box<dyn Error>> {
        self.canvas.present()?;
        Ok(())
    }
}

/// Positions of the names, in centred rows.
struct Legend {
    /// Left end of each swatch, and the upper edge of its row.
    places: Vec<Pixel>,
    height: i32,
}

impl Legend {
    fn new(names: &[&str], width: i32) -> Result<Self, Box<dyn Error>> {
        let mut rows: Vec<Vec<i32>> = vec![];
        let mut left = width;
        for name in names {
            let entry = SWATCH + SWATCH_GAP + text::width(name, NAME)? + NAME_GAP;
            if left + entry > width - MARGIN {
                rows.push(vec![]);
                left = MARGIN;
            }
            left += entry;
            rows.last_mut().into_iter().for_each(|row| row.push(entry));
        }
        let mut places = vec![];
        for (at, row) in rows.iter().enumerate() {
            let mut x = (width - row.iter().sum::<i32>() + NAME_GAP) / 2;
            for entry in row {
                places.push((x, at as i32 * LEGEND_ROW));
                x += entry;
            }
        }
        Ok(Self {
            places,
            height: rows.len() as i32 * LEGEND_ROW,
        })
    }
}
