//! Transformer blocks without biases in their attention.

use burn::module::{Module, Param};
use burn::nn::{
    Dropout, DropoutConfig, Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig,
};
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Device, Tensor};

use crate::layer::{dropout, linear};

/// A layer without bias, by the initialization of Xavier.
pub(super) fn projection(d_input: usize, d_output: usize, device: &Device) -> Linear {
    let xavier = Initializer::XavierUniform { gain: 1.0 };
    let config = LinearConfig::new(d_input, d_output).with_bias(false);
    config.with_initializer(xavier).init(device)
}

/// A layer with a bias, which is 0 at the start.
pub(super) fn biased(d_input: usize, d_output: usize, device: &Device) -> Linear {
    let bias: Param<Tensor<1>> = Initializer::Zeros.init([d_output], device);
    Linear {
        bias: Some(bias),
        ..projection(d_input, d_output, device)
    }
}

/// The rest of a block after its attention: residual and layer norm, twice, with two layers between.
#[derive(Module, Debug)]
struct FeedForward {
    norm1: LayerNorm,
    ff: Vec<Linear>,
    norm2: LayerNorm,
}

impl FeedForward {
    fn init(width: usize, epsilon: f64, device: &Device) -> Self {
        let norm = LayerNormConfig::new(width).with_epsilon(epsilon);
        Self {
            norm1: norm.init(device),
            ff: vec![
                biased(width, 4 * width, device),
                biased(4 * width, width, device),
            ],
            norm2: norm.init(device),
        }
    }

    fn forward<const D: usize>(&self, attended: Tensor<D>, input: Tensor<D>) -> Tensor<D> {
        let inner = self.norm1.forward(attended + input);
        let hidden = relu(linear(&self.ff[0], inner.clone()));
        self.norm2.forward(linear(&self.ff[1], hidden) + inner)
    }
}

/// A block on a sequence of one token. The weight of its attention is 1, which leaves the values.
#[derive(Module, Debug)]
pub(super) struct TokenBlock {
    value: Linear,
    after: FeedForward,
}

impl TokenBlock {
    pub(super) fn init(width: usize, epsilon: f64, device: &Device) -> Self {
        Self {
            value: projection(width, width, device),
            after: FeedForward::init(width, epsilon, device),
        }
    }

    /// Maps tokens `[n_samples, width]`.
    pub(super) fn forward(&self, token: Tensor<2>) -> Tensor<2> {
        let attended = linear(&self.value, token.clone());
        self.after.forward(attended, token)
    }
}

/// A block on a sequence of tokens: self-attention of several heads without an output projection.
#[derive(Module, Debug)]
pub(super) struct Block {
    query: Linear,
    key: Linear,
    value: Linear,
    after: FeedForward,
    /// Of the weights of the attention.
    dropout: Dropout,
    n_heads: usize,
}

impl Block {
    pub(super) fn init(
        width: usize,
        n_heads: usize,
        dropout: f64,
        epsilon: f64,
        device: &Device,
    ) -> Self {
        Self {
            query: projection(width, width, device),
            key: projection(width, width, device),
            value: projection(width, width, device),
            after: FeedForward::init(width, epsilon, device),
            dropout: DropoutConfig::new(dropout).init(),
            n_heads,
        }
    }

    /// Maps sequences `[n_samples, n_tokens, width]`.
    pub(super) fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        let [n_samples, n_tokens, width] = tokens.dims();
        let d_head = width / self.n_heads;
        let split = |layer: &Linear| {
            let heads = linear(layer, tokens.clone());
            let heads = heads.reshape([n_samples, n_tokens, self.n_heads, d_head]);
            heads.swap_dims(1, 2)
        };
        let query = split(&self.query) / (d_head as f64).sqrt();
        let scores = query.matmul(split(&self.key).swap_dims(2, 3));
        let weights = dropout(&self.dropout, softmax(scores, 3));
        let attended = weights.matmul(split(&self.value)).swap_dims(1, 2);
        let attended = attended.reshape([n_samples, n_tokens, width]);
        self.after.forward(attended, tokens)
    }
}
