//! Options of joint models that no formula of a head contains, against loops on the host.

use burn::module::Module;
use burn::optim::SgdConfig;
use burn::tensor::Tensor;

use super::*;

/// Cross-entropy of one sample with its label smoothed by `s`.
fn smoothed(logits: &[f64], label: usize, s: f64) -> f64 {
    let total = logsumexp(logits);
    let all = logits.iter().map(|z| total - z).sum::<f64>() / logits.len() as f64;
    (1.0 - s) * (total - logits[label]) + s * all
}

/// Two modalities without ranking loss: the loss of each kind by its definition.
fn loss(kind: Kind, each: &[Vec<Vec<f64>>], fused: &[Vec<f64>], labels: &[i64], s: f64) -> f64 {
    let mean = |logits: &[Vec<f64>]| {
        let pairs = logits.iter().zip(labels);
        let losses = pairs.map(|(row, &label)| smoothed(row, label as usize, s));
        losses.sum::<f64>() / labels.len() as f64
    };
    let unimodal = each.iter().map(|logits| mean(logits)).sum::<f64>();
    match kind {
        Kind::Ensemble => unimodal,
        Kind::Qmf => mean(fused) + unimodal,
        _ => mean(fused),
    }
}

#[test]
fn smoothed_labels_enter_every_loss() {
    for device in devices() {
        let device = device.autodiff();
        for kind in ALL {
            for smoothing in [None, Some(0.3), Some(0.9)] {
                let config = JointConfig::new().with_label_smoothing(smoothing);
                let mut model = joint(kind, 2, config, &device);
                if kind == Kind::Qmf {
                    let config = QmfConfig::new(FEATURES[..2].to_vec(), N_CLASSES, N_DATA);
                    let head = config.with_ranking_weight(0.0).init(&device).unwrap();
                    model.head = set_parameters(AnyHead::Qmf(head), 2);
                }
                let batch = batch_of(7, 2, 1, &device);
                let labels = batch.targets.labels().to_vec();
                let prediction = model.predict(batch.clone()).unwrap();
                let each = [0, 1].map(|m| rows(prediction.modalities.modality(m)));
                let fused = rows(prediction.fused);
                let expected = loss(kind, &each, &fused, &labels, smoothing.unwrap_or(0.0));
                let found = model.try_step(batch).unwrap().item.loss;
                let what = format!("{kind:?}, smoothing {smoothing:?}");
                close(&values(found), &[expected], 1e-5, &what);
            }
        }
    }
}

/// The output bias of a head with one layer changes by the rate times the mean of `p - q`, where `q`
/// is the smoothed label.
#[test]
fn smoothed_labels_enter_the_update() {
    const RATE: f64 = 0.4;
    const S: f64 = 0.3;
    for device in devices() {
        let device = device.autodiff();
        let config = JointConfig::new().with_label_smoothing(Some(S));
        let mut model = joint(Kind::Concat, 2, config, &device);
        let batch = batch_of(7, 2, 1, &device);
        let mut expected = Layer::of(&model.head, "linear").bias;
        let fused = rows(model.predict(batch.clone()).unwrap().fused);
        for (row, &label) in fused.iter().zip(batch.targets.labels()) {
            let total = logsumexp(row);
            for (c, z) in row.iter().enumerate() {
                let hit = if c as i64 == label { 1.0 - S } else { 0.0 };
                let q = hit + S / N_CLASSES as f64;
                expected[c] -= RATE * ((z - total).exp() - q) / 7.0;
            }
        }
        update(&mut model, &mut SgdConfig::new().init(), RATE, batch);
        let found = Layer::of(&model.head, "linear").bias;
        let found: Vec<f32> = found.into_iter().map(|x| x as f32).collect();
        close(&found, &expected, 1e-5, "bias");
    }
}

