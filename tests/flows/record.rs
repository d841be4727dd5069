//! Saving and loading: everything that a model knows comes back.

use burn::module::Module;
use burn::store::ModuleRecord;
use burn_mla::mla::{FeatureMean, FeatureSource, ProjectionConfig};
use burn_mla::prelude::*;

use crate::common::*;

#[test]
fn a_loaded_model_goes_on_as_the_saved_one() {
    for device in devices() {
        let device = device.autodiff();
        let projection = ProjectionConfig::new()
            .with_source(FeatureSource::Previous)
            .with_mean(FeatureMean::Running)
            .with_protect_bias(true);
        let config = MlaConfig::new().with_projection(projection);
        let model = mlp_mla(config.clone(), rls(0.1), &device);
        let model = train(model, 5, &mut sgd(), &device);
        let fusion = model.fusion.clone().with_calibration(&[0.5, 3.0]).unwrap();
        let model = model.with_fusion(fusion).unwrap();
        let bytes = model.clone().into_record().into_bytes().unwrap();

        let record = ModuleRecord::from_bytes(bytes).unwrap();
        let fresh = mlp_mla(config, rls(0.1), &device);
        let loaded = fresh.try_load_record(record).unwrap();
        assert_eq!(loaded.projection().n_steps(), 5);
        assert_eq!(values(loaded.fusion.calibration()), [0.5, 3.0]);
        assert_eq!(state(&loaded), state(&model));
        let further = |model| state(&train(model, 5, &mut sgd(), &device));
        assert_eq!(further(loaded), further(model));
    }
}

#[cfg(feature = "ndarray")]
#[test]
fn a_model_moves_between_backends_with_its_projector() {
    let (flex, ndarray) = (devices()[0].clone(), ndarray());
    let model = mlp_mla(MlaConfig::new(), rls(0.1), &flex.clone().autodiff());
    let model = train(model, 4, &mut sgd(), &flex.autodiff());
    let moved = model.clone().fork(&ndarray.clone().autodiff());
    assert!(
        moved.devices().iter().all(|device| *device == ndarray),
        "{:?}",
        moved.devices()
    );
    assert_eq!(state(&moved), state(&model));
    assert_eq!(moved.projection().n_steps(), 4);
}

/// `unfreeze` turns every float parameter of a module on: the projector's state is none.
#[test]
fn unfreezing_a_model_does_not_train_its_projector() {
    for device in devices() {
        let device = device.autodiff();
        let model = mlp_mla(MlaConfig::new(), rls(0.1), &device)
            .freeze()
            .unfreeze();
        let model = train(model, 3, &mut sgd(), &device);
        let reference = mlp_mla(MlaConfig::new(), rls(0.1), &device);
        let reference = train(reference, 3, &mut sgd(), &device);
        assert_eq!(state(&model), state(&reference));
        assert!(!model.projection().state(0).matrix().is_autodiff());
    }
}
