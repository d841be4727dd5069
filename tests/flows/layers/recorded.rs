//! Gradients of layers with frozen parameters or constant inputs, and under gradient checkpointing.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::MaxPool2dConfig;
use burn::nn::{DropoutConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use burn_mla::layer::{conv2d, dropout, linear, max_pool2d};
use rstest::rstest;

use super::{assert_same, assert_same_gradient, compare_tracked};
use crate::common::*;

/// Input, weights and bias: which of them need a gradient.
#[rstest]
fn only_what_needs_a_gradient_gets_one(
    #[values(true, false)] x_needs: bool,
    #[values(true, false)] weight_needs: bool,
    #[values(true, false)] bias_needs: bool,
) {
    for device in devices() {
        let device = device.autodiff();
        let layer: Linear = set_parameters(LinearConfig::new(5, 4).init(&device), 3);
        let layer = Linear {
            weight: layer.weight.set_require_grad(weight_needs),
            bias: layer.bias.map(|bias| bias.set_require_grad(bias_needs)),
        };
        let x: Tensor<2> = Numbers::new(1).tensor([3, 5], &device);
        let x = x.set_require_grad(x_needs);
        let needs = x_needs || weight_needs || bias_needs;
        let (found, expected) = (|x| linear(&layer, x), |x| layer.forward(x));
        if needs {
            compare_tracked(&x, &layer.weight, layer.bias.as_ref(), found, expected);
        } else {
            assert_same(found(x.clone()), expected(x), "output");
        }

        let mut layer: Conv2d = set_parameters(Conv2dConfig::new([2, 3], [3, 2]).init(&device), 3);
        layer.weight = layer.weight.set_require_grad(weight_needs);
        layer.bias = layer.bias.map(|bias| bias.set_require_grad(bias_needs));
        let x: Tensor<4> = Numbers::new(1).tensor([3, 2, 6, 5], &device);
        let x = x.set_require_grad(x_needs);
        let (found, expected) = (|x| conv2d(&layer, x), |x| layer.forward(x));
        if needs {
            compare_tracked(&x, &layer.weight, layer.bias.as_ref(), found, expected);
        } else {
            assert_same(found(x.clone()), expected(x), "output");
        }
    }
}

/// The gradient of the layer behind is all that is left to compute.
#[test]
fn constant_inputs_of_poolings_and_dropout_get_no_gradient() {
    for device in devices() {
        let device = device.autodiff();
        let pooling = MaxPool2dConfig::new([2, 2]).init();
        let x: Tensor<4> = Numbers::new(1).tensor([3, 2, 6, 4], &device);
        let factor = Tensor::<4>::ones([1, 1, 1, 1], &device).require_grad();
        let y = max_pool2d(&pooling, x.clone());
        let sum = y.clone().sum();
        let grads = (y * factor.clone()).sum().backward();
        assert!(x.grad(&grads).is_none());
        let of_factor = factor.grad(&grads).unwrap().reshape([1]);
        assert_same(of_factor, sum.inner(), "maxima");

        let y = dropout(&DropoutConfig::new(0.5).init(), x.clone());
        let sum = y.clone().sum();
        let grads = (y * factor.clone()).sum().backward();
        assert!(x.grad(&grads).is_none());
        let of_factor = factor.grad(&grads).unwrap().reshape([1]);
        assert_same(of_factor, sum.inner(), "dropout");
    }
}

#[derive(Module, Debug)]
struct Network {
    convolution: Conv2d,
    head: Linear,
}

impl Network {
    fn init(device: &Device) -> Self {
        Self {
            convolution: Conv2dConfig::new([2, 3], [3, 3]).init(device),
            head: LinearConfig::new(12, 4).init(device),
        }
    }

    /// With elementwise operations between, which are computed again in a checkpointed backward pass.
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let pooling = MaxPool2dConfig::new([2, 2]).init();
        let maps = relu(conv2d(&self.convolution, images * 0.5)).exp();
        let maxima = max_pool2d(&pooling, maps).square();
        linear(&self.head, maxima.flatten(1, 3) * 0.1).exp()
    }
}

#[test]
fn gradient_checkpointing_changes_no_gradient() {
    for device in devices() {
        let plain = device.clone().autodiff();
        let record = set_parameters(Network::init(&plain), 3).into_record();
        let run = |device: &Device| {
            let network = Network::init(device).load_record(record.clone());
            let weight = network.convolution.weight.val();
            assert_eq!(weight.device(), *device);
            let x = Numbers::new(1).tensor([3, 2, 6, 6], device).require_grad();
            let y = network.forward(x.clone());
            let grads = y.clone().sum().backward();
            let head = network.head.weight.val().grad(&grads);
            (y.inner(), x.grad(&grads), weight.grad(&grads), head)
        };
        let (found, expected) = (run(&plain.clone().gradient_checkpointing()), run(&plain));
        assert_same(found.0, expected.0, "output");
        assert!(expected.1.is_some() && expected.2.is_some() && expected.3.is_some());
        assert_same_gradient(found.1, expected.1, "the images");
        assert_same_gradient(found.2, expected.2, "the kernel");
        assert_same_gradient(found.3, expected.3, "the head");
    }
}

/// `d exp(2 m x) / dx = 2 m exp(2 m x)`, where the mask `m` is that of the forward pass.
#[test]
fn dropout_is_not_drawn_again_under_gradient_checkpointing() {
    for device in devices() {
        let device = device.autodiff().gradient_checkpointing();
        let x = Tensor::<2>::ones([40, 8], &device).require_grad();
        let y = dropout(&DropoutConfig::new(0.5).init(), x.clone() * 2.0);
        let dropped = y.clone().inner();
        let grads = y.exp().sum().backward();
        let expected = dropped.clone() * dropped.clone().exp();
        assert_same(x.grad(&grads).unwrap(), expected, "gradient");
        let kept = dropped.greater_elem(0.0).int().sum().into_scalar::<i64>();
        assert!((1..320).contains(&kept), "{kept}");
    }
}

#[test]
fn layers_compute_without_autodiff() {
    for device in devices() {
        let layer = LinearConfig::new(5, 4).init(&device);
        let x: Tensor<2> = Numbers::new(1).tensor([3, 5], &device);
        assert_same(linear(&layer, x.clone()), layer.forward(x), "linear");
        let layer = Conv2dConfig::new([2, 3], [3, 3]).init(&device);
        let x: Tensor<4> = Numbers::new(1).tensor([2, 2, 6, 5], &device);
        assert_same(conv2d(&layer, x.clone()), layer.forward(x), "conv2d");
    }
}
