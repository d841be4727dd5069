//! Small models and data for the tests.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Tensor, TensorData};
use burn_mla::encoder::CnnEncoder;
use burn_mla::modality::{OneOf2, PairedInputs};
use burn_mla::prelude::*;
use rand::{Rng, SeedableRng, rngs::StdRng};

pub const D_FEATURE: usize = 6;
pub const N_CLASSES: usize = 3;
pub const D_A: usize = 5;
pub const D_B: usize = 4;

/// The CPU backends that every flow runs on: flex, and ndarray with the feature of that name.
pub fn devices() -> Vec<Device> {
    vec![
        Device::flex(),
        #[cfg(feature = "ndarray")]
        ndarray(),
    ]
}

/// Burn marks the backend deprecated; this crate still tests on it.
#[cfg(feature = "ndarray")]
#[allow(deprecated)]
pub fn ndarray() -> Device {
    Device::ndarray()
}

/// A stream of numbers that is the same on every backend.
pub struct Numbers(StdRng);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// Uniform in `[-1, 1]`.
    pub fn next(&mut self) -> f32 {
        self.0.next_u32() as f32 / u32::MAX as f32 * 2.0 - 1.0
    }

    pub fn vec(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.next()).collect()
    }

    pub fn tensor<const D: usize>(&mut self, shape: [usize; D], device: &Device) -> Tensor<D> {
        let n = shape.iter().product();
        Tensor::from_data(TensorData::new(self.vec(n), shape), device)
    }
}

/// Replaces every float parameter by numbers that are the same on every backend.
pub fn set_parameters<M: Module>(module: M, seed: u64) -> M {
    struct Set(Numbers);
    impl burn::module::ModuleMapper for Set {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if !param.is_require_grad() {
                return param;
            }
            param.map(|old| {
                let new = self.0.tensor(old.dims(), &old.device()) * 0.5;
                new.without_autodiff().autodiff().require_grad()
            })
        }
    }
    module.map(&mut Set(Numbers::new(seed)))
}

/// An image encoder with batch normalization and an MLP.
pub type Pair = (CnnEncoder, MlpEncoder);

pub fn pair(device: &Device) -> Pair {
    let image = CnnEncoderConfig::new(1, D_FEATURE).with_stages(vec![3]);
    let text = MlpEncoderConfig::new(D_B, D_FEATURE).with_hidden(vec![7]);
    (image.init(device).unwrap(), text.init(device).unwrap())
}

pub fn mlps(device: &Device) -> (MlpEncoder, MlpEncoder) {
    let a = MlpEncoderConfig::new(D_A, D_FEATURE).with_hidden(vec![8]);
    let b = MlpEncoderConfig::new(D_B, D_FEATURE);
    (a.init(device).unwrap(), b.init(device).unwrap())
}

pub fn linear_head(device: &Device) -> LinearHead {
    LinearHeadConfig::new(D_FEATURE, N_CLASSES)
        .init(device)
        .unwrap()
}

pub fn rls(alpha: f64) -> RlsProjector {
    RlsProjectorConfig::new().with_alpha(alpha).init().unwrap()
}

pub type MlpMla<P> = Mla<(MlpEncoder, MlpEncoder), LinearHead, P, EntropyFusion>;

/// Two MLPs and a linear head, with the same parameters on every backend.
pub fn mlp_mla<P: OrthogonalProjector>(config: MlaConfig, rule: P, device: &Device) -> MlpMla<P> {
    let fusion = EntropyFusionConfig::new(2).init(device).unwrap();
    let mut model = config
        .init(mlps(device), linear_head(device), rule, fusion)
        .unwrap();
    model.encoders = set_parameters(model.encoders, 1);
    model.head = set_parameters(model.head, 2);
    model
}

pub fn sgd() -> ModuleOptimizer {
    SgdConfig::new()
        .with_momentum(Some(MomentumConfig::new().with_dampening(0.0)))
        .with_weight_decay(Some(burn::optim::decay::WeightDecayConfig::new(0.01)))
        .init()
}

/// Labels and inputs `[n, D_A]` and `[n, D_B]` in which the label shows.
pub fn samples(n: usize, seed: u64) -> (Vec<usize>, Vec<f32>, Vec<f32>) {
    let mut numbers = Numbers::new(seed);
    let labels: Vec<usize> = (0..n)
        .map(|i| (i * 7 + seed as usize) % N_CLASSES)
        .collect();
    let mut input = |d: usize| -> Vec<f32> {
        labels
            .iter()
            .flat_map(|&label| {
                (0..d)
                    .map(|j| numbers.next() * 0.5 + f32::from(j == label))
                    .collect::<Vec<_>>()
            })
            .collect()
    };
    let (a, b) = (input(D_A), input(D_B));
    (labels, a, b)
}

pub fn matrix(values: Vec<f32>, columns: usize, device: &Device) -> Tensor<2> {
    let rows = values.len() / columns;
    Tensor::from_data(TensorData::new(values, [rows, columns]), device)
}

pub type MlpInputs = <(Tensor<2>, Tensor<2>) as PairedInputs>::Inputs;

pub fn batch(n: usize, seed: u64, device: &Device) -> MultimodalBatch<MlpInputs> {
    let (labels, a, b) = samples(n, seed);
    let inputs = (matrix(a, D_A, device), matrix(b, D_B, device));
    MultimodalBatch::paired(inputs, Targets::new(labels, device))
}

pub type MlpTurn = Turn<OneOf2<Tensor<2>, Tensor<2>>>;

/// The turn of one modality of a batch.
pub fn turn(modality: usize, n: usize, seed: u64, device: &Device) -> MlpTurn {
    batch(n, seed, device)
        .into_turns()
        .unwrap()
        .swap_remove(modality)
        .unwrap()
}

/// Trains `n` round-robin steps.
pub fn train<P: OrthogonalProjector>(
    mut model: MlpMla<P>,
    n: u64,
    optimizer: &mut ModuleOptimizer,
    device: &Device,
) -> MlpMla<P> {
    for t in 0..n {
        let modality = RoundRobin.modality(t, 2);
        let output = model.try_step(turn(modality, 8, t, device)).unwrap();
        model.try_optimize(optimizer, 0.05, output.grads).unwrap();
    }
    model
}

pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter().collect()
}

/// All float values of a module, by path.
pub fn state<M: Module>(module: &M) -> Vec<(String, Vec<f32>)> {
    #[derive(Default)]
    struct State {
        path: Vec<String>,
        found: Vec<(String, Vec<f32>)>,
    }
    impl ModuleVisitor for State {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_string());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.found.push((self.path.join("."), values(param.val())));
        }
    }
    let mut state = State::default();
    // A validation copy takes pending batch-norm updates in.
    module.valid().visit(&mut state);
    state.found
}

/// Every entry is within `relative` of the largest expected one.
pub fn close(got: &[f32], expected: &[f64], relative: f64, what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1e-30, |max: f64, x| max.max(x.abs()));
    for (i, (&got, &expected)) in got.iter().zip(expected).enumerate() {
        let off = (f64::from(got) - expected).abs() / largest;
        assert!(
            off <= relative,
            "{what}, entry {i}: {got} instead of {expected}, off by {off:e}"
        );
    }
}
