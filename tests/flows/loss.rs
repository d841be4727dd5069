//! Class weights, several labels per sample, and losses of one's own.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_mla::baseline::{ConcatConfig, JointConfig, LateFusionConfig, OgmConfig};
use burn_mla::loss::{BinaryCrossEntropy, CrossEntropyConfig, TrainingLoss};
use burn_mla::prelude::*;

use crate::common::*;

const WEIGHTS: [f64; 3] = [1.0, 4.0, 0.5];

fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let sum: f64 = logits.iter().map(|&z| f64::from(z).exp()).sum();
    logits.iter().map(|&z| f64::from(z) - sum.ln()).collect()
}

/// `sum w_y (-log p_y) / sum w_y`.
fn weighted(logits: &[f32], labels: &[i64]) -> f64 {
    let (mut loss, mut total) = (0.0, 0.0);
    for (row, &label) in logits.chunks(N_CLASSES).zip(labels) {
        let weight = WEIGHTS[label as usize];
        loss -= weight * log_softmax(row)[label as usize];
        total += weight;
    }
    loss / total
}

/// The mean over samples and classes.
fn binary(logits: &[f32], sets: &[Vec<usize>]) -> f64 {
    let mut loss = 0.0;
    for (at, &z) in logits.iter().enumerate() {
        let p = 1.0 / (1.0 + (-f64::from(z)).exp());
        let there = sets[at / N_CLASSES].contains(&(at % N_CLASSES));
        loss -= if there { p.ln() } else { (1.0 - p).ln() };
    }
    loss / logits.len() as f64
}

fn mla(config: MlaConfig, device: &Device) -> MlpMla<RlsProjector> {
    mlp_mla(config, rls(0.1), device)
}

fn scalar(loss: Tensor<1>) -> f64 {
    f64::from(values(loss)[0])
}

#[test]
fn classes_are_weighted() {
    for device in devices() {
        let device = device.autodiff();
        let config = MlaConfig::new().with_class_weights(Some(WEIGHTS.to_vec()));
        let output = mla(config, &device)
            .try_step(turn(1, 8, 3, &device))
            .unwrap();
        let item = output.item;
        let expected = weighted(&values(item.logits.clone()), item.targets.labels());
        let found = scalar(item.loss);
        assert!((found - expected).abs() < 1e-5, "{found}, {expected}");
        let plain = mla(MlaConfig::new(), &device)
            .try_step(turn(1, 8, 3, &device))
            .unwrap();
        assert!((scalar(plain.item.loss) - expected).abs() > 1e-3);

        let config = JointConfig::new().with_class_weights(Some(WEIGHTS.to_vec()));
        let head = ConcatConfig::new(vec![D_FEATURE; 2], N_CLASSES).init(&device);
        let model = config.init(mlps(&device), head.unwrap()).unwrap();
        let item = model.try_step(batch(8, 3, &device)).unwrap().item;
        let expected = weighted(&values(item.logits.clone()), item.targets.labels());
        let found = scalar(item.loss);
        assert!((found - expected).abs() < 1e-5, "{found}, {expected}");
    }
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    let device = Device::flex();
    let message = |weights: &[f64]| {
        let config = MlaConfig::new().with_class_weights(Some(weights.to_vec()));
        let model = config.init_default(mlps(&device), linear_head(&device));
        model.map(|_| ()).unwrap_err().to_string()
    };
    assert_eq!(
        message(&[1.0, 2.0]),
        "class weights (one per class): expected 3, got 2"
    );
    assert_eq!(
        message(&[1.0, 0.0, 1.0]),
        "class weight must be finite and > 0, got 0"
    );
    let loss = CrossEntropyConfig::new().with_class_weights(Some(vec![1.0]));
    let model = mla(MlaConfig::new(), &device).with_loss(loss.init().unwrap());
    assert!(matches!(
        model.map(|_| ()).unwrap_err(),
        MlaError::Size { .. }
    ));
    let head = ConcatConfig::new(vec![D_FEATURE; 2], N_CLASSES)
        .init(&device)
        .unwrap();
    let config = JointConfig::new().with_class_weights(Some(vec![1.0; 4]));
    assert!(config.init(mlps(&device), head).is_err());
}

