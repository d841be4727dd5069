//! The activations of transformers.

use burn::tensor::Tensor;
use burn::tensor::activation::{gelu, sigmoid};
use serde::{Deserialize, Serialize};

/// Activation of the hidden layer of a transformer block.
///
/// The variants differ by up to 0.02. Pretrained weights need the one that they were trained with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activation {
    /// GELU by the error function: `x Φ(x)`.
    Gelu,
    /// The approximation of GELU by tanh, Flax's default.
    GeluTanh,
    /// `x sigmoid(1.702 x)`, as OpenAI's CLIP.
    QuickGelu,
}

impl Activation {
    /// Returns the activation that a Hugging Face configuration names, if it is one of these.
    pub(crate) fn of_hugging_face(name: &str) -> Option<Self> {
        match name {
            "gelu" => Some(Self::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" => Some(Self::GeluTanh),
            "quick_gelu" => Some(Self::QuickGelu),
            _ => None,
        }
    }

    /// Applies the activation to each element.
    pub(crate) fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Gelu => gelu(x),
            Self::GeluTanh => gelu_tanh(x),
            Self::QuickGelu => sigmoid(x.clone() * 1.702) * x,
        }
    }
}

/// `x sigmoid(2 sqrt(2 / π) (x + 0.044715 x³))`, which equals the form with tanh and needs fewer
/// operations.
fn gelu_tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    const SLOPE: f64 = 2.0 * std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2;
    let square = x.clone() * x.clone();
    sigmoid((square * (0.044715 * SLOPE) + SLOPE) * x.clone()) * x
}

#[cfg(test)]
mod tests {
    use burn::tensor::{TensorData, Tolerance};

    use super::*;
    use crate::test_devices;

    /// Values of the formulas in float64, by Python's math module.
    #[test]
    fn values_are_those_of_the_formulas() {
        let x = [-3.0, -1.0, -0.1, 0.0, 0.5, 2.0, 8.0];
        let expected = [
            (
                Activation::Gelu,
                [
                    -0.0040496941,
                    -0.1586552539,
                    -0.0460172163,
                    0.0,
                    0.3457312306,
                    1.9544997361,
                    8.0,
                ],
            ),
            (
                Activation::GeluTanh,
                [
                    -0.0036373921,
                    -0.1588080094,
                    -0.046017249,
                    0.0,
                    0.3457140098,
                    1.9545976941,
                    8.0,
                ],
            ),
            (
                Activation::QuickGelu,
                [
                    -0.0180713097,
                    -0.1542042341,
                    -0.0457552419,
                    0.0,
                    0.3503884366,
                    1.9356586231,
                    7.9999902336,
                ],
            ),
        ];
        for device in test_devices() {
            for (activation, expected) in expected {
                let y = activation.forward(Tensor::<1>::from_floats(x, &device));
                y.into_data().assert_approx_eq::<f32>(
                    &TensorData::from(expected.map(|value: f64| value as f32)),
                    Tolerance::absolute(2e-6),
                );
            }
        }
    }

    #[test]
    fn the_approximation_is_burns() {
        for device in test_devices() {
            let x = Tensor::<1, burn::tensor::Int>::arange(-50..51, &device).float() / 8.0;
            let expected = burn::tensor::activation::gelu_approximate(x.clone());
            let tolerance = Tolerance::<f32>::absolute(1e-6);
            gelu_tanh(x)
                .into_data()
                .assert_approx_eq(&expected.into_data(), tolerance);
        }
    }
}
