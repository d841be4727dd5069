//! Linear layers, convolutions, poolings and dropout give the outputs and gradients of Burn's own `forward`.

mod inputs;
mod recorded;

use burn::module::Param;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::MaxPool2dConfig;
use burn::nn::{DropoutConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{DType, Device, Tensor, TensorData, Tolerance};
use burn_mla::layer::{conv2d, dropout, linear, max_pool2d};
use rstest::rstest;

use crate::common::*;

/// Largest difference, as a share of the largest value.
fn assert_same<const D: usize>(found: Tensor<D>, expected: Tensor<D>, what: &str) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    assert_eq!(found.dtype(), expected.dtype(), "{what}");
    if expected.shape().num_elements() == 0 {
        return;
    }
    let rounding = if expected.dtype() == DType::F64 {
        1e-13
    } else {
        1e-5
    };
    let largest = expected.clone().abs().max().into_scalar::<f64>();
    let difference = (found - expected).abs().max().into_scalar::<f64>();
    assert!(
        difference <= rounding * largest,
        "{what}: {difference} of {largest}"
    );
}

fn assert_same_gradient<const D: usize>(
    found: Option<Tensor<D>>,
    expected: Option<Tensor<D>>,
    what: &str,
) {
    assert_eq!(found.is_some(), expected.is_some(), "gradient of {what}");
    for (found, expected) in found.into_iter().zip(expected) {
        assert_same(found, expected, &format!("gradient of {what}"));
    }
}

/// Compares the output and all gradients of a loss that weighs each output differently.
fn compare<const D: usize, const W: usize>(
    x: &Tensor<D>,
    weight: &Param<Tensor<W>>,
    bias: Option<&Param<Tensor<1>>>,
    found: impl Fn(Tensor<D>) -> Tensor<D>,
    expected: impl Fn(Tensor<D>) -> Tensor<D>,
) {
    let x = x.clone().require_grad();
    compare_tracked(&x, weight, bias, found, expected);
}

/// The same, with the gradients of those that need one.
fn compare_tracked<const D: usize, const W: usize>(
    x: &Tensor<D>,
    weight: &Param<Tensor<W>>,
    bias: Option<&Param<Tensor<1>>>,
    found: impl Fn(Tensor<D>) -> Tensor<D>,
    expected: impl Fn(Tensor<D>) -> Tensor<D>,
) {
    let run = |forward: &dyn Fn(Tensor<D>) -> Tensor<D>| {
        let y = forward(x.clone());
        let weights = Numbers::new(9).tensor(y.dims(), &y.device());
        let grads = (y.clone() * weights.cast(y.dtype())).sum().backward();
        let bias = bias.and_then(|bias| bias.val().grad(&grads));
        let of_weight = weight.val().grad(&grads);
        (y.inner(), x.grad(&grads), of_weight, bias)
    };
    let (found, expected) = (run(&found), run(&expected));
    assert_same(found.0, expected.0, "output");
    assert_same_gradient(found.1, expected.1, "the input");
    assert_same_gradient(found.2, expected.2, "the weights");
    assert_same_gradient(found.3, expected.3, "the bias");
}

fn a_linear_layer(d_input: usize, d_output: usize, bias: bool, device: &Device) -> Linear {
    let layer = LinearConfig::new(d_input, d_output).with_bias(bias);
    set_parameters(layer.init(device), 3)
}

