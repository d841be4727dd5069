//! Multi-head self-attention with one product for queries, keys and values.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::activation::softmax;
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, Device, Tensor};
use burn_mla::layer::dropout;

use super::block::BlockConfig;
use super::layers::{linear, per_token};

/// Which keys a query cannot attend to, `true` for hidden: `[batch, 1, 1, keys]` or
/// `[1, 1, queries, keys]`. A query needs at least one key.
pub(crate) type Hidden = Tensor<4, Bool>;

/// Hides keys from every query. `keys`: `[batch, keys]`, `true` for hidden.
pub(crate) fn hide_keys(keys: Tensor<2, Bool>) -> Hidden {
    keys.unsqueeze_dims(&[1, 2])
}

/// Hides each key from the queries before it.
pub(crate) fn causal(length: usize, device: &Device) -> Hidden {
    Tensor::<2, Bool>::tril_mask([length, length], 0, device).unsqueeze()
}

/// Multi-head self-attention.
///
/// `qkv` computes the queries, keys and values of all heads, in thirds; within a third, heads are
/// consecutive runs of channels.
#[derive(Module, Debug)]
pub(crate) struct Attention {
    qkv: Linear,
    output: Linear,
    weight_dropout: Dropout,
    dropout: Dropout,
    n_heads: usize,
}

impl Attention {
    pub(super) fn init(config: &BlockConfig, device: &Device) -> Self {
        let (width, weights) = (config.d_model, &config.initializers);
        Self {
            qkv: linear(width, 3 * width, &weights.qkv, device),
            output: linear(width, width, &weights.output, device),
            weight_dropout: DropoutConfig::new(config.attention_dropout).init(),
            dropout: DropoutConfig::new(config.dropout).init(),
            n_heads: config.n_heads,
        }
    }

    /// # Shapes
    ///
    /// - input: `[batch, length, width]`
    /// - output: `[batch, length, width]`
    pub(super) fn forward(&self, x: Tensor<3>, hidden: Option<&Hidden>) -> Tensor<3> {
        let [batch, length, width] = x.dims();
        let (heads, d_head) = (self.n_heads, width / self.n_heads);
        let qkv = per_token(&self.qkv, x)
            .reshape([batch, length, 3, heads, d_head])
            .permute([2, 0, 3, 1, 4]);
        let [query, key, value] =
            [0, 1, 2].map(|i| qkv.clone().slice_dim(0, i..i + 1).squeeze_dim::<4>(0));
        let hidden = hidden.map(|hidden| hidden.clone().expand([batch, heads, length, length]));
        let attended = if query.device().is_autodiff() {
            self.by_parts(query, key, value, hidden)
        } else {
            attention(
                query,
                key,
                value,
                hidden,
                None,
                AttentionModuleOptions::default(),
            )
        };
        let attended = attended.swap_dims(1, 2).reshape([batch, length, width]);
        dropout(&self.dropout, per_token(&self.output, attended))
    }

    /// The attention of training. Burn's own has no dropout, and on an autodiff device it
    /// differentiates the maximum in its softmax.
    fn by_parts(
        &self,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        hidden: Option<Tensor<4, Bool>>,
    ) -> Tensor<4> {
        let scale = (query.dims()[3] as f64).powf(-0.5);
        let mut scores = (query * scale).matmul(key.swap_dims(2, 3));
        if let Some(hidden) = hidden {
            scores = scores.mask_fill(hidden, f32::NEG_INFINITY);
        }
        let weights = dropout(&self.weight_dropout, softmax(scores, 3));
        weights.matmul(value)
    }
}
