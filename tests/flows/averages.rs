//! Means are over samples, not over batches.

use burn::optim::GradientsAccumulator;
use burn::train::metric::{Adaptor, LossInput, LossMetric, Metric, Numeric};
use burn_mla::fusion::MeanFusion;
use burn_mla::method::{EvaluationOutput, StepOutput};
use burn_mla::modality::OneOf2;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_mla::prelude::*;

use crate::common::*;
use crate::metrics::metadata;

/// The loss of Burn's metric over several batches.
fn burn_loss<O: Adaptor<LossInput>>(outputs: &[O]) -> f64 {
    let mut metric = LossMetric::new();
    for output in outputs {
        metric.update(&output.adapt(), &metadata()).unwrap();
    }
    metric.final_value().current()
}

/// Cross-entropies worked out on the host.
fn cross_entropies(logits: Tensor<2>, labels: &[i64]) -> Vec<f64> {
    let n_classes = logits.dims()[1];
    let logits = values(logits);
    let rows = logits.chunks(n_classes).zip(labels);
    rows.map(|(row, &label)| {
        let sum: f64 = row.iter().map(|&z| f64::from(z).exp()).sum();
        sum.ln() - f64::from(row[label as usize])
    })
    .collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn the_loss_metric_is_a_mean_over_samples() {
    for device in devices() {
        let device = device.autodiff();
        let model = mlp_mla(MlaConfig::new(), rls(0.1), &device);
        let (mut trained, mut evaluated) = (vec![], vec![]);
        let (mut losses, mut fused_losses) = (vec![], vec![]);
        for (n, seed) in [(4, 1), (1, 9)] {
            let output: StepOutput = model.try_step(turn(0, n, seed, &device)).unwrap().item;
            losses.extend(cross_entropies(
                output.logits.clone(),
                output.targets.labels(),
            ));
            trained.push(output);
            let plain = device.clone().inner();
            let output: EvaluationOutput =
                model.valid().try_evaluate(batch(n, seed, &plain)).unwrap();
            let labels = output.targets.labels();
            fused_losses.extend(cross_entropies(output.logits.clone(), labels));
            evaluated.push(output);
        }
        for (found, losses) in [
            (burn_loss(&trained), losses),
            (burn_loss(&evaluated), fused_losses),
        ] {
            let of_batches = (mean(&losses[..4]) + losses[4]) / 2.0;
            let expected = mean(&losses);
            assert!((of_batches - expected).abs() > 1e-3, "nothing to see");
            assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
        }
    }
}

/// A head without protected layers, whose gradients carry no mean feature.
#[derive(Module, Debug)]
struct Unprotected {
    head: LinearHead,
}

impl SharedHead for Unprotected {
    fn forward(&self, features: Tensor<2>) -> HeadOutput {
        let HeadOutput { logits, .. } = self.head.forward(features);
        let inputs = vec![];
        HeadOutput { logits, inputs }
    }

    fn protected(&self) -> Vec<ProtectedLayer> {
        vec![]
    }

    fn d_feature(&self) -> usize {
        self.head.d_feature()
    }

    fn n_classes(&self) -> usize {
        self.head.n_classes()
    }
}

#[test]
fn unequal_parts_make_the_update_of_the_whole_batch_without_protected_layers() {
    for device in devices() {
        let device = device.autodiff();
        let head = Unprotected {
            head: set_parameters(linear_head(&device), 2),
        };
        let encoders = set_parameters(mlps(&device), 1);
        let mut whole = Mla::new(encoders, head, rls(0.1), MeanFusion).unwrap();
        let mut parts = whole.clone();
        let (mut one, mut two) = (sgd(), sgd());
        for t in 0..3_u64 {
            let full = turn(t as usize % 2, 5, t, &device);
            let mut sum = GradientsAccumulator::new();
            for rows in [0..4, 4..5] {
                let part = part_of(&full, rows);
                sum.accumulate(&parts, parts.try_step(part).unwrap().grads);
            }
            parts.try_optimize(&mut two, 0.05, sum.grads()).unwrap();
            let gradients = whole.try_step(full).unwrap().grads;
            whole.try_optimize(&mut one, 0.05, gradients).unwrap();
        }
        assert_near(&parts, &whole, 1e-5);
        let error = whole.try_optimize(&mut one, 0.05, Default::default());
        assert_eq!(error, Err(MlaError::NoStepGradients));
    }
}

/// A loss with class weights is a mean by weight, and so are accumulated parts of it.
#[test]
fn unequal_parts_are_weighed_by_class_weights() {
    for device in devices() {
        let device = device.autodiff();
        let config = MlaConfig::new().with_class_weights(Some(vec![0.2, 5.0, 1.0]));
        let mut whole = mlp_mla(config, rls(0.1), &device);
        let mut parts = whole.clone();
        let (mut one, mut two) = (sgd(), sgd());
        for t in 0..3_u64 {
            let full = turn(t as usize % 2, 5, t, &device);
            let mut sum = GradientsAccumulator::new();
            for rows in [0..4, 4..5] {
                let part = part_of(&full, rows);
                sum.accumulate(&parts, parts.try_step(part).unwrap().grads);
            }
            parts.try_optimize(&mut two, 0.05, sum.grads()).unwrap();
            let gradients = whole.try_step(full).unwrap().grads;
            whole.try_optimize(&mut one, 0.05, gradients).unwrap();
        }
        assert_near(&parts, &whole, 1e-5);
    }
}

/// Rows of a turn.
pub fn part_of(turn: &MlpTurn, rows: std::ops::Range<usize>) -> MlpTurn {
    let input = match turn.input.clone() {
        OneOf2::A(x) => OneOf2::A(x.slice([rows.clone()])),
        OneOf2::B(x) => OneOf2::B(x.slice([rows.clone()])),
    };
    let rows: Vec<usize> = rows.collect();
    Turn::new(input, turn.targets.select(&rows))
}

/// The gradient of a step is that of a sum, and the update is by its mean: a step with twice the
/// same samples changes nothing.
#[test]
fn samples_seen_twice_make_the_same_update() {
    for device in devices() {
        let device: Device = device.autodiff();
        let build = || mlp_mla(MlaConfig::new(), rls(0.1), &device);
        let (mut once, mut twice) = (build(), build());
        for t in 0..3 {
            let single = turn(0, 5, t, &device);
            let OneOf2::A(x) = single.input.clone() else {
                panic!("a turn of modality 0")
            };
            let rows: Vec<usize> = (0..5).chain(0..5).collect();
            let double = Turn::new(
                OneOf2::A(Tensor::cat(vec![x.clone(), x], 0)),
                single.targets.select(&rows),
            );
            for (model, turn) in [(&mut once, single), (&mut twice, double)] {
                let gradients = model.try_step(turn).unwrap().grads;
                model
                    .try_optimize(&mut plain_sgd(), 0.05, gradients)
                    .unwrap();
            }
        }
        assert_near(&twice, &once, 1e-4);
    }
}

fn plain_sgd() -> burn::optim::ModuleOptimizer {
    burn::optim::SgdConfig::new().init()
}

/// All values agree, but for what f32 rounds away of the projector, which is rounding itself.
fn assert_near<M: Module>(found: &M, expected: &M, relative: f64) {
    for ((path, found), (_, expected)) in state(found).iter().zip(&state(expected)) {
        if !path.ends_with("square_root.remainder") {
            let expected: Vec<f64> = expected.iter().map(|&x| f64::from(x)).collect();
            close(found, &expected, relative, path);
        }
    }
}
