//! What a model says of its projector's health.

use burn_mla::modality::OneOf2;
use burn_mla::prelude::*;
use burn_mla::projector::LeakyRlsProjectorConfig;

use crate::common::*;

#[test]
fn health_is_that_of_p_and_leaves_the_model_alone() {
    for device in devices() {
        let device = device.autodiff();
        let model = mlp_mla(MlaConfig::new(), rls(0.1), &device);
        let fresh = model.projector_health(turn(0, 8, 0, &device)).unwrap();
        assert_eq!(fresh.len(), 1);
        assert_eq!(fresh[0].gains.mean, 1.0);
        assert!((fresh[0].surviving_gradient - 1.0).abs() < 1e-6);

        let model = train(model, 12, &mut sgd(), &device);
        let before = state(&model);
        let health = model.projector_health(turn(0, 8, 0, &device)).unwrap();
        assert_eq!(state(&model), before);

        let p = values(model.projection().state(0).matrix());
        let trace: f32 = (0..D_FEATURE).map(|i| p[i * D_FEATURE + i]).sum();
        let found = &health[0];
        assert!((found.gains.mean - f64::from(trace) / D_FEATURE as f64).abs() < 1e-6);
        assert!(found.gains.smallest > 0.0 && found.gains.smallest < found.gains.mean);
        assert!(found.gains.largest > found.gains.mean && found.gains.largest <= 1.0 + 1e-6);
        assert!(found.surviving_gradient < 0.9, "{found}");
        assert!(found.kappa.unwrap() > 0.0);
        let text = found.to_string();
        assert!(text.starts_with("layer 0: gain 0."), "{text}");
        let json = serde_json::to_string(found).unwrap();
        let read: burn_mla::mla::ProjectorHealth = serde_json::from_str(&json).unwrap();
        assert_eq!(read.to_string(), text);
    }
}

#[test]
fn a_rule_that_f32_does_not_endanger_has_no_kappa() {
    let device = devices()[0].clone().autodiff();
    let leaky = LeakyRlsProjectorConfig::new().init().unwrap();
    let model = train(
        mlp_mla(MlaConfig::new(), leaky, &device),
        4,
        &mut sgd(),
        &device,
    );
    let health = model.projector_health(turn(1, 8, 0, &device)).unwrap();
    assert_eq!(health[0].kappa, None);
    assert!(health[0].gains.smallest >= 0.01 - 1e-6, "{}", health[0]);
}

/// A turn that is only tried does not make the projector change its form.
#[test]
fn a_probe_with_huge_features_does_not_switch_the_projector() {
    for device in devices() {
        let device = device.autodiff();
        let model = train(
            mlp_mla(MlaConfig::new(), rls(0.1), &device),
            3,
            &mut sgd(),
            &device,
        );
        let mut probe = turn(1, 8, 3, &device);
        probe.input = match probe.input {
            OneOf2::B(input) => OneOf2::B(input * 3e4),
            other => other,
        };
        let health = model.projector_health(probe).unwrap();
        assert!(health[0].kappa.unwrap() > 1e6, "{}", health[0]);
        let model = train(model, 2, &mut sgd(), &device);
        assert!(!model.projection().state(0).is_square_root());
    }
}
