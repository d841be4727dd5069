//! Results as pictures (PNG), which can be told apart in black and white.
//!
//! Scores are in 0..1 and drawn in percent. A name looks the same in all panels of a picture. The
//! module beside, `spread`, must be there: `mod spread;` next to `mod charts;`.

pub mod bars;
pub mod curves;
mod fill;
pub mod lines;
pub mod scatter;
mod sheet;
mod stroke;
mod text;
mod ticks;

use plotters::style::RGBColor;

/// Colours that colour-blind people can tell apart, from dark to light and back.
const COLORS: [RGBColor; 7] = [
    RGBColor(0, 90, 181),
    RGBColor(220, 50, 32),
    RGBColor(0, 0, 0),
    RGBColor(26, 133, 80),
    RGBColor(153, 79, 0),
    RGBColor(93, 58, 155),
    RGBColor(120, 120, 120),
];

/// Names in the order in which they first occur.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut distinct = vec![];
    for name in names {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct
}
