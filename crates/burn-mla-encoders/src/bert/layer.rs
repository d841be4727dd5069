//! A layer of BERT.

use burn::module::Module;
use burn::nn::{Dropout, LayerNorm, Linear};
use burn::tensor::{Bool, Tensor};
use burn_mla::layer::dropout;

use super::attention::SelfAttention;
use crate::Activation;
use crate::vit::per_token;

/// A transformer layer whose normalizations follow the residual connections.
#[derive(Module, Debug)]
pub(super) struct Layer {
    pub(super) attention: SelfAttention,
    pub(super) attention_norm: LayerNorm,
    pub(super) intermediate: Linear,
    #[module(skip)]
    pub(super) activation: Activation,
    pub(super) output: Linear,
    pub(super) output_norm: LayerNorm,
    pub(super) dropout: Dropout,
}

impl Layer {
    /// Maps hidden states `[batch, length, d_model]` to the next ones; see [`SelfAttention::forward`].
    pub(super) fn forward(&self, hidden: Tensor<3>, padding: Tensor<4, Bool>) -> Tensor<3> {
        let attended = self.attention.forward(hidden.clone(), padding);
        let attended = dropout(&self.dropout, attended);
        let hidden = self.attention_norm.forward(attended + hidden);
        let inner = per_token(&self.intermediate, hidden.clone());
        let outer = per_token(&self.output, self.activation.forward(inner));
        self.output_norm
            .forward(dropout(&self.dropout, outer) + hidden)
    }
}
