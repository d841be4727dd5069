use burn::config::Config;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::Device;

use crate::baseline::joint::heads::{check_sizes, check_widths};
use crate::baseline::{JointHead, JointLogits, ModalityFeatures};
use crate::error::{MlaError, Result};

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
/// Conditioning Layer", AAAI 2018): one modality's features are scaled and shifted by what another
/// says.
///
/// ```text
/// z <- h_base;   for each other modality c, in order:   z <- (1 + gamma_c(h_c)) * z + beta_c(h_c)
/// logits = z W + b
/// ```
///
/// with `gamma_c` and `beta_c` linear. With two modalities this is one FiLM layer; past two it is a
/// stack of them, as in the paper's network, with a modality a layer. The scale is predicted as its
/// difference from 1, as the paper advises: near 0 it would keep gradients from the encoder.
///
/// For a modality on its own the features of all others are zeros, which leaves of a FiLM layer its
/// biases, and of the base what the others shift.
#[derive(Module, Debug)]
pub struct Film {
    /// One a modality but the base: `[d_c, 2 d_base]`.
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
        Ok(Film {
            conditions: others
                .map(|(_, &width)| LinearConfig::new(width, 2 * d_base).init(device))
                .collect(),
            output: LinearConfig::new(d_base, self.n_classes).init(device),
            d_features: self.d_features.clone(),
            base: self.base,
        })
    }
}

impl JointHead for Film {
    fn fuse(&self, features: &ModalityFeatures) -> JointLogits {
        let mut z = features.modality(self.base);
        let [n_samples, width] = z.dims();
        let others = others(features.all(), self.base);
        for (layer, (_, condition)) in self.conditions.iter().zip(others) {
            let said = layer.forward(condition.clone());
            let gamma = said.clone().slice([0..n_samples, 0..width]) + 1.0;
            let beta = said.slice([0..n_samples, width..2 * width]);
            z = gamma * z + beta;
        }
        JointLogits::unweighted(self.output.forward(z))
    }

    fn n_classes(&self) -> usize {
        self.output.weight.lazy_shape()[1]
    }

    fn check(&self, d_features: &[usize]) -> Result<()> {
        check_widths(&self.d_features, d_features)
    }
}

/// Checks that the base is one of the modalities.
pub(super) fn check_base(base: usize, d_features: &[usize]) -> Result<()> {
    match base < d_features.len() {
        true => Ok(()),
        false => Err(MlaError::ModalityOutOfRange {
            modality: base,
            n_modalities: d_features.len(),
        }),
    }
}

/// All modalities but the base, in order.
pub(super) fn others<T>(all: &[T], base: usize) -> impl Iterator<Item = (usize, &T)> {
    all.iter().enumerate().filter(move |(m, _)| *m != base)
}
