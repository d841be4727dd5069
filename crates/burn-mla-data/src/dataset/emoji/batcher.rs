//! Batches of emoji: tensors of each modality, labels, masks and augmentation.

use std::borrow::Cow;
use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::InMemDataset;
use burn::tensor::{Device, Tensor, TensorData};
use burn_mla::loader::SeededLoader;
use burn_mla::modality::Presence;
use burn_mla::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::data::{GRAY_SIDE, SIDE};
use super::{Corruption, Emoji, EmojiInput, Modality};

/// Inputs of all modalities of a batch.
pub type EmojiInputs = Vec<Option<ModalityInput<EmojiInput>>>;

/// A batch of emoji with the modalities of [`Batches`].
pub type EmojiBatch = MultimodalBatch<EmojiInputs>;

/// Turns indices into batches, and shifts and mirrors the images of a training batch.
struct EmojiBatcher {
    emoji: Arc<Emoji>,
    modalities: Vec<Modality>,
    presence: Option<Presence>,
    augment: Option<Augment>,
    corruption: Option<Corruption>,
}

/// Largest shift of a training image, in pixels.
const SHIFT: i32 = 3;

struct Augment {
    seed: u64,
}

/// Shift and reflection of one image.
struct Move {
    right: i32,
    down: i32,
    mirror: bool,
}

/// Builds loaders of emoji with chosen modalities.
///
/// Images have values in -1..1 and shape `[batch, 3, 32, 32]`, grey thumbnails `[batch, 64]`, and
/// texts the width that the data set was opened with.
pub struct Batches<'a> {
    /// The data set.
    pub emoji: &'a Arc<Emoji>,
    /// Modalities of a batch, in order.
    pub modalities: &'a [Modality],
    /// Samples per batch.
    pub batch_size: usize,
    /// Modality mask of all emoji, by index; `None` if nothing is missing.
    pub presence: Option<Presence>,
}

impl Batches<'_> {
    fn batcher(&self, augment: Option<Augment>) -> EmojiBatcher {
        EmojiBatcher {
            emoji: self.emoji.clone(),
            modalities: self.modalities.to_vec(),
            presence: self.presence.clone(),
            augment,
            corruption: None,
        }
    }

    /// Builds a loader of the given emoji in their order.
    ///
    /// # Errors
    ///
    /// [`MlaError::Size`] for a mask of other emoji or modalities,
    /// [`MlaError::RowOutOfRange`] for an index beyond the data set.
    pub fn in_order(
        &self,
        indices: Vec<usize>,
        device: &Device,
    ) -> Result<Arc<dyn DataLoader<EmojiBatch>>> {
        self.ordered(self.batcher(None), indices, device)
    }

    /// Builds a loader of the given emoji in their order, with one modality corrupted.
    ///
    /// # Errors
    ///
    /// As [`in_order`](Self::in_order).
    pub fn corrupted(
        &self,
        indices: Vec<usize>,
        corruption: Corruption,
        device: &Device,
    ) -> Result<Arc<dyn DataLoader<EmojiBatch>>> {
        let mut batcher = self.batcher(None);
        batcher.corruption = Some(corruption);
        self.ordered(batcher, indices, device)
    }

    fn ordered(
        &self,
        batcher: EmojiBatcher,
        indices: Vec<usize>,
        device: &Device,
    ) -> Result<Arc<dyn DataLoader<EmojiBatch>>> {
        self.check(&indices)?;
        Ok(DataLoaderBuilder::new(batcher)
            .batch_size(self.batch_size)
            .set_device(device.clone())
            .build(InMemDataset::new(indices)))
    }

    /// Builds a loader of the given emoji for training, shuffled and augmented. The seed and the pass
    /// determine order and augmentation.
    ///
    /// Augmentation shifts an image by at most 3 pixels in each direction and mirrors it with
    /// probability 0.5.
    ///
    /// # Errors
    ///
    /// As [`in_order`](Self::in_order), and [`MlaError::HyperParameter`] for a batch size of 0.
    pub fn shuffled(
        &self,
        indices: Vec<usize>,
        seed: u64,
        device: &Device,
    ) -> Result<SeededLoader<usize, EmojiBatch>> {
        self.check(&indices)?;
        let batcher = self.batcher(Some(Augment { seed }));
        SeededLoader::new(
            InMemDataset::new(indices),
            batcher,
            self.batch_size,
            seed,
            device,
        )
    }

    /// Checks the preconditions of the batcher.
    fn check(&self, indices: &[usize]) -> Result<()> {
        let n_rows = self.emoji.len();
        if let Some(&row) = indices.iter().find(|&&index| index >= n_rows) {
            return Err(MlaError::RowOutOfRange { row, n_rows });
        }
        let Some(presence) = &self.presence else {
            return Ok(());
        };
        let sizes = [
            ("samples of the modality mask", n_rows, presence.n_samples()),
            (
                "modalities of the modality mask",
                self.modalities.len(),
                presence.n_modalities(),
            ),
        ];
        match sizes.into_iter().find(|(_, expected, got)| expected != got) {
            None => Ok(()),
            Some((what, expected, got)) => Err(MlaError::Size {
                what,
                expected,
                got,
            }),
        }
    }
}

