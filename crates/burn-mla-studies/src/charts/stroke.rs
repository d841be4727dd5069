//! Dashes and markers of lines.

use std::error::Error;

use plotters::element::DashedPathElement;
use plotters::prelude::*;

use super::COLORS;
use super::sheet::{Canvas, Pixel};

/// Lengths of dash and gap in pixels; `None` for a solid line.
const DASHES: [Option<(i32, i32)>; 5] = [
    None,
    Some((11, 5)),
    Some((3, 4)),
    Some((20, 7)),
    Some((7, 3)),
];

/// Outlines of markers around a point, of size 1; `None` for a circle.
const MARKERS: [Option<&[(f64, f64)]>; 6] = [
    None,
    Some(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
    Some(&[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)]),
    Some(&[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)]),
    Some(&[(0.0, 1.2), (1.1, -0.8), (-1.1, -0.8)]),
    Some(&[
        (-0.4, -1.2),
        (0.4, -1.2),
        (0.4, -0.4),
        (1.2, -0.4),
        (1.2, 0.4),
        (0.4, 0.4),
        (0.4, 1.2),
        (-0.4, 1.2),
        (-0.4, 0.4),
        (-1.2, 0.4),
        (-1.2, -0.4),
        (-0.4, -0.4),
    ]),
];

/// Line and markers of the `i`-th name.
#[derive(Clone, Copy)]
pub(super) struct Stroke(pub(super) usize);

impl Stroke {
    fn color(self) -> RGBColor {
        COLORS[self.0 % COLORS.len()]
    }

    pub(super) fn line(self, canvas: &Canvas, points: &[Pixel]) -> Result<(), Box<dyn Error>> {
        let style = self.color().stroke_width(2);
        match DASHES[self.0 % DASHES.len()] {
            None => canvas.draw(&PathElement::new(points, style))?,
            Some((dash, gap)) => {
                let points = points.to_vec();
                canvas.draw(&DashedPathElement::new(points, dash, gap, style))?;
            }
        }
        Ok(())
    }

    /// A marker, filled or hollow. Twice as many names as there are outlines look different.
    pub(super) fn marker(
        self,
        canvas: &Canvas,
        (x, y): Pixel,
        size: i32,
    ) -> Result<(), Box<dyn Error>> {
        let inside = match (self.0 + self.0 / MARKERS.len()) % 2 {
            0 => self.color(),
            _ => WHITE,
        };
        let outline = self.color().stroke_width(1);
        let Some(marker) = MARKERS[self.0 % MARKERS.len()] else {
            canvas.draw(&Circle::new((x, y), size, inside.filled()))?;
            canvas.draw(&Circle::new((x, y), size, outline))?;
            return Ok(());
        };
        let size = f64::from(size);
        let corner = |&(dx, dy): &(f64, f64)| {
            (
                x + (dx * size).round() as i32,
                y + (dy * size).round() as i32,
            )
        };
        let mut corners: Vec<Pixel> = marker.iter().map(corner).collect();
        canvas.draw(&Polygon::new(corners.clone(), inside.filled()))?;
        corners.extend(corners.first().copied());
        canvas.draw(&PathElement::new(corners, outline))?;
        Ok(())
    }

    /// Returns an error bar between two points of the same height or the same position.
    pub(super) fn whisker(self, canvas: &Canvas, ends: [Pixel; 2]) -> Result<(), Box<dyn Error>> {
        whisker(canvas, ends, self.color())
    }

    pub(super) fn swatch(self, canvas: &Canvas, ends: [Pixel; 2]) -> Result<(), Box<dyn Error>> {
        self.line(canvas, &ends)?;
        self.marker(canvas, middle(ends), 5)
    }

    pub(super) fn marker_swatch(
        self,
        canvas: &Canvas,
        ends: [Pixel; 2],
    ) -> Result<(), Box<dyn Error>> {
        let (_, y) = ends[1];
        self.marker(canvas, (ends[1].0 - 8, y), 5)
    }
}

fn middle([a, b]: [Pixel; 2]) -> Pixel {
    ((a.0 + b.0) / 2, (a.1 + b.1) / 2)
}

/// An error bar with caps.
pub(super) fn whisker(
    canvas: &Canvas,
    ends: [Pixel; 2],
    color: RGBColor,
) -> Result<(), Box<dyn Error>> {
    canvas.draw(&PathElement::new(ends, color))?;
    let across = if ends[0].0 == ends[1].0 {
        (3, 0)
    } else {
        (0, 3)
    };
    for (x, y) in ends {
        let cap = [(x - across.0, y - across.1), (x + across.0, y + across.1)];
        canvas.draw(&PathElement::new(cap, color))?;
    }
    Ok(())
}
