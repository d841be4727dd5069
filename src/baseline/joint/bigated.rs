//! Gated bilinear fusion: one modality gated by the others.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::Device;
use burn::tensor::activation::sigmoid;

use crate::baseline::joint::film::{check_base, others};
use crate::baseline::joint::heads::{Heads, check_sizes};
use crate::baseline::{JointHead, JointLogits, ModalityFeatures};
use crate::error::{Result, at_least_one};
use crate::layer::linear;
use crate::module::draw_parameters;

/// Configuration of [`BiGated`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `d_features` | required | feature width of each modality | each >= 1 |
/// | `n_classes` | required | number of classes | >= 1 |
/// | `base` | 0 | the modality that is gated | below the number of modalities |
/// | `d_fused` | the base's width | width of the fused features, the rank of the bilinear form | >= 1 |
#[derive(Config, Debug)]
pub struct BiGatedConfig {
    /// Feature width of each modality.
    pub d_features: Vec<usize>,
    /// Number of classes.
    pub n_classes: usize,
    /// The modality that is gated.
    #[config(default = 0)]
    pub base: usize,
    /// Width of the fused features.
    pub d_fused: Option<usize>,
}

/// Gated bilinear fusion (Kiela et al., "Efficient Large-Scale Multi-Modal Classification",
/// AAAI 2018): one modality is gated by another.
///
/// ```text
/// z = V h_base * sigmoid(U_c h_c)      logits = W z
/// ```
///
/// elementwise, each map with a bias: a bilinear form of rank `d_fused`, whose outer product is
/// never formed. With more than two modalities, each modality except the base has its own gate, and
/// all gates are multiplied.
///
/// For a unimodal prediction the features of all other modalities are zeros. A gate is then that of
/// its bias, and the base is reduced to its bias.
#[derive(Module, Debug)]
pub struct BiGated {
    /// One map per modality, to `d_fused`.
    maps: Heads,
    output: Linear,
    base: usize,
}

impl BiGatedConfig {
    /// Initializes the head on `device`.
    ///
    /// # Errors
    ///
    /// [`MlaError`](crate::MlaError) for a value outside of the ranges above, or no modality.
    pub fn init(&self, device: &Device) -> Result<BiGated> {
        check_sizes(&self.d_features, self.n_classes)?;
        check_base(self.base, &self.d_features)?;
        let d_fused = self.d_fused.unwrap_or(self.d_features[self.base]);
        at_least_one("d_fused", d_fused)?;
        Ok(draw_parameters(BiGated {
            maps: Heads::init(&self.d_features, d_fused, device)?,
            output: LinearConfig::new(d_fused, self.n_classes).init(device),
            base: self.base,
        }))
    }
}

impl JointHead for BiGated {
    fn fuse(&self, features: &ModalityFeatures) -> JointLogits {
        let each = self.maps.each(features);
        let mut z = each[self.base].clone();
        for (_, gate) in others(&each, self.base) {
            z = z * sigmoid(gate.clone());
        }
        JointLogits::unweighted(linear(&self.output, z))
    }

    fn is_divisible(&self) -> bool {
        true
    }

    fn n_classes(&self) -> usize {
        self.output.weight.lazy_shape()[1]
    }

    fn describe(&self) -> String {
        format!("BiGated, base {}", self.base)
    }

    fn check(&self, d_features: &[usize]) -> Result<()> {
        self.maps.check(d_features)
    }
}
