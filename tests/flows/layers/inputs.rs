//! Inputs of any precision, layout in memory and size.

use burn::module::Param;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::MaxPool2dConfig;
use burn::nn::{DropoutConfig, Linear, PaddingConfig2d};
use burn::tensor::{DType, Device, Tensor, s};
use burn_mla::layer::{conv2d, dropout, linear, max_pool2d};

use super::{a_linear_layer, assert_same, compare};
use crate::common::*;

fn a_convolution(device: &Device) -> Conv2d {
    let config = Conv2dConfig::new([2, 3], [3, 3]).with_padding(PaddingConfig2d::Same);
    set_parameters(config.init(device), 3)
}

/// Only flex has 16 bits.
fn precisions() -> Vec<(Device, DType)> {
    let mut all: Vec<(Device, DType)> = [DType::F16, DType::BF16]
        .map(|dtype| (Device::flex(), dtype))
        .into();
    all.extend(devices().into_iter().map(|device| (device, DType::F64)));
    all
}

#[test]
fn other_precisions_are_computed_as_burn_does() {
    fn cast<const D: usize>(param: Param<Tensor<D>>, dtype: DType) -> Param<Tensor<D>> {
        param.map(|value| {
            let value = value.without_autodiff().cast(dtype);
            value.autodiff().require_grad()
        })
    }
    for (device, dtype) in precisions() {
        let device = device.autodiff();
        let layer = a_linear_layer(5, 4, true, &device);
        let layer = Linear {
            weight: cast(layer.weight, dtype),
            bias: layer.bias.map(|bias| cast(bias, dtype)),
        };
        let x: Tensor<2> = Numbers::new(1).tensor([3, 5], &device);
        let x = x.cast(dtype);
        let (found, expected) = (|x| linear(&layer, x), |x| layer.forward(x));
        compare(&x, &layer.weight, layer.bias.as_ref(), found, expected);

        let mut layer = a_convolution(&device);
        layer.weight = cast(layer.weight, dtype);
        layer.bias = layer.bias.map(|bias| cast(bias, dtype));
        let x: Tensor<4> = Numbers::new(1).tensor([3, 2, 6, 5], &device);
        let x = x.cast(dtype);
        let (found, expected) = (|x| conv2d(&layer, x), |x| layer.forward(x));
        compare(&x, &layer.weight, layer.bias.as_ref(), found, expected);

        let pooling = MaxPool2dConfig::new([2, 2]).init();
        compare_unweighted(&x, |x| max_pool2d(&pooling, x), |x| pooling.forward(x));

        let x = Tensor::<2>::ones([40, 8], (&device, dtype)).require_grad();
        let y = dropout(&DropoutConfig::new(0.5).init(), x.clone());
        assert_eq!(y.dtype(), dtype);
        let grads = y.clone().sum().backward();
        assert_same(x.grad(&grads).unwrap(), y.clone().inner(), "mask");
        let found = values(y);
        assert!(found.iter().all(|&x| x == 0.0 || x == 2.0));
        assert!(found.contains(&0.0) && found.contains(&2.0));
    }
}

/// Compares a layer without parameters.
fn compare_unweighted<const D: usize>(
    x: &Tensor<D>,
    found: impl Fn(Tensor<D>) -> Tensor<D>,
    expected: impl Fn(Tensor<D>) -> Tensor<D>,
) {
    let one = Tensor::<D>::ones([1; D], (&x.device(), x.dtype()));
    let one = Param::from_tensor(one);
    compare(
        x,
        &one,
        None,
        |x| found(x) * one.val(),
        |x| expected(x) * one.val(),
    );
}

/// Images `[4, 2, 6, 5]` that lie in memory in different ways.
fn images(device: &Device) -> Vec<Tensor<4>> {
    let images = |shape: [usize; 4]| Numbers::new(1).tensor(shape, device);
    vec![
        images([4, 6, 5, 2]).permute([0, 3, 1, 2]),
        images([4, 2, 5, 6]).swap_dims(2, 3),
        // Parts of rows, of samples, and every second entry.
        images([4, 2, 9, 8]).slice(s![.., .., 2..8, 1..6]),
        images([7, 2, 6, 5]).slice([2..6]),
        images([8, 2, 12, 10]).slice(s![..;2, .., ..;2, ..;2]),
        images([4, 2, 6, 5]).flip([0, 2, 3]),
        images([1, 2, 6, 1]).expand([4, 2, 6, 5]),
    ]
}

