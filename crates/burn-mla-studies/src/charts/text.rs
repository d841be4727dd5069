//! The embedded font.

use std::error::Error;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};

pub(super) type Font = (&'static str, i32);

/// The embedded font, in pixels.
pub(super) const fn sans(size: i32) -> Font {
    ("sans-serif", size)
}

/// Registers the embedded font, which must precede all text.
pub(super) fn register() -> Result<(), Box<dyn Error>> {
    register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular())
        .map_err(|_| "the embedded font is not valid".into())
}

/// Width in pixels.
pub(super) fn width(text: &str, font: Font) -> Result<i32, Box<dyn Error>> {
    let (width, _) = font.into_font().box_size(text)?;
    Ok(width as i32)
}

/// Text at the height of a point, which is its left end, middle or right end.
pub(super) fn anchored(font: Font, at: HPos) -> TextStyle<'static> {
    TextStyle::from(font.into_font()).pos(Pos::new(at, VPos::Center))
}
