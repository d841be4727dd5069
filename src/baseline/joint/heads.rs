//! One linear layer per modality, and what the joint heads share: checks of widths, masks, means.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use crate::baseline::ModalityFeatures;
use crate::error::{MlaError, Result, at_least_one};
use crate::layer::linear;
use crate::module::draw_parameters;

/// One linear layer per modality.
#[derive(Module, Debug)]
pub(in crate::baseline) struct Heads {
    layers: Vec<Linear>,
}

impl Heads {
    pub(in crate::baseline) fn init(
        d_features: &[usize],
        n_outputs: usize,
        device: &Device,
    ) -> Result<Self> {
        check_sizes(d_features, n_outputs)?;
        let layers = d_features.iter();
        Ok(draw_parameters(Self {
            layers: layers
                .map(|&width| LinearConfig::new(width, n_outputs).init(device))
                .collect(),
        }))
    }

    /// The output of each layer for the features of its modality, `[n_samples, n_outputs]`.
    pub(in crate::baseline) fn each(&self, features: &ModalityFeatures) -> Vec<Tensor<2>> {
        let pairs = self.layers.iter().zip(features.all());
        pairs
            .map(|(layer, features)| linear(layer, features.clone()))
            .collect()
    }

    pub(in crate::baseline) fn of(
        &self,
        modality: usize,
        features: &ModalityFeatures,
    ) -> Tensor<2> {
        linear(&self.layers[modality], features.modality(modality))
    }

    pub(in crate::baseline) fn n_outputs(&self) -> usize {
        self.layers[0].weight.lazy_shape()[1]
    }

    pub(in crate::baseline) fn check(&self, d_features: &[usize]) -> Result<()> {
        let expected = self.layers.iter().map(|layer| layer.weight.lazy_shape()[0]);
        check_widths(&expected.collect::<Vec<_>>(), d_features)
    }
}

/// Checks the sizes in the configuration of a head.
pub(in crate::baseline) fn check_sizes(d_features: &[usize], n_classes: usize) -> Result<()> {
    if d_features.is_empty() {
        return Err(MlaError::NoModalities {
            what: "the joint head",
        });
    }
    for &width in d_features {
        at_least_one("d_features", width)?;
    }
    at_least_one("n_classes", n_classes)?;
    // Heads concatenate the features, and some have twice the width of one of them.
    let widths = d_features.iter();
    let total = widths.fold(0_usize, |sum, &width| sum.saturating_add(width));
    let largest = total.saturating_mul(2).saturating_mul(n_classes);
    if largest > isize::MAX as usize / size_of::<f32>() {
        return Err(MlaError::HyperParameter {
            name: "d_features",
            requirement: "small enough for the memory of the device",
            value: total as f64,
        });
    }
    Ok(())
}

/// Checks the widths of features against those of the head.
pub(in crate::baseline) fn check_widths(expected: &[usize], d_features: &[usize]) -> Result<()> {
    if d_features.len() != expected.len() {
        return Err(MlaError::ModalityCount {
            what: "the set of encoders",
            expected: expected.len(),
            got: d_features.len(),
        });
    }
    let pairs = expected.iter().zip(d_features);
    match pairs.clone().position(|(expected, got)| expected != got) {
        None => Ok(()),
        Some(modality) => Err(MlaError::JointWidth {
            modality,
            expected: expected[modality],
            got: d_features[modality],
        }),
    }
}

/// Mean of `each` over the modalities present. Rows of missing modalities must be 0.
pub(super) fn mean_of_present(each: Vec<Tensor<2>>, features: &ModalityFeatures) -> Tensor<2> {
    let n_modalities = each.len();
    let sum = sum_of(each);
    let counts = (0..n_modalities).filter_map(|modality| features.present(modality));
    match counts.reduce(|sum, present| sum + present) {
        None => sum / n_modalities as f64,
        Some(n_present) => sum / n_present,
    }
}

/// Returns `each` with 0 in the rows of samples that lack the modality.
pub(in crate::baseline) fn masked(
    each: Vec<Tensor<2>>,
    features: &ModalityFeatures,
) -> Vec<Tensor<2>> {
    let masked = |(modality, values): (usize, Tensor<2>)| match features.present(modality) {
        None => values,
        Some(present) => values * present,
    };
    each.into_iter().enumerate().map(masked).collect()
}

pub(in crate::baseline) fn sum_of(each: Vec<Tensor<2>>) -> Tensor<2> {
    let sum = each.into_iter().reduce(|sum, term| sum + term);
    sum.expect("a joint head has at least one modality")
}
