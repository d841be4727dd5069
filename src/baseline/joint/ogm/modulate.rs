//! The two halves of OGM within a step: coefficients from unimodal scores, and scaled gradients.

use burn::module::Param;
use burn::optim::GradientsParams;
use burn::tensor::{DType, Distribution, Tensor};

use crate::baseline::joint::{ratio_to_others, unimodal_scores};
use crate::baseline::{JointHead, ModalityFeatures, OgmConfig};
use crate::encoder::Encoders;
use crate::error::Result;
use crate::modality::Targets;
use crate::module::{ParamVisitor, Visited, visit};

/// Computes the coefficient of each modality, `[1]`; `None` for a modality that is missing in the
/// batch or the only one in it.
///
/// `head` and `features` are without autodiff.
pub(in crate::baseline::joint) fn coefficients<H: JointHead>(
    config: &OgmConfig,
    head: &H,
    features: &ModalityFeatures,
    targets: &Targets,
) -> Result<Vec<Option<Tensor<1>>>> {
    let scores = unimodal_scores(head, features, targets)?;
    let coefficient = |modality| {
        let ratio = ratio_to_others(&scores, modality)?;
        let held_back = (ratio.clone() * config.alpha).tanh().neg() + 1.0;
        let not_ahead = ratio.lower_equal_elem(1.0);
        Some(held_back.mask_fill(not_ahead, 1.0))
    };
    Ok((0..scores.len()).map(coefficient).collect())
}

/// Scales the gradients of each encoder by its coefficient, and adds noise with OGM-GE.
pub(in crate::baseline::joint) fn modulate<E: Encoders>(
    config: &OgmConfig,
    encoders: &E,
    coefficients: &[Option<Tensor<1>>],
    gradients: &mut GradientsParams,
) {
    if coefficients.iter().all(Option::is_none) {
        return;
    }
    let mut modulate = Modulate {
        coefficients,
        noise: config.generalization,
        gradients,
    };
    visit(encoders, &mut modulate);
}

struct Modulate<'a> {
    coefficients: &'a [Option<Tensor<1>>],
    noise: bool,
    gradients: &'a mut GradientsParams,
}

impl ParamVisitor for Modulate<'_> {
    fn visit<const D: usize>(&mut self, described: &Visited<'_>, param: &Param<Tensor<D>>) {
        let modality = described.part();
        let coefficient = modality.and_then(|m| self.coefficients.get(m)?.clone());
        let Some(coefficient) = coefficient else {
            return;
        };
        let Some(gradient) = self.gradients.remove::<D>(param.id) else {
            return;
        };
        let device = gradient.device();
        let coefficient = coefficient.to_device(&device).cast(gradient.dtype());
        let mut modulated = gradient.clone() * coefficient.reshape([1; D]);
        if self.noise {
            let noise = Distribution::Normal(0.0, 1.0);
            let noise = Tensor::random(gradient.dims(), noise, (&device, gradient.dtype()));
            let deviation = standard_deviation(gradient).cast(modulated.dtype());
            modulated = modulated + noise * deviation;
        }
        self.gradients.register(param.id, modulated);
    }
}

/// Standard deviation of all elements, with `n - 1` in the denominator; 0 for a single element. It is
/// computed in f32, because squares leave the range of f16.
fn standard_deviation<const D: usize>(values: Tensor<D>) -> Tensor<D> {
    let values = values.cast(DType::F32);
    let n = values.dims().iter().product::<usize>();
    let centred = values.clone() - values.mean().reshape([1; D]);
    let squares = centred.square().sum() / (n.max(2) - 1) as f64;
    squares.sqrt().reshape([1; D])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_devices;
    use burn::module::Module;

    /// A head that returns features as logits.
    #[derive(Module, Debug)]
    struct Echo {}

    impl JointHead for Echo {
        fn fuse(&self, features: &ModalityFeatures) -> crate::baseline::JointLogits {
            let logits = features.all().iter().cloned().reduce(|a, b| a + b).unwrap();
            crate::baseline::JointLogits::unweighted(logits)
        }

        fn n_classes(&self) -> usize {
            2
        }

        fn check(&self, _: &[usize]) -> Result<()> {
            Ok(())
        }
    }

    fn coefficients_of(probabilities: &[f64], device: &burn::tensor::Device) -> Vec<Option<f64>> {
        // Logits with the given probability of class 1, which is the label.
        let features = probabilities.iter().map(|p| {
            let z = (p / (1.0 - p)).ln() as f32;
            Tensor::from_floats([[0.0, z], [0.0, z]], device)
        });
        let features = ModalityFeatures::complete(features.collect()).unwrap();
        let config = OgmConfig::new(0.5);
        let targets = Targets::new([1, 1], device);
        let found = coefficients(&config, &Echo {}, &features, &targets).unwrap();
        let read = |k: Tensor<1>| k.into_scalar::<f64>();
        found.into_iter().map(|k| k.map(read)).collect()
    }

    #[test]
    fn the_modality_ahead_is_held_back() {
        for device in test_devices() {
            let found = coefficients_of(&[0.8, 0.2], &device);
            let expected = 1.0 - (0.5_f64 * 4.0).tanh();
            assert!((found[0].unwrap() - expected).abs() < 1e-5, "{found:?}");
            assert_eq!(found[1], Some(1.0));
            // Of three: 0.6 and 0.8 against the mean of the others.
            let found = coefficients_of(&[0.6, 0.2, 0.8], &device);
            let expected = [
                1.0 - (0.5_f64 * 0.6 / 0.5).tanh(),
                1.0,
                1.0 - (0.5_f64 * 2.0).tanh(),
            ];
            for (found, expected) in found.iter().zip(expected) {
                assert!((found.unwrap() - expected).abs() < 1e-5, "{found:?}");
            }
            assert_eq!(coefficients_of(&[0.3], &device), [None]);
        }
    }

    #[test]
    fn noise_has_the_gradients_own_deviation() {
        let device = burn::tensor::Device::flex();
        let values = Tensor::<1>::from_floats([1.0, 3.0, 5.0], &device);
        assert_eq!(standard_deviation(values).into_scalar::<f32>(), 2.0);
        let one = Tensor::<2>::from_floats([[7.0]], &device);
        assert_eq!(standard_deviation(one).into_scalar::<f32>(), 0.0);
        // Squares below and above the range of f16.
        for scale in [1e-4, 1e3] {
            let values = Tensor::<1>::from_floats([1.0, 3.0, 5.0], &device) * scale;
            let found = standard_deviation(values.cast(DType::F16)).into_scalar::<f32>();
            assert!((found / scale - 2.0).abs() < 1e-2, "{found}");
        }
    }
}
