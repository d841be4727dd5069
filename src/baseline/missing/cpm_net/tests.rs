//! Tests of CPM-Net: reference values, laws, bad input.

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::optim::{AdamConfig, GradientsParams};
use rstest::rstest;

use super::*;
use crate::baseline::missing::cpm_net::latents::reconstruction_gradient;
use crate::baseline::missing::golden::Golden;
use crate::baseline::missing::samples::{gaps, numbers, one_each, shared_signal};
use crate::baseline::missing::whole_set::Moment;
use crate::modality::{Presence, Targets};
use crate::test_devices;

fn name(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('.').collect();
    match parts[..] {
        ["networks", view, "layers", layer, name] => Some(format!("decoder.{view}.{layer}.{name}")),
        _ => None,
    }
}

struct Reference {
    golden: Golden,
    head: CpmNet,
    train: ModalityFeatures,
    test: ModalityFeatures,
    targets: Targets,
}

impl Reference {
    fn new(file: &str, device: &Device) -> Self {
        let golden = Golden::load(&format!("cpm/{file}"));
        let train = ModalityFeatures::new(golden.inputs(device), golden.presence()).unwrap();
        let n_views = train.n_modalities();
        let x_test = |view| golden.tensor(&format!("x_test.{view}"), device);
        let present = golden.values("present_test").iter().map(|&x| x == 1.0);
        let present = Presence::from_mask(present.collect(), n_views).unwrap();
        let test = ModalityFeatures::new((0..n_views).map(x_test).collect(), present).unwrap();
        let widths = train.all().iter().map(|x| x.dims()[1]).collect();
        let hidden = golden.meta["hidden"].as_array().unwrap().iter();
        let config = CpmNetConfig::new(widths, golden.size("n_classes"), train.n_samples())
            .with_d_latent(golden.size("latent"))
            .with_hidden(
                hidden
                    .map(|width| width.as_u64().unwrap() as usize)
                    .collect(),
            )
            .with_clustering_weight(golden.meta["clustering_weight"].as_f64().unwrap());
        let head = config.init(device).unwrap();
        let head = golden.set(head, |path| match path {
            "latents" => Some("h".to_string()),
            _ => name(path),
        });
        let targets = golden.targets(device);
        Self {
            golden,
            head,
            train,
            test,
            targets,
        }
    }

    fn fit(&self, step: u64) -> Fit {
        fit(&self.head, &self.train, &self.targets, step).unwrap()
    }
}

fn fit(head: &CpmNet, features: &ModalityFeatures, targets: &Targets, step: u64) -> Result<Fit> {
    let positions: Vec<usize> = (0..targets.len()).collect();
    head.fit(&WholeSamples {
        features: features.without_autodiff(),
        targets,
        samples: Some(&positions),
        moment: Moment::AfterBatches,
        step,
    })
}

#[rstest]
fn losses_and_gradients_are_those_of_the_reference(
    #[values("linear_3_views", "lonely_class_4_views", "two_layers_2_views")] file: &str,
) {
    for device in test_devices() {
        let reference = Reference::new(file, &device.autodiff());
        let (golden, head) = (&reference.golden, &reference.head);
        let adam = || AdamConfig::new().with_epsilon(1e-8).init();
        let networks = reference.fit(0);
        golden.close("reconstruction", networks.loss.clone().inner(), 1e-5);
        golden.close("class_scores", networks.logits.inner(), 1e-5);
        let mut gradients = networks.loss.backward();
        golden.close_gradients(head, &gradients, name, 3e-5);
        let gradients = GradientsParams::from_module(&mut gradients, head);
        let stepped = adam().step(ModuleLearningRate::from(1e-3), head.clone(), gradients);
        for (view, network) in stepped.networks.iter().enumerate() {
            for (layer, linear) in network.layers().iter().enumerate() {
                let name = format!("after_adam.decoder.{view}.{layer}.weight");
                golden.close(&name, linear.weight.val().inner(), 1e-5);
            }
        }
        golden.close("h", stepped.training_latents(), 0.0);

        let latents = reference.fit(5);
        golden.close("total", latents.loss.clone().inner(), 1e-5);
        let mut gradients = latents.loss.backward();
        let gradient = head.latents.val().grad(&gradients).unwrap();
        golden.close("grad_h", gradient, 3e-5);
        let gradients = GradientsParams::from_module(&mut gradients, head);
        assert_eq!(gradients.len(), 1, "the networks have no gradient");
        let stepped = adam().step(ModuleLearningRate::from(1e-2), head.clone(), gradients);
        golden.close("h_after_adam", stepped.training_latents(), 1e-5);
    }
}

