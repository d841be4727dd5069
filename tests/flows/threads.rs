//! The threads that steps, updates and predictions run on: those of a pool on flex, the caller's elsewhere.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_mla::baseline::{JointConfig, SumConfig};
use burn_mla::fusion::MeanFusion;
use burn_mla::mla::FusedTurnConfig;
use burn_mla::modality::OneOf2;
use burn_mla::prelude::*;
use burn_mla::projector::IdentityProjector;

use crate::common::*;

/// The names of the threads that ran an encoder or updated a projector.
static THREADS: Mutex<Vec<String>> = Mutex::new(vec![]);

fn record() {
    let name = thread::current().name().unwrap_or_default().to_string();
    THREADS.lock().unwrap().push(name);
}

#[derive(Module, Debug)]
struct Recording {
    layer: Linear,
}

impl Recording {
    fn new(d_input: usize, device: &Device) -> Self {
        let layer = LinearConfig::new(d_input, D_FEATURE).init(device);
        Self { layer }
    }
}

impl Encoder for Recording {
    type Input = Tensor<2>;

    fn encode(&self, input: Tensor<2>) -> Tensor<2> {
        record();
        self.layer.forward(input)
    }

    fn d_feature(&self) -> usize {
        D_FEATURE
    }
}

#[derive(Debug, Clone)]
struct RecordingRule;

type State = <IdentityProjector as OrthogonalProjector>::State;

impl OrthogonalProjector for RecordingRule {
    type State = State;

    fn init(
        &self,
        d_input: usize,
        n_modalities: usize,
        device: &Device,
    ) -> burn_mla::Result<State> {
        IdentityProjector.init(d_input, n_modalities, device)
    }

    fn update(&self, _: Tensor<1>, _: usize, state: State) -> State {
        record();
        state
    }

    fn project(&self, gradient: Tensor<2>, _: usize, _: &State) -> Tensor<2> {
        gradient
    }
}

/// Returns true if all that is recorded is on the pool, in one of many attempts: steps of other tests may have
/// the pool.
fn is_on_pool(mut run: impl FnMut()) -> bool {
    (0..20_000).any(|_| {
        THREADS.lock().unwrap().clear();
        run();
        let threads = THREADS.lock().unwrap();
        assert!(!threads.is_empty());
        let is_on_pool = threads.iter().all(|name| name.starts_with("step-"));
        if !is_on_pool {
            thread::sleep(Duration::from_millis(1));
        }
        is_on_pool
    })
}

/// Returns true if nothing that is recorded is on the pool.
fn is_on_own_thread(mut run: impl FnMut()) -> bool {
    THREADS.lock().unwrap().clear();
    run();
    let threads = THREADS.lock().unwrap();
    !threads.is_empty() && threads.iter().all(|name| !name.starts_with("step-"))
}

#[test]
fn models_on_flex_run_on_the_pool_and_others_where_they_are_called() {
    for device in devices() {
        let is_right = |run: &mut dyn FnMut()| {
            if device == Device::flex() {
                is_on_pool(run)
            } else {
                is_on_own_thread(run)
            }
        };
        let plain = device.clone();
        let device = device.clone().autodiff();
        let encoders = || (Recording::new(D_A, &device), Recording::new(D_B, &device));
        let batch = |device: &Device| batch(4, 0, device);

        let head = linear_head(&device);
        let mut model = Mla::new(encoders(), head, RecordingRule, MeanFusion).unwrap();
        let input = || OneOf2::A(matrix(samples(4, 0).1, D_A, &device));
        let step = || Turn::new(input(), Targets::new([0, 1, 2, 0], &device));
        let step = || model.try_step(step()).unwrap();
        assert!(is_right(&mut || drop(step())), "a step");
        // The first update is not projected.
        let first = step().grads;
        let mut optimizer = sgd();
        model.try_optimize(&mut optimizer, 0.1, first).unwrap();
        let mut update = || {
            let targets = Targets::new([0, 1, 2, 0], &device);
            let grads = model.try_step(Turn::new(input(), targets)).unwrap().grads;
            THREADS.lock().unwrap().clear();
            model.try_optimize(&mut optimizer, 0.1, grads).unwrap();
        };
        assert!(is_right(&mut update), "an update");
        let valid = model.valid();
        let mut predict = || drop(valid.predict(batch(&plain)).unwrap());
        assert!(is_right(&mut predict), "a prediction");
        let mut evaluate = || drop(valid.try_evaluate(batch(&plain)).unwrap());
        assert!(is_right(&mut evaluate), "an evaluation");

        let fused = FusedTurnConfig::new().init(model).unwrap();
        let mut step = || drop(fused.try_fused_step(batch(&device)).unwrap());
        assert!(is_right(&mut step), "a fused step");

        let head = SumConfig::new(vec![D_FEATURE; 2], N_CLASSES);
        let joint = JointConfig::new().init(encoders(), head.init(&device).unwrap());
        let joint = joint.unwrap();
        let mut step = || drop(joint.try_step(batch(&device)).unwrap());
        assert!(is_right(&mut step), "a joint step");
        let valid = joint.valid();
        let mut features = || drop(valid.features(batch(&plain)).unwrap());
        assert!(is_right(&mut features), "joint features");
        let mut predict = || drop(valid.predict(batch(&plain)).unwrap());
        assert!(is_right(&mut predict), "a joint prediction");
        let mut evaluate = || drop(valid.try_evaluate(batch(&plain)).unwrap());
        assert!(is_right(&mut evaluate), "a joint evaluation");
    }
}
