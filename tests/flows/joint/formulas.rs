//! Heads against loops on the host.

use burn::tensor::Tensor;
use burn_mla::loss::CrossEntropyConfig;

use super::*;

const N: usize = 5;

fn features(device: &Device) -> (ModalityFeatures, Vec<Vec<Vec<f64>>>) {
    let mut numbers = Numbers::new(7);
    let features = FEATURES.map(|width| numbers.tensor([N, width], device));
    let host = features.iter().cloned().map(rows).collect();
    (ModalityFeatures::complete(features.to_vec()).unwrap(), host)
}

fn fused(head: &impl JointHead, features: &ModalityFeatures) -> Vec<f32> {
    values(head.fuse(features).logits)
}

#[test]
fn film_is_a_stack_of_scales_and_shifts() {
    for device in devices() {
        for base in 0..3 {
            let config = FilmConfig::new(FEATURES.to_vec(), N_CLASSES).with_base(base);
            let head = set_parameters(config.init(&device).unwrap(), 3);
            let (features, host) = features(&device);
            let output = Layer::of(&head, "output");
            let h = |modality: usize, sample: usize| &host[modality][sample];
            let mut expected = vec![];
            for sample in 0..N {
                let mut z = h(base, sample).clone();
                let width = z.len();
                let others = (0..3).filter(|&m| m != base);
                for (layer, modality) in others.enumerate() {
                    let layer = Layer::of(&head, &format!("conditions.{layer}"));
                    let said = layer.forward(h(modality, sample));
                    for (i, z) in z.iter_mut().enumerate() {
                        *z = (1.0 + said[i]) * *z + said[width + i];
                    }
                }
                expected.extend(output.forward(&z));
            }
            close(&fused(&head, &features), &expected, 1e-5, "FiLM");
        }
    }
}

#[test]
fn bigated_multiplies_the_base_by_the_gates() {
    for device in devices() {
        for (base, d_fused) in [(0, None), (1, Some(9)), (2, Some(1))] {
            let config = BiGatedConfig::new(FEATURES.to_vec(), N_CLASSES);
            let config = config.with_base(base).with_d_fused(d_fused);
            let head = set_parameters(config.init(&device).unwrap(), 3);
            let (features, host) = features(&device);
            let output = Layer::of(&head, "output");
            let maps: Vec<_> = (0..3)
                .map(|m| Layer::of(&head, &format!("layers.{m}")))
                .collect();
            let map = |m: usize, sample: usize| maps[m].forward(&host[m][sample]);
            let mut expected = vec![];
            for sample in 0..N {
                let said = |m: usize| map(m, sample);
                let mut z = said(base);
                assert_eq!(z.len(), d_fused.unwrap_or(FEATURES[base]));
                for modality in (0..3).filter(|&m| m != base) {
                    let gates = said(modality).into_iter().map(|x| 1.0 / (1.0 + (-x).exp()));
                    z.iter_mut().zip(gates).for_each(|(z, gate)| *z *= gate);
                }
                expected.extend(output.forward(&z));
            }
            close(&fused(&head, &features), &expected, 1e-5, "BiGated");
        }
    }
}

