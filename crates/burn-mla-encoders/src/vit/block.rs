//! A pre-norm transformer block.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, LayerNorm, LayerNormConfig, Linear};
use burn::tensor::{Device, Tensor};
use burn_mla::layer::dropout;

use super::activation::Activation;
use super::attention::{Attention, Hidden};
use super::drop_path::DropPath;
use super::layers::{BlockInitializers, linear, per_token};

/// Configuration of the blocks of an encoder.
pub(crate) struct BlockConfig {
    pub d_model: usize,
    pub n_heads: usize,
    pub d_hidden: usize,
    pub activation: Activation,
    pub epsilon: f64,
    /// Dropout of the attention weights.
    pub attention_dropout: f64,
    /// Dropout after the attention, the hidden layer and the MLP.
    pub dropout: f64,
    /// Probability to skip a branch for a sample.
    pub drop_path: f64,
    pub initializers: BlockInitializers,
}

/// A pre-norm transformer block: `x + attention(norm1(x))`, then `x + mlp(norm2(x))`.
#[derive(Module, Debug)]
pub(crate) struct Block {
    norm1: LayerNorm,
    attention: Attention,
    norm2: LayerNorm,
    mlp: Mlp,
    drop_path: DropPath,
}

#[derive(Module, Debug)]
struct Mlp {
    hidden: Linear,
    output: Linear,
    dropout: Dropout,
    #[module(skip)]
    activation: Activation,
}

impl BlockConfig {
    pub(crate) fn norm(&self, device: &Device) -> LayerNorm {
        LayerNormConfig::new(self.d_model)
            .with_epsilon(self.epsilon)
            .init(device)
    }

    /// Initializes `depth` blocks.
    pub(crate) fn init(&self, depth: usize, device: &Device) -> Vec<Block> {
        let weights = &self.initializers;
        let block = |_| Block {
            norm1: self.norm(device),
            attention: Attention::init(self, device),
            norm2: self.norm(device),
            mlp: Mlp {
                hidden: linear(self.d_model, self.d_hidden, &weights.hidden, device),
                output: linear(self.d_hidden, self.d_model, &weights.mlp_output, device),
                dropout: DropoutConfig::new(self.dropout).init(),
                activation: self.activation,
            },
            drop_path: DropPath::new(self.drop_path),
        };
        (0..depth).map(block).collect()
    }
}

impl Block {
    /// # Shapes
    ///
    /// - input: `[batch, length, d_model]`
    /// - output: `[batch, length, d_model]`
    pub(crate) fn forward(&self, x: Tensor<3>, hidden: Option<&Hidden>) -> Tensor<3> {
        let branch = self
            .attention
            .forward(self.norm1.forward(x.clone()), hidden);
        let x = x + self.drop_path.forward(branch);
        let branch = self.mlp.forward(self.norm2.forward(x.clone()));
        x + self.drop_path.forward(branch)
    }
}

impl Mlp {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let hidden = self.activation.forward(per_token(&self.hidden, x));
        let output = per_token(&self.output, dropout(&self.dropout, hidden));
        dropout(&self.dropout, output)
    }
}

/// Applies blocks one after the other.
pub(crate) fn forward(blocks: &[Block], x: Tensor<3>, hidden: Option<&Hidden>) -> Tensor<3> {
    blocks.iter().fold(x, |x, block| block.forward(x, hidden))
}