#[test]
fn samples_with_several_labels_are_trained_on() {
    for device in devices() {
        let device = device.autodiff();
        let sets = vec![vec![0, 2], vec![], vec![1], vec![0, 1, 2]];
        let several = |sets: &[Vec<usize>]| {
            let mut batch = batch(4, 3, &device);
            batch.targets = Targets::several(sets.to_vec(), &device);
            batch
        };
        let model = mla(MlaConfig::new(), &device)
            .with_loss(BinaryCrossEntropy)
            .unwrap();
        let turn =
            |sets: &[Vec<usize>]| several(sets).into_turns().unwrap().swap_remove(0).unwrap();
        let item = model.try_step(turn(&sets)).unwrap().item;
        let expected = binary(&values(item.logits), &sets);
        assert!((scalar(item.loss) - expected).abs() < 1e-6);

        let head = LateFusionConfig::new(vec![D_FEATURE; 2], N_CLASSES)
            .init(&device)
            .unwrap();
        let joint = JointConfig::new().init(mlps(&device), head).unwrap();
        let joint = joint.with_loss(BinaryCrossEntropy).unwrap();
        let item = joint.try_step(several(&sets)).unwrap().item;
        let expected = binary(&values(item.logits), &sets);
        assert!((scalar(item.loss) - expected).abs() < 1e-6);

        // The loss falls.
        let mut trained = model.clone();
        let mut optimizer = sgd();
        let before = scalar(trained.try_step(turn(&sets)).unwrap().item.loss);
        for _ in 0..20 {
            let output = trained.try_step(turn(&sets)).unwrap();
            trained
                .try_optimize(&mut optimizer, 0.1, output.grads)
                .unwrap();
        }
        assert!(scalar(trained.try_step(turn(&sets)).unwrap().item.loss) < before);

        // Where there must be one label.
        let error = |result: Result<()>| result.unwrap_err().to_string();
        let plain = mla(MlaConfig::new(), &device);
        assert_eq!(
            error(plain.try_step(turn(&sets)).map(|_| ())),
            "the cross-entropy takes one label per sample, and the targets have sets of labels"
        );
        let evaluated = plain.valid().try_evaluate(several(&sets));
        assert!(error(evaluated.map(|_| ())).starts_with("the evaluation takes one label"));
        let head = ConcatConfig::new(vec![D_FEATURE; 2], N_CLASSES)
            .init(&device)
            .unwrap();
        let config = JointConfig::new().with_modulation(Some(OgmConfig::new(0.5)));
        let modulated = config.init(mlps(&device), head).unwrap();
        let modulated = modulated.with_loss(BinaryCrossEntropy).unwrap();
        assert!(error(modulated.try_step(several(&sets)).map(|_| ())).starts_with("OGM"));
        assert_eq!(
            plain
                .try_step(turn(&[vec![], vec![], vec![0, 3], vec![]]))
                .map(|_| ()),
            Err(MlaError::LabelOutOfRange {
                label: 3,
                sample: 2,
                n_classes: 3
            })
        );
    }
}

#[test]
fn sets_of_labels_follow_their_rows() {
    let device = Device::flex();
    let targets = Targets::several(vec![vec![0], vec![1, 2], vec![]], &device);
    let selected = targets.select(&[2, 1]);
    assert_eq!(selected.sets(), Some(&[vec![], vec![1, 2]][..]));
    assert_eq!(selected.labels(), [Targets::NO_LABEL; 2]);
    // One label is a set of one.
    let logits = Tensor::<2>::from_floats([[2.0, -1.0, 300.0], [-300.0, 0.5, 1.0]], &device);
    let one = Targets::new([2, 1], &device);
    let found = scalar(BinaryCrossEntropy.loss(logits.clone(), &one).unwrap());
    let expected = binary(&[2.0, -1.0, 300.0, -300.0, 0.5, 1.0], &[vec![2], vec![1]]);
    assert!(
        (found - expected).abs() < 1e-6 && found.is_finite(),
        "{found}, {expected}"
    );
}

/// Half the squared logits: a loss without labels.
#[derive(Debug)]
struct Squares;

impl TrainingLoss for Squares {
    fn loss(&self, logits: Tensor<2>, _: &Targets) -> Result<Tensor<1>> {
        Ok(logits.square().mean() * 0.5)
    }
}

#[test]
fn a_loss_of_ones_own_is_used_and_shown() {
    for device in devices() {
        let device = device.autodiff();
        let model = mla(MlaConfig::new(), &device).with_loss(Squares).unwrap();
        let item = model.try_step(turn(0, 8, 3, &device)).unwrap().item;
        let logits = values(item.logits);
        let squares: f64 = logits.iter().map(|&z| f64::from(z).powi(2)).sum();
        let expected = 0.5 * squares / logits.len() as f64;
        assert!((scalar(item.loss) - expected).abs() < 1e-6);
        // Checkpoints describe a model by this text.
        assert!(model.to_string().contains("Squares"), "{model}");
        let moved = model
            .valid()
            .with_fusion(burn_mla::fusion::MeanFusion)
            .unwrap();
        assert!(moved.to_string().contains("Squares"));
    }
}