/// The loss of QMF for a batch in which some modalities are missing, given the earlier history.
#[test]
fn the_loss_of_qmf_is_that_of_the_paper() {
    for device in devices() {
        let config = QmfConfig::new(FEATURES.to_vec(), N_CLASSES, 8).with_ranking_weight(0.7);
        let mut head = set_parameters(config.init(&device).unwrap(), 3);
        let mask = presence(&[
            [true, true, true],
            [true, false, true],
            [false, true, true],
            [true, true, false],
            [true, false, true],
        ]);
        let before = Numbers::new(8).vec(8 * 6);
        let before: Vec<f32> = before.into_iter().map(|x| (3.0 * x).abs().ceil()).collect();
        let all = Tensor::arange(0..8, &device);
        head.remember(all, matrix(before.clone(), 6, &device));

        let (complete, host) = features(&device);
        let features = ModalityFeatures::new(complete.all().to_vec(), mask.clone()).unwrap();
        let labels = [0, 2, 1, 1, 0];
        let ids = [3, 7, 0, 1, 4];
        let targets = Targets::new(labels, &device);
        let samples = JointSamples {
            held: None,
            step: 0,
            features,
            targets: &targets,
            samples: Some(&ids),
            training_loss: &CrossEntropyConfig::new()
                .with_label_smoothing(None)
                .init()
                .unwrap(),
        };
        let found = head.loss(&samples).unwrap();

        let logits: Vec<Vec<Vec<f64>>> = (0..3)
            .map(|m| {
                let layer = Layer::of(&head, &format!("layers.{m}"));
                host[m].iter().map(|h| layer.forward(h)).collect()
            })
            .collect();
        let conf = |m: usize, i: usize| logsumexp(&logits[m][i]) / 10.0;
        let mut expected = 0.0;
        for i in 0..N {
            let mut fused = vec![0.0; N_CLASSES];
            for m in (0..3).filter(|&m| mask.is_present(i, m)) {
                let terms = fused.iter_mut().zip(&logits[m][i]);
                terms.for_each(|(sum, z)| *sum += conf(m, i) * z);
            }
            expected += cross_entropy(&fused, labels[i]) / N as f64;
        }
        let mut observed = vec![0.0; 8 * 6];
        let mut rows = vec![0.0; 5 * 6];
        for m in 0..3 {
            let there = mask.rows(m);
            let n = there.len();
            for &i in &there {
                let loss = cross_entropy(&logits[m][i], labels[i]);
                expected += loss / n as f64;
                observed[ids[i] * 6 + m] += loss;
                observed[ids[i] * 6 + 3 + m] += 1.0;
                rows[i * 6 + m] = loss;
                rows[i * 6 + 3 + m] = 1.0;
            }
            let mean = |at: usize| {
                let total =
                    |column: usize| f64::from(before[at * 6 + column]) + observed[at * 6 + column];
                (total(3 + m) > 0.0).then(|| total(m) / total(3 + m))
            };
            let seen: Vec<f64> = (0..8).filter_map(mean).collect();
            let lowest = seen.iter().copied().fold(f64::MAX, f64::min);
            let highest = seen.iter().copied().fold(f64::MIN, f64::max);
            let k = |i: usize| (mean(ids[i]).unwrap() - lowest) / (highest - lowest);
            let mut rank = 0.0;
            for (at, &i) in there.iter().enumerate() {
                let j = there[(at + 1) % n];
                let apart = k(i) - k(j);
                let g = match apart {
                    0.0 => 0.0,
                    _ => apart.signum(),
                };
                rank += (g * (conf(m, i) - conf(m, j)) + apart.abs()).max(0.0) / n as f64;
            }
            expected += 0.7 * rank;
        }
        close(&values(found.loss), &[expected], 1e-5, "loss");
        close(&values(found.observed.unwrap()), &rows, 1e-5, "observed");
    }
}

/// A confidence that weights logits is a constant: the fused loss moves a head only by its own share.
#[test]
fn confidence_is_a_constant_where_it_weighs() {
    for device in devices() {
        let device = device.autodiff();
        let config = QmfConfig::new(vec![2], 2, 4);
        let head = set_parameters(config.init(&device).unwrap(), 3);
        let h = Tensor::<2>::from_floats([[0.5, -1.0]], &device).require_grad();
        let features = ModalityFeatures::complete(vec![h.clone()]).unwrap();
        let fused = head.fuse(&features);
        let weight = values(fused.weights.unwrap())[0];
        let gradients = fused.logits.slice([0..1, 0..1]).sum().backward();
        let found = values(h.grad(&gradients).unwrap());
        let layer = Layer::of(&head, "layers.0");
        let expected = [0, 2].map(|row| f64::from(weight) * layer.weight[row]);
        close(&found, &expected, 1e-5, "gradient");
    }
}
