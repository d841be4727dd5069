//! Front ends of texts and features.

use burn::tensor::{Device, Tensor, TensorData};
#[cfg(feature = "text")]
use burn_mla::modality::TokenBatch;
use rand::rngs::ChaCha12Rng;
use serde_json::{Value, json};

use super::{Cell, ColumnKind, FrontEnd, FrontEndError};
use crate::features::Features;
use crate::text::HashedText;
#[cfg(feature = "text")]
use crate::text::{TextTokenizer, TokenizedText};

fn text(cell: Cell<'_>) -> Result<&str, FrontEndError> {
    match cell {
        Cell::Text(text) => Ok(text),
        _ => Err("no text".into()),
    }
}

/// Texts as vectors `[batch, d_output]`.
impl FrontEnd for HashedText {
    type Item = Vec<f32>;
    type Input = Tensor<2>;

    fn reads(&self, kind: ColumnKind) -> bool {
        kind == ColumnKind::Text
    }

    fn decode(
        &self,
        cell: Cell<'_>,
        _numbers: Option<&mut ChaCha12Rng>,
    ) -> Result<Vec<f32>, FrontEndError> {
        Ok(self.vector(text(cell)?))
    }

    fn collate(&self, items: Vec<Vec<f32>>, device: &Device) -> Result<Tensor<2>, FrontEndError> {
        let shape = [items.len(), self.d_output()];
        Ok(Tensor::from_data(
            TensorData::new(items.concat(), shape),
            device,
        ))
    }

    fn recipe(&self) -> Value {
        HashedText::recipe(self)
    }
}

/// Texts as tokens `[batch, length]`.
#[cfg(feature = "text")]
impl FrontEnd for TextTokenizer {
    type Item = TokenizedText;
    type Input = TokenBatch;

    fn reads(&self, kind: ColumnKind) -> bool {
        kind == ColumnKind::Text
    }

    fn decode(
        &self,
        cell: Cell<'_>,
        _numbers: Option<&mut ChaCha12Rng>,
    ) -> Result<TokenizedText, FrontEndError> {
        Ok(self.tokenize_one(text(cell)?)?)
    }

    fn collate(
        &self,
        items: Vec<TokenizedText>,
        device: &Device,
    ) -> Result<TokenBatch, FrontEndError> {
        Ok(TextTokenizer::collate(self, &items).batch(device))
    }

    fn recipe(&self) -> Value {
        TextTokenizer::recipe(self)
    }
}

/// Files of features of one shape as a tensor with a dimension for the samples before.
///
/// ```
/// use burn_mla_data::manifest::FeaturesFrontEnd;
///
/// // `[batch, 257, 188]` from files of `[257, 188]` values.
/// let spectrograms = FeaturesFrontEnd::<3>::new([257, 188]);
/// # let _ = spectrograms;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeaturesFrontEnd<const D: usize> {
    shape: [usize; D],
    tensor: Option<String>,
}

impl<const D: usize> FeaturesFrontEnd<D> {
    /// A front end of files with the `D - 1` lengths of an array; another number does not compile.
    pub fn new<const N: usize>(lengths: [usize; N]) -> Self {
        const { assert!(N + 1 == D, "a tensor of rank D needs D - 1 lengths") }
        let mut shape = [1; D];
        shape[1..].copy_from_slice(&lengths);
        Self {
            shape,
            tensor: None,
        }
    }

    /// Sets the name of the tensor in `.safetensors` files that have several.
    pub fn with_tensor(mut self, name: impl Into<String>) -> Self {
        self.tensor = Some(name.into());
        self
    }
}

impl<const D: usize> FrontEnd for FeaturesFrontEnd<D> {
    type Item = Vec<f32>;
    type Input = Tensor<D>;

    fn reads(&self, kind: ColumnKind) -> bool {
        kind == ColumnKind::Features
    }

    fn decode(
        &self,
        cell: Cell<'_>,
        _numbers: Option<&mut ChaCha12Rng>,
    ) -> Result<Vec<f32>, FrontEndError> {
        let Cell::File(path) = cell else {
            return Err("no file of features".into());
        };
        let features = Features::read(path, self.tensor.as_deref())?;
        if features.shape != self.shape[1..] {
            let (found, expected) = (features.shape, &self.shape[1..]);
            return Err(format!("features of shape {found:?}, expected {expected:?}").into());
        }
        Ok(features.values)
    }

    fn collate(&self, items: Vec<Vec<f32>>, device: &Device) -> Result<Tensor<D>, FrontEndError> {
        let mut shape = self.shape;
        shape[0] = items.len();
        Ok(Tensor::from_data(
            TensorData::new(items.concat(), shape),
            device,
        ))
    }

    fn recipe(&self) -> Value {
        json!({"features": self.shape[1..], "tensor": self.tensor})
    }
}
