//! The shared head `g`, one classifier for the features of all modalities.

mod adapted;
mod linear;
mod mlp;

use burn::module::{Module, ModuleDisplay, ParamId};
use burn::tensor::Tensor;

pub use adapted::{AdaptedHead, AdapterConfig};
pub use linear::{LinearHead, LinearHeadConfig};
pub use mlp::{MlpHead, MlpHeadConfig};

/// The output of a head.
#[derive(Debug, Clone)]
pub struct HeadOutput {
    /// Class scores before the softmax, `[batch, n_classes]`.
    pub logits: Tensor<2>,
    /// The input of each protected layer, `[batch, d_input]`, in the order of
    /// [`SharedHead::protected`].
    pub inputs: Vec<Tensor<2>>,
}

/// A linear layer of the head with a projected gradient, named by parameter ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProtectedLayer {
    /// Id of the weight, `[d_input, d_output]` as in [`Linear`](burn::nn::Linear).
    pub weight: ParamId,
    /// Id of the bias, `[d_output]`, if the layer has one.
    pub bias: Option<ParamId>,
    /// Width of the layer's input.
    pub d_input: usize,
    /// Whether the layer's output is the logits, exactly as the head returns them. The gradient of
    /// such a layer can be projected by its factors, which is cheaper with many outputs. `false` is
    /// always correct.
    pub is_output: bool,
}

impl ProtectedLayer {
    /// Names the weight and the bias of a linear layer with Burn's default layout.
    pub fn linear(linear: &burn::nn::Linear) -> Self {
        Self {
            weight: linear.weight.id,
            bias: linear.bias.as_ref().map(|bias| bias.id),
            d_input: linear.weight.lazy_shape()[0],
            is_output: false,
        }
    }

    /// Declares that the layer's output is the logits, exactly as the head returns them.
    pub fn with_output(mut self) -> Self {
        self.is_output = true;
        self
    }
}

/// A classifier shared by all modalities.
///
/// It returns the input of each protected layer. Every protected layer has its own projector.
///
/// # Implementing your own
///
/// ```
/// use burn::module::Module;
/// use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::head::{HeadOutput, ProtectedLayer, SharedHead};
///
/// /// Layer normalization, then a linear layer. Only the linear layer is protected.
/// #[derive(Module, Debug)]
/// struct NormedHead {
///     norm: LayerNorm,
///     linear: Linear,
/// }
///
/// impl SharedHead for NormedHead {
///     fn forward(&self, features: Tensor<2>) -> HeadOutput {
///         let normed = self.norm.forward(features);
///         HeadOutput {
///             logits: self.linear.forward(normed.clone()),
///             inputs: vec![normed],
///         }
///     }
///
///     fn protected(&self) -> Vec<ProtectedLayer> {
///         vec![ProtectedLayer::linear(&self.linear).with_output()]
///     }
///
///     fn d_feature(&self) -> usize {
///         self.linear.weight.lazy_shape()[0]
///     }
///
///     fn n_classes(&self) -> usize {
///         self.linear.weight.lazy_shape()[1]
///     }
/// }
///
/// let device = Device::flex();
/// let head = NormedHead {
///     norm: LayerNormConfig::new(64).init(&device),
///     linear: LinearConfig::new(64, 8).init(&device),
/// };
/// let output = head.forward(Tensor::ones([2, 64], &device));
/// assert_eq!(output.logits.dims(), [2, 8]);
/// assert_eq!(output.inputs.len(), head.protected().len());
/// ```
pub trait SharedHead: Module + ModuleDisplay + Sync {
    /// Logits of `features`, and the inputs of the protected layers.
    ///
    /// # Shapes
    ///
    /// `features`: `[batch, d_feature]`; logits: `[batch, n_classes]`.
    ///
    /// # Panics
    ///
    /// An implementation may panic on another shape of `features`.
    fn forward(&self, features: Tensor<2>) -> HeadOutput;

    /// As [`forward`](Self::forward), for features of a modality. A head with parts per modality overrides
    /// it; the default is the same for all modalities.
    fn forward_of(&self, modality: usize, features: Tensor<2>) -> HeadOutput {
        let _ = modality;
        self.forward(features)
    }

    /// The layers to protect, from first to last. May be empty.
    ///
    /// Called at every step, since loading a record changes the ids of parameters.
    fn protected(&self) -> Vec<ProtectedLayer>;

    /// Width of the features.
    fn d_feature(&self) -> usize;

    /// Number of classes.
    fn n_classes(&self) -> usize;

    /// The head with a part for one more modality. A head with parts per modality overrides it; the default
    /// changes nothing.
    fn with_modality(self) -> Self {
        self
    }

    /// Checks that the head was made for this number of modalities. The default accepts any.
    ///
    /// # Errors
    ///
    /// [`MlaError`](crate::MlaError) if it was made for another number.
    fn check(&self, n_modalities: usize) -> crate::Result<()> {
        let _ = n_modalities;
        Ok(())
    }
}
