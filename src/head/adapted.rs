//! A shared head with a small adapter per modality.

use burn::config::Config;
use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};

use crate::error::{MlaError, Result, at_least_one};
use crate::head::{HeadOutput, ProtectedLayer, SharedHead};
use crate::module::draw_parameters;

/// Configuration of the adapters of an [`AdaptedHead`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `n_modalities` | required | number of modalities | >= 1 |
/// | `scale_and_bias` | true | whether a modality has a scale and a bias for each class | |
/// | `rank` | none | rank of a linear layer of each modality's own; none for no such layer | >= 1 |
#[derive(Config, Debug)]
pub struct AdapterConfig {
    /// Number of modalities.
    pub n_modalities: usize,
    /// True for a scale and a bias per class and modality.
    #[config(default = true)]
    pub scale_and_bias: bool,
    /// Rank of a linear layer of each modality's own.
    pub rank: Option<usize>,
}

/// A shared head whose logits depend on the modality through a small adapter.
///
/// ```text
/// logits_m = (1 + s_m) * g(x) + b_m + x A_m B_m
/// ```
///
/// `g` is the shared head, `s_m` and `b_m` are `[n_classes]`, `A_m` is `[d_feature, rank]` and `B_m`
/// `[rank, n_classes]`. All but `A_m` start at 0, which makes the logits those of the shared head. With a
/// rank below `min(d_feature, n_classes)`, `A_m B_m` is the low-rank update of LoRA (Hu et al., ICLR 2022).
///
/// Only the turns of a modality train its adapter, which therefore needs no protection: the protected
/// layers are those of the shared head.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::head::AdapterConfig;
/// use burn_mla::prelude::*;
///
/// let device = Device::flex();
/// let audio = MlpEncoderConfig::new(20, 16).init(&device)?;
/// let text = MlpEncoderConfig::new(30, 16).init(&device)?;
/// let head = LinearHeadConfig::new(16, 4).init(&device)?;
/// let head = AdapterConfig::new(2).with_rank(Some(2)).init(head, &device)?;
/// let model = MlaConfig::new().init_default((audio, text), head)?;
/// let output = model.forward(OneOf2::B(Tensor::ones([3, 30], &device)));
/// assert_eq!(output.logits.dims(), [3, 4]);
/// # Ok::<(), MlaError>(())
/// ```
#[derive(Module, Debug)]
pub struct AdaptedHead<H: Module> {
    shared: H,
    adapters: Vec<Adapter>,
}

/// The part of a modality.
#[derive(Module, Debug)]
struct Adapter {
    /// `[n_classes]`.
    scale: Option<Param<Tensor<1>>>,
    /// `[n_classes]`.
    bias: Option<Param<Tensor<1>>>,
    /// `[d_feature, rank]`.
    down: Option<Param<Tensor<2>>>,
    /// `[rank, n_classes]`.
    up: Option<Param<Tensor<2>>>,
}

impl AdapterConfig {
    /// Adds adapters on `device` to a head. The `A_m` are drawn here, uniform in
    /// `[-1, 1] / sqrt(d_feature)`.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for a value outside of the ranges above.
    pub fn init<H: SharedHead>(&self, head: H, device: &Device) -> Result<AdaptedHead<H>> {
        at_least_one("n_modalities", self.n_modalities)?;
        self.rank
            .map(|rank| at_least_one("rank", rank))
            .transpose()?;
        let (d_feature, n_classes) = (head.d_feature(), head.n_classes());
        let adapter = |_| {
            Adapter::new(
                [d_feature, n_classes],
                self.scale_and_bias,
                self.rank,
                device,
            )
        };
        Ok(draw_parameters(AdaptedHead {
            adapters: (0..self.n_modalities).map(adapter).collect(),
            shared: head,
        }))
    }
}

impl<H: SharedHead> AdaptedHead<H> {
    /// The shared head.
    pub fn shared(&self) -> &H {
        &self.shared
    }
}

impl Adapter {
    fn new(
        [d_feature, n_classes]: [usize; 2],
        scale_and_bias: bool,
        rank: Option<usize>,
        device: &Device,
    ) -> Self {
        let zeros = || Initializer::Zeros.init([n_classes], device);
        let bound = (d_feature as f64).sqrt().recip();
        let uniform = Initializer::Uniform {
            min: -bound,
            max: bound,
        };
        Self {
            scale: scale_and_bias.then(zeros),
            bias: scale_and_bias.then(zeros),
            down: rank.map(|rank| uniform.init([d_feature, rank], device)),
            up: rank.map(|rank| Initializer::Zeros.init([rank, n_classes], device)),
        }
    }

    fn adapt(&self, logits: Tensor<2>, features: Tensor<2>) -> Tensor<2> {
        let mut adapted = logits.clone();
        if let Some(scale) = &self.scale {
            adapted = adapted + logits * scale.val().unsqueeze_dim::<2>(0);
        }
        if let Some(bias) = &self.bias {
            adapted = adapted + bias.val().unsqueeze_dim::<2>(0);
        }
        if let Some((down, up)) = self.down.as_ref().zip(self.up.as_ref()) {
            adapted = adapted + features.matmul(down.val()).matmul(up.val());
        }
        adapted
    }
}

impl<H: SharedHead> SharedHead for AdaptedHead<H> {
    /// The logits of the shared head alone.
    fn forward(&self, features: Tensor<2>) -> HeadOutput {
        self.shared.forward(features)
    }

    /// # Panics
    ///
    /// If there is no such modality.
    fn forward_of(&self, modality: usize, features: Tensor<2>) -> HeadOutput {
        let output = self.shared.forward_of(modality, features.clone());
        HeadOutput {
            logits: self.adapters[modality].adapt(output.logits, features),
            inputs: output.inputs,
        }
    }

    fn protected(&self) -> Vec<ProtectedLayer> {
        let shared = self.shared.protected().into_iter();
        // The adapter changes the logits after the last layer.
        let inner = shared.map(|layer| ProtectedLayer {
            is_output: false,
            ..layer
        });
        inner.collect()
    }

    fn d_feature(&self) -> usize {
        self.shared.d_feature()
    }

    fn n_classes(&self) -> usize {
        self.shared.n_classes()
    }

    /// The new adapter has the parts of the others.
    fn with_modality(mut self) -> Self {
        self.shared = self.shared.with_modality();
        let sizes = [self.d_feature(), self.n_classes()];
        let device = self.devices().into_iter().next().unwrap_or_default();
        if let Some(like) = self.adapters.first() {
            let rank = like.down.as_ref().map(|down| down.lazy_shape()[1]);
            let adapter = Adapter::new(sizes, like.scale.is_some(), rank, &device);
            self.adapters.push(draw_parameters(adapter));
        }
        self
    }

    fn check(&self, n_modalities: usize) -> Result<()> {
        self.shared.check(n_modalities)?;
        let expected = self.adapters.len();
        if n_modalities == expected {
            return Ok(());
        }
        Err(MlaError::ModalityCount {
            what: "a model with adapters of the head",
            expected,
            got: n_modalities,
        })
    }
}