#[rstest]
#[case(1, 7, 3)]
#[case(5, 1, 4)]
#[case(6, 9, 1)]
#[case(64, 33, 101)]
#[case(300, 128, 96)]
fn linear_layers_are_those_of_burn(
    #[case] rows: usize,
    #[case] d_input: usize,
    #[case] d_output: usize,
    #[values(true, false)] bias: bool,
) {
    for device in devices() {
        let device = device.autodiff();
        let layer = a_linear_layer(d_input, d_output, bias, &device);
        let x: Tensor<2> = Numbers::new(1).tensor([rows, d_input], &device);
        let (found, expected) = (|x| linear(&layer, x), |x| layer.forward(x));
        compare(&x, &layer.weight, layer.bias.as_ref(), found, expected);
        // Tokens; and samples whose memory is laid out the other way round.
        let x: Tensor<3> = Numbers::new(2).tensor([32, rows, d_input], &device);
        let (found, expected) = (|x| linear(&layer, x), |x| layer.forward(x));
        compare(&x, &layer.weight, layer.bias.as_ref(), found, expected);
        let x = x.swap_dims(0, 1);
        let (found, expected) = (|x| linear(&layer, x), |x| layer.forward(x));
        compare(&x, &layer.weight, layer.bias.as_ref(), found, expected);
    }
}

/// Batch, channels, height, width, and the layer's configuration.
type ConvolutionCase = ([usize; 4], Conv2dConfig);

fn convolutions() -> Vec<ConvolutionCase> {
    let config = |channels, kernel| Conv2dConfig::new(channels, kernel);
    let explicit = PaddingConfig2d::Explicit;
    vec![
        ([1, 1, 1, 1], config([1, 1], [1, 1])),
        (
            [3, 2, 6, 5],
            config([2, 4], [3, 3]).with_padding(PaddingConfig2d::Same),
        ),
        // Several samples in a product, the last with fewer; several parts of a sum.
        (
            [39, 3, 8, 9],
            config([3, 5], [3, 3]).with_padding(explicit(1, 1, 1, 1)),
        ),
        // More positions than a product should have.
        ([17, 2, 20, 19], config([2, 3], [3, 2])),
        ([2, 3, 9, 12], config([3, 4], [5, 3]).with_stride([2, 3])),
        ([2, 3, 9, 12], config([3, 4], [1, 1]).with_stride([2, 2])),
        (
            [2, 3, 11, 10],
            config([3, 4], [7, 7])
                .with_stride([2, 2])
                .with_padding(explicit(3, 3, 3, 3)),
        ),
        ([2, 2, 9, 10], config([2, 3], [3, 3]).with_dilation([2, 3])),
        (
            [2, 2, 7, 6],
            config([2, 3], [4, 2]).with_padding(PaddingConfig2d::Same),
        ),
        (
            [2, 2, 6, 7],
            config([2, 3], [3, 3]).with_padding(explicit(0, 2, 3, 1)),
        ),
        // Entries of the kernel that never meet the image, in either axis.
        (
            [2, 2, 1, 2],
            config([2, 3], [5, 5])
                .with_padding(explicit(3, 4, 3, 4))
                .with_stride([3, 3]),
        ),
        ([2, 4, 6, 6], config([4, 6], [3, 3]).with_groups(2)),
        // More patches than are held in memory.
        ([1, 64, 96, 90], config([64, 2], [3, 3])),
    ]
}

#[test]
fn convolutions_are_those_of_burn() {
    for device in devices() {
        let device = device.autodiff();
        for (shape, config) in convolutions() {
            for bias in [false, true] {
                let layer = config.clone().with_bias(bias).init(&device);
                let layer: Conv2d = set_parameters(layer, 3);
                let x: Tensor<4> = Numbers::new(1).tensor(shape, &device);
                let (found, expected) = (|x| conv2d(&layer, x), |x| layer.forward(x));
                compare(&x, &layer.weight, layer.bias.as_ref(), found, expected);
                let [n, channels, height, width] = shape;
                let x: Tensor<4> = Numbers::new(1).tensor([n, height, width, channels], &device);
                let x = x.permute([0, 3, 1, 2]);
                let (found, expected) = (|x| conv2d(&layer, x), |x| layer.forward(x));
                compare(&x, &layer.weight, layer.bias.as_ref(), found, expected);
                let more: Tensor<4> =
                    Numbers::new(1).tensor([n + 2, channels, height, width], &device);
                let x = more.narrow(0, 1, n);
                let (found, expected) = (|x| conv2d(&layer, x), |x| layer.forward(x));
                compare(&x, &layer.weight, layer.bias.as_ref(), found, expected);
            }
        }
    }
}

