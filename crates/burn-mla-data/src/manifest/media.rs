//! Front ends of images, sound and frames of videos.

use burn::tensor::{Device, Tensor, TensorData};
#[cfg(feature = "image")]
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use serde_json::{Value, json};

use super::{CacheableFrontEnd, Cell, ColumnKind, FrontEnd, FrontEndError};
#[cfg(feature = "audio")]
use crate::audio::{AudioFrontEnd, PreparedAudio};
#[cfg(feature = "image")]
use crate::image::{ImageFrontEnd, RgbImage};
#[cfg(feature = "video")]
use crate::video::VideoFrontEnd;
#[cfg(feature = "audio")]
use burn_mla::modality::FbankBatch;
#[cfg(feature = "image")]
use burn_mla::modality::ImageBatch;
#[cfg(feature = "video")]
use burn_mla::modality::VideoBatch;

/// A recipe for training and one for evaluation, of images
/// ([`ImageFrontEnd`](crate::image::ImageFrontEnd)) or frames of videos.
///
/// ```
/// # #[cfg(feature = "image")] {
/// use burn_mla_data::image::ImageFrontEnd;
/// use burn_mla_data::manifest::TrainAndTest;
///
/// let images = TrainAndTest {
///     train: ImageFrontEnd::resnet_train(),
///     test: ImageFrontEnd::resnet(),
/// };
/// # let _ = images;
/// # }
/// ```
#[cfg(feature = "image")]
#[derive(Debug, Clone, PartialEq)]
pub struct TrainAndTest<R> {
    /// The recipe for training.
    pub train: R,
    /// The recipe for evaluation and prediction, which should not be random.
    pub test: R,
}

#[cfg(feature = "image")]
impl<R> TrainAndTest<R> {
    fn of_mode(&self, training: bool) -> &R {
        if training { &self.train } else { &self.test }
    }

    /// The recipe, and the random numbers for it: always the same in evaluation.
    fn recipe_for(&self, numbers: Option<&mut ChaCha12Rng>) -> (&R, ChaCha12Rng) {
        match numbers {
            Some(numbers) => (self.of_mode(true), ChaCha12Rng::from_rng(numbers)),
            None => (self.of_mode(false), ChaCha12Rng::from_seed([0; 32])),
        }
    }
}

/// Images `[batch, 3, height, width]`.
#[cfg(feature = "image")]
impl FrontEnd for TrainAndTest<ImageFrontEnd> {
    type Item = TensorData;
    type Input = ImageBatch;

    fn reads(&self, kind: ColumnKind) -> bool {
        kind == ColumnKind::Image
    }

    fn decode(
        &self,
        cell: Cell<'_>,
        numbers: Option<&mut ChaCha12Rng>,
    ) -> Result<TensorData, FrontEndError> {
        self.finish(self.prepare(cell, numbers.is_some())?, numbers)
    }

    fn collate(
        &self,
        items: Vec<TensorData>,
        device: &Device,
    ) -> Result<ImageBatch, FrontEndError> {
        stack(items, device).map(ImageBatch)
    }

    fn recipe(&self) -> Value {
        json!({"train": self.train, "test": self.test})
    }
}

/// Images with the steps before the first random one.
#[cfg(feature = "image")]
impl CacheableFrontEnd for TrainAndTest<ImageFrontEnd> {
    type Prepared = RgbImage;

    fn prepare(&self, cell: Cell<'_>, training: bool) -> Result<RgbImage, FrontEndError> {
        match cell {
            Cell::File(path) => Ok(self.of_mode(training).prepare(&path)?),
            _ => Err("no image".into()),
        }
    }

    fn finish(
        &self,
        prepared: RgbImage,
        numbers: Option<&mut ChaCha12Rng>,
    ) -> Result<TensorData, FrontEndError> {
        let (recipe, mut numbers) = self.recipe_for(numbers);
        Ok(recipe.finish(prepared, &mut numbers)?)
    }

    fn prepared_recipe(&self, training: bool) -> Value {
        self.of_mode(training).prepared_recipe()
    }
}

/// Frames `[batch, 3, frames, height, width]`.
#[cfg(feature = "video")]
impl FrontEnd for TrainAndTest<VideoFrontEnd> {
    type Item = TensorData;
    type Input = VideoBatch;

    fn reads(&self, kind: ColumnKind) -> bool {
        kind == ColumnKind::Frames
    }