/// The layers of heads that add up logits, on the features of the encoders.
#[test]
fn logits_of_a_modality_are_its_features_by_its_layer() {
    for device in devices() {
        for kind in [Kind::Sum, Kind::LateFusion, Kind::Ensemble, Kind::Qmf] {
            // Parameters that are on the tape are those of the test, others are drawn.
            let model = joint(kind, 3, JointConfig::new(), &device.clone().autodiff()).valid();
            let batch = batch_of(4, 3, 1, &device);
            let features = model.features(batch.clone()).unwrap();
            let prediction = model.predict(batch).unwrap();
            for m in 0..3 {
                let layer = Layer::of(&model.head, &format!("layers.{m}"));
                let encoder = Layer::of(&model.encoders, &format!("{m}.layers.0"));
                let encoded = rows(features.modality(m));
                let (_, inputs) = inputs(4, 3, 1);
                let input = inputs[m].chunks(INPUTS[m]);
                for (input, encoded) in input.zip(&encoded) {
                    let input: Vec<f64> = input.iter().map(|&x| f64::from(x)).collect();
                    let expected = encoder.forward(&input);
                    let expected: Vec<f64> = expected.iter().map(|x| x.max(0.0)).collect();
                    let encoded: Vec<f32> = encoded.iter().map(|&x| x as f32).collect();
                    close(&encoded, &expected, 1e-5, "features");
                }
                let expected: Vec<f64> = encoded.iter().flat_map(|h| layer.forward(h)).collect();
                let found = values(prediction.modalities.modality(m));
                close(&found, &expected, 1e-5, &format!("{kind:?}"));
            }
        }
    }
}

#[test]
fn a_step_that_is_not_finite_passes_where_the_check_is_off() {
    for device in devices() {
        let device = device.autodiff();
        for check in [true, false] {
            let config = JointConfig::new().with_finite_check(check);
            let model = joint(Kind::Sum, 2, config, &device);
            let mut batch = batch_of(4, 2, 0, &device);
            let input: Tensor<2> = batch.inputs[0].take().unwrap().input;
            let spoiled = input.slice_fill([1..2, 0..1], f32::NAN);
            batch.inputs[0] = Some(ModalityInput::all(spoiled));
            assert_eq!(model.try_step(batch.clone()).is_err(), check);
            assert_eq!(model.valid().predict(batch).is_err(), check);
        }
    }
}

/// Lengths of the steps that a batch makes with SGD and a learning rate of 1: of each encoder and of the
/// head.
fn step_lengths(clip_norm: Option<f64>, device: &Device) -> Vec<f64> {
    let config = JointConfig::new().with_clip_norm(clip_norm);
    let mut model = joint(Kind::Concat, 2, config, device);
    let before = state(&model);
    let output = model.try_step(batch_of(7, 2, 1, device)).unwrap();
    let mut optimizer = SgdConfig::new().init();
    model
        .try_optimize(&mut optimizer, 1.0, output.grads)
        .unwrap();
    let pairs: Vec<_> = before.iter().zip(state(&model)).collect();
    let length = |network: &str| {
        let of_network = pairs
            .iter()
            .filter(|((path, _), _)| path.starts_with(network));
        let squares = of_network.flat_map(|((_, before), (_, after))| {
            let pairs = before.iter().zip(after);
            pairs.map(|(before, after)| f64::from(before - after).powi(2))
        });
        squares.sum::<f64>().sqrt()
    };
    ["encoders.0.", "encoders.1.", "head."].map(length).to_vec()
}

#[test]
fn gradients_are_clipped_network_by_network() {
    for device in devices() {
        let device = device.autodiff();
        let free = step_lengths(None, &device);
        let smallest = free.iter().copied().fold(f64::INFINITY, f64::min);
        let largest = free.iter().copied().fold(0.0, f64::max);
        for norm in [smallest / 2.0, (smallest + largest) / 2.0, largest * 2.0] {
            let found = step_lengths(Some(norm), &device);
            for (found, free) in found.iter().zip(&free) {
                assert!((found - free.min(norm)).abs() < 1e-4, "{found}, {free}");
            }
        }
    }
    let head = Kind::Concat.head(&FEATURES[..2], N_CLASSES, &Device::flex());
    let config = JointConfig::new().with_clip_norm(Some(0.0));
    let model = config.init(encoders(2, &Device::flex()), head);
    let error = model.unwrap_err().to_string();
    assert!(error.starts_with("clip_norm must be"), "{error}");
}
