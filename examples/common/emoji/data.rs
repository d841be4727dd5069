use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use burn_mla_data::text::{HashedText, HashedTextConfig};
use image::RgbImage;
use serde::Deserialize;

use super::Modality;

/// Side of an image in pixels.
pub const SIDE: usize = 32;
/// Images in a row of an atlas.
const COLUMNS: usize = 40;
/// Side of the grey thumbnail.
pub const GRAY_SIDE: usize = 8;

/// Where the data lie in this repository.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/emoji")
}

/// A part of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    Train,
    Valid,
    Test,
}

#[derive(Debug, Deserialize)]
struct Row {
    index: usize,
    class: String,
    split: Split,
    label_en: String,
    tags_en: String,
    label_de: String,
}

/// All emoji, ready to be batched.
pub struct Emoji {
    rows: Vec<Row>,
    /// Class names, sorted: a label is a position here.
    pub classes: Vec<String>,
    fluent: Vec<f32>,
    noto: Vec<f32>,
    gray8: Vec<f32>,
    texts: Vec<(Modality, HashedText)>,
}

impl Emoji {
    /// Reads the data and learns the weights of words from the training split.
    pub fn load(d_text: usize) -> Result<Arc<Self>, Box<dyn Error>> {
        let path = folder().join("emoji.csv");
        let rows = csv::Reader::from_path(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?
            .deserialize()
            .collect::<Result<Vec<Row>, _>>()
            .map_err(|error| format!("{}: {error}", path.display()))?;
        for (at, row) in rows.iter().enumerate() {
            if row.index != at {
                let (path, index) = (path.display(), row.index);
                return Err(format!("{path}: row {at} has index {index}").into());
            }
        }
        let mut classes: Vec<String> = rows.iter().map(|row| row.class.clone()).collect();
        classes.sort();
        classes.dedup();

        let fluent = tiles("fluent.png", rows.len())?;
        let mut emoji = Self {
            noto: tiles("noto.png", rows.len())?,
            gray8: fluent.chunks(3 * SIDE * SIDE).flat_map(shrink).collect(),
            fluent,
            rows,
            classes,
            texts: vec![],
        };
        for modality in [Modality::Label, Modality::Tags, Modality::LabelDe] {
            let train = emoji.indices(Split::Train);
            let train: Vec<&str> = train.iter().map(|&i| emoji.text(modality, i)).collect();
            let hashed = HashedTextConfig::new(d_text).init(&train)?;
            emoji.texts.push((modality, hashed));
        }
        Ok(Arc::new(emoji))
    }

    /// Number of emoji.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The emoji of a split.
    pub fn indices(&self, split: Split) -> Vec<usize> {
        (0..self.rows.len())
            .filter(|&i| self.rows[i].split == split)
            .collect()
    }

    /// The class of an emoji.
    pub fn label(&self, index: usize) -> usize {
        let class = &self.rows[index].class;
        self.classes
            .iter()
            .position(|name| name == class)
            .expect("classes are those of the rows")
    }

    /// The text of a text modality; the English name for an image.
    pub fn text(&self, modality: Modality, index: usize) -> &str {
        let row = &self.rows[index];
        match modality {
            Modality::Tags => &row.tags_en,
            Modality::LabelDe => &row.label_de,
            _ => &row.label_en,
        }
    }

    /// An image, 3x32x32 in 0..1.
    pub fn image(&self, modality: Modality, index: usize) -> &[f32] {
        let atlas = if modality == Modality::Noto {
            &self.noto
        } else {
            &self.fluent
        };
        &atlas[index * 3 * SIDE * SIDE..][..3 * SIDE * SIDE]
    }

    /// The grey thumbnail, 8x8 in -1..1.
    pub fn gray(&self, index: usize) -> &[f32] {
        &self.gray8[index * GRAY_SIDE * GRAY_SIDE..][..GRAY_SIDE * GRAY_SIDE]
    }

    /// What turns texts of a modality into vectors.
    pub fn hashed(&self, modality: Modality) -> &HashedText {
        let found = self.texts.iter().find(|(of, _)| *of == modality);
        &found.expect("every text modality is hashed").1
    }
}

/// The first `n` tiles of an atlas, each 3x32x32 in 0..1.
fn tiles(file: &str, n: usize) -> Result<Vec<f32>, Box<dyn Error>> {
    let path = folder().join(file);
    let atlas: RgbImage = image::open(&path)
        .map_err(|error| format!("{}: {error}", path.display()))?
        .into_rgb8();
    let (columns, rows) = (
        atlas.width() as usize / SIDE,
        atlas.height() as usize / SIDE,
    );
    if columns != COLUMNS || columns * rows < n {
        let path = path.display();
        return Err(format!("{path}: {columns}x{rows} tiles of {SIDE} pixels, {n} needed").into());
    }
    let mut pixels = Vec::with_capacity(n * 3 * SIDE * SIDE);
    for tile in 0..n {
        let (left, top) = (tile % COLUMNS * SIDE, tile / COLUMNS * SIDE);
        for channel in 0..3 {
            for y in 0..SIDE {
                for x in 0..SIDE {
                    let pixel = atlas.get_pixel((left + x) as u32, (top + y) as u32);
                    pixels.push(f32::from(pixel[channel]) / 255.0);
                }
            }
        }
    }
    Ok(pixels)
}

/// Mean grey levels of 4x4 blocks, in -1..1.
fn shrink(image: &[f32]) -> Vec<f32> {
    const BLOCK: usize = SIDE / GRAY_SIDE;
    let gray = |x: usize, y: usize| -> f32 {
        let channel = |c: usize| image[c * SIDE * SIDE + y * SIDE + x];
        0.299 * channel(0) + 0.587 * channel(1) + 0.114 * channel(2)
    };
    let mean = |at: usize| {
        let (left, top) = (at % GRAY_SIDE * BLOCK, at / GRAY_SIDE * BLOCK);
        let block = (0..BLOCK * BLOCK).map(|i| gray(left + i % BLOCK, top + i / BLOCK));
        block.sum::<f32>() / (BLOCK * BLOCK) as f32 * 2.0 - 1.0
    };
    (0..GRAY_SIDE * GRAY_SIDE).map(mean).collect()
}
