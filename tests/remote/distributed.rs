//! Burn's distributed strategy marks the parameters of a model.

use burn::train::Learner;
use burn_mla::method::WeightAverageConfig;
use burn_mla::prelude::*;
use burn_mla::projector::LeakyRlsProjector;

use crate::common::*;
use crate::worker::workers;

/// Also those that never train: the projector, calibration temperatures, averages. CPU devices of this process
/// cannot be marked.
#[test]
fn a_model_can_be_marked_as_distributed() {
    let (_workers, devices) = workers(1);
    let device = devices[0].clone().autodiff();
    let model = mlp_mla(MlaConfig::new(), LeakyRlsProjector::default(), &device);
    let model = WeightAverageConfig::new().init(model).unwrap();
    let before = state(&model);
    let mut learner = Learner::new(model, sgd(), 0.05);
    learner.grad_sharded();
    assert_eq!(state(&learner.model()), before);
}
