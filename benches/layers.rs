//! Layers as `burn_mla::layer` computes them beside Burn's own, forward and backward on flex; and training steps
//! of an MLP made of each.
//!
//! ```sh
//! cargo bench --bench layers                     # all, 30 times each
//! cargo bench --bench layers -- linear/64x 100   # those with this name, 100 times each
//! ```
//!
//! The two take turns within one process. Prints the smallest time of each in microseconds, in brackets the
//! median, and the ratio of the smallest times.

mod common;
mod turns;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::nn::pool::MaxPool2dConfig;
use burn::nn::{DropoutConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use burn_mla::layer::{conv2d, dropout, linear, max_pool2d};
use burn_mla::modality::Targets;
use common::{devices, random, sync};
use turns::{Turns, Way};

const N_CLASSES: usize = 101;

struct Bench {
    turns: Turns,
    device: Device,
}

fn main() {
    // The other backends compute what Burn does.
    let flex = devices().into_iter().find(|(name, _)| *name == "flex");
    let bench = Bench {
        turns: Turns::from_arguments(30),
        device: flex.expect("flex is among the devices").1.autodiff(),
    };
    for batch in [1, 8, 64, 512] {
        for width in [64, 256, 512, 2048] {
            for d_output in [2, 10, 101, 256, 512, 1000] {
                bench.linear(batch, width, d_output);
            }
            bench.mlp(batch, width);
        }
    }
    // Those of the emoji example, and of ResNet-18.
    for (shape, d_output, kernel, stride) in [
        ([64, 3, 32, 32], 24, 3, 1),
        ([64, 24, 16, 16], 48, 3, 1),
        ([64, 48, 8, 8], 96, 3, 1),
        ([8, 3, 224, 224], 64, 7, 2),
        ([8, 64, 56, 56], 64, 3, 1),
        ([8, 64, 56, 56], 128, 1, 2),
        ([8, 128, 28, 28], 128, 3, 1),
        ([8, 128, 28, 28], 256, 3, 2),
        ([8, 256, 14, 14], 256, 3, 1),
        ([8, 512, 7, 7], 512, 3, 1),
    ] {
        bench.conv2d(shape, d_output, kernel, stride);
    }
    bench.max_pool2d([64, 24, 32, 32], 2, 0);
    bench.max_pool2d([64, 48, 16, 16], 2, 0);
    bench.max_pool2d([8, 64, 112, 112], 3, 1);
    bench.dropout([64, 512]);
    bench.dropout([64, 4096]);
}

impl Bench {
    fn linear(&self, batch: usize, width: usize, d_output: usize) {
        let name = format!("linear/{batch}x{width}x{d_output}");
        let layer: Linear = LinearConfig::new(width, d_output).init(&self.device);
        let x = || random([batch, width], &self.device).require_grad();
        self.layers(
            &name,
            &layer,
            x,
            |x| layer.forward(x),
            |x| linear(&layer, x),
        );
    }

    fn conv2d(&self, shape: [usize; 4], d_output: usize, kernel: usize, stride: usize) {
        let name = format!("conv2d/{shape:?}/{d_output}/{kernel}/{stride}");
        let padding = kernel / 2;
        let padding = PaddingConfig2d::Explicit(padding, padding, padding, padding);
        let layer: Conv2d = Conv2dConfig::new([shape[1], d_output], [kernel, kernel])
            .with_stride([stride, stride])
            .with_padding(padding)
            .with_bias(false)
            .init(&self.device);
        // The gradient of an image is not computed.
        let is_image = shape[1] == 3;
        let x = || random(shape, &self.device).set_require_grad(!is_image);
        self.layers(
            &name,
            &layer,
            x,
            |x| layer.forward(x),
            |x| conv2d(&layer, x),
        );
    }

    fn max_pool2d(&self, shape: [usize; 4], kernel: usize, padding: usize) {
        let padding = PaddingConfig2d::Explicit(padding, padding, padding, padding);
        let layer = MaxPool2dConfig::new([kernel, kernel])
            .with_strides([2, 2])
            .with_padding(padding)
            .init();
        let name = format!("max_pool2d/{shape:?}/{kernel}");
        let x = || random(shape, &self.device).require_grad();
        self.layers(
            &name,
            &layer,
            x,
            |x| layer.forward(x),
            |x| max_pool2d(&layer, x),
        );
    }

    fn dropout(&self, shape: [usize; 2]) {
        let layer = DropoutConfig::new(0.5).init();
        let name = format!("dropout/{shape:?}");
        let x = || random(shape, &self.device).require_grad();
        self.layers(
            &name,
            &layer,
            x,
            |x| layer.forward(x),
            |x| dropout(&layer, x),
        );
    }

    /// Times forward and backward passes of a layer.
    fn layers<M: Module, const D: usize>(
        &self,
        name: &str,
        layer: &M,
        x: impl Fn() -> Tensor<D>,
        burn: impl Fn(Tensor<D>) -> Tensor<D>,
        ours: impl Fn(Tensor<D>) -> Tensor<D>,
    ) {
        if !self.turns.include(name) {
            return;
        }
        let x = x();
        let run = |forward: &dyn Fn(Tensor<D>) -> Tensor<D>| {
            let mut gradients = relu(forward(x.clone())).sum().backward();
            std::hint::black_box(GradientsParams::from_module(&mut gradients, layer));
            sync(&self.device);
        };
        self.print(name, [Box::new(|| run(&burn)), Box::new(|| run(&ours))]);
    }

    /// Three layers of the same width and a head, with SGD and momentum.
    fn mlp(&self, batch: usize, width: usize) {
        let name = format!("mlp/{batch}x{width}");
        if !self.turns.include(&name) {
            return;
        }
        let x = random([batch, width], &self.device);
        let labels = Targets::new((0..batch).map(|i| i % N_CLASSES), &self.device);
        let layers = [width, width, width, N_CLASSES];
        let layers = layers.map(|d_output| LinearConfig::new(width, d_output).init(&self.device));
        let layers: Vec<Linear> = layers.into();
        let loss = CrossEntropyLossConfig::new().init(&self.device);
        let burn = self.step(layers.clone(), &x, &labels, &loss, Linear::forward);
        let ours = self.step(layers, &x, &labels, &loss, linear);
        self.print(&name, [Box::new(burn), Box::new(ours)]);
    }

    fn step(
        &self,
        mut layers: Vec<Linear>,
        x: &Tensor<2>,
        labels: &Targets,
        loss: &CrossEntropyLoss,
        forward: fn(&Linear, Tensor<2>) -> Tensor<2>,
    ) -> impl FnMut() {
        let momentum = MomentumConfig::new().with_dampening(0.0);
        let mut optimizer = SgdConfig::new().with_momentum(Some(momentum)).init();
        move || {
            let mut y = forward(&layers[0], x.clone());
            for layer in &layers[1..] {
                y = forward(layer, relu(y));
            }
            let mut gradients = loss.forward(y, labels.tensor()).backward();
            let gradients = GradientsParams::from_module(&mut gradients, &layers);
            layers = optimizer.step(1e-3, layers.clone(), gradients);
            sync(&self.device);
        }
    }

    fn print(&self, name: &str, ways: [Way; 2]) {
        let [burn, ours] = self.turns.time(ways).map(|mut times| {
            times.sort_by(f64::total_cmp);
            (times[0] * 1e3, times[times.len() / 2] * 1e3)
        });
        let ratio = ours.0 / burn.0;
        let [burn, ours] = [burn, ours].map(|(least, median)| format!("{least:.0} ({median:.0})"));
        println!("{name}: Burn {burn}, ours {ours}, ratio {ratio:.2}");
    }
}
