//! Colours and hatchings of bars.

use std::error::Error;

use plotters::prelude::*;

use super::sheet::{Canvas, Pixel};

/// Fill of the bars of the `i`-th name: a colour, and a grey level or a hatching.
#[derive(Clone, Copy)]
pub(super) struct Fill(pub(super) usize);

enum Hatch {
    Plain,
    Rising,
    Falling,
    Crossed,
    Upright,
}

const FILLS: [(RGBColor, Hatch); 6] = [
    (RGBColor(166, 206, 250), Hatch::Rising),
    (RGBColor(250, 214, 165), Hatch::Falling),
    (RGBColor(190, 230, 190), Hatch::Crossed),
    (RGBColor(232, 232, 232), Hatch::Upright),
    (RGBColor(165, 165, 165), Hatch::Plain),
    (RGBColor(255, 255, 255), Hatch::Plain),
];

const SPACING: usize = 6;

impl Fill {
    /// Returns a bar between two opposite corners.
    pub(super) fn bar(self, canvas: &Canvas, corners: [Pixel; 2]) -> Result<(), Box<dyn Error>> {
        let [(left, top), (right, bottom)] = corners;
        let (color, hatch) = &FILLS[self.0 % FILLS.len()];
        canvas.draw(&Rectangle::new(corners, color.filled()))?;
        let size = (right - left, bottom - top);
        let ink = RGBColor(60, 60, 60);
        for [from, to] in hatch.lines(size) {
            let at = |(x, y): Pixel| (left + x, top + y);
            canvas.draw(&PathElement::new([at(from), at(to)], ink))?;
        }
        canvas.draw(&Rectangle::new(corners, BLACK))?;
        Ok(())
    }

    pub(super) fn swatch(
        self,
        canvas: &Canvas,
        [from, to]: [Pixel; 2],
    ) -> Result<(), Box<dyn Error>> {
        self.bar(canvas, [(from.0, from.1 - 7), (to.0, to.1 + 7)])
    }
}

impl Hatch {
    /// Lines within a rectangle of this width and height that starts at 0.
    fn lines(&self, (width, height): Pixel) -> Vec<[Pixel; 2]> {
        // The part of the line y = x + c inside the rectangle.
        let falling = |c: i32| {
            let (from, to) = ((-c).max(0), (height - c).min(width));
            [(from, from + c), (to, to + c)]
        };
        let rising = |c: i32| falling(c).map(|(x, y)| (x, height - y));
        let diagonals = (-width..=height).step_by(SPACING);
        match self {
            Self::Plain => vec![],
            Self::Falling => diagonals.map(falling).collect(),
            Self::Rising => diagonals.map(rising).collect(),
            Self::Crossed => {
                let both = diagonals.flat_map(|c| [falling(c), rising(c)]);
                both.collect()
            }
            Self::Upright => (0..=width)
                .step_by(SPACING)
                .map(|x| [(x, 0), (x, height)])
                .collect(),
        }
    }
}