#[rstest]
fn predictions_are_those_of_the_reference(
    #[values("linear_3_views", "lonely_class_4_views", "two_layers_2_views")] file: &str,
) {
    for device in test_devices() {
        let reference = Reference::new(file, &device);
        let (golden, test) = (&reference.golden, &reference.test);
        let head = updated(reference.head.clone(), reference.fit(0));
        golden.close("h_test_least_norm", head.latents(test).unwrap(), 1e-4);
        let logits = head.fuse(test).logits;
        golden.close("test_class_scores", logits.clone(), 1e-4);
        let classes: Vec<i64> = logits.argmax(1).into_data().iter().collect();
        let expected = golden.values("test_prediction").iter();
        assert_eq!(
            classes,
            expected.map(|&class| class as i64).collect::<Vec<_>>()
        );
        for (view, decoded) in head.reconstruct(test).unwrap().into_iter().enumerate() {
            golden.close(&format!("imputed_test.{view}"), decoded, 1e-4);
        }
        let start = golden.tensor("h_test_start", &device);
        let gradient = reconstruction_gradient(&head.networks, test, start);
        golden.close("grad_h_test", gradient, 3e-5);
    }
}

/// The head with the values of a fit, without a step of the optimizer.
fn updated(head: CpmNet, fit: Fit) -> CpmNet {
    let mut head = fit.values.apply(head);
    head.after_update(1);
    head
}

fn config(n: usize) -> CpmNetConfig {
    CpmNetConfig::new(vec![4, 3, 5], 4, n).with_d_latent(6)
}

/// Trains by updates of all samples, without encoders.
fn trained(
    mut head: CpmNet,
    features: &ModalityFeatures,
    targets: &Targets,
    n_updates: u64,
) -> CpmNet {
    let mut optimizer = AdamConfig::new().init();
    for step in 0..n_updates {
        let found = fit(&head, features, targets, step).unwrap();
        let gradients = GradientsParams::from_grads(found.loss.backward(), &head);
        let rate = ModuleLearningRate::from(if step % 10 < 5 { 1e-2 } else { 5e-2 });
        head = optimizer.step(rate, head, gradients);
        head = found.values.apply(head);
        head.after_update(step + 1);
    }
    head
}

#[rstest]
#[case::gaps(gaps)]
#[case::one_each(one_each)]
#[case::no_text(|n| (0..3 * n).map(|at| at % 3 != 1).collect())]
fn it_learns_and_missing_rows_change_nothing(#[case] mask: fn(usize) -> Vec<bool>) {
    for device in test_devices() {
        let training = device.clone().autodiff();
        let n = 60;
        let (features, targets) = shared_signal(n, 3, Some(mask(n)), &training);
        let head = config(n).init(&training).unwrap();
        let first: f32 = fit(&head, &features, &targets, 0)
            .unwrap()
            .loss
            .into_scalar();
        let found = trained(head.clone(), &features, &targets, 200);
        let last: f32 = fit(&found, &features, &targets, 0)
            .unwrap()
            .loss
            .into_scalar();
        assert!(last < 0.3 * first, "{first}, then {last}");
        let found = found.valid();
        let (test, test_targets) = shared_signal(n, 3, Some(mask(n)), &device);
        let logits = found.fuse(&test).logits;
        let classes = logits.clone().argmax(1).into_data();
        let pairs = classes.iter::<i64>().zip(test_targets.labels());
        let n_correct = pairs.filter(|(found, label)| found == *label).count();
        assert!(n_correct > n / 2, "{n_correct} of {n}");

        let missing = test.presence().missing(&device).unwrap();
        for junk in [1e3, f32::NAN] {
            let spoiled = test.all().iter().enumerate().map(|(modality, x)| {
                let column = missing.clone().slice([0..n, modality..modality + 1]);
                x.clone().mask_fill(column.expand(x.dims()), junk)
            });
            let spoiled = ModalityFeatures::new(spoiled.collect(), test.presence().clone());
            let spoiled = spoiled.unwrap();
            assert_eq!(
                numbers(found.fuse(&spoiled).logits),
                numbers(logits.clone())
            );
            let again = fit(&head.valid(), &spoiled, &test_targets, 5).unwrap().loss;
            let plain = fit(&head.valid(), &test, &test_targets, 5).unwrap().loss;
            assert_eq!(numbers(again), numbers(plain));
        }
        let alone = test.restricted(&[7], &[0, 1, 2]).unwrap();
        let alone = numbers(found.fuse(&alone).logits);
        let expected = numbers(logits);
        for (a, b) in alone.iter().zip(&expected[28..32]) {
            assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "{a}, {b}");
        }
    }
}

