//! What a model says of its projector's health.

use burn_mla::modality::OneOf2;
use burn_mla::prelude::*;

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
        let text = found.to_string();
        assert!(text.starts_with("layer 0: gain 0."), "{text}");
        let json = serde_json::to_string(found).unwrap();
        let read: burn_mla::mla::ProjectorHealth = serde_json::from_str(&json).unwrap();
        assert_eq!(read.to_string(), text);
    }
}

/// Features whose squared norm is 1e9 times alpha neither spoil the projector nor the model.
#[test]
fn huge_features_leave_the_projector_positive() {
    for device in devices() {
        let device = device.autodiff();
        let mut model = mlp_mla(MlaConfig::new(), rls(0.1), &device);
        let mut optimizer = sgd();
        for t in 0..6 {
            let modality = (t % 2) as usize;
            let mut turn = turn(modality, 8, t, &device);
            turn.input = match turn.input {
                OneOf2::A(input) => OneOf2::A(input * 3e4),
                OneOf2::B(input) => OneOf2::B(input * 3e4),
            };
            let output = model.try_step(turn).unwrap();
            model
                .try_optimize(&mut optimizer, 1e-12, output.grads)
                .unwrap();
        }
        let health = model.projector_health(turn(1, 8, 9, &device)).unwrap();
        let gains = health[0].gains;
        assert!(
            gains.smallest > -1e-7 && gains.largest <= 1.0 + 1e-6,
            "{gains}"
        );
        assert!(gains.mean < 0.5, "{gains}");
    }
}
