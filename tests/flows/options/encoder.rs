//! Hidden layers, stages and dropout of encoders.

use burn::module::Module;
use burn::tensor::Tensor;
use burn_mla::encoder::CnnEncoder;
use burn_mla::prelude::*;

use super::{ROWS, assert_dropped, ones, sums};
use crate::common::{Numbers, close, devices, set_parameters, state, values};
use crate::joint::{Layer, rows};

#[test]
fn an_mlp_has_relu_after_every_layer() {
    for device in devices() {
        for hidden in [vec![], vec![6], vec![6, 5]] {
            let config = MlpEncoderConfig::new(4, 7).with_hidden(hidden.clone());
            let encoder = set_parameters(config.init(&device).unwrap(), 2);
            let input = Numbers::new(3).tensor([5, 4], &device);
            let mut expected = vec![];
            for mut x in rows(input.clone()) {
                for layer in 0..=hidden.len() {
                    let layer = Layer::of(&encoder, &format!("layers.{layer}"));
                    x = layer.forward(&x);
                    x.iter_mut().for_each(|x| *x = x.max(0.0));
                }
                expected.extend(x);
            }
            assert!(expected.contains(&0.0), "ReLU has an effect");
            close(&values(encoder.encode(input)), &expected, 1e-5, "features");
        }
    }
}

#[test]
fn each_dropout_of_an_mlp_has_its_place() {
    for device in devices() {
        let device = device.autodiff();
        let encode = |config: MlpEncoderConfig| {
            let encoder = sums(config.init(&device).unwrap(), 0.0);
            let plain = device.clone().inner();
            let evaluated = encoder.valid().encode(ones(&plain));
            assert_eq!(values(evaluated), [1.0; ROWS], "none in evaluation");
            encoder.encode(ones(&device))
        };
        let one = || MlpEncoderConfig::new(1, 1);
        let two = || one().with_hidden(vec![1]);
        for p in [0.25, 0.6] {
            assert_dropped(encode(one().with_input_dropout(p)), p);
            assert_dropped(encode(two().with_input_dropout(p)), p);
            assert_dropped(encode(two().with_dropout(p)), p);
            let before_the_first = encode(one().with_dropout(p));
            assert_eq!(values(before_the_first), [1.0; ROWS]);
        }
    }
}

/// Channels of an image, each `[height][width]`.
type Image = Vec<Vec<Vec<f64>>>;

/// A 3x3 convolution with zeros around the image. `kernel` is `[d_output, d_input, 3, 3]`.
fn convolved(image: &Image, kernel: &[f64]) -> Image {
    let (d_input, height, width) = (image.len(), image[0].len(), image[0][0].len());
    let entry = |output: usize, y: usize, x: usize| {
        let mut sum = 0.0;
        for (input, channel) in image.iter().enumerate() {
            for (dy, dx) in (0..3).flat_map(|dy| (0..3).map(move |dx| (dy, dx))) {
                let inside = (1..=height).contains(&(y + dy)) && (1..=width).contains(&(x + dx));
                if inside {
                    let weight = kernel[((output * d_input + input) * 3 + dy) * 3 + dx];
                    sum += weight * channel[y + dy - 1][x + dx - 1];
                }
            }
        }
        sum
    };
    let channel = |output| {
        let row = |y| (0..width).map(|x| entry(output, y, x)).collect();
        (0..height).map(row).collect()
    };
    (0..kernel.len() / (9 * d_input)).map(channel).collect()
}

fn pooled(channel: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let largest = |y: usize, x: usize| {
        let cells = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(i, j)| channel[2 * y + i][2 * x + j]);
        cells.into_iter().fold(f64::MIN, f64::max)
    };
    let row = |y| (0..channel[0].len() / 2).map(|x| largest(y, x)).collect();
    (0..channel.len() / 2).map(row).collect()
}

