//! Gradients against finite differences.

use burn::module::{ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use burn_mla::encoder::Encoder;

/// Numbers in `[-1, 1]`, the same on every backend.
pub(crate) fn numbers<const D: usize>(
    shape: [usize; D],
    seed: usize,
    device: &burn::tensor::Device,
) -> Tensor<D> {
    let n: usize = shape.iter().product();
    let number = |i: usize| ((i * 37 + seed * 101 + 13) as f32 * 1.618).sin();
    let values: Vec<f32> = (0..n).map(number).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Replaces all parameters by numbers.
struct Set(usize);

impl ModuleMapper for Set {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.0 += 1;
        param.map(|value| numbers(value.dims(), self.0, &value.device()) * 0.5)
    }
}

/// Moves one parameter along its direction.
struct Move {
    target: usize,
    visited: usize,
    length: f32,
}

impl ModuleMapper for Move {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let index = self.visited;
        self.visited += 1;
        if index != self.target {
            return param;
        }
        param.map(|value| {
            let direction = numbers(value.dims(), index, &value.device());
            value + direction * self.length
        })
    }
}

/// The derivatives along the directions, by the gradients.
struct Derivatives<'a> {
    gradients: &'a GradientsParams,
    values: Vec<f64>,
}

impl ModuleVisitor for Derivatives<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = self.gradients.get::<D>(param.id).expect("a gradient");
        let direction = numbers(gradient.dims(), self.values.len(), &gradient.device());
        self.values
            .push(f64::from((gradient * direction).sum().into_scalar::<f32>()));
    }
}

/// Compares the gradient of each parameter of an encoder with finite differences of a weighted sum of
/// its features, at parameters of its own.
pub(crate) fn assert_gradients<E: Encoder>(encoder: E, input: impl Fn(&E) -> E::Input) {
    let plain = encoder.valid().map(&mut Set(0));
    let encoder = plain.clone().train();
    let loss = |encoder: &E| {
        let features = encoder.encode(input(encoder));
        let weights = numbers(features.dims(), 999, &features.device());
        (features * weights).sum()
    };
    let gradients = GradientsParams::from_grads(loss(&encoder).backward(), &encoder);
    let mut derivatives = Derivatives {
        gradients: &gradients,
        values: vec![],
    };
    encoder.visit(&mut derivatives);
    let derivatives = derivatives.values;
    assert!(derivatives.len() > 10);

    let at = |target, length| {
        let mut step = Move {
            target,
            visited: 0,
            length,
        };
        f64::from(loss(&plain.clone().map(&mut step)).into_scalar::<f32>())
    };
    for (target, derivative) in derivatives.into_iter().enumerate() {
        let length = 4e-3;
        let difference = (at(target, length) - at(target, -length)) / (2.0 * f64::from(length));
        let tolerance = 3e-3 + 1e-2 * derivative.abs();
        assert!(
            (difference - derivative).abs() < tolerance,
            "parameter {target}: gradient {derivative}, difference {difference}"
        );
    }
}
