//! MLA in a custom model: an encoder, a head and a projector that the crate does not provide.
//! Run it with `cargo run --release --example own_model`.

use burn::module::Module;
use burn::nn::{Gru, GruConfig, Linear, LinearConfig};
use burn::optim::AdamWConfig;
use burn::tensor::{Device, Distribution, Tensor, s};
use burn_mla::fusion::MeanFusion;
use burn_mla::head::{HeadOutput, ProtectedLayer};
use burn_mla::module::Buffer;
use burn_mla::prelude::*;

const D_FEATURE: usize = 32;
const N_CLASSES: usize = 4;

/// A recurrent encoder that maps `[batch, time, 4]` to its last state.
#[derive(Module, Debug)]
struct Recurrent {
    gru: Gru,
}

impl Encoder for Recurrent {
    type Input = Tensor<3>;

    /// Models call it before `encode`. They name the modality in the error.
    fn check(&self, input: &Tensor<3>) -> Result<()> {
        match input.dims() {
            [_, time, 4] if time > 0 => Ok(()),
            found => Err(MlaError::input_shape(found, "[batch, time, 4]")),
        }
    }

    fn encode(&self, input: Tensor<3>) -> Tensor<2> {
        let states = self.gru.forward(input, None);
        states.slice(s![.., -1, ..]).squeeze_dim(1)
    }

    fn d_feature(&self) -> usize {
        D_FEATURE
    }
}

/// A head on the scaled angles to classes. It names the weights to protect and returns their inputs.
#[derive(Module, Debug)]
struct CosineHead {
    linear: Linear,
}

impl SharedHead for CosineHead {
    fn forward(&self, features: Tensor<2>) -> HeadOutput {
        let norms = features.clone().square().sum_dim(1).sqrt() + 1e-6;
        let inputs = vec![features / norms * 8.0];
        let logits = self.linear.forward(inputs[0].clone());
        HeadOutput { logits, inputs }
    }

    fn protected(&self) -> Vec<ProtectedLayer> {
        vec![ProtectedLayer::linear(&self.linear)]
    }

    fn d_feature(&self) -> usize {
        D_FEATURE
    }

    fn n_classes(&self) -> usize {
        N_CLASSES
    }
}

/// Removes from a gradient its part along a moving average of the features.
#[derive(Debug, Clone)]
struct AverageDirection;

#[derive(Module, Debug)]
struct Average {
    r: Buffer<1>,
}

impl OrthogonalProjector for AverageDirection {
    type State = Average;

    fn init(&self, d_input: usize, _: usize, device: &Device) -> Result<Average> {
        let r = Buffer::new(Tensor::zeros([d_input], device));
        Ok(Average { r })
    }

    fn update(&self, feature: Tensor<1>, _: usize, mut state: Average) -> Average {
        state.r.set(state.r.get() * 0.9 + feature * 0.1);
        state
    }

    fn project(&self, gradient: Tensor<2>, _: usize, state: &Average) -> Tensor<2> {
        let r = state.r.get().unsqueeze_dim::<2>(1);
        let r = r.clone() / (r.square().sum_dim(0).sqrt() + 1e-6);
        gradient.clone() - r.clone().matmul(r.transpose().matmul(gradient))
    }
}

/// Samples of two sensors of the same gesture, `[n, 20, 4]` each.
fn batch(n: usize, device: &Device) -> MultimodalBatch<Vec<Option<ModalityInput<Tensor<3>>>>> {
    let targets = Targets::new((0..n).map(|i| i % N_CLASSES), device);
    let signal = targets.tensor().one_hot::<2>(N_CLASSES).float();
    let signal = signal.unsqueeze_dim::<3>(1) * 0.2;
    let noise = || Tensor::random([n, 20, N_CLASSES], Distribution::Default, device);
    MultimodalBatch::paired(vec![noise() + signal.clone(), noise() + signal], targets)
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let device = Device::flex().autodiff();
    device.seed(1);
    let gru = || GruConfig::new(N_CLASSES, D_FEATURE, true).init(&device);
    let encoders = vec![Recurrent { gru: gru() }, Recurrent { gru: gru() }];
    let linear = LinearConfig::new(D_FEATURE, N_CLASSES).init(&device);
    let head = CosineHead { linear };
    let mut model = Mla::new(encoders, head, AverageDirection, MeanFusion)?;
    let mut optimizer = AdamWConfig::new().init();
    for _ in 0..50 {
        for turn in batch(32, &device).into_turns()?.into_iter().flatten() {
            let output = model.try_step(turn)?;
            model.try_optimize(&mut optimizer, 3e-3, output.grads)?;
        }
    }
    let test = batch(400, &device.inner());
    let loss: f32 = model.valid().try_evaluate(test)?.loss.into_scalar();
    println!("loss of the fused prediction: {loss:.3}, at chance level 1.386");
    Ok(())
}
