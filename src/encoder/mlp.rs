//! A multilayer perceptron encoder for vectors.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor, activation::relu, assert_shape};

use crate::encoder::Encoder;
use crate::error::{MlaError, Result, at_least_one, fraction};
use crate::layer::{dropout, linear};
use crate::module::draw_parameters;

/// Configuration of an [`MlpEncoder`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `d_input` | required | width of the input | >= 1 |
/// | `d_feature` | required | width of the features | >= 1 |
/// | `hidden` | `[]` | widths of the hidden layers, in order | each >= 1 |
/// | `dropout` | 0 | dropout before each layer except the first | `[0, 1)` |
/// | `input_dropout` | 0 | dropout of the input | `[0, 1)` |
#[derive(Config, Debug)]
pub struct MlpEncoderConfig {
    /// Width of the input.
    pub d_input: usize,
    /// Width of the features.
    pub d_feature: usize,
    /// Widths of the hidden layers, in order.
    #[config(default = "vec![]")]
    pub hidden: Vec<usize>,
    /// Probability of dropping an input of a layer after the first.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Probability of dropping an entry of the input.
    #[config(default = 0.0)]
    pub input_dropout: f64,
}

/// A multilayer perceptron with ReLU after every layer, including the last.
///
/// Input: `Tensor<2>`, `[batch, d_input]`.
#[derive(Module, Debug)]
pub struct MlpEncoder {
    layers: Vec<Linear>,
    dropout: Dropout,
    input_dropout: Dropout,
}

impl MlpEncoderConfig {
    /// Initializes the encoder on `device`.
    ///
    /// Its parameters are drawn here, layer after layer.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`](crate::MlaError::HyperParameter) for a value outside of the
    /// ranges above.
    pub fn init(&self, device: &Device) -> Result<MlpEncoder> {
        at_least_one("d_input", self.d_input)?;
        at_least_one("d_feature", self.d_feature)?;
        for &width in &self.hidden {
            at_least_one("hidden", width)?;
        }
        fraction("dropout", self.dropout)?;
        fraction("input_dropout", self.input_dropout)?;

        let outputs = self.hidden.iter().copied().chain([self.d_feature]);
        let inputs = [self.d_input]
            .into_iter()
            .chain(self.hidden.iter().copied());
        Ok(draw_parameters(MlpEncoder {
            layers: inputs
                .zip(outputs)
                .map(|(d_input, d_output)| LinearConfig::new(d_input, d_output).init(device))
                .collect(),
            dropout: DropoutConfig::new(self.dropout).init(),
            input_dropout: DropoutConfig::new(self.input_dropout).init(),
        }))
    }
}

impl MlpEncoder {
    fn d_input(&self) -> usize {
        self.layers[0].weight.lazy_shape()[0]
    }
}

impl Encoder for MlpEncoder {
    type Input = Tensor<2>;

    /// # Errors
    ///
    /// [`MlaError::InputShape`] if the input is not `[batch, d_input]`.
    fn check(&self, input: &Tensor<2>) -> Result<()> {
        let (found, d_input) = (input.dims(), self.d_input());
        if found[1] == d_input {
            return Ok(());
        }
        Err(MlaError::input_shape(found, format!("[batch, {d_input}]")))
    }

    /// # Panics
    ///
    /// If the input is not `[batch, d_input]`.
    fn encode(&self, input: Tensor<2>) -> Tensor<2> {
        let d_input = self.d_input();
        assert_shape!(input, [_, d_input]);
        let mut x = dropout(&self.input_dropout, input);
        for (i, layer) in self.layers.iter().enumerate() {
            if i > 0 {
                x = dropout(&self.dropout, x);
            }
            x = relu(linear(layer, x));
        }
        x
    }

    fn d_feature(&self) -> usize {
        self.layers[self.layers.len() - 1].weight.lazy_shape()[1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_follow_the_configuration() {
        let device = Device::flex();
        let encoder = MlpEncoderConfig::new(7, 4)
            .with_hidden(vec![5, 6])
            .init(&device)
            .unwrap();
        assert_eq!(encoder.d_feature(), 4);
        let features = encoder.encode(Tensor::ones([3, 7], &device));
        assert_eq!(features.dims(), [3, 4]);
        assert!(features.min().into_scalar::<f32>() >= 0.0);
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let device = Device::flex();
        assert!(MlpEncoderConfig::new(0, 4).init(&device).is_err());
        assert!(
            MlpEncoderConfig::new(4, 4)
                .with_hidden(vec![0])
                .init(&device)
                .is_err()
        );
        let error = MlpEncoderConfig::new(4, 4)
            .with_dropout(f64::NAN)
            .init(&device)
            .unwrap_err();
        assert_eq!(error.to_string(), "dropout must be in [0, 1), got NaN");
    }

    #[test]
    #[should_panic(expected = "axis 1 expected 7, got 8")]
    fn a_wrong_width_panics() {
        let device = Device::flex();
        let encoder = MlpEncoderConfig::new(7, 4).init(&device).unwrap();
        encoder.encode(Tensor::ones([3, 8], &device));
    }
}