/// Rotating latent vectors and the weights of the networks leaves everything as it is.
#[test]
fn a_rotation_of_the_latent_space_changes_nothing() {
    let device = Device::flex();
    let n = 30;
    let (features, targets) = shared_signal(n, 3, Some(gaps(n)), &device);
    let head = config(n).init(&device).unwrap();
    let u = Tensor::<2>::from_floats([[0.5], [-1.0], [0.3], [2.0], [0.1], [-0.7]], &device);
    let norm = u.clone().square().sum().into_scalar::<f32>();
    let identity = Tensor::<2>::eye(6, &device);
    let reflection = identity - u.clone().matmul(u.transpose()) * (2.0 / norm);
    let mut turned = head.clone();
    turned.latents = head.latents.clone().map(|h| h.matmul(reflection.clone()));
    turned.networks = head
        .networks
        .iter()
        .map(|network| network.turned(&reflection))
        .collect();
    for step in [0, 5] {
        let (a, b) = (&head, &turned);
        let [a, b] = [a, b].map(|head| fit(head, &features, &targets, step).unwrap());
        let loss = |fit: &Fit| fit.loss.clone().into_scalar::<f32>();
        let (x, y) = (loss(&a), loss(&b));
        assert!((x - y).abs() < 1e-4 * x, "{x}, {y}");
        let heads = [updated(head.clone(), a), updated(turned.clone(), b)];
        let [a, b] = heads.map(|head| numbers(head.fuse(&features).logits));
        a.iter()
            .zip(b)
            .for_each(|(a, b)| assert!((a - b).abs() < 1e-4 * (1.0 + b.abs())));
    }
}

#[test]
fn wide_latent_vectors_reconstruct_what_is_present() {
    for device in test_devices() {
        let n = 12;
        let (features, _) = shared_signal(n, 3, Some(gaps(n)), &device);
        let head = config(n).with_d_latent(16).init(&device).unwrap();
        let decoded = head.reconstruct(&features).unwrap();
        for (modality, decoded) in decoded.into_iter().enumerate() {
            let found = decoded * features.present(modality).unwrap();
            let pairs = numbers(found)
                .into_iter()
                .zip(numbers(features.modality(modality)));
            pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-4, "{a}, {b}"));
        }
        // Descent ends at the least squares, from zero.
        let narrow = config(n).with_d_latent(2).init(&device).unwrap();
        for start in [DescentStart::Zero, DescentStart::MeanLatent] {
            let mut slow = narrow.clone();
            slow.config.test_latents = TestLatents::Descent {
                n_steps: 1500,
                learning_rate: 0.02,
                start,
            };
            let pairs = numbers(slow.latents(&features).unwrap());
            let pairs = pairs
                .into_iter()
                .zip(numbers(narrow.latents(&features).unwrap()));
            pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-2 * (1.0 + b.abs()), "{a}, {b}"));
        }
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let device = Device::flex();
    let n = 12;
    let (features, targets) = shared_signal(n, 3, None, &device);
    let head = config(n).init(&device).unwrap();
    let mut samples = WholeSamples {
        features: features.clone(),
        targets: &targets,
        samples: None,
        moment: Moment::AfterBatches,
        step: 0,
    };
    assert!(matches!(head.fit(&samples), Err(MlaError::UnknownSamples)));
    let mut positions: Vec<usize> = (0..n).collect();
    positions[3] = 12;
    samples.samples = Some(&positions);
    let expected = MlaError::RowOutOfRange {
        row: 12,
        n_rows: 12,
    };
    assert_eq!(head.fit(&samples).unwrap_err(), expected);

    let known = fit(&head, &features, &targets, 0)
        .unwrap()
        .values
        .apply(head);
    let mut labels: Vec<usize> = targets
        .labels()
        .iter()
        .map(|&label| label as usize)
        .collect();
    let before = labels[5];
    labels[5] = (before + 1) % 4;
    let other = Targets::new(labels.clone(), &device);
    let expected = MlaError::OtherTrainingSet {
        sample: 5,
        label: labels[5],
        known: before,
    };
    assert_eq!(fit(&known, &features, &other, 0).unwrap_err(), expected);

    let descent = TestLatents::Descent {
        n_steps: 0,
        learning_rate: 1e-3,
        start: DescentStart::Zero,
    };
    for config in [
        config(0),
        config(n).with_d_latent(0),
        config(n).with_hidden(vec![3]).with_relu(true),
        config(n).with_clustering_weight(-1.0),
        config(n).with_network_steps(0),
        config(n).with_latent_steps(0),
        config(n).with_test_latents(TestLatents::ClosedForm { ridge: -1.0 }),
        config(n).with_test_latents(descent),
        CpmNetConfig::new(vec![], 2, n),
        CpmNetConfig::new(vec![3], 2, usize::MAX),
    ] {
        assert!(config.init(&device).is_err(), "{config:?}");
    }
    // One modality is enough.
    CpmNetConfig::new(vec![3], 2, n).init(&device).unwrap();
}