#[test]
fn the_layout_in_memory_does_not_matter() {
    for device in devices() {
        let device = device.autodiff();
        let convolution = a_convolution(&device);
        let mut transposed = a_convolution(&device);
        let weight = Numbers::new(4).tensor([3, 3, 2, 3], &device);
        transposed.weight = Param::from_tensor(weight.permute([3, 2, 0, 1]));
        let pooling = MaxPool2dConfig::new([2, 2]).init();
        let row_major = a_linear_layer(5, 4, true, &device);
        let weight: Tensor<2> = Numbers::new(4).tensor([4, 5], &device);
        let weight = Param::from_tensor(weight.transpose());
        let column_major = Linear { weight, bias: None };
        for x in images(&device) {
            assert_eq!(x.dims(), [4, 2, 6, 5]);
            // The gradient of the output, too, lies the other way round.
            let turned = |y: Tensor<4>| y.permute([3, 1, 0, 2]);
            for layer in [&convolution, &transposed] {
                let found = |x| turned(conv2d(layer, x));
                let expected = |x| turned(layer.forward(x));
                compare(&x, &layer.weight, layer.bias.as_ref(), found, expected);
            }
            let found = |x| turned(max_pool2d(&pooling, x));
            compare_unweighted(&x, found, |x| turned(pooling.forward(x)));
            for layer in [&row_major, &column_major] {
                let found = |x| turned(linear(layer, x));
                let expected = |x| turned(layer.forward(x));
                compare(&x, &layer.weight, layer.bias.as_ref(), found, expected);
            }
            let x = x.require_grad();
            let y = dropout(&DropoutConfig::new(0.5).init(), x.clone());
            let grads = y.clone().sum().backward();
            let mask = x.grad(&grads).unwrap();
            assert_same(y.inner(), x.inner() * mask, "dropout");
        }
    }
}

#[test]
fn a_single_sample_is_a_batch() {
    for device in devices() {
        let device = device.autodiff();
        let layer = a_convolution(&device);
        let x: Tensor<4> = Numbers::new(1).tensor([1, 2, 5, 6], &device);
        let (found, expected) = (|x| conv2d(&layer, x), |x| layer.forward(x));
        compare(&x, &layer.weight, layer.bias.as_ref(), found, expected);
        let pooling = MaxPool2dConfig::new([2, 3]).init();
        compare_unweighted(&x, |x| max_pool2d(&pooling, x), |x| pooling.forward(x));
    }
}

#[test]
fn inputs_without_features_have_outputs_of_zeros() {
    let device = Device::flex().autodiff();
    let weight = Param::from_tensor(Tensor::zeros([0, 4], &device));
    let layer = Linear { weight, bias: None };
    let x = Tensor::<2>::zeros([3, 0], &device).require_grad();
    let y = linear(&layer, x.clone());
    assert_eq!(values(y.clone()), vec![0.0; 12]);
    assert_eq!(x.grad(&y.sum().backward()).unwrap().dims(), [3, 0]);
}

/// Burn's own layers panic on ndarray.
#[test]
fn batches_without_samples_have_outputs_without_samples() {
    let device = Device::flex().autodiff();
    let layer = a_linear_layer(5, 4, true, &device);
    let y = linear(&layer, Tensor::<3>::zeros([2, 0, 5], &device));
    assert_eq!(y.dims(), [2, 0, 4]);
    let y = linear(&layer, Tensor::<2>::zeros([0, 5], &device));
    let of_weight = layer.weight.val().grad(&y.sum().backward()).unwrap();
    assert_eq!(values(of_weight), vec![0.0; 20]);

    let layer = a_convolution(&device);
    let x = Tensor::<4>::zeros([0, 2, 6, 5], &device).require_grad();
    let y = conv2d(&layer, x.clone());
    assert_eq!(y.dims(), [0, 3, 6, 5]);
    let y = max_pool2d(&MaxPool2dConfig::new([2, 2]).init(), y);
    assert_eq!(y.dims(), [0, 3, 3, 2]);
    let y = dropout(&DropoutConfig::new(0.5).init(), y);
    assert_eq!(y.dims(), [0, 3, 3, 2]);
    let grads = y.sum().backward();
    assert_eq!(x.grad(&grads).unwrap().dims(), [0, 2, 6, 5]);
    let of_weight = layer.weight.val().grad(&grads).unwrap();
    assert_eq!(values(of_weight), vec![0.0; 54]);
}
