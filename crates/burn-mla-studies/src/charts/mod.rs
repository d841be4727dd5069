//! Results as pictures (PNG) that remain readable in black and white.
//!
//! Scores are in 0..1 and drawn in percent. A name looks the same in all panels of a picture.

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

/// Colours that remain distinct under colour blindness, from dark to light and back.
const COLORS: [RGBColor; 7] = [
    RGBColor(0, 90, 181),
    RGBColor(220, 50, 32),
    RGBColor(0, 0, 0),
    RGBColor(26, 133, 80),
    RGBColor(153, 79, 0),
    RGBColor(93, 58, 155),
    RGBColor(120, 120, 120),
];

#[cfg(test)]
mod tests;
