//! The embeddings of tokens, positions and segments.

use burn::module::Module;
use burn::nn::{Dropout, Embedding, LayerNorm};
use burn::tensor::{Int, Tensor};
use burn_mla::layer::dropout;

/// The sum of the embeddings of each token, its position and the first segment, normalized.
#[derive(Module, Debug)]
pub(super) struct Embeddings {
    pub(super) word_embeddings: Embedding,
    pub(super) position_embeddings: Embedding,
    pub(super) token_type_embeddings: Embedding,
    pub(super) layer_norm: LayerNorm,
    pub(super) dropout: Dropout,
}

impl Embeddings {
    /// Embeds tokens: `[batch, length]` to `[batch, length, d_model]`.
    pub(super) fn forward(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        let [_, length] = ids.dims();
        let positions = self.position_embeddings.weight.val().slice([0..length]);
        let segment = self.token_type_embeddings.weight.val().slice([0..1]);
        // Of the length of one text, not of the batch.
        let places = (positions + segment).unsqueeze::<3>();
        let embedded = self.word_embeddings.forward(ids) + places;
        dropout(&self.dropout, self.layer_norm.forward(embedded))
    }

    pub(super) fn n_tokens(&self) -> usize {
        self.word_embeddings.weight.lazy_shape()[0]
    }

    pub(super) fn n_positions(&self) -> usize {
        self.position_embeddings.weight.lazy_shape()[0]
    }
}
