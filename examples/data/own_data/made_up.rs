//! A folder as a user has it: coloured shapes, words, and a table. Some images and texts are missing.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

const SIDE: usize = 32;
const SHAPES: [&str; 3] = ["disc", "square", "stripes"];
const COLORS: [(&str, [u8; 3]); 4] = [
    ("red", [210, 40, 40]),
    ("green", [40, 170, 60]),
    ("blue", [50, 70, 200]),
    ("yellow", [220, 200, 40]),
];
const WORDS: [[&str; 3]; 3] = [
    ["a round spot", "some circle", "a coin seen from above"],
    ["a box with corners", "four equal sides", "a tile"],
    ["lines side by side", "bars of a fence", "a striped field"],
];

/// Writes 360 samples to `folder`, and returns the path of the table.
pub fn write(folder: &Path) -> io::Result<PathBuf> {
    fs::create_dir(folder.join("images"))?;
    let path = folder.join("data.csv");
    let mut table = BufWriter::new(File::create(&path)?);
    writeln!(table, "id,label,image,text")?;
    for i in 0..360 {
        let (shape, color) = (i % 3, COLORS[i / 3 % 4]);
        let image = format!("images/{i:03}.png");
        write_image(&folder.join(&image), shape, color.1, i)?;
        // Every ninth sample has no image, others have no text.
        let image = if i % 9 == 4 { "" } else { &image };
        let words = format!("{}, {}", WORDS[shape][i / 7 % 3], color.0);
        let words = if i % 9 == 7 { "" } else { &words };
        writeln!(table, "shape-{i},{},{image},\"{words}\"", SHAPES[shape])?;
    }
    table.flush()?;
    Ok(path)
}

/// A shape whose place and size depend on `i`.
fn write_image(path: &Path, shape: usize, color: [u8; 3], i: usize) -> io::Result<()> {
    let (x0, y0) = (11 + i * 7 % 10, 11 + i * 5 % 11);
    let radius = 5 + i * 3 % 6;
    let mut pixels = Vec::with_capacity(SIDE * SIDE * 3);
    for y in 0..SIDE {
        for x in 0..SIDE {
            let (dx, dy) = (x.abs_diff(x0), y.abs_diff(y0));
            let inside = match shape {
                0 => dx * dx + dy * dy <= radius * radius,
                1 => dx <= radius && dy <= radius,
                _ => ((x + i) / 3).is_multiple_of(2) && dy <= radius + 3,
            };
            let noise = ((x * 31 + y * 17 + i * 13) * 7919 % 40) as u8;
            let pixel = if inside { color } else { [90; 3] };
            pixels.extend(pixel.map(|value| value.saturating_add(noise)));
        }
    }
    let file = BufWriter::new(File::create(path)?);
    let mut encoder = png::Encoder::new(file, SIDE as u32, SIDE as u32);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(())
}
