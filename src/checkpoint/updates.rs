//! The updates that an optimizer makes of made-up parameters, which tell one optimizer from another.
//!
//! Burn's optimizers do not show their kind or their options, and load a record of another kind
//! without an error.

use burn::module::{Devices, Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::{GradientsParams, ModuleOptimizer, OptimizerRecord};
use burn::tensor::{DType, Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::checkpoint::CheckpointProblem;
use crate::checkpoint::history::exact_list;
use crate::error::{MlaError, Result};
use crate::module::{FloatParam, float_params};

/// Values of a made-up parameter.
const VALUES: [f32; 6] = [1.0, -2.0, 0.5, 0.1, -0.1, 3.0];
/// Its gradient; small entries show an epsilon.
const GRADIENT: [f32; 6] = [1.0, -0.5, 1e-2, 1e-4, 1e-6, 3.0];
/// Factors of the gradient in consecutive updates; large ones show clipping.
const FACTORS: [f32; 4] = [1.0, -0.3, 20.0, 1e3];
/// The same optimizer may differ by rounding on another device.
const TOLERANCE: f64 = 1e-5;

/// How each float parameter of a model is updated.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Updates(Vec<ParameterUpdate>);

/// How a parameter is updated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ParameterUpdate {
    pub path: String,
    pub id: u64,
    /// Number of dimensions.
    rank: usize,
    trains: bool,
    /// Values of a made-up parameter of this path and id after some updates; none if it does not
    /// train.
    #[serde(with = "exact_list")]
    updated: Vec<f64>,
}

impl Updates {
    /// Describes the parameters of a model and how `optimizer` updates them.
    pub fn of<M: Module>(model: &M, optimizer: &ModuleOptimizer, device: &Device) -> Result<Self> {
        let parameter = |param: FloatParam| ParameterUpdate {
            path: param.path.join("."),
            id: param.id.val(),
            rank: param.shape.len(),
            trains: param.requires_grad,
            updated: vec![],
        };
        let parameters = float_params(model).into_iter().map(parameter).collect();
        Self(parameters).updated_by(optimizer, device)
    }

    pub fn parameters(&self) -> &[ParameterUpdate] {
        &self.0
    }

    /// The same parameters with another optimizer.
    fn updated_by(&self, optimizer: &ModuleOptimizer, device: &Device) -> Result<Self> {
        let mut described = self.clone();
        let mut trained: Vec<_> = described.0.iter_mut().filter(|of| of.trains).collect();
        if trained.is_empty() {
            return Ok(described);
        }
        let device = device.clone().autodiff();
        let made_up = trained.iter().map(|of| MadeUp::new(of, &device)).collect();
        let mut model = MadeUpModel(made_up);
        // The state of the training plays no part.
        let mut optimizer = optimizer.clone().load_record(OptimizerRecord::default());
        for factor in FACTORS {
            let gradients = model.gradients(factor);
            model = optimizer.step(1.0, model, gradients);
        }
        let updated: Vec<f64> = Tensor::cat(model.0.iter().map(MadeUp::values).collect(), 0)
            .try_into_vec_as()
            .map_err(MlaError::read("the updates of the optimizer"))?;
        let updated = updated.chunks(VALUES.len());
        for (of, updated) in trained.iter_mut().zip(updated) {
            of.updated = updated.to_vec();
        }
        Ok(described)
    }

    /// Checks that an optimizer updates these parameters in the same way.
    pub fn check_optimizer(
        &self,
        optimizer: &ModuleOptimizer,
        device: &Device,
    ) -> Result<(), CheckpointProblem> {
        let mismatch = |message: String| CheckpointProblem::Mismatch {
            part: "optimizer",
            message,
        };
        let given = self.updated_by(optimizer, device);
        let given = given.map_err(|error| mismatch(error.to_string()))?;
        let mut pairs = self.0.iter().zip(&given.0);
        match pairs.find(|(saved, given)| !are_close(&saved.updated, &given.updated)) {
            None => Ok(()),
            Some((saved, _)) => Err(mismatch(format!(
                "it updates {} differently than the one of the checkpoint, because it is of another \
                 kind or has other options",
                saved.path
            ))),
        }
    }

    /// Checks that the same parameters of a model train.
    pub fn check_trainable<M: Module>(&self, model: &M) -> Result<(), CheckpointProblem> {
        for param in float_params(model) {
            let path = param.path.join(".");
            let saved = self.0.iter().find(|of| of.path == path);
            if let Some(saved) = saved.filter(|of| of.trains != param.requires_grad) {
                return Err(CheckpointProblem::Configuration {
                    at: format!("training of {path}"),
                    saved: saved.trains.to_string(),
                    given: param.requires_grad.to_string(),
                });
            }
        }
        Ok(())
    }
}

fn are_close(saved: &[f64], given: &[f64]) -> bool {
    let close = |(a, b): (&f64, &f64)| {
        a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= TOLERANCE * a.abs().max(1.0)
    };
    saved.len() == given.len() && saved.iter().zip(given).all(close)
}

/// A small parameter in the place of one of a model.
#[derive(Debug, Clone)]
enum MadeUp {
    Vector(Vec<String>, Param<Tensor<1>>),
    /// In the place of all parameters of two or more dimensions.
    Matrix(Vec<String>, Param<Tensor<2>>),
}

impl MadeUp {
    fn new(of: &ParameterUpdate, device: &Device) -> Self {
        let path = of.path.split('.').map(str::to_string).collect();
        let id = ParamId::from(of.id);
        let values = Tensor::<1>::from_data(TensorData::from(VALUES), (device, DType::F32));
        if of.rank < 2 {
            Self::Vector(path, Param::initialized(id, values.require_grad()))
        } else {
            let values = values.reshape([2, VALUES.len() / 2]);
            Self::Matrix(path, Param::initialized(id, values.require_grad()))
        }
    }

    fn path(&self) -> &[String] {
        match self {
            Self::Vector(path, _) | Self::Matrix(path, _) => path,
        }
    }

    fn values(&self) -> Tensor<1> {
        match self {
            Self::Vector(_, param) => param.val().without_autodiff(),
            Self::Matrix(_, param) => param.val().without_autodiff().reshape([VALUES.len()]),
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        const CONTAINER: &str = "Struct:MadeUp";
        let path = self.path().to_vec();
        for name in &path {
            mapper.enter_module(name, CONTAINER);
        }
        let mapped = match self {
            Self::Vector(path, param) => Self::Vector(path, mapper.map_float(param)),
            Self::Matrix(path, param) => Self::Matrix(path, mapper.map_float(param)),
        };
        for name in path.iter().rev() {
            mapper.exit_module(name, CONTAINER);
        }
        mapped
    }
}

/// Small parameters under the paths and ids of those of a model, as far as an optimizer needs a
/// module.
#[derive(Debug, Clone)]
struct MadeUpModel(Vec<MadeUp>);

impl MadeUpModel {
    fn gradients(&self, factor: f32) -> GradientsParams {
        let mut gradients = GradientsParams::new();
        for made_up in &self.0 {
            let device = made_up.values().device();
            let gradient = TensorData::from(GRADIENT.map(|of| of * factor));
            let gradient = Tensor::<1>::from_data(gradient, (&device, DType::F32));
            match made_up {
                MadeUp::Vector(_, param) => gradients.register(param.id, gradient),
                MadeUp::Matrix(_, param) => {
                    gradients.register(param.id, gradient.reshape([2, GRADIENT.len() / 2]));
                }
            }
        }
        gradients
    }
}

impl Module for MadeUpModel {
    fn collect_devices(&self, devices: Devices) -> Devices {
        devices
    }

    fn fork(self, _: &Device) -> Self {
        self
    }

    fn to_device(self, _: &Device) -> Self {
        self
    }

    fn train(self) -> Self {
        self
    }

    fn valid(&self) -> Self {
        self.clone()
    }

    fn materialize(self) -> Self {
        self
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        for made_up in &self.0 {
            match made_up {
                MadeUp::Vector(_, param) => visitor.visit_float(param),
                MadeUp::Matrix(_, param) => visitor.visit_float(param),
            }
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        Self(
            self.0
                .into_iter()
                .map(|made_up| made_up.map(mapper))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_devices;
    use burn::grad_clipping::GradientClippingConfig;
    use burn::module::ParamGroup;
    use burn::nn::{Linear, LinearConfig};
    use burn::optim::decay::WeightDecayConfig;
    use burn::optim::momentum::MomentumConfig;
    use burn::optim::{AdamConfig, AdamWConfig, Optimizer, RmsPropConfig, SgdConfig, SgdState};

    fn model(device: &Device) -> Vec<Linear> {
        let device = device.clone().autodiff();
        (0..2)
            .map(|_| LinearConfig::new(3, 2).init(&device))
            .collect()
    }

    #[derive(Clone)]
    struct Halving;

    impl Optimizer for Halving {
        type State<const D: usize> = SgdState<D>;

        fn step<const D: usize>(
            &self,
            _: f64,
            tensor: Tensor<D>,
            _: Tensor<D>,
            state: Option<SgdState<D>>,
        ) -> (Tensor<D>, Option<SgdState<D>>) {
            (tensor * 0.5, state)
        }

        fn to_device<const D: usize>(state: SgdState<D>, _: &Device) -> SgdState<D> {
            state
        }
    }

    #[test]
    fn optimizers_are_told_apart_by_kind_and_by_each_option() {
        let sgd = SgdConfig::new;
        let optimizers: Vec<(&str, ModuleOptimizer)> = vec![
            ("sgd", sgd().init()),
            (
                "momentum",
                sgd().with_momentum(Some(MomentumConfig::new())).init(),
            ),
            (
                "decay",
                sgd()
                    .with_weight_decay(Some(WeightDecayConfig::new(1e-4)))
                    .init(),
            ),
            (
                "clipped",
                sgd()
                    .with_gradient_clipping(Some(GradientClippingConfig::Norm(5.0)))
                    .init(),
            ),
            ("adam", AdamConfig::new().init()),
            ("adam, beta", AdamConfig::new().with_beta_2(0.99).init()),
            ("adam, epsilon", AdamConfig::new().with_epsilon(1e-8).init()),
            ("adamw", AdamWConfig::new().init()),
            (
                "adamw, decay",
                AdamWConfig::new().with_weight_decay(0.05).init(),
            ),
            ("rmsprop", RmsPropConfig::new().init()),
            (
                "a group",
                sgd()
                    .init()
                    .with_group(ParamGroup::from_path("1.bias"), Halving, None),
            ),
        ];
        for device in test_devices() {
            for (name, optimizer) in &optimizers {
                let updates = Updates::of(&model(&device), optimizer, &device).unwrap();
                for (other, given) in &optimizers {
                    let same = updates.check_optimizer(given, &device).is_ok();
                    assert_eq!(same, name == other, "{name}, {other}");
                }
            }
        }
    }
}