impl Batcher<usize, EmojiBatch> for EmojiBatcher {
    fn batch(&self, indices: Vec<usize>, device: &Device) -> EmojiBatch {
        let mut moves = self.augment.as_ref().map(|augment| augment.moves(&indices));
        let inputs: Vec<EmojiInput> = self
            .modalities
            .iter()
            .map(|&modality| self.input(modality, &indices, moves.as_mut(), device))
            .collect();
        let labels = indices.iter().map(|&index| self.emoji.label(index));
        let complete = MultimodalBatch::paired(inputs, Targets::new(labels, device));
        let masked = match &self.presence {
            None => Ok(complete),
            Some(presence) => presence
                .select(&indices)
                .and_then(|presence| complete.with_presence(&presence)),
        };
        masked
            .expect("`Batches::check` compared mask, modalities and indices")
            .with_samples(indices)
    }
}

impl EmojiBatcher {
    fn input(
        &self,
        modality: Modality,
        indices: &[usize],
        mut moves: Option<&mut StdRng>,
        device: &Device,
    ) -> EmojiInput {
        let n = indices.len();
        let corruption = self.corruption.filter(|found| found.modality == modality);
        let noisy = |index: usize, mut pixels: Vec<f32>| {
            if let Some(corruption) = corruption {
                corruption.add_noise(index, &mut pixels);
            }
            pixels
        };
        match modality {
            Modality::Fluent | Modality::Noto => {
                let pixels = indices
                    .iter()
                    .flat_map(|&index| {
                        let moved = Move::draw(moves.as_deref_mut());
                        noisy(index, self.image(modality, index, moved))
                    })
                    .collect::<Vec<f32>>();
                let data = TensorData::new(pixels, [n, 3, SIDE, SIDE]);
                EmojiInput::Image(Tensor::from_data(data, device))
            }
            Modality::Gray8 => {
                let values: Vec<f32> = indices
                    .iter()
                    .flat_map(|&index| noisy(index, self.emoji.gray(index).to_vec()))
                    .collect();
                let data = TensorData::new(values, [n, GRAY_SIDE * GRAY_SIDE]);
                EmojiInput::Vector(Tensor::from_data(data, device))
            }
            Modality::Label | Modality::Tags | Modality::LabelDe => {
                let text = |&index: &usize| {
                    let text = self.emoji.text(modality, index);
                    match corruption {
                        Some(corruption) => Cow::Owned(corruption.drop_words(index, text)),
                        None => Cow::Borrowed(text),
                    }
                };
                let texts: Vec<Cow<str>> = indices.iter().map(text).collect();
                let hashed = self.emoji.hashed(modality).expect("a text modality");
                EmojiInput::Vector(hashed.tensor(&texts, device))
            }
        }
    }

    /// Returns the pixels of an image in -1..1, shifted and mirrored.
    fn image(&self, modality: Modality, index: usize, moved: Move) -> Vec<f32> {
        let image = self.emoji.image(modality, index);
        let mut pixels = Vec::with_capacity(image.len());
        for channel in image.chunks(SIDE * SIDE) {
            for y in 0..SIDE as i32 {
                for x in 0..SIDE as i32 {
                    let x = if moved.mirror { SIDE as i32 - 1 - x } else { x };
                    let (from_x, from_y) = (x - moved.right, y - moved.down);
                    let side = 0..SIDE as i32;
                    // The background of the tiles is white.
                    let value = if side.contains(&from_x) && side.contains(&from_y) {
                        channel[from_y as usize * SIDE + from_x as usize]
                    } else {
                        1.0
                    };
                    pixels.push(value * 2.0 - 1.0);
                }
            }
        }
        pixels
    }
}

impl Augment {
    /// Random numbers for a batch, determined by the seed and the indices in the batch. A resumed
    /// training sees the same images.
    fn moves(&self, indices: &[usize]) -> StdRng {
        const FNV_PRIME: u64 = 0x0100_0000_01b3;
        let mix = |hash: u64, &index: &usize| (hash ^ index as u64).wrapping_mul(FNV_PRIME);
        StdRng::seed_from_u64(indices.iter().fold(self.seed, mix))
    }
}

impl Move {
    fn draw(rng: Option<&mut StdRng>) -> Self {
        match rng {
            None => Self {
                right: 0,
                down: 0,
                mirror: false,
            },
            Some(rng) => Self {
                right: rng.random_range(-SHIFT..=SHIFT),
                down: rng.random_range(-SHIFT..=SHIFT),
                mirror: rng.random_bool(0.5),
            },
        }
    }
}
