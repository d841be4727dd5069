//! Batch normalization in a divided turn: the statistics are those of each device's part.

use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::optim::GradientsAccumulator;
use burn::tensor::{Device, Tensor};
use burn_mla::baseline::{ConcatConfig, JointConfig};
use burn_mla::dataset::Divide;
use burn_mla::method::MultimodalMethod;
use burn_mla::prelude::*;
use burn_mla::projector::LeakyRlsProjector;

use super::training::{Labels, Outcome, batches, train};
use crate::alone;
use crate::common::*;

/// Normalizes its input.
#[derive(Module, Debug)]
struct Normalized {
    norm: BatchNorm,
    output: Linear,
}

impl Encoder for Normalized {
    type Input = Tensor<2>;

    fn encode(&self, input: Tensor<2>) -> Tensor<2> {
        self.output.forward(self.norm.forward(input))
    }

    fn d_feature(&self) -> usize {
        self.output.weight.lazy_shape()[1]
    }
}

fn encoders(device: &Device) -> (Normalized, Normalized) {
    let encoder = |width| Normalized {
        norm: BatchNormConfig::new(width).init(device),
        output: LinearConfig::new(width, D_FEATURE).init(device),
    };
    set_parameters((encoder(D_A), encoder(D_B)), 1)
}

const N_DEVICES: usize = 4;

/// The parts of a training input for four devices, by their place: of six samples, two, two, one and one.
fn parts<I: Divide>(input: &I, device: &Device) -> Vec<I> {
    let n = input.n_samples();
    let bounds = |part: usize| part * (n / N_DEVICES) + part.min(n % N_DEVICES);
    let ranges = (0..N_DEVICES).map(|part| bounds(part)..bounds(part + 1));
    let ranges = ranges.filter(|range| !range.is_empty());
    ranges
        .map(|range| input.part(range, device).unwrap())
        .collect()
}

/// The training on one device, with the parts of each turn as micro-batches.
fn in_parts<M>(mut model: M) -> M
where
    M: MultimodalMethod<Inputs = MlpInputs>,
    M::TrainingInput: Divide,
{
    let device = Device::flex().autodiff();
    let turns = model.training_loader(batches(Labels::Single)).unwrap();
    let mut optimizer = sgd();
    for _ in 0..super::training::N_EPOCHS {
        for turn in turns.loader.iter() {
            let mut sum = GradientsAccumulator::new();
            for part in parts(&turn.unwrap(), &device) {
                let output = model.try_train_step(part).unwrap();
                sum.accumulate(&model, output.grads);
            }
            model
                .try_update(&mut optimizer, 0.05.into(), sum.grads())
                .unwrap();
        }
    }
    model
}

fn assert_is_in_parts<M>(what: &str, model: impl Fn(&Device) -> M)
where
    M: MultimodalMethod<Inputs = MlpInputs>,
    M::TrainingInput: Divide,
{
    let flex = Device::flex();
    let divided = |devices: &[Device]| -> Outcome {
        let model = model(&devices[0].clone().autodiff());
        let turns = model.training_loader(batches(Labels::Single)).unwrap();
        train(model, turns, 1, devices)
    };
    let parts = in_parts(model(&flex.clone().autodiff()));
    let expected = state(&parts);
    let mut others = vec![flex.clone(); N_DEVICES - 1];
    others.insert(0, devices().pop().unwrap());
    let found = divided(&others).state;
    let mut has_statistics = false;
    for ((path, got), (_, expected)) in found.iter().zip(&expected) {
        has_statistics |= path.contains("running_var");
        let expected: Vec<f64> = expected.iter().map(|&x| f64::from(x)).collect();
        close(got, &expected, 2e-5, &format!("{what}, {path}"));
    }
    assert!(has_statistics);
    // On one device the statistics are those of whole turns.
    let whole = divided(&[flex]).state;
    let largest = whole
        .iter()
        .zip(&expected)
        .flat_map(|((_, a), (_, b))| a.iter().zip(b));
    assert!(
        largest.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) > 1e-3,
        "{what}"
    );
}

#[test]
fn parts_are_normalized_as_micro_batches() {
    let _alone = alone();
    assert_is_in_parts("Mla", |device| {
        let fusion = EntropyFusionConfig::new(2).init(device).unwrap();
        let head = set_parameters(linear_head(device), 2);
        MlaConfig::new()
            .init(encoders(device), head, LeakyRlsProjector::default(), fusion)
            .unwrap()
    });
    assert_is_in_parts("Joint", |device| {
        let head = ConcatConfig::new(vec![D_FEATURE; 2], N_CLASSES).init(device);
        let head = set_parameters(head.unwrap(), 2);
        JointConfig::new().init(encoders(device), head).unwrap()
    });
}