/// Latent vectors belong to samples, not to their order or number in a pass.
#[test]
fn the_order_of_a_pass_changes_nothing() {
    let device = Device::flex().autodiff();
    let n = 20;
    let (features, targets) = shared_signal(n, 3, Some(gaps(n)), &device);
    let head = config(n).init(&device).unwrap();
    let plain = fit(&head, &features, &targets, 5).unwrap();
    let order: Vec<usize> = (0..n).rev().collect();
    let turned = head.fit(&WholeSamples {
        features: features
            .restricted(&order, &[0, 1, 2])
            .unwrap()
            .without_autodiff(),
        targets: &targets.select(&order),
        samples: Some(&order),
        moment: Moment::AfterBatches,
        step: 5,
    });
    let [plain, turned] = [plain, turned.unwrap()].map(|found| {
        let gradients = found.loss.backward();
        numbers(head.latents.val().grad(&gradients).unwrap())
    });
    plain
        .iter()
        .zip(turned)
        .for_each(|(a, b)| assert!((a - b).abs() < 1e-4));
}

/// A class without training samples is never predicted.
#[test]
fn an_unknown_class_has_the_lowest_logit() {
    let device = Device::flex();
    let n = 10;
    let (features, _) = shared_signal(n, 3, None, &device);
    let targets = Targets::new((0..n).map(|at| [0, 2][at % 2]), &device);
    let head = CpmNetConfig::new(vec![4, 3, 5], 3, n)
        .init(&device)
        .unwrap();
    let found = fit(&head, &features, &targets, 0).unwrap();
    let logits = updated(head, found).fuse(&features).logits;
    let logits = numbers(logits);
    for logits in logits.chunks(3) {
        assert!(logits[1] < logits[0].min(logits[2]), "{logits:?}");
    }
}

/// From that update on latent vectors are fixed.
#[test]
fn fine_tuning_changes_the_networks_only() {
    for device in test_devices() {
        let device = device.autodiff();
        let n = 30;
        let (features, targets) = shared_signal(n, 3, Some(gaps(n)), &device);
        let head = config(n).with_fine_tune_after(Some(7));
        let head = head.init(&device).unwrap();
        let networks = |head: &CpmNet| {
            let layers = head.networks.iter().map(|network| &network.layers()[0]);
            let weights = layers.map(|layer| numbers(layer.weight.val()));
            weights.collect::<Vec<_>>()
        };
        let mut at = vec![];
        for n_updates in [5, 7, 17] {
            at.push(trained(head.clone(), &features, &targets, n_updates));
        }
        let latents = |head: &CpmNet| numbers(head.training_latents());
        assert_ne!(latents(&at[1]), latents(&at[0]));
        assert_eq!(networks(&at[1]), networks(&at[0]));
        assert_eq!(latents(&at[2]), latents(&at[1]));
        let loss = |head: &CpmNet| {
            let found = fit(head, &features, &targets, 0).unwrap();
            found.loss.into_scalar::<f32>()
        };
        assert!(loss(&at[2]) < loss(&at[1]));
    }
}
