//! A task in which training one modality provably degrades another.
//!
//! The features are synthetic. Modality A encodes its class along axes of its own, and modality B
//! along others. Both have a large component along one shared axis `e`, which indicates class 0 in A
//! and class 1 in B. Training on B after A changes the response of the head to `e`: each gradient step
//! on B changes A's logits by `-lr (r_A . r_B) dL_B`, which lowers A's class 0 and raises class 1,
//! whatever else B learns. All steps of B come after those of A.

use burn::module::Module;
use burn::optim::SgdConfig;
use burn::tensor::{Device, Tensor, TensorData};
use burn_mla::fusion::MeanFusion;
use burn_mla::modality::OneOf2;
use burn_mla::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::projectors::rules::{Rule, WithRule, with_rule};

const D_FEATURE: usize = 32;
const N_CLASSES: usize = 4;
const BATCH: usize = 32;
const STEPS: usize = 200;

/// An encoder that returns its input.
#[derive(Module, Debug)]
struct Given {}

impl Encoder for Given {
    type Input = Tensor<2>;

    fn encode(&self, input: Tensor<2>) -> Tensor<2> {
        input
    }

    fn d_feature(&self) -> usize {
        D_FEATURE
    }
}

/// Accuracies under a rule, in percent, one per seed.
pub struct Forgetting {
    pub rule: Rule,
    /// A's accuracy before B's steps.
    pub first: Vec<f64>,
    /// A's accuracy after B's steps.
    pub kept: Vec<f64>,
    /// B's accuracy at the end.
    pub second: Vec<f64>,
}

pub fn compare(seeds: u64, device: &Device) -> burn_mla::Result<Vec<Forgetting>> {
    let energy = 0.95;
    let rules = [
        Rule::Identity,
        Rule::Rls { alpha: 0.01 },
        Rule::Rls { alpha: 0.1 },
        Rule::Rls { alpha: 1.0 },
        Rule::Rls { alpha: 10.0 },
        Rule::Leaky {
            alpha: 0.1,
            leak: 0.01,
        },
        Rule::Leaky {
            alpha: 0.1,
            leak: 1e-3,
        },
        Rule::TraceRescaled { alpha: 0.1 },
        Rule::Subspace {
            energy,
            max_rank: 16,
        },
    ];
    rules
        .into_iter()
        .map(|rule| {
            let mut all = Forgetting {
                rule,
                first: vec![],
                kept: vec![],
                second: vec![],
            };
            for seed in 0..seeds {
                let [first, kept, second] = with_rule(&rule, Run { seed, device })??;
                all.first.push(first);
                all.kept.push(kept);
                all.second.push(second);
            }
            Ok(all)
        })
        .collect()
}

struct Run<'a> {
    seed: u64,
    device: &'a Device,
}

impl WithRule for Run<'_> {
    type Output = burn_mla::Result<[f64; 3]>;

    fn with<P: OrthogonalProjector>(self, rule: P) -> Self::Output {
        self.device.seed(self.seed);
        let device = self.device.clone().autodiff();
        let mut model = Mla::new(
            (Given {}, Given {}),
            LinearHeadConfig::new(D_FEATURE, N_CLASSES).init(&device)?,
            rule,
            MeanFusion,
        )?;
        let mut optimizer = SgdConfig::new().init();
        let mut rng = StdRng::seed_from_u64(self.seed);
        let mut train = |model: &mut Mla<_, _, _, _>, modality: usize| {
            for _ in 0..STEPS {
                let (features, targets) = batch(modality, BATCH, &mut rng, &device);
                let input = match modality {
                    0 => OneOf2::A(features),
                    _ => OneOf2::B(features),
                };
                let output = model.try_step(Turn::new(input, targets))?;
                model.try_optimize(&mut optimizer, 0.5, output.grads)?;
            }
            Ok::<(), burn_mla::MlaError>(())
        };
        train(&mut model, 0)?;
        let first = accuracy(&model.head.valid(), 0, self.device);
        train(&mut model, 1)?;
        let head = model.head.valid();
        let kept = accuracy(&head, 0, self.device);
        Ok([first, kept, accuracy(&head, 1, self.device)])
    }
}

/// Draws features and labels: class evidence of size 1 along four axes of the modality, noise of 0.3,
/// and 2 along the shared axis for the class that this axis indicates.
fn batch(modality: usize, n: usize, rng: &mut StdRng, device: &Device) -> (Tensor<2>, Targets) {
    let mut noise = || (0..4).map(|_| rng.random::<f32>() - 0.5).sum::<f32>() * 0.3 * 1.73;
    let mut values: Vec<f32> = (0..n * D_FEATURE).map(|_| noise()).collect();
    let labels: Vec<usize> = (0..n).map(|_| rng.random_range(0..N_CLASSES)).collect();
    for (row, &label) in labels.iter().enumerate() {
        let row = &mut values[row * D_FEATURE..][..D_FEATURE];
        row[1 + modality * N_CLASSES + label] += 1.0;
        if label == modality {
            row[0] += 2.0;
        }
    }
    let features = Tensor::from_data(TensorData::new(values, [n, D_FEATURE]), device);
    (features, Targets::new(labels, device))
}

/// Accuracy on 2000 fresh samples, in percent.
fn accuracy(head: &LinearHead, modality: usize, device: &Device) -> f64 {
    let mut rng = StdRng::seed_from_u64(1000 + modality as u64);
    let n = 2000;
    let (features, targets) = batch(modality, n, &mut rng, device);
    let predicted = head.forward(features).logits.argmax(1);
    let predicted: Vec<i64> = predicted.into_data().iter().collect();
    let pairs = predicted.iter().zip(targets.labels());
    100.0 * pairs.filter(|(a, b)| a == b).count() as f64 / n as f64
}
