//! BERT as an encoder of texts.

use burn::module::Module;
use burn::tensor::{Tensor, assert_shape};
use burn_mla::Result;
use burn_mla::encoder::Encoder;
use burn_mla::modality::TokenBatch;

use super::Pooling;
use super::embeddings::Embeddings;
use super::layer::Layer;
use crate::blocks::{self, Blocks};

/// A BERT text encoder (Devlin et al., NAACL 2019), which loads the weights of Hugging Face's
/// `BertModel`.
///
/// The features are not scaled to length 1. All texts are in the first segment, as in sentence
/// transformers. In training mode the model applies the dropout of the original: to embeddings,
/// attention weights and the output of each sublayer.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_mla::encoder::Encoder;
/// use burn_mla::modality::TokenBatch;
/// use burn_mla_encoders::bert::BertConfig;
///
/// let device = Device::flex();
/// // A small one. `BertConfig::from_hugging_face` reads the sizes of a directory.
/// let encoder = BertConfig::new(100, 16, 2, 4, 32).init(&device)?;
/// let ids = Tensor::<2, Int>::from_ints([[1, 7, 8, 2], [1, 9, 2, 0]], &device);
/// let mask = ids.clone().not_equal_elem(0);
/// let features = encoder.encode(TokenBatch::new(ids, mask));
/// assert_eq!(features.dims(), [2, 16]);
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
#[derive(Module, Debug)]
pub struct Bert {
    pub(super) embeddings: Embeddings,
    pub(super) layers: Vec<Layer>,
    #[module(skip)]
    pub(super) pooling: Pooling,
}

impl Bert {
    /// Computes the hidden states after the last layer.
    ///
    /// # Shapes
    ///
    /// `[batch, length]` to `[batch, length, d_model]`.
    ///
    /// # Panics
    ///
    /// For tokens that [`check`](Encoder::check) refuses.
    pub fn hidden_states(&self, tokens: TokenBatch) -> Tensor<3> {
        let (ids, mask) = tokens.into_parts();
        let [batch, length] = ids.dims();
        assert_shape!(mask, [batch, length]);
        let padding = mask.bool_not().reshape([batch, 1, 1, length]);
        let embedded = self.embeddings.forward(ids);
        let layers = self.layers.iter();
        layers.fold(embedded, |hidden, layer| {
            layer.forward(hidden, padding.clone())
        })
    }
}

impl Encoder for Bert {
    type Input = TokenBatch;

    /// # Errors
    ///
    /// As [`TokenBatch::check`], with the positions and the vocabulary of the encoder.
    fn check(&self, tokens: &TokenBatch) -> Result<()> {
        tokens.check(self.embeddings.n_positions(), self.embeddings.n_tokens())
    }

    /// # Panics
    ///
    /// For tokens that [`check`](Self::check) refuses.
    fn encode(&self, tokens: TokenBatch) -> Tensor<2> {
        let mask = tokens.mask().clone();
        self.pooling.forward(self.hidden_states(tokens), mask)
    }

    fn d_feature(&self) -> usize {
        self.embeddings.word_embeddings.weight.lazy_shape()[1]
    }
}

/// The embeddings, then each layer.
impl Blocks for Bert {
    fn blocks(&self) -> Vec<Vec<String>> {
        blocks::in_order(&["embeddings"], &[("layers", self.layers.len())])
    }
}