    fn decode(
        &self,
        cell: Cell<'_>,
        numbers: Option<&mut ChaCha12Rng>,
    ) -> Result<TensorData, FrontEndError> {
        self.finish(self.prepare(cell, numbers.is_some())?, numbers)
    }

    fn collate(
        &self,
        items: Vec<TensorData>,
        device: &Device,
    ) -> Result<VideoBatch, FrontEndError> {
        stack(items, device).map(VideoBatch)
    }

    fn recipe(&self) -> Value {
        json!({"train": self.train, "test": self.test})
    }
}

/// The frames that are or may be selected, each as an image.
#[cfg(feature = "video")]
impl CacheableFrontEnd for TrainAndTest<VideoFrontEnd> {
    type Prepared = Vec<RgbImage>;

    fn prepare(&self, cell: Cell<'_>, training: bool) -> Result<Vec<RgbImage>, FrontEndError> {
        match cell {
            Cell::Frames { folder, .. } => Ok(self.of_mode(training).prepare(&folder)?),
            _ => Err("no frames".into()),
        }
    }

    fn finish(
        &self,
        prepared: Vec<RgbImage>,
        numbers: Option<&mut ChaCha12Rng>,
    ) -> Result<TensorData, FrontEndError> {
        let (recipe, mut numbers) = self.recipe_for(numbers);
        Ok(recipe.finish(&prepared, &mut numbers)?)
    }

    fn prepared_recipe(&self, training: bool) -> Value {
        self.of_mode(training).prepared_recipe()
    }
}

/// Filter banks or spectrograms `[batch, frames, bins]`.
#[cfg(feature = "audio")]
impl FrontEnd for AudioFrontEnd {
    type Item = TensorData;
    type Input = FbankBatch;

    fn reads(&self, kind: ColumnKind) -> bool {
        matches!(kind, ColumnKind::Audio | ColumnKind::File)
    }

    fn decode(
        &self,
        cell: Cell<'_>,
        numbers: Option<&mut ChaCha12Rng>,
    ) -> Result<TensorData, FrontEndError> {
        CacheableFrontEnd::finish(
            self,
            CacheableFrontEnd::prepare(self, cell, numbers.is_some())?,
            numbers,
        )
    }

    fn collate(
        &self,
        items: Vec<TensorData>,
        device: &Device,
    ) -> Result<FbankBatch, FrontEndError> {
        stack(items, device).map(FbankBatch)
    }

    fn recipe(&self) -> Value {
        json!(self.config())
    }
}

/// Features, or the waveform where training changes it.
#[cfg(feature = "audio")]
impl CacheableFrontEnd for AudioFrontEnd {
    type Prepared = PreparedAudio;

    fn prepare(&self, cell: Cell<'_>, training: bool) -> Result<PreparedAudio, FrontEndError> {
        match cell {
            Cell::File(path) => Ok(self.prepare(&path, training)?),
            _ => Err("no sound".into()),
        }
    }

    fn finish(
        &self,
        prepared: PreparedAudio,
        numbers: Option<&mut ChaCha12Rng>,
    ) -> Result<TensorData, FrontEndError> {
        Ok(self.finish(prepared, numbers)?.into_data())
    }

    fn prepared_recipe(&self, training: bool) -> Value {
        self.prepared_recipe(training)
    }
}

/// Items of one shape as a tensor with a dimension for the samples before.
fn stack<const D: usize>(
    items: Vec<TensorData>,
    device: &Device,
) -> Result<Tensor<D>, FrontEndError> {
    let lengths = |item: &TensorData| item.shape().to_vec();
    let first = items.first().map(lengths).unwrap_or_default();
    if let Some(other) = items.iter().map(lengths).find(|other| *other != first) {
        return Err(format!("items of the shapes {first:?} and {other:?}").into());
    }
    let mut shape = [items.len(); D];
    if first.len() + 1 != D {
        return Err(format!("an item of the shape {first:?} for a tensor of rank {D}").into());
    }
    shape[1..].copy_from_slice(&first);
    let mut values: Vec<f32> = Vec::with_capacity(shape.iter().product());
    for item in &items {
        let item = item.as_slice::<f32>();
        values.extend_from_slice(item.map_err(|error| format!("{error:?}"))?);
    }
    Ok(Tensor::from_data(TensorData::new(values, shape), device))
}
