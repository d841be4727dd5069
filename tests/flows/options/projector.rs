//! Options of the subspace rule, on features whose directions are axes.

use burn::tensor::{Device, Tensor};
use burn_mla::prelude::*;
use burn_mla::projector::{SubspaceProjectorConfig, SubspaceRank};

use crate::common::{devices, values};

const D: usize = 4;

/// Feature `length` along `axis`.
type Feature = (usize, f32);

/// Gains of the axes for gradients of modality 0, after features of modality 1 and one of modality 0
/// that refreshes its directions.
fn gains(config: &SubspaceProjectorConfig, features: &[Feature], device: &Device) -> Vec<f32> {
    let rule = config.init().unwrap();
    let mut state = rule.init(D, 2, device).unwrap();
    let feature = |(axis, length): Feature| {
        let mut entries = [0.0; D];
        entries[axis] = length;
        Tensor::<1>::from_floats(entries, device)
    };
    for &given in features {
        state = rule.update(feature(given), 1, state);
    }
    for _ in 0..config.refresh_every {
        state = rule.update(feature((D - 1, 1.0)), 0, state);
    }
    values(rule.project(Tensor::ones([D, 1], device), 0, &state))
}

fn assert_gains(found: &[f32], expected: [f32; D], what: &str) {
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() < 1e-5,
            "{what}: {found}, not {expected}"
        );
    }
}

fn config() -> SubspaceProjectorConfig {
    SubspaceProjectorConfig::new()
        .with_refresh_every(1)
        .with_rank(SubspaceRank::Fixed)
}

/// At the second refresh axis 0 has the energy `memory * 3^2`, axis 1 has 1^2. With a single
/// direction the larger one stays, so they change places at a memory of 1 / 9.
#[test]
fn memory_is_the_weight_of_earlier_energy() {
    for device in devices() {
        let gains = |memory: f64| {
            let config = config().with_max_rank(1).with_memory(memory);
            gains(&config, &[(0, 3.0), (1, 1.0)], &device)
        };
        for memory in [0.12, 0.5, 1.0] {
            assert_gains(&gains(memory), [0.0, 1.0, 1.0, 1.0], &format!("{memory}"));
        }
        for memory in [0.01, 0.1] {
            assert_gains(&gains(memory), [1.0, 0.0, 1.0, 1.0], &format!("{memory}"));
        }
    }
}

#[test]
fn the_largest_directions_are_removed_up_to_the_rank() {
    for device in devices() {
        let features = [(2, 1.0), (0, 3.0), (1, 2.0)];
        for (max_rank, expected) in [
            (1, [0.0, 1.0, 1.0, 1.0]),
            (2, [0.0, 0.0, 1.0, 1.0]),
            (3, [0.0, 0.0, 0.0, 1.0]),
            (16, [0.0, 0.0, 0.0, 1.0]),
        ] {
            let config = config().with_max_rank(max_rank).with_memory(1.0);
            let found = gains(&config, &features, &device);
            assert_gains(&found, expected, &format!("rank {max_rank}"));
        }
    }
}

/// Energies 9, 4 and 1 of 14: one direction holds 0.643, two hold 0.929.
#[test]
fn the_fewest_directions_that_hold_the_energy_are_removed() {
    for device in devices() {
        let features = [(0, 3.0), (1, 2.0), (2, 1.0)];
        for (share, expected) in [
            (0.6, [0.0, 1.0, 1.0, 1.0]),
            (0.7, [0.0, 0.0, 1.0, 1.0]),
            (0.92, [0.0, 0.0, 1.0, 1.0]),
            (0.94, [0.0, 0.0, 0.0, 1.0]),
        ] {
            let rank = SubspaceRank::Energy(share);
            let config = config().with_rank(rank).with_memory(1.0);
            let found = gains(&config, &features, &device);
            assert_gains(&found, expected, &format!("energy {share}"));
        }
    }
}

#[test]
fn directions_are_known_from_the_refresh_on() {
    for device in devices() {
        for n_features in 1..=7 {
            let config = config().with_refresh_every(3);
            let features = vec![(0, 1.0); n_features];
            let known = if n_features < 3 { 1.0 } else { 0.0 };
            let found = gains(&config, &features, &device);
            let what = format!("{n_features} features");
            assert_gains(&found, [known, 1.0, 1.0, 1.0], &what);
        }
    }
}

/// Defaults that no test names.
#[test]
fn defaults_are_those_of_the_table() {
    let config = SubspaceProjectorConfig::new();
    let found = (config.max_rank, config.refresh_every, config.memory);
    assert_eq!(found, (16, 32, 0.9));
    assert_eq!(config.rank, SubspaceRank::Energy(0.95));
}
