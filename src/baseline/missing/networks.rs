//! Networks that the methods share: stacks of linear layers, and encoders of all modalities.

use burn::config::Config;
use burn::module::{Module, Param, ParamId};
use burn::nn::activation::{Activation, ActivationConfig};
use burn::nn::{Dropout, DropoutConfig, Initializer, LeakyReluConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use crate::baseline::ModalityFeatures;
use crate::error::{MlaError, Result, at_least_one, fraction};
use crate::layer::{dropout, linear};
use crate::module::{draw_parameters, param_ids};

/// Initial values of the linear layers of a network.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum WeightInit {
    /// Those of Burn: uniform with the bound `1 / sqrt(d_input)`.
    Burn,
    /// Weights with the mean 0 and the standard deviation `sqrt(2 / d_input)`, biases of 0. Published
    /// code has it for teachers.
    KaimingNormal,
    /// Weights with the mean 0 and the standard deviation 0.02, biases of 0. Published code has it for
    /// everything but teachers. Logits then start near 0, and the first epochs appear to learn
    /// nothing: the first gradients are below the epsilon of Adam.
    SmallNormal,
}

impl WeightInit {
    fn linear(self, d_input: usize, d_output: usize, device: &Device) -> Linear {
        let config = LinearConfig::new(d_input, d_output);
        let initializer = match self {
            Self::Burn => return config.init(device),
            Self::KaimingNormal => Initializer::KaimingNormal {
                gain: 2.0_f64.sqrt(),
                fan_out_only: false,
            },
            Self::SmallNormal => Initializer::Normal {
                mean: 0.0,
                std: 0.02,
            },
        };
        let mut linear = config.with_initializer(initializer).init(device);
        let zeros: Param<Tensor<1>> = Initializer::Zeros.init([d_output], device);
        linear.bias = Some(zeros);
        linear
    }
}

/// Linear layers with activations between them and after the last one.
#[derive(Module, Debug)]
pub(super) struct Stack {
    layers: Vec<Linear>,
    dropout: Dropout,
    between: Activation,
    last: Activation,
}

/// How a [`Stack`] is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct StackOptions {
    pub(super) between: Act,
    pub(super) last: Act,
    /// After each activation except the last.
    pub(super) dropout: f64,
    pub(super) init: WeightInit,
}

/// An activation.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    None,
    Relu,
    /// With the slope 0.01.
    LeakyRelu,
}

impl Act {
    fn init(self, device: &Device) -> Activation {
        let config = match self {
            Self::None => ActivationConfig::Identity,
            Self::Relu => ActivationConfig::Relu,
            Self::LeakyRelu => ActivationConfig::LeakyRelu(LeakyReluConfig::new()),
        };
        config.init(device)
    }
}

impl StackOptions {
    /// ReLU and dropout between layers, nothing after the last: `MLP` of the published code.
    pub(super) fn mlp(dropout: f64, init: WeightInit) -> Self {
        Self {
            between: Act::Relu,
            last: Act::None,
            dropout,
            init,
        }
    }

    /// Activations without dropout.
    pub(super) fn plain(between: Act, last: Act, init: WeightInit) -> Self {
        Self {
            between,
            last,
            dropout: 0.0,
            init,
        }
    }

    /// Layers from `widths[0]` inputs to the last of `widths`.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for a width of 0 or a dropout outside `[0, 1)`.
    pub(super) fn init(self, widths: &[usize], device: &Device) -> Result<Stack> {
        for &width in widths {
            at_least_one("width of a layer", width)?;
        }
        let dropout = fraction("dropout", self.dropout)?;
        let layers = widths.windows(2);
        let layers = layers.map(|pair| self.init.linear(pair[0], pair[1], device));
        Ok(draw_parameters(Stack {
            layers: layers.collect(),
            dropout: DropoutConfig::new(dropout).init(),
            between: self.between.init(device),
            last: self.last.init(device),
        }))
    }
}

impl Stack {
    pub(super) fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let mut x = input;
        for (i, layer) in self.layers.iter().enumerate() {
            if i > 0 {
                x = dropout(&self.dropout, self.between.forward(x));
            }
            x = linear(layer, x);
        }
        self.last.forward(x)
    }

    #[cfg(all(test, feature = "train"))]
    pub(super) fn layer(&self, at: usize) -> &Linear {
        &self.layers[at]
    }

    /// Sets the last layer to 0.
    #[cfg(all(test, feature = "train"))]
    pub(super) fn silence(&mut self) {
        if let Some(last) = self.layers.pop() {
            let device = last.weight.device();
            let [from, to] = last.weight.dims();
            let zeros = LinearConfig::new(from, to).with_initializer(Initializer::Zeros);
            self.layers.push(zeros.init(&device));
        }
    }

    pub(super) fn d_input(&self) -> usize {
        self.layers[0].weight.lazy_shape()[0]
    }

    pub(super) fn d_output(&self) -> usize {
        self.layers[self.layers.len() - 1].weight.lazy_shape()[1]
    }
}

/// `first`, `inner`, `last`.
pub(super) fn widths(first: usize, inner: &[usize], last: usize) -> Vec<usize> {
    let inner = inner.iter().copied();
    [first].into_iter().chain(inner).chain([last]).collect()
}

/// One network per modality.
#[derive(Module, Debug)]
pub(super) struct Stacks {
    stacks: Vec<Stack>,
}

impl Stacks {
    /// Networks of these widths.
    pub(super) fn init(
        options: StackOptions,
        widths: impl Iterator<Item = Vec<usize>>,
        device: &Device,
    ) -> Result<Self> {
        let stacks = widths.map(|widths| options.init(&widths, device));
        Ok(Self {
            stacks: stacks.collect::<Result<_>>()?,
        })
    }

    /// The output of each network for the features of its modality.
    pub(super) fn each(&self, features: &[Tensor<2>]) -> Vec<Tensor<2>> {
        let pairs = self.stacks.iter().zip(features);
        pairs
            .map(|(stack, features)| stack.forward(features.clone()))
            .collect()
    }

    /// The outputs of all networks for the features of a batch, next to each other. Features of a
    /// missing modality are 0, which the network maps to a constant.
    pub(super) fn concatenated(&self, features: &ModalityFeatures) -> Tensor<2> {
        Tensor::cat(self.each(features.all()), 1)
    }

    /// The output of each network for the same input.
    pub(super) fn of_one(&self, input: &Tensor<2>) -> Vec<Tensor<2>> {
        let stacks = self.stacks.iter();
        stacks.map(|stack| stack.forward(input.clone())).collect()
    }

    /// The parameters of each network.
    pub(super) fn networks(&self) -> Vec<Vec<ParamId>> {
        self.stacks.iter().map(param_ids).collect()
    }

    /// Checks the widths of features against those of the networks' inputs.
    pub(super) fn check(&self, d_features: &[usize]) -> Result<()> {
        let expected: Vec<usize> = self.stacks.iter().map(Stack::d_input).collect();
        crate::baseline::joint::check_widths(&expected, d_features)
    }
}

/// The width of each modality's embedding: `given`, or by default that of its features.
///
/// # Errors
///
/// [`MlaError::ModalityCount`] for another number of widths than modalities.
pub(super) fn embedding_widths(
    d_features: &[usize],
    given: &Option<Vec<usize>>,
) -> Result<Vec<usize>> {
    let Some(given) = given else {
        return Ok(d_features.to_vec());
    };
    if given.len() == d_features.len() {
        return Ok(given.clone());
    }
    Err(MlaError::ModalityCount {
        what: "d_embedding",
        expected: d_features.len(),
        got: given.len(),
    })
}
