//! Autoencoders and the cascade of residual autoencoders.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::baseline::missing::networks::{Act, Stack, StackOptions, WeightInit, widths};
use crate::error::{MlaError, Result, at_least_one};

/// An encoder and a decoder. Its parts are the blocks of a [`Cascade`].
#[derive(Module, Debug)]
pub struct Autoencoder {
    pub(super) encoder: Stack,
    pub(super) decoder: Stack,
}

impl Autoencoder {
    /// Layers from `width` through `layers` and back, with an activation after each; the output is not
    /// negative.
    pub(super) fn init(
        width: usize,
        layers: &[usize],
        init: WeightInit,
        device: &Device,
    ) -> Result<Self> {
        let encoder = StackOptions::plain(Act::LeakyRelu, Act::LeakyRelu, init);
        let decoder = StackOptions::plain(Act::LeakyRelu, Act::Relu, init);
        Self::of(width, layers, [encoder, decoder], device)
    }

    fn of(
        width: usize,
        layers: &[usize],
        [encoder, decoder]: [StackOptions; 2],
        device: &Device,
    ) -> Result<Self> {
        let Some((&latent, inner)) = layers.split_last() else {
            return Err(MlaError::HyperParameter {
                name: "layers",
                requirement: "at least one width",
                value: 0.0,
            });
        };
        let down = widths(width, inner, latent);
        let up: Vec<usize> = down.iter().rev().copied().collect();
        Ok(Self {
            encoder: encoder.init(&down, device)?,
            decoder: decoder.init(&up, device)?,
        })
    }
}

/// Residual autoencoders one after the other, and a transition.
///
/// Block `b` maps the sum of the input and all earlier residuals, `v_b`, to a latent `c_b` and a residual
/// `r_b`: `v_1 = z`, `c_b = enc_b(v_b)`, `r_b = dec_b(c_b)`, `v_(b+1) = v_b + r_b`. The output is
/// `u = transition(v_(B+1))`.
#[derive(Module, Debug)]
pub struct Cascade {
    pub(super) blocks: Vec<Autoencoder>,
    pub(super) transition: Stack,
}

/// The latents of a cascade, and what the last block's decoder makes of them.
pub(super) struct Walked {
    latents: Vec<Tensor<2>>,
    /// The input of the last block.
    last: Tensor<2>,
}

impl Walked {
    pub(super) fn new(latents: Vec<Tensor<2>>, last: Tensor<2>) -> Self {
        Self { latents, last }
    }

    /// The latents of all blocks next to each other, `[n_samples, B * layers.last]`.
    pub(super) fn concatenated(&self) -> Tensor<2> {
        Tensor::cat(self.latents.clone(), 1)
    }
}

impl Cascade {
    pub(super) fn init(
        width: usize,
        layers: &[usize],
        n_blocks: usize,
        init: WeightInit,
        device: &Device,
    ) -> Result<Self> {
        at_least_one("blocks", n_blocks)?;
        let encoder = StackOptions::plain(Act::LeakyRelu, Act::None, init);
        let decoder = StackOptions::plain(Act::Relu, Act::None, init);
        let block = |_| Autoencoder::of(width, layers, [encoder, decoder], device);
        let transition = StackOptions::plain(Act::Relu, Act::None, init);
        Ok(Self {
            blocks: (0..n_blocks).map(block).collect::<Result<_>>()?,
            transition: transition.init(&[width; 3], device)?,
        })
    }

    /// The latents of all blocks. The last decoder and the transition do not run.
    pub(super) fn walk(&self, z: Tensor<2>) -> Walked {
        let mut input = z;
        let mut latents = Vec::with_capacity(self.blocks.len());
        for (at, block) in self.blocks.iter().enumerate() {
            if at > 0 {
                let before: &Tensor<2> = &latents[at - 1];
                input = input + self.blocks[at - 1].decoder.forward(before.clone());
            }
            latents.push(block.encoder.forward(input.clone()));
        }
        Walked::new(latents, input)
    }

    /// The output of the last block's decoder.
    pub(super) fn last_decoded(&self, walked: &Walked) -> Tensor<2> {
        let at = self.blocks.len() - 1;
        self.blocks[at].decoder.forward(walked.latents[at].clone())
    }

    /// The output `u` of a walk.
    pub(super) fn finish(&self, walked: &Walked) -> Tensor<2> {
        let last = walked.last.clone() + self.last_decoded(walked);
        self.transition.forward(last)
    }

    pub(super) fn forward(&self, z: Tensor<2>) -> Tensor<2> {
        self.finish(&self.walk(z))
    }
}

/// The network between the features of all modalities and the features that the prediction is made of.
pub trait CompletionNetwork: Module + burn::module::ModuleDisplay + Sync + 'static {
    /// Name of the method.
    const NAME: &'static str;

    /// Completes features, `[n_samples, D]`.
    fn complete(&self, features: Tensor<2>) -> Tensor<2>;
}

impl CompletionNetwork for Autoencoder {
    const NAME: &'static str = "AE";

    fn complete(&self, features: Tensor<2>) -> Tensor<2> {
        self.decoder.forward(self.encoder.forward(features))
    }
}

impl CompletionNetwork for Cascade {
    const NAME: &'static str = "CRA";

    fn complete(&self, features: Tensor<2>) -> Tensor<2> {
        self.forward(features)
    }
}
