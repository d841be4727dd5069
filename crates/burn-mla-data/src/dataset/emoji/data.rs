//! The samples of the emoji data set: images, texts, classes and splits.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::Modality;
use crate::dataset::{ClassNames, Split};
use crate::error::{DataError, Result};
use crate::text::{HashedText, HashedTextConfig};

/// Side of an image in pixels.
pub const SIDE: usize = 32;
/// Side of the grey thumbnail in pixels.
pub const GRAY_SIDE: usize = 8;
/// Images per row of an atlas.
const COLUMNS: usize = 40;

#[derive(Debug, Deserialize)]
struct Row {
    index: usize,
    class: String,
    split: Split,
    label_en: String,
    tags_en: String,
    label_de: String,
}

/// Images and texts of 1586 emoji in 8 classes.
///
/// Two sets of images, English names and keywords, and German names of the same emoji, with the
/// official class of each emoji and a fixed split. The data ships with this crate; see
/// `data/emoji/README.md` for its origin and licences.
pub struct Emoji {
    rows: Vec<Row>,
    /// Label of each emoji, a position in `classes`.
    labels: Vec<usize>,
    /// Class names, sorted. A label is a position in this list.
    pub classes: ClassNames,
    fluent: Vec<f32>,
    noto: Vec<f32>,
    gray8: Vec<f32>,
    /// In the order of [`Modality::TEXTS`].
    texts: Vec<HashedText>,
}

impl Emoji {
    /// Reads the data that ships with this crate.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn load(d_text: usize) -> Result<Arc<Self>> {
        Self::open(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("data/emoji"),
            d_text,
        )
    }

    /// Reads the data from a folder, and computes the weights of words from the training split.
    ///
    /// `d_text` is the width of the text vectors, the number of buckets of [`HashedText`].
    ///
    /// # Errors
    ///
    /// - [`DataError::File`] for a file that cannot be read;
    /// - [`DataError::Row`] for a row of `emoji.csv` that is malformed or out of order;
    /// - [`DataError::Atlas`] for an atlas with another layout or too few images;
    /// - [`DataError::HyperParameter`] for a width of 0.
    pub fn open(folder: impl AsRef<Path>, d_text: usize) -> Result<Arc<Self>> {
        let folder = folder.as_ref();
        let rows = rows(&folder.join("emoji.csv"))?;
        let classes = ClassNames::sorted(rows.iter().map(|row| row.class.clone()))?;
        let label = |row: &Row| classes.partition_point(|class| *class < row.class);
        let labels = rows.iter().map(label).collect();

        let fluent = tiles(folder.join("fluent.png"), rows.len())?;
        let mut emoji = Self {
            noto: tiles(folder.join("noto.png"), rows.len())?,
            gray8: fluent.chunks(3 * SIDE * SIDE).flat_map(shrink).collect(),
            fluent,
            rows,
            labels,
            classes,
            texts: vec![],
        };
        let train = emoji.indices(Split::Train);
        for modality in Modality::TEXTS {
            let texts: Vec<&str> = train.iter().map(|&i| emoji.text(modality, i)).collect();
            emoji
                .texts
                .push(HashedTextConfig::new(d_text).init(&texts)?);
        }
        Ok(Arc::new(emoji))
    }

    /// Returns the number of emoji.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns the indices of the emoji in a split, ascending.
    pub fn indices(&self, split: Split) -> Vec<usize> {
        (0..self.rows.len())
            .filter(|&i| self.rows[i].split == split)
            .collect()
    }

    /// Returns whether there is no emoji.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the label of an emoji, a position in [`classes`](Self::classes).
    ///
    /// # Panics
    ///
    /// Panics if `index` is not below [`len`](Self::len).
    pub fn label(&self, index: usize) -> usize {
        self.labels[index]
    }

    /// Returns the text of an emoji in a text modality, or its English name for an image modality.
    ///
    /// # Panics
    ///
    /// Panics if `index` is not below [`len`](Self::len).
    pub fn text(&self, modality: Modality, index: usize) -> &str {
        let row = &self.rows[index];
        match modality {
            Modality::Tags => &row.tags_en,
            Modality::LabelDe => &row.label_de,
            _ => &row.label_en,
        }
    }

    /// Returns the pixels of an emoji, `[3, 32, 32]` in 0..1: the Noto image for [`Modality::Noto`], and
    /// the Fluent image otherwise.
    ///
    /// # Panics
    ///
    /// Panics if `index` is not below [`len`](Self::len).
    pub fn image(&self, modality: Modality, index: usize) -> &[f32] {
        let atlas = if modality == Modality::Noto {
            &self.noto
        } else {
            &self.fluent
        };
        &atlas[index * 3 * SIDE * SIDE..][..3 * SIDE * SIDE]
    }

    /// Returns the grey thumbnail of an emoji, `[8, 8]` in -1..1.
    ///
    /// # Panics
    ///
    /// Panics if `index` is not below [`len`](Self::len).
    pub fn gray(&self, index: usize) -> &[f32] {
        &self.gray8[index * GRAY_SIDE * GRAY_SIDE..][..GRAY_SIDE * GRAY_SIDE]
    }

    /// Returns the front end of a text modality; `None` for an image modality.
    pub fn hashed(&self, modality: Modality) -> Option<&HashedText> {
        let position = Modality::TEXTS.iter().position(|&text| text == modality);
        position.map(|position| &self.texts[position])
    }
}

