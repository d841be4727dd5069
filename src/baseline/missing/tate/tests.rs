//! The laws of TATE's network and losses.

use burn::tensor::{Device, Distribution, Tensor};
use rstest::rstest;

use crate::MlaError;
use crate::baseline::ModalityFeatures;
use crate::baseline::missing::tate::loss::divergence;
use crate::baseline::missing::tate::network::{Network, tag};
use crate::baseline::missing::tate::{MissingToken, TateConfig};
use crate::modality::Presence;
use crate::test_devices;

const WIDTHS: [usize; 4] = [5, 7, 4, 6];

fn config(n_modalities: usize) -> TateConfig {
    TateConfig::new(WIDTHS[..n_modalities].to_vec(), 3, 5)
        .with_d_token(12)
        .with_n_heads(4)
        .with_dropout(0.0)
}

/// Sample `i` lacks modality `i` if there is one.
fn presence(n_samples: usize, n_modalities: usize) -> Presence {
    let mask = (0..n_samples * n_modalities).map(|at| at / n_modalities != at % n_modalities);
    Presence::from_mask(mask.collect(), n_modalities).unwrap()
}

fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}

fn inputs(n_samples: usize, n_modalities: usize, device: &Device) -> Vec<Tensor<2>> {
    let widths = WIDTHS[..n_modalities].iter();
    widths
        .map(|&width| random([n_samples, width], device))
        .collect()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter().collect()
}

fn near(first: &[f32], second: &[f32], tolerance: f32) {
    assert_eq!(first.len(), second.len());
    for (a, b) in first.iter().zip(second) {
        assert!((a - b).abs() <= tolerance, "{a} and {b}");
    }
}

#[test]
fn a_tag_names_what_is_missing() {
    for device in test_devices() {
        let mask = vec![true, true, true, true, false, true, false, false, true];
        let presence = Presence::from_mask(mask, 3).unwrap();
        let expected = [1., 0., 0., 0., 0., 0., 1., 0., 0., 1., 1., 0.];
        assert_eq!(values(tag(&presence, &device)), expected);
    }
}

#[rstest]
fn every_number_of_modalities_runs_with_zeros_between_token_and_tag(
    #[values(2, 3, 4)] n_modalities: usize,
    #[values(MissingToken::Zero, MissingToken::Learned)] token: MissingToken,
) {
    for device in test_devices() {
        let config = config(n_modalities).with_missing_token(token);
        let network = Network::init(&config, &device);
        let presence = presence(6, n_modalities);
        let features = ModalityFeatures::new(inputs(6, n_modalities, &device), presence.clone());
        let states = network.forward(&features.unwrap());
        assert_eq!(states.logits.dims(), [6, 3]);
        assert!(values(states.logits).iter().all(|logit| logit.is_finite()));
        let width = config.tagged_width();
        assert!(width.is_multiple_of(4) && width > 12 + n_modalities);
        let tagged = values(states.tagged);
        let tags = values(tag(&presence, &device));
        for (at, token) in tagged.chunks(width).enumerate() {
            let (zeros, found) = token[12..].split_at(width - 12 - 1 - n_modalities);
            assert!(zeros.iter().all(|&zero| zero == 0.0));
            let tag = &tags[at / n_modalities * (n_modalities + 1)..][..n_modalities + 1];
            assert_eq!(found, tag);
        }
    }
}

#[rstest]
fn what_missing_rows_hold_changes_no_bit(
    #[values(1e3, f32::NAN)] junk: f32,
    #[values(MissingToken::Zero, MissingToken::Learned)] token: MissingToken,
) {
    for device in test_devices() {
        let network = Network::init(&config(3).with_missing_token(token), &device);
        let presence = presence(5, 3);
        let clean = inputs(5, 3, &device);
        let missing = presence.missing(&device).unwrap();
        let spoiled = clean.iter().enumerate().map(|(m, x)| {
            let of_m = missing.clone().slice([0..5, m..m + 1]);
            x.clone().mask_fill(of_m.expand(x.dims()), junk)
        });
        let spoiled = spoiled.collect();
        let logits = |inputs| {
            let features = ModalityFeatures::new(inputs, presence.clone()).unwrap();
            values(network.forward(&features).logits)
        };
        assert_eq!(logits(clean), logits(spoiled));
    }
}

#[test]
fn a_sample_is_predicted_alike_alone_and_in_any_batch() {
    for device in test_devices() {
        let network = Network::init(&config(3), &device);
        let features = ModalityFeatures::new(inputs(5, 3, &device), presence(5, 3)).unwrap();
        let together = values(network.forward(&features).logits);
        for sample in 0..5 {
            let alone = features.restricted(&[sample], &[0, 1, 2]).unwrap();
            let alone = values(network.forward(&alone).logits);
            near(&alone, &together[3 * sample..][..3], 1e-6);
        }
    }
}

#[test]
fn the_order_of_tokens_does_not_matter() {
    for device in test_devices() {
        let network = Network::init(&config(4), &device);
        let tokens = random([6, 4, config(4).tagged_width()], &device);
        let turned = Tensor::cat(
            vec![
                tokens.clone().slice([0..6, 3..4]),
                tokens.clone().slice([0..6, 0..3]),
            ],
            1,
        );
        let pooled = |tokens| values(network.pool.forward(network.encoder.forward(tokens)));
        near(&pooled(tokens), &pooled(turned), 2e-6);
    }
}

#[test]
fn the_divergence_is_symmetric_and_0_for_equal_states() {
    for device in test_devices() {
        for scale in [0.1, 1.0, 30.0] {
            let a = random([3, 2, 8], &device) * scale;
            let b = random([3, 2, 8], &device) * scale;
            let [forward] = values(divergence(a.clone(), b.clone()))[..] else {
                panic!("one number")
            };
            let backward = values(divergence(b, a.clone()))[0];
            assert!(forward > 0.0 && (forward - backward).abs() <= 1e-6 * forward);
            // A shift of all entries of a token changes nothing.
            assert_eq!(values(divergence(a.clone(), a.clone())), [0.0]);
            assert!(values(divergence(a.clone(), a + 1.0))[0].abs() < 1e-5);
        }
    }
}

#[test]
fn values_outside_their_ranges_are_refused() {
    let device = Device::flex();
    let refused = |config: TateConfig, expected: &str| {
        let error = config.init(&device).unwrap_err().to_string();
        assert_eq!(error, expected);
    };
    refused(config(1), "number of d_features must be at least 2, got 1");
    let text = "d_token must be a multiple of the number of modalities less 1, got 13";
    refused(config(3).with_d_token(13), text);
    let text = "epsilon must be finite and at least 1e-5, got 0.00000001";
    refused(config(3).with_epsilon(1e-8), text);
    refused(
        config(3).with_n_heads(0),
        "n_heads must be at least 1, got 0",
    );
    refused(
        config(3).with_dropout(1.0),
        "dropout must be in [0, 1), got 1",
    );
    let text = "tag_weight must be finite and >= 0, got -1";
    refused(config(3).with_tag_weight(-1.0), text);
    for broken in [
        config(3).with_epsilon(f64::NAN),
        config(3).with_l2(f64::INFINITY),
        config(3).with_d_token(0),
        TateConfig::new(vec![3, 0], 2, 1),
        TateConfig::new(vec![3, 3], 0, 1),
        TateConfig::new(vec![3, 3], 2, 0),
    ] {
        let error = broken.init(&device).unwrap_err();
        assert!(matches!(error, MlaError::HyperParameter { .. }), "{error}");
    }
}
