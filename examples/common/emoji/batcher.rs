use std::sync::{Arc, Mutex};

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::InMemDataset;
use burn::tensor::{Device, Tensor, TensorData};
use burn_mla::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::data::{GRAY_SIDE, SIDE};
use super::{Emoji, EmojiInput, Modality};

/// A batch of emoji with all modalities of the run.
pub type EmojiBatch = MultimodalBatch<Vec<Option<ModalityInput<EmojiInput>>>>;

/// Turns indices into batches; shifts and mirrors the images of a training batch.
pub struct EmojiBatcher {
    emoji: Arc<Emoji>,
    modalities: Vec<Modality>,
    augment: Option<Augment>,
}

/// Largest shift of a training image, in pixels.
const SHIFT: i32 = 3;

struct Augment {
    rng: Mutex<StdRng>,
}

/// What happens to one image.
struct Move {
    right: i32,
    down: i32,
    mirror: bool,
}

/// A loader of a set of emoji, shuffled and augmented where a seed is given.
pub fn loader(
    emoji: &Arc<Emoji>,
    modalities: &[Modality],
    indices: Vec<usize>,
    batch_size: usize,
    seed: Option<u64>,
    device: &Device,
) -> Arc<dyn DataLoader<EmojiBatch>> {
    let batcher = EmojiBatcher {
        emoji: emoji.clone(),
        modalities: modalities.to_vec(),
        augment: seed.map(|seed| Augment {
            rng: Mutex::new(StdRng::seed_from_u64(seed)),
        }),
    };
    let mut builder = DataLoaderBuilder::new(batcher)
        .batch_size(batch_size)
        .set_device(device.clone());
    if let Some(seed) = seed {
        builder = builder.shuffle(seed);
    }
    builder.build(InMemDataset::new(indices))
}

impl Batcher<usize, EmojiBatch> for EmojiBatcher {
    fn batch(&self, indices: Vec<usize>, device: &Device) -> EmojiBatch {
        let inputs: Vec<EmojiInput> = self
            .modalities
            .iter()
            .map(|&modality| self.input(modality, &indices, device))
            .collect();
        let labels = indices.iter().map(|&index| self.emoji.label(index));
        MultimodalBatch::paired(inputs, Targets::new(labels, device))
    }
}

impl EmojiBatcher {
    fn input(&self, modality: Modality, indices: &[usize], device: &Device) -> EmojiInput {
        let n = indices.len();
        match modality {
            Modality::Fluent | Modality::Noto => {
                let pixels = indices
                    .iter()
                    .flat_map(|&index| self.image(modality, index))
                    .collect::<Vec<f32>>();
                let data = TensorData::new(pixels, [n, 3, SIDE, SIDE]);
                EmojiInput::Image(Tensor::from_data(data, device))
            }
            Modality::Gray8 => {
                let values: Vec<f32> = indices
                    .iter()
                    .flat_map(|&index| self.emoji.gray(index).to_vec())
                    .collect();
                let data = TensorData::new(values, [n, GRAY_SIDE * GRAY_SIDE]);
                EmojiInput::Vector(Tensor::from_data(data, device))
            }
            Modality::Label | Modality::Tags | Modality::LabelDe => {
                let texts: Vec<&str> = indices
                    .iter()
                    .map(|&index| self.emoji.text(modality, index))
                    .collect();
                EmojiInput::Vector(self.emoji.hashed(modality).tensor(&texts, device))
            }
        }
    }

    /// Pixels in -1..1, moved where the batch is for training.
    fn image(&self, modality: Modality, index: usize) -> Vec<f32> {
        let image = self.emoji.image(modality, index);
        let moved = match &self.augment {
            None => Move {
                right: 0,
                down: 0,
                mirror: false,
            },
            Some(augment) => augment.draw(),
        };
        let mut pixels = Vec::with_capacity(image.len());
        for channel in image.chunks(SIDE * SIDE) {
            for y in 0..SIDE as i32 {
                for x in 0..SIDE as i32 {
                    let x = if moved.mirror { SIDE as i32 - 1 - x } else { x };
                    let (from_x, from_y) = (x - moved.right, y - moved.down);
                    let side = 0..SIDE as i32;
                    // Tiles stand on white.
                    let value = match side.contains(&from_x) && side.contains(&from_y) {
                        true => channel[from_y as usize * SIDE + from_x as usize],
                        false => 1.0,
                    };
                    pixels.push(value * 2.0 - 1.0);
                }
            }
        }
        pixels
    }
}

impl Augment {
    fn draw(&self) -> Move {
        let mut rng = self.rng.lock().expect("no thread panics while it draws");
        Move {
            right: rng.random_range(-SHIFT..=SHIFT),
            down: rng.random_range(-SHIFT..=SHIFT),
            mirror: rng.random_bool(0.5),
        }
    }
}
