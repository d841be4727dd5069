//! FiLM: one modality scaled and shifted by the others.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::Device;

use crate::baseline::joint::heads::{check_sizes, check_widths};
use crate::baseline::{JointHead, JointLogits, ModalityFeatures};
use crate::error::{MlaError, Result};
use crate::layer::linear;
use crate::module::draw_parameters;

/// Configuration of [`Film`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `d_features` | required | feature width of each modality | each >= 1 |
/// | `n_classes` | required | number of classes | >= 1 |
/// | `base` | 0 | the modality whose features are modulated | below the number of modalities |
#[derive(Config, Debug)]
pub struct FilmConfig {
    /// Feature width of each modality.
    pub d_features: Vec<usize>,
    /// Number of classes.
    pub n_classes: usize,
    /// The modality whose features are modulated.
    #[config(default = 0)]
    pub base: usize,
}

/// Feature-wise linear modulation (Perez et al., "FiLM: Visual Reasoning with a General
/// Conditioning Layer", AAAI 2018): the features of one modality are scaled and shifted by functions of
/// another.
///
/// ```text
/// z <- h_base;   for each other modality c, in order:   z <- (1 + gamma_c(h_c)) * z + beta_c(h_c)
/// logits = z W + b
/// ```
///
/// where `gamma_c` and `beta_c` are linear. With two modalities this is one FiLM layer. With more it is
/// a stack with one layer per modality, as in the paper's network. The scale is predicted as its
/// difference from 1, as the paper advises, because a scale near 0 would block the gradients of the
/// encoder.
///
/// For a unimodal prediction the features of all other modalities are zeros. A FiLM layer is then
/// reduced to its biases, and the base to the shifts of the others.
#[derive(Module, Debug)]
pub struct Film {
    /// One per modality except the base: `[d_c, 2 d_base]`.
    conditions: Vec<Linear>,
    output: Linear,
    d_features: Vec<usize>,
    base: usize,
}

impl FilmConfig {
    /// Initializes the head on `device`.
    ///
    /// # Errors
    ///
    /// [`MlaError`] for a value outside of the ranges above, or no modality.
    pub fn init(&self, device: &Device) -> Result<Film> {
        check_sizes(&self.d_features, self.n_classes)?;
        check_base(self.base, &self.d_features)?;
        let d_base = self.d_features[self.base];
        let others = others(&self.d_features, self.base);
        Ok(draw_parameters(Film {
            conditions: others
                .map(|(_, &width)| LinearConfig::new(width, 2 * d_base).init(device))
                .collect(),
            output: LinearConfig::new(d_base, self.n_classes).init(device),
            d_features: self.d_features.clone(),
            base: self.base,
        }))
    }
}

impl JointHead for Film {
    fn fuse(&self, features: &ModalityFeatures) -> JointLogits {
        let mut z = features.modality(self.base);
        let [n_samples, width] = z.dims();
        let others = others(features.all(), self.base);
        for (layer, (_, condition)) in self.conditions.iter().zip(others) {
            let film = linear(layer, condition.clone());
            let gamma = film.clone().slice([0..n_samples, 0..width]) + 1.0;
            let beta = film.slice([0..n_samples, width..2 * width]);
            z = gamma * z + beta;
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
        format!("Film, base {}", self.base)
    }

    fn check(&self, d_features: &[usize]) -> Result<()> {
        check_widths(&self.d_features, d_features)
    }
}

/// Checks that the base is one of the modalities.
pub(super) fn check_base(base: usize, d_features: &[usize]) -> Result<()> {
    if base < d_features.len() {
        return Ok(());
    }
    Err(MlaError::ModalityOutOfRange {
        modality: base,
        n_modalities: d_features.len(),
    })
}

/// All modalities except the base, in order.
pub(super) fn others<T>(all: &[T], base: usize) -> impl Iterator<Item = (usize, &T)> {
    all.iter().enumerate().filter(move |(m, _)| *m != base)
}
