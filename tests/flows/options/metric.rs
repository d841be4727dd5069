//! Bins, layers, modalities and names of metrics.

use burn::data::dataloader::Progress;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn::train::metric::{Adaptor, Metric, MetricMetadata, Numeric};
use burn_mla::fusion::MeanFusion;
use burn_mla::head::MlpHeadConfig;
use burn_mla::method::{EvaluationOutput, StepOutput};
use burn_mla::metric::*;
use burn_mla::prelude::*;
use burn_mla::projector::{SubspaceProjectorConfig, SubspaceRank};

use crate::common::*;

fn value<M: Metric<Input = MetricInput> + Numeric>(mut metric: M, input: &MetricInput) -> f64 {
    let metadata = MetricMetadata {
        progress: Progress {
            items_processed: 1,
            items_total: 1,
            unit: None,
        },
        iteration: None,
        lr: None,
    };
    metric.update(input, &metadata).unwrap();
    metric.final_value().current()
}

/// Confidences 0.92, correct, and 0.71, wrong. In one bin they have the mean 0.815 and the accuracy
/// 0.5; in bins of their own the errors are 0.08 and 0.71.
#[test]
fn calibration_errors_have_the_bins_that_are_asked_for() {
    for device in devices() {
        let row = |p: f64| [(1.0 - p).ln() as f32, p.ln() as f32];
        let output = StepOutput {
            modality: Some(1),
            loss: Tensor::zeros([1], &device),
            logits: matrix([row(0.92), row(0.71)].concat(), 2, &device),
            targets: Targets::new([1, 0], &device),
            weight: 2.0,
        };
        let input: MetricInput = output.adapt();
        let metric = || CalibrationErrorMetric::of_modality(1, "b");
        for (n_bins, expected) in [(1, 31.5), (2, 31.5), (10, 39.5), (50, 39.5)] {
            let found = value(metric().with_bins(n_bins).unwrap(), &input);
            assert!((found - expected).abs() < 1e-3, "{n_bins} bins: {found}");
        }
        let found = value(metric(), &input);
        assert!((found - 39.5).abs() < 1e-3, "15 bins: {found}");
    }
}

/// A model whose head has two protected layers, after turns of these modalities, and its evaluation.
fn evaluated<P: OrthogonalProjector>(
    rule: P,
    turns: &[usize],
    device: &Device,
) -> (
    Mla<(MlpEncoder, MlpEncoder), burn_mla::head::MlpHead, P, MeanFusion>,
    EvaluationOutput,
) {
    let training = device.clone().autodiff();
    let head = MlpHeadConfig::new(D_FEATURE, N_CLASSES).with_hidden(vec![7]);
    let mut model = Mla::new(
        set_parameters(mlps(&training), 1),
        set_parameters(head.init(&training).unwrap(), 5),
        rule,
        MeanFusion,
    )
    .unwrap();
    let mut optimizer = sgd();
    for (t, &modality) in turns.iter().enumerate() {
        let turn = turn(modality, 8, t as u64, &training);
        let output = model.try_step(turn).unwrap();
        model
            .try_optimize(&mut optimizer, 0.05, output.grads)
            .unwrap();
    }
    let model = model.valid();
    let output = model.try_evaluate(batch(5, 0, device)).unwrap();
    (model, output)
}

/// `trace(P) / s` by projecting the identity.
fn mean_gain<P: OrthogonalProjector>(rule: &P, state: &P::State, modality: usize, s: usize) -> f64 {
    let device = state.devices()[0].clone();
    let p = values(rule.project(Tensor::eye(s, &device), modality, state));
    let trace = (0..s).map(|i| f64::from(p[i * s + i]));
    trace.sum::<f64>() / s as f64
}

#[test]
fn a_gain_is_of_its_layer() {
    for device in devices() {
        let (model, output) = evaluated(rls(0.1), &[0, 1, 0, 1], &device);
        let input: MetricInput = output.adapt();
        let metric = || ProjectorGainMetric::new(ProjectorGain::Mean);
        let projection = model.projection();
        let expected = [(0, D_FEATURE), (1, 7)]
            .map(|(layer, width)| mean_gain(projection.rule(), projection.state(layer), 0, width));
        assert!((expected[0] - expected[1]).abs() > 1e-3, "{expected:?}");
        for (layer, expected) in expected.into_iter().enumerate() {
            let found = value(metric().of_layer(layer), &input);
            assert!((found - expected).abs() < 1e-5, "layer {layer}: {found}");
        }
        assert_eq!(value(metric(), &input), value(metric().of_layer(0), &input));
        assert_eq!(*metric().of_layer(1).name(), "Projector gain layer 1");
    }
}

/// The first turn is not projected. After the second, modality 0 has directions, which are removed
/// from the gradients of modality 1. Modality 1 has none when modality 0 is refreshed.
#[test]
fn a_gain_is_of_its_modality() {
    for device in devices() {
        let rule = SubspaceProjectorConfig::new()
            .with_refresh_every(1)
            .with_rank(SubspaceRank::Energy(0.9));
        let (model, output) = evaluated(rule.init().unwrap(), &[0, 0, 1, 1], &device);
        let input: MetricInput = output.adapt();
        let projection = model.projection();
        let gain = |modality, name| {
            let metric = ProjectorGainMetric::new(ProjectorGain::Mean);
            value(metric.of_modality(modality, name), &input)
        };
        let (rule, state) = (projection.rule(), projection.state(0));
        let expected = [0, 1].map(|modality| mean_gain(rule, state, modality, D_FEATURE));
        assert_eq!(expected[0], 1.0);
        assert!(expected[1] < 0.9, "{expected:?}");
        for (modality, name) in ["image", "text"].into_iter().enumerate() {
            let (found, expected) = (gain(modality, name), expected[modality]);
            assert!(
                (found - expected).abs() < 1e-5,
                "{name}: {found}, not {expected}"
            );
        }
    }
}

#[test]
fn every_metric_takes_another_name() {
    let names = [
        CalibrationErrorMetric::fused().with_name("a b").name(),
        FusionWeightMetric::of_modality(0, "x")
            .with_name("a b")
            .name(),
        ImbalanceMetric::new().with_name("a b").name(),
        ProjectorGainMetric::new(ProjectorGain::Largest)
            .with_name("a b")
            .name(),
        ShapleyMetric::of_modality(0, "x").with_name("a b").name(),
    ];
    assert!(names.iter().all(|name| **name == "a b"), "{names:?}");
}
