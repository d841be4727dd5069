//! Sizes and options of BERT, and its initial weights.

use burn::config::Config;
use burn::module::Param;
use burn::nn::{
    Dropout, DropoutConfig, Embedding, EmbeddingConfig, Initializer, LayerNorm, LayerNormConfig,
    Linear, LinearConfig,
};
use burn::tensor::Device;
use burn_mla::module::draw_parameters;
use burn_mla::{MlaError, Result};

use super::attention::SelfAttention;
use super::embeddings::Embeddings;
use super::layer::Layer;
use super::{Bert, Pooling};
use crate::Activation;

/// Configuration of [`Bert`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `n_tokens` | required | size of the vocabulary | >= 1 |
/// | `d_model` | required | width of the hidden states and the features | >= 1 |
/// | `n_layers` | required | number of transformer layers | >= 1 |
/// | `n_heads` | required | number of attention heads | divides `d_model` |
/// | `d_ff` | required | width of the feed-forward networks | >= 1 |
/// | `n_positions` | 512 | longest text, in tokens | >= 1 |
/// | `n_types` | 2 | segment types of the pretraining; texts are in the first | >= 1 |
/// | `dropout` | 0.1 | dropout of embeddings and of each sublayer's output | `[0, 1)` |
/// | `attention_dropout` | 0.1 | dropout of the attention weights | `[0, 1)` |
/// | `epsilon` | 1e-12 | added to the variance in layer normalizations | (0, inf) |
/// | `activation` | `Gelu` | activation of the feed-forward networks | |
/// | `pooling` | `Mean` | features from the hidden states | |
#[derive(Config, Debug, PartialEq)]
pub struct BertConfig {
    /// Size of the vocabulary.
    pub n_tokens: usize,
    /// Width of the hidden states and the features.
    pub d_model: usize,
    /// Number of transformer layers.
    pub n_layers: usize,
    /// Number of attention heads.
    pub n_heads: usize,
    /// Width of the feed-forward networks.
    pub d_ff: usize,
    /// Longest text, in tokens.
    #[config(default = 512)]
    pub n_positions: usize,
    /// Number of segment types.
    #[config(default = 2)]
    pub n_types: usize,
    /// Dropout of the embeddings and of the output of each sublayer.
    #[config(default = 0.1)]
    pub dropout: f64,
    /// Dropout of the attention weights.
    #[config(default = 0.1)]
    pub attention_dropout: f64,
    /// Added to the variance in layer normalizations.
    #[config(default = 1e-12)]
    pub epsilon: f64,
    /// Activation of the feed-forward networks.
    #[config(default = "Activation::Gelu")]
    pub activation: Activation,
    /// How features are made of the hidden states.
    #[config(default = "Pooling::Mean")]
    pub pooling: Pooling,
}

impl BertConfig {
    /// The sizes of `sentence-transformers/all-MiniLM-L6-v2`: 6 layers of width 384, 22.6 million
    /// parameters.
    pub fn mini_lm_l6() -> Self {
        Self::new(30522, 384, 6, 12, 1536)
    }

    /// The sizes of `sentence-transformers/all-MiniLM-L12-v2`: 12 layers of width 384.
    pub fn mini_lm_l12() -> Self {
        Self::new(30522, 384, 12, 12, 1536)
    }

    /// The sizes of `bert-base-uncased`: 12 layers of width 768, 109 million parameters.
    pub fn base_uncased() -> Self {
        Self::new(30522, 768, 12, 12, 3072)
    }

    /// The sizes of `bert-large-uncased`: 24 layers of width 1024.
    pub fn large_uncased() -> Self {
        Self::new(30522, 1024, 24, 16, 4096)
    }

    /// Initializes the encoder on `device`, with weights as the original draws them: normal of
    /// standard deviation 0.02, and biases of zero.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for a value outside of the ranges above.
    pub fn init(&self, device: &Device) -> Result<Bert> {
        self.init_lazy(device).map(draw_parameters)
    }

    /// As [`init`](Self::init), without drawing the parameters. Weights that are loaded next replace
    /// them, which saves the time of drawing; others are drawn at their first use.
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    pub fn init_lazy(&self, device: &Device) -> Result<Bert> {
        self.check()?;
        Ok(Bert {
            embeddings: Embeddings {
                word_embeddings: self.embedding(self.n_tokens, device),
                position_embeddings: self.embedding(self.n_positions, device),
                token_type_embeddings: self.embedding(self.n_types, device),
                layer_norm: self.layer_norm(device),
                dropout: self.dropout(),
            },
            layers: (0..self.n_layers).map(|_| self.layer(device)).collect(),
            pooling: self.pooling,
        })
    }

    fn check(&self) -> Result<()> {
        let range = |name, requirement, value, holds: bool| {
            if holds {
                return Ok(());
            }
            Err(MlaError::HyperParameter {
                name,
                requirement,
                value,
            })
        };
        for (name, size) in [
            ("n_tokens", self.n_tokens),
            ("d_model", self.d_model),
            ("n_layers", self.n_layers),
            ("n_heads", self.n_heads),
            ("d_ff", self.d_ff),
            ("n_positions", self.n_positions),
            ("n_types", self.n_types),
        ] {
            range(name, "at least 1", size as f64, size > 0)?;
        }
        let divides = self.d_model.is_multiple_of(self.n_heads);
        range(
            "n_heads",
            "a divisor of d_model",
            self.n_heads as f64,
            divides,
        )?;
        for (name, rate) in [
            ("dropout", self.dropout),
            ("attention_dropout", self.attention_dropout),
        ] {
            range(name, "in [0, 1)", rate, (0.0..1.0).contains(&rate))?;
        }
        let positive = self.epsilon > 0.0 && self.epsilon.is_finite();
        range("epsilon", "finite and > 0", self.epsilon, positive)
    }

    fn layer(&self, device: &Device) -> Layer {
        let width = self.d_model;
        Layer {
            attention: SelfAttention {
                query: linear(width, width, device),
                key: linear(width, width, device),
                value: linear(width, width, device),
                output: linear(width, width, device),
                dropout: DropoutConfig::new(self.attention_dropout).init(),
                n_heads: self.n_heads,
            },
            attention_norm: self.layer_norm(device),
            intermediate: linear(width, self.d_ff, device),
            activation: self.activation,
            output: linear(self.d_ff, width, device),
            output_norm: self.layer_norm(device),
            dropout: self.dropout(),
        }
    }

    fn embedding(&self, n: usize, device: &Device) -> Embedding {
        EmbeddingConfig::new(n, self.d_model)
            .with_initializer(INITIALIZER)
            .init(device)
    }

    fn layer_norm(&self, device: &Device) -> LayerNorm {
        LayerNormConfig::new(self.d_model)
            .with_epsilon(self.epsilon)
            .init(device)
    }

    fn dropout(&self) -> Dropout {
        DropoutConfig::new(self.dropout).init()
    }
}

const INITIALIZER: Initializer = Initializer::Normal {
    mean: 0.0,
    std: 0.02,
};

fn linear(d_input: usize, d_output: usize, device: &Device) -> Linear {
    let bias: Param<_> = Initializer::Zeros.init([d_output], device);
    Linear {
        bias: Some(bias),
        ..LinearConfig::new(d_input, d_output)
            .with_bias(false)
            .with_initializer(INITIALIZER)
            .init(device)
    }
}
