//! Every method that can be divided, with each option of its loss.

use burn::tensor::Device;
use burn_mla::baseline::{
    BiGatedConfig, ConcatConfig, FilmConfig, JointConfig, JointHead, LateFusionConfig, SumConfig,
};
use burn_mla::loader::{Blocks, LossRanking};
use burn_mla::loss::BinaryCrossEntropy;
use burn_mla::method::{MultimodalMethod, TrainingLoader, WeightAverageConfig};
use burn_mla::mla::{FeatureMean, FeatureSource, ProjectionConfig, ProjectionTarget};
use burn_mla::prelude::*;
use burn_mla::projector::LeakyRlsProjector;

use super::training::{Labels, Outcome, assert_divisible, batches, train};
use crate::alone;
use crate::common::*;

const WEIGHTS: [f64; N_CLASSES] = [1.0, 4.0, 0.5];

fn mla(config: &MlaConfig, device: &Device) -> MlpMla<LeakyRlsProjector> {
    mlp_mla(config.clone(), LeakyRlsProjector::default(), device)
}

/// In the order of the method.
fn trained<M>(model: M, labels: Labels, devices: &[Device]) -> Outcome
where
    M: MultimodalMethod<Inputs = MlpInputs>,
    M::TrainingInput: burn_mla::dataset::Divide,
{
    let turns = model.training_loader(batches(labels)).unwrap();
    train(model, turns, 1, devices)
}

fn joint<H: JointHead>(
    config: &JointConfig,
    head: impl Fn(&Device) -> H,
    accumulation: usize,
    devices: &[Device],
) -> Outcome {
    let device = devices[0].clone().autodiff();
    let encoders = set_parameters(mlps(&device), 1);
    let head = set_parameters(head(&device), 2);
    let model = config.init(encoders, head).unwrap();
    let turns = model.training_loader(batches(Labels::Single)).unwrap();
    train(model, turns, accumulation, devices)
}

/// Of each head.
fn assert_heads_divide(what: &str, config: &JointConfig, accumulation: usize) {
    let widths = || vec![D_FEATURE; 2];
    let each = format!("{what}, Sum");
    assert_divisible(&each, |devices| {
        let head = |device: &Device| SumConfig::new(widths(), N_CLASSES).init(device).unwrap();
        joint(config, head, accumulation, devices)
    });
    let each = format!("{what}, Concat");
    assert_divisible(&each, |devices| {
        let head = |device: &Device| ConcatConfig::new(widths(), N_CLASSES).init(device).unwrap();
        joint(config, head, accumulation, devices)
    });
    let each = format!("{what}, Film");
    assert_divisible(&each, |devices| {
        let head = |device: &Device| FilmConfig::new(widths(), N_CLASSES).init(device).unwrap();
        joint(config, head, accumulation, devices)
    });
    let each = format!("{what}, BiGated");
    assert_divisible(&each, |devices| {
        let head = |device: &Device| {
            BiGatedConfig::new(widths(), N_CLASSES)
                .init(device)
                .unwrap()
        };
        joint(config, head, accumulation, devices)
    });
    let each = format!("{what}, LateFusion");
    assert_divisible(&each, |devices| {
        let head = |device: &Device| {
            LateFusionConfig::new(widths(), N_CLASSES)
                .init(device)
                .unwrap()
        };
        joint(config, head, accumulation, devices)
    });
}

#[test]
fn every_divisible_head_is_divided() {
    let _alone = alone();
    assert_heads_divide("plain", &JointConfig::new(), 1);
}

/// Weights of the samples, also in an update of several batches.
#[test]
fn every_divisible_head_is_divided_with_all_options() {
    let _alone = alone();
    let config = JointConfig::new()
        .with_label_smoothing(Some(0.1))
        .with_class_weights(Some(WEIGHTS.to_vec()))
        .with_clip_norm(Some(0.2));
    assert_heads_divide("options", &config, 2);
}

#[test]
fn mla_is_divided_with_each_option() {
    let _alone = alone();
    let projection = ProjectionConfig::new()
        .with_source(FeatureSource::Previous)
        .with_target(ProjectionTarget::Update)
        .with_mean(FeatureMean::Running)
        .with_protect_bias(true);
    for (what, config) in [
        ("plain", MlaConfig::new()),
        (
            "class weights",
            MlaConfig::new().with_class_weights(Some(WEIGHTS.to_vec())),
        ),
        (
            "label smoothing and class weights",
            MlaConfig::new()
                .with_modality_label_smoothing(Some(vec![0.1, 0.3]))
                .with_class_weights(Some(WEIGHTS.to_vec())),
        ),
        (
            "weakest first",
            MlaConfig::new()
                .with_class_weights(Some(WEIGHTS.to_vec()))
                .with_ranking(Some(LossRanking::WeakestFirst)),
        ),
        ("projection", MlaConfig::new().with_projection(projection)),
    ] {
        assert_divisible(what, |devices| {
            let device = devices[0].clone().autodiff();
            trained(mla(&config, &device), Labels::Single, devices)
        });
    }
}

#[test]
fn samples_with_several_labels_are_divided() {
    let _alone = alone();
    assert_divisible("several labels", |devices| {
        let device = devices[0].clone().autodiff();
        let model = mla(&MlaConfig::new(), &device);
        trained(
            model.with_loss(BinaryCrossEntropy).unwrap(),
            Labels::Several,
            devices,
        )
    });
}

#[test]
fn accumulated_turns_are_divided() {
    let _alone = alone();
    let config = MlaConfig::new().with_class_weights(Some(WEIGHTS.to_vec()));
    assert_divisible("accumulation", |devices| {
        let device = devices[0].clone().autodiff();
        let schedule = Blocks::new(2).unwrap();
        let turns = AlternatingLoader::paired(batches(Labels::Single), 2, schedule).unwrap();
        let turns = TrainingLoader {
            handle: turns.handle(),
            loader: std::sync::Arc::new(turns),
        };
        train(mla(&config, &device), turns, 2, devices)
    });
}

#[test]
fn a_weight_average_is_divided() {
    let _alone = alone();
    let config = WeightAverageConfig::new().with_decay(0.5);
    assert_divisible("weight average", |devices| {
        let device = devices[0].clone().autodiff();
        let model = config.init(mla(&MlaConfig::new(), &device)).unwrap();
        trained(model, Labels::Single, devices)
    });
}

/// With many classes, a single device projects the factors of the gradient.
#[test]
fn a_wide_head_is_divided() {
    let _alone = alone();
    assert_divisible("wide head", |devices| {
        let device = devices[0].clone().autodiff();
        let head = LinearHeadConfig::new(D_FEATURE, 40).init(&device).unwrap();
        let fusion = EntropyFusionConfig::new(2).init(&device).unwrap();
        let (encoders, head) = (set_parameters(mlps(&device), 1), set_parameters(head, 2));
        let rule = LeakyRlsProjector::default();
        let model = MlaConfig::new().init(encoders, head, rule, fusion).unwrap();
        trained(model, Labels::Single, devices)
    });
}