fn rows(path: &Path) -> Result<Vec<Row>> {
    let mut reader = csv::Reader::from_path(path).map_err(DataError::file(path))?;
    let mut rows: Vec<Row> = vec![];
    for (at, row) in reader.deserialize().enumerate() {
        // The first line is the header.
        let error = |message: String| DataError::Row {
            path: path.to_path_buf(),
            line: at + 2,
            message,
        };
        let row: Row = row.map_err(|problem| error(problem.to_string()))?;
        if row.index != at {
            return Err(error(format!("index {}, expected {at}", row.index)));
        }
        rows.push(row);
    }
    Ok(rows)
}

/// An image with 8 bits per channel. Grey levels are used for all channels, and alpha is ignored.
struct Rgb8 {
    width: usize,
    height: usize,
    /// Samples per pixel: 1 and 2 are grey, 3 and 4 RGB.
    n_samples: usize,
    bytes: Vec<u8>,
}

impl Rgb8 {
    fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(DataError::file(path))?;
        let mut decoder = png::Decoder::new(BufReader::new(file));
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info().map_err(DataError::file(path))?;
        let n_bytes = reader.output_buffer_size();
        let n_bytes = n_bytes.ok_or_else(|| DataError::File {
            path: path.to_path_buf(),
            message: "the image is too large".to_string(),
        })?;
        let mut bytes = vec![0; n_bytes];
        let frame = reader
            .next_frame(&mut bytes)
            .map_err(DataError::file(path))?;
        Ok(Self {
            width: frame.width as usize,
            height: frame.height as usize,
            n_samples: frame.color_type.samples(),
            bytes,
        })
    }

    fn byte(&self, x: usize, y: usize, channel: usize) -> u8 {
        let sample = if self.n_samples < 3 { 0 } else { channel };
        self.bytes[(y * self.width + x) * self.n_samples + sample]
    }
}

/// First `n` tiles of an atlas, each `[3, 32, 32]` in 0..1.
fn tiles(path: PathBuf, n: usize) -> Result<Vec<f32>> {
    let atlas = Rgb8::read(&path)?;
    let (columns, rows) = (atlas.width / SIDE, atlas.height / SIDE);
    if columns != COLUMNS || columns * rows < n {
        return Err(DataError::Atlas {
            path,
            columns,
            rows,
            needed: n,
        });
    }
    let mut pixels = Vec::with_capacity(n * 3 * SIDE * SIDE);
    for tile in 0..n {
        let (left, top) = (tile % COLUMNS * SIDE, tile / COLUMNS * SIDE);
        for channel in 0..3 {
            for y in 0..SIDE {
                for x in 0..SIDE {
                    let byte = atlas.byte(left + x, top + y, channel);
                    pixels.push(f32::from(byte) / 255.0);
                }
            }
        }
    }
    Ok(pixels)
}

/// Mean grey level of each 4x4 block, in -1..1.
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
