//! Self-attention over the tokens of a text.

use burn::module::Module;
use burn::nn::{Dropout, Linear};
use burn::tensor::activation::softmax;
use burn::tensor::module::attention;
use burn::tensor::{Bool, Tensor};
use burn_mla::layer::dropout;

use crate::vit::per_token;

/// Multi-head self-attention, without the residual connection.
#[derive(Module, Debug)]
pub(super) struct SelfAttention {
    pub(super) query: Linear,
    pub(super) key: Linear,
    pub(super) value: Linear,
    pub(super) output: Linear,
    pub(super) dropout: Dropout,
    pub(super) n_heads: usize,
}

impl SelfAttention {
    /// Attends from each position of `hidden`, `[batch, length, d_model]`, to those for which
    /// `padding` is false, `[batch, 1, 1, length]`. The attention to a text of padding alone is zero.
    pub(super) fn forward(&self, hidden: Tensor<3>, padding: Tensor<4, Bool>) -> Tensor<3> {
        per_token(&self.output, self.context(hidden, padding))
    }

    /// The values that each position attends to, before the output layer.
    pub(super) fn context(&self, hidden: Tensor<3>, padding: Tensor<4, Bool>) -> Tensor<3> {
        let [batch, length, d_model] = hidden.dims();
        let heads = [batch, length, self.n_heads, d_model / self.n_heads];
        let split = |layer: &Linear| {
            let projected = per_token(layer, hidden.clone());
            projected.reshape(heads).swap_dims(1, 2)
        };
        let (query, key, value) = (split(&self.query), split(&self.key), split(&self.value));
        let padding = padding.expand([batch, self.n_heads, length, length]);
        let context = if self.drops(&query) {
            let scores = query.matmul(key.swap_dims(2, 3)) / (heads[3] as f64).sqrt();
            // Burn's own attention has no dropout. Finite, as a text of padding alone would
            // otherwise get NaN.
            let lowest = scores.dtype().finfo().map_or(-1e4, |float| float.min);
            let weights = softmax(scores.mask_fill(padding, lowest), 3);
            dropout(&self.dropout, weights).matmul(value)
        } else {
            attention(query, key, value, Some(padding), None, Default::default())
        };
        context.swap_dims(1, 2).reshape([batch, length, d_model])
    }

    /// Whether dropout changes the weights of this forward pass.
    fn drops(&self, query: &Tensor<4>) -> bool {
        self.dropout.prob > 0.0
            && self.dropout.training.is_enabled()
            && query.device().is_autodiff()
    }
}