/// The features of one image, in evaluation.
fn features(encoder: &CnnEncoder, n_stages: usize, mut image: Image) -> Vec<f64> {
    let state = state(encoder);
    let entries = |path: &str| -> Vec<f64> {
        let found = state.iter().find(|(name, _)| name == path);
        let (_, entries) = found.unwrap_or_else(|| panic!("no {path}"));
        entries.iter().map(|&x| f64::from(x)).collect()
    };
    for stage in 0..n_stages {
        let of = |name: &str| entries(&format!("stages.{stage}.{name}"));
        image = convolved(&image, &of("conv.weight"));
        let (gamma, beta) = (of("norm.gamma"), of("norm.beta"));
        for (c, channel) in image.iter_mut().enumerate() {
            *channel = pooled(channel);
            // Running statistics are a mean of 0 and a variance of 1.
            let normed = |x: f64| x / (1.0 + 1e-5f64).sqrt() * gamma[c] + beta[c];
            let entries = channel.iter_mut().flatten();
            entries.for_each(|x| *x = normed(*x).max(0.0));
        }
    }
    let all = image.iter().map(|channel| channel.concat());
    let all: Vec<Vec<f64>> = all.collect();
    let means = all.iter().map(|x| x.iter().sum::<f64>() / x.len() as f64);
    let largest = all
        .iter()
        .map(|x| x.iter().copied().fold(f64::MIN, f64::max));
    let pooled: Vec<f64> = means.chain(largest).collect();
    let output = Layer::of(encoder, "output").forward(&pooled);
    output.into_iter().map(|x| x.max(0.0)).collect()
}

#[test]
fn a_cnn_has_the_stages_that_are_asked_for() {
    const SHAPE: [usize; 4] = [2, 2, 8, 9];
    for device in devices() {
        for stages in [vec![3], vec![4, 3], vec![2, 3, 4]] {
            let config = CnnEncoderConfig::new(SHAPE[1], 6).with_stages(stages.clone());
            let encoder = set_parameters(config.init(&device.clone().autodiff()).unwrap(), 4);
            let encoder = encoder.valid();
            let pixels = Numbers::new(5).tensor(SHAPE, &device);
            let [_, channels, height, width] = SHAPE;
            let all: Vec<f64> = pixels.to_data().iter().collect();
            let expected: Vec<f64> = all
                .chunks(channels * height * width)
                .flat_map(|image| {
                    let channel = |c: &[f64]| c.chunks(width).map(<[f64]>::to_vec).collect();
                    let image = image.chunks(height * width).map(channel).collect();
                    features(&encoder, stages.len(), image)
                })
                .collect();
            assert!(expected.iter().any(|&x| x > 0.01), "{expected:?}");
            close(&values(encoder.encode(pixels)), &expected, 1e-5, "features");
        }
    }
}

/// All images are the same, so before dropout all have the same mean `a` and maximum `b`. The feature
/// is `1 + a + b`, of which a part that is kept is divided by `1 - p`.
#[test]
fn dropout_of_a_cnn_drops_pooled_channels() {
    const P: f64 = 0.3;
    for device in devices() {
        let device = device.autodiff();
        let image = Numbers::new(6).tensor::<4>([1, 1, 4, 4], &device);
        let images: Tensor<4> = image.expand([ROWS as i64, 1, 4, 4]);
        let features = |p: f64| {
            let config = CnnEncoderConfig::new(1, 1).with_stages(vec![1]);
            let encoder = config.with_dropout(p).init(&device).unwrap();
            values(sums(encoder, 1.0).encode(images.clone()))
        };
        let whole = features(0.0);
        let a_and_b = f64::from(whole[0]) - 1.0;
        assert!(a_and_b > 0.1, "{a_and_b}");
        assert!(whole.iter().all(|&x| (x - whole[0]).abs() < 1e-5));
        let found = features(P);
        for (expected, probability) in [
            (1.0, P * P),
            (1.0 + a_and_b / (1.0 - P), (1.0 - P) * (1.0 - P)),
        ] {
            let same = |x: &&f32| (f64::from(**x) - expected).abs() < 1e-4;
            let share = found.iter().filter(same).count() as f64 / ROWS as f64;
            let deviation = (probability * (1.0 - probability) / ROWS as f64).sqrt();
            let off = (share - probability).abs();
            assert!(off <= 5.0 * deviation, "{share} instead of {probability}");
        }
    }
}