#[test]
fn a_layer_can_be_applied_twice() {
    for device in devices() {
        let device = device.autodiff();
        let config = Conv2dConfig::new([2, 2], [3, 3]).with_padding(PaddingConfig2d::Same);
        let layer: Conv2d = set_parameters(config.init(&device), 3);
        let x: Tensor<4> = Numbers::new(1).tensor([3, 2, 5, 4], &device);
        let found = |x| conv2d(&layer, conv2d(&layer, x));
        let expected = |x| layer.forward(layer.forward(x));
        compare(&x, &layer.weight, layer.bias.as_ref(), found, expected);
        let layer = a_linear_layer(4, 4, true, &device);
        let x: Tensor<2> = Numbers::new(1).tensor([3, 4], &device);
        let found = |x| linear(&layer, linear(&layer, x));
        let expected = |x| layer.forward(layer.forward(x));
        compare(&x, &layer.weight, layer.bias.as_ref(), found, expected);
    }
}

/// Burn takes the size of a kernel from its weights.
#[test]
fn a_kernel_of_another_size_than_its_configuration_is_that_of_the_weights() {
    let device = Device::flex().autodiff();
    let mut layer = Conv2dConfig::new([1, 1], [3, 1]).init(&device);
    layer.weight = Param::from_tensor(Tensor::ones([1, 1, 1, 3], &device));
    let x: Tensor<4> = Numbers::new(1).tensor([1, 1, 5, 5], &device);
    let found = conv2d(&layer, x.clone());
    assert_eq!(found.dims(), [1, 1, 5, 3]);
    assert_same(found, layer.forward(x), "output");
}

#[test]
#[should_panic]
fn a_wrong_width_panics() {
    let layer = a_linear_layer(5, 4, true, &Device::flex());
    linear(&layer, Tensor::<2>::ones([3, 6], &Device::flex()));
}

/// A kernel of ones adds the image up: 4, 6 or 9 entries of ones.
#[test]
fn a_convolution_by_hand() {
    for device in devices() {
        let mut layer = Conv2dConfig::new([1, 1], [3, 3])
            .with_padding(PaddingConfig2d::Same)
            .with_bias(false)
            .init(&device);
        layer.weight = Param::from_tensor(Tensor::ones([1, 1, 3, 3], &device));
        let y = conv2d(&layer, Tensor::ones([1, 1, 3, 4], &device));
        let expected = [[[
            [4.0, 6.0, 6.0, 4.0],
            [6.0, 9.0, 9.0, 6.0],
            [4.0, 6.0, 6.0, 4.0],
        ]]];
        y.into_data()
            .assert_approx_eq::<f32>(&TensorData::from(expected), Tolerance::default());
    }
}

/// The same gradient to the last bit on any number of cores.
#[test]
fn the_sum_over_samples_does_not_depend_on_the_number_of_cores() {
    let device = Device::flex().autodiff();
    let layer: Conv2d = Conv2dConfig::new([3, 5], [3, 3]).init(&device);
    let x: Tensor<4> = Numbers::new(1).tensor([50, 3, 12, 12], &device);
    let gradient = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| {
            let grads = conv2d(&layer, x.clone()).powi_scalar(2).sum().backward();
            layer.weight.val().grad(&grads).unwrap().into_data()
        })
    };
    let one = gradient(1);
    for threads in [2, 3, 8] {
        gradient(threads).assert_eq(&one, true);
    }
}

