//! Folders of frames, in the order of their frames.

use std::path::{Path, PathBuf};

use burn::config::Config;
use burn::tensor::TensorData;
use rand::rngs::ChaCha12Rng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::error::{Result, VideoError};
use super::frames::FrameSelection;
use crate::image::{ImageFrontEnd, RgbImage};

/// Returns the files of a folder of frames in the order of the numbers that their names end with: `00029.jpg`,
/// `frame_00002.jpg`. Hidden files are ignored.
///
/// A directory lists its files in any order; published loaders take the first of them.
///
/// # Errors
///
/// A folder that cannot be read, or holds no frame.
pub fn frame_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !is_hidden && path.is_file() {
            files.push((number(&path), path));
        }
    }
    if files.is_empty() {
        return Err(VideoError::NoFrames);
    }
    files.sort();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

/// The number at the end of a name; names without one come first.
fn number(path: &Path) -> Option<u64> {
    let name = path.file_stem()?.to_str()?;
    let digits = name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    name[digits..].parse().ok()
}

/// A reader of folders of frames that computes the input of an encoder. It is the recipe that a model was trained with:
/// save it with the model.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `selection` | required | which frames are read | |
/// | `frame` | required | what is done to each frame; random steps are drawn anew for each | |
#[derive(Config, Debug, PartialEq)]
pub struct VideoFrontEnd {
    /// Which frames are read.
    pub selection: FrameSelection,
    /// What is done to each frame.
    pub frame: ImageFrontEnd,
}

impl VideoFrontEnd {
    /// MLA's for CREMA-D and Kinetics-Sounds at test time: 3 frames of 224 x 224.
    pub fn mla() -> Self {
        Self::new(FrameSelection::Spaced { n: 3 }, ImageFrontEnd::resnet())
    }

    /// MLA's in training: a random crop and flip for each of the 3 frames.
    pub fn mla_train() -> Self {
        let frame = ImageFrontEnd::resnet_train();
        Self::new(FrameSelection::Spaced { n: 3 }, frame)
    }

    /// Reads the selected frames of a folder, `[3, frames, height, width]`.
    ///
    /// # Errors
    ///
    /// [`VideoError::File`] with the folder and the problem, which names the frame.
    pub fn read(&self, folder: &Path, numbers: &mut impl Rng) -> Result<TensorData> {
        self.try_read(folder, numbers)
            .map_err(VideoError::at(folder))
    }

    fn try_read(&self, folder: &Path, numbers: &mut impl Rng) -> Result<TensorData> {
        let files = frame_files(folder)?;
        let indices = self.selection.indices(files.len(), numbers)?;
        let frame = |index: usize| Ok(self.frame.prepare(&files[index])?);
        self.stacked(indices, frame, numbers)
    }

    /// Reads the frames that may be selected, as far as no step is random.
    pub(crate) fn prepare(&self, folder: &Path) -> Result<Vec<RgbImage>> {
        let read = || {
            let files = frame_files(folder)?;
            let indices = if self.selection.is_random() {
                (0..files.len()).collect()
            } else {
                let mut none_drawn = ChaCha12Rng::from_seed([0; 32]);
                self.selection.indices(files.len(), &mut none_drawn)?
            };
            let frame = |index: usize| Ok(self.frame.prepare(&files[index])?);
            indices.into_iter().map(frame).collect::<Result<_>>()
        };
        read().map_err(VideoError::at(folder))
    }

    /// Selects and computes the rest.
    pub(crate) fn finish(
        &self,
        prepared: &[RgbImage],
        numbers: &mut impl Rng,
    ) -> Result<TensorData> {
        let indices = if self.selection.is_random() {
            self.selection.indices(prepared.len(), numbers)?
        } else {
            (0..prepared.len()).collect()
        };
        self.stacked(indices, |index| Ok(prepared[index].clone()), numbers)
    }

    /// Everything that the prepared frames depend on.
    pub(crate) fn prepared_recipe(&self) -> Value {
        let selection = (!self.selection.is_random()).then_some(self.selection);
        json!({"selection": selection, "frame": self.frame.prepared_recipe()})
    }

    fn stacked(
        &self,
        indices: Vec<usize>,
        frame: impl Fn(usize) -> Result<RgbImage>,
        numbers: &mut impl Rng,
    ) -> Result<TensorData> {
        let mut frames: Vec<TensorData> = Vec::new();
        for (index, at) in indices.into_iter().enumerate() {
            let frame = self.frame.finish(frame(at)?, numbers)?;
            if let Some(first) = frames
                .first()
                .filter(|first| first.shape() != frame.shape())
            {
                return Err(VideoError::FrameShape {
                    index,
                    expected: first.shape().to_vec(),
                    found: frame.shape().to_vec(),
                });
            }
            frames.push(frame);
        }
        Ok(by_channel(&frames))
    }
}

/// Frames `[3, height, width]` as one `[3, frames, height, width]`.
fn by_channel(frames: &[TensorData]) -> TensorData {
    let shape = frames[0].shape();
    let plane = shape[1] * shape[2];
    let mut values: Vec<f32> = Vec::with_capacity(frames.len() * 3 * plane);
    for channel in 0..3 {
        for frame in frames {
            let frame = frame.as_slice::<f32>().expect("an image is of f32");
            values.extend_from_slice(&frame[channel * plane..][..plane]);
        }
    }
    TensorData::new(values, [3, frames.len(), shape[1], shape[2]])
}