#[test]
fn maximum_pooling_is_that_of_burn() {
    let explicit = PaddingConfig2d::Explicit;
    let config = MaxPool2dConfig::new;
    let cases = [
        ([3, 2, 6, 8], config([2, 2])),
        ([3, 2, 7, 5], config([2, 2])),
        (
            [2, 3, 8, 9],
            config([3, 3])
                .with_strides([2, 2])
                .with_padding(explicit(1, 1, 1, 1)),
        ),
        (
            [2, 3, 5, 6],
            config([2, 2])
                .with_strides([1, 1])
                .with_padding(PaddingConfig2d::Same),
        ),
        (
            [2, 1, 9, 8],
            config([2, 3]).with_strides([1, 2]).with_dilation([3, 2]),
        ),
        (
            [2, 1, 7, 8],
            config([3, 2]).with_strides([2, 3]).with_ceil_mode(true),
        ),
        ([1, 1, 1, 1], config([1, 1])),
    ];
    for device in devices() {
        for (shape, config) in &cases {
            let layer = config.init();
            let device = device.clone().autodiff();
            let mut numbers = Numbers::new(1);
            // Few different values, so that windows have several largest ones.
            let values: Vec<f32> = (0..shape.iter().product())
                .map(|_| (2.0 * numbers.next()).round())
                .collect();
            let x = TensorData::new(values, *shape);
            let x = Tensor::<4>::from_data(x, &device).require_grad();
            let run = |y: Tensor<4>| {
                let weights = Numbers::new(9).tensor(y.dims(), &device);
                let grads = (y.clone() * weights).sum().backward();
                (y.into_data(), x.grad(&grads).unwrap())
            };
            let (found, of_x) = run(max_pool2d(&layer, x.clone()));
            let (expected, expected_of_x) = run(layer.forward(x.clone()));
            found.assert_eq(&expected, true);
            assert_same(of_x, expected_of_x, "gradient of the input");
            let inner = max_pool2d(&layer, x.clone().inner());
            inner.into_data().assert_eq(&expected, true);
        }
    }
}

#[test]
fn maxima_of_infinities_and_nan_are_those_of_burn() {
    let (infinite, nan) = (f32::NEG_INFINITY, f32::NAN);
    let x = [[[
        [infinite, infinite, nan, 1.0],
        [infinite, infinite, 2.0, 3.0],
    ]]];
    let x = Tensor::<4>::from_floats(x, &Device::flex().autodiff()).require_grad();
    let layer = MaxPool2dConfig::new([2, 2]).init();
    let run = |y: Tensor<4>| {
        let of_x = x.grad(&y.clone().sum().backward()).unwrap();
        (y.into_data(), of_x.into_data())
    };
    let (found, of_x) = run(max_pool2d(&layer, x.clone()));
    let (expected, expected_of_x) = run(layer.forward(x.clone()));
    for values in [found, expected] {
        let values: Vec<f32> = values.try_into_vec().unwrap();
        assert!(values[0] == infinite && values[1].is_nan(), "{values:?}");
    }
    of_x.assert_eq(&expected_of_x, true);
}

/// That a seed decides is tested in `tests/resume/reproducible.rs`, where no other test draws.
#[test]
fn dropout_drops_its_share() {
    const N: usize = 40_000;
    for device in devices() {
        let device = device.autodiff();
        let x: Tensor<2> = Tensor::ones([N / 8, 8], &device).require_grad();
        for p in [0.1, 0.5, 0.8] {
            let layer = DropoutConfig::new(p).init();
            let (first, other) = (dropout(&layer, x.clone()), dropout(&layer, x.clone()));
            let of_x = x.grad(&first.clone().sum().backward()).unwrap();
            let values: Vec<f32> = first.into_data().try_into_vec().unwrap();
            let kept = (1.0 / (1.0 - p)) as f32;
            assert!(values.iter().all(|&x| x == 0.0 || x == kept), "{p}");
            let dropped = values.iter().filter(|&&x| x == 0.0).count() as f64;
            let deviation = (N as f64 * p * (1.0 - p)).sqrt();
            assert!(
                (dropped - N as f64 * p).abs() < 5.0 * deviation,
                "{p}: {dropped}"
            );
            let values = TensorData::new(values, [N / 8, 8]);
            of_x.into_data().assert_eq(&values, true);
            assert_ne!(other.into_data(), values);
        }
        let layer = DropoutConfig::new(0.5).init();
        let x = x.inner();
        dropout(&layer, x.clone())
            .into_data()
            .assert_eq(&x.into_data(), true);
    }
}
