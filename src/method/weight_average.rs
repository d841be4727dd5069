//! Averages of a model's weights over its updates.

use std::fmt;

use burn::config::Config;
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Content, Module, ModuleDisplay, ModuleDisplayDefault, Param};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{DType, Device, Tensor};
use burn::train::TrainOutput;

use crate::error::{MlaError, Result, between_0_and_1};
use crate::loader::SourceLoader;
use crate::method::{EvaluationOutput, Interruption, MultimodalMethod, StepOutput, TrainingLoader};
use crate::modality::{MultimodalBatch, Targets};
use crate::module::{
    Buffer, Counter, ParamValues, ParamVisitor, Visited, in_training, module_around, visit,
};

/// Configuration of a [`WeightAverage`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `decay` | 0.99 | share of the average that an update keeps, once there were about `10 / (1 - decay)` updates | (0, 1) |
#[derive(Config, Debug, PartialEq)]
pub struct WeightAverageConfig {
    /// Share of the average that an update keeps.
    #[config(default = 0.99)]
    pub decay: f64,
}

/// A method that predicts with an exponential moving average of its weights.
///
/// Training is that of the method. After update `t = 1, 2, ..`, each trainable parameter `w` of encoders and
/// head enters its average:
///
/// ```text
/// average <- d average + (1 - d) w,    d = min(decay, t / (t + 9))
/// ```
///
/// The first average is the initial weight; the growing `d` makes it fade. An update is a turn of one modality
/// in alternating training, and the averages of the other encoders approach their weights meanwhile. Running
/// statistics, those of batch normalization, are not averaged.
///
/// A method that trains in stages, such as [`Tate`](crate::baseline::Tate), has averages of its last stage only:
/// they restart at the current weights, with `t = 0`, when the method becomes
/// [selectable](MultimodalMethod::is_selectable).
///
/// Validation, calibration and checkpoints use the averages, which are part of the record. Paths and groups of
/// parameters are those of the method.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::dataset::InMemory;
/// use burn_mla::method::WeightAverageConfig;
/// use burn_mla::prelude::*;
///
/// let device = Device::flex();
/// let (audio, text) = (Tensor::<2>::ones([40, 20], &device), Tensor::<2>::ones([40, 30], &device));
/// let data = InMemory::paired((audio, text), (0..40).map(|i| i % 4))?;
/// let (train, valid) = data.stratified_split(0.2, 0)?;
/// let audio = MlpEncoderConfig::new(20, 16).init(&device)?;
/// let text = MlpEncoderConfig::new(30, 16).init(&device)?;
/// let head = LinearHeadConfig::new(16, 4).init(&device)?;
/// let model = MlaConfig::new().init_default((audio, text), head)?;
///
/// let model = WeightAverageConfig::new().init(model)?;
/// let train = train.shuffled(8, 0, &device)?;
/// let fitted = fit(model, train, valid.in_order(8, &device)?, &FitConfig::new(2))?;
/// let model: DefaultMla<_, _> = fitted.model.averaged();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct WeightAverage<M> {
    model: M,
    /// One per trainable parameter, in f32, in the order of the model.
    averages: Vec<Buffer<1>>,
    n_updates: Counter,
    config: WeightAverageConfig,
    /// The positions of the trainable parameters among the float parameters of the model.
    trainable: Vec<usize>,
}

module_around! {
    impl[M: Module] WeightAverage[M]
    around: model, modules: [averages as "averages", n_updates as "n_averaged_updates"],
    others: [config, trainable]
}

impl WeightAverageConfig {
    /// Starts the averages of a model.
    ///
    /// # Errors
    ///
    /// - [`MlaError::HyperParameter`] for a decay outside of its range;
    /// - [`MlaError::NotAverageable`] for a method whose weights [cannot be
    ///   averaged](MultimodalMethod::is_averageable), such as a [`WholeSet`](crate::baseline::WholeSet).
    pub fn init<M: MultimodalMethod>(&self, model: M) -> Result<WeightAverage<M>> {
        between_0_and_1("decay", self.decay)?;
        if !model.is_averageable() {
            return Err(MlaError::NotAverageable);
        }
        let mut weights = Weights::default();
        visit(&in_training(&model), &mut weights);
        let device = model.devices().into_iter().next().unwrap_or_default();
        Ok(WeightAverage {
            model,
            trainable: weights.positions,
            averages: weights.values.into_iter().map(Buffer::new).collect(),
            n_updates: Counter::new(0, &device),
            config: self.clone(),
        })
    }
}

/// The trainable parameters, flat in f32.
#[derive(Default)]
struct Weights {
    n_seen: usize,
    positions: Vec<usize>,
    values: Vec<Tensor<1>>,
}

impl ParamVisitor for Weights {
    fn visit<const D: usize>(&mut self, described: &Visited<'_>, param: &Param<Tensor<D>>) {
        if described.requires_grad {
            self.positions.push(self.n_seen);
            self.values.push(flat(param));
        }
        self.n_seen += 1;
    }
}

fn flat<const D: usize>(param: &Param<Tensor<D>>) -> Tensor<1> {
    let values = param.val().without_autodiff().cast(DType::F32);
    let n = values.dims().iter().product::<usize>();
    values.reshape([n])
}

/// Moves each average toward the weight.
struct Move<'a> {
    n_seen: usize,
    averages: std::iter::Zip<std::slice::Iter<'a, usize>, std::slice::IterMut<'a, Buffer<1>>>,
    next: Option<(&'a usize, &'a mut Buffer<1>)>,
    keep: f64,
}

impl ParamVisitor for Move<'_> {
    fn visit<const D: usize>(&mut self, _: &Visited<'_>, param: &Param<Tensor<D>>) {
        if self
            .next
            .as_ref()
            .is_some_and(|(at, _)| **at == self.n_seen)
            && let Some((_, average)) = self.next.take()
        {
            let (weight, keep) = (flat(param), self.keep);
            average.update(|average| {
                let weight = weight.to_device(&average.device());
                if keep == 0.0 {
                    return weight;
                }
                average.clone() + (weight - average) * (1.0 - keep)
            });
            self.next = self.averages.next();
        }
        self.n_seen += 1;
    }
}

/// Collects the averages in the shapes of their parameters.
struct Shaped<'a> {
    n_seen: usize,
    averages: std::iter::Zip<std::slice::Iter<'a, usize>, std::slice::Iter<'a, Buffer<1>>>,
    next: Option<(&'a usize, &'a Buffer<1>)>,
    values: ParamValues,
}

impl ParamVisitor for Shaped<'_> {
    fn visit<const D: usize>(&mut self, _: &Visited<'_>, param: &Param<Tensor<D>>) {
        if let Some((at, average)) = self.next
            && *at == self.n_seen
        {
            let weight = param.val();
            let average = average.get().to_device(&weight.device().inner());
            let average = average.reshape(weight.dims()).cast(weight.dtype());
            self.values.set(param.id, average);
            self.next = self.averages.next();
        }
        self.n_seen += 1;
    }
}

impl<M: MultimodalMethod> WeightAverage<M> {
    /// The method with its own weights, not the averages.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The method with the averages as its weights.
    pub fn averaged(&self) -> M {
        let mut averages = self.trainable.iter().zip(&self.averages);
        let mut shaped = Shaped {
            n_seen: 0,
            next: averages.next(),
            averages,
            values: ParamValues::default(),
        };
        visit(&self.model, &mut shaped);
        shaped.values.write(self.model.clone())
    }

    fn advance(&mut self) {
        let t = self.n_updates.get() + 1;
        self.n_updates.set(t);
        self.move_averages(self.config.decay.min(t as f64 / (t as f64 + 9.0)));
    }

    /// Replaces the averages by the weights.
    fn restart(&mut self) {
        self.n_updates.set(0);
        self.move_averages(0.0);
    }

    fn move_averages(&mut self, keep: f64) {
        let mut averages = self.trainable.iter().zip(self.averages.iter_mut());
        let mut moved = Move {
            n_seen: 0,
            next: averages.next(),
            averages,
            keep,
        };
        visit(&self.model, &mut moved);
    }
}

impl<M: ModuleDisplay> ModuleDisplayDefault for WeightAverage<M> {
    fn content(&self, content: Content) -> Option<Content> {
        content
            .set_top_level_type("WeightAverage")
            .add("model", &self.model)
            .add_debug_attribute("config", &self.config)
            .optional()
    }
}

impl<M: ModuleDisplay> ModuleDisplay for WeightAverage<M> {}

/// In Burn's display format, as that of the model.
impl<M: fmt::Display> fmt::Display for WeightAverage<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (model, config) = (&self.model, &self.config);
        write!(
            f,
            "WeightAverage {{\n  model: {model}\n  config: {config:?}\n}}"
        )
    }
}

crate::burn_steps!(impl[M: MultimodalMethod] WeightAverage<M>);

impl<M: MultimodalMethod> MultimodalMethod for WeightAverage<M> {
    type Inputs = M::Inputs;
    type TrainingInput = M::TrainingInput;

    fn n_modalities(&self) -> usize {
        self.model.n_modalities()
    }

    fn n_classes(&self) -> usize {
        self.model.n_classes()
    }

    fn training_loader(
        &self,
        batches: SourceLoader<MultimodalBatch<M::Inputs>>,
    ) -> Result<TrainingLoader<M::TrainingInput>> {
        self.model.training_loader(batches)
    }

    fn n_turns(&self, n_batches: usize) -> usize {
        self.model.n_turns(n_batches)
    }

    fn modality(input: &M::TrainingInput) -> Option<usize> {
        M::modality(input)
    }

    fn targets(input: &M::TrainingInput) -> &Targets {
        M::targets(input)
    }

    fn interruption(&self) -> &Interruption {
        self.model.interruption()
    }

    fn interruption_mut(&mut self) -> &mut Interruption {
        self.model.interruption_mut()
    }

    fn check_restored(&self) -> Result<()> {
        self.n_updates.check("n_averaged_updates")?;
        self.model.check_restored()
    }

    fn is_selectable(&self) -> bool {
        self.model.is_selectable()
    }

    fn is_averageable(&self) -> bool {
        self.model.is_averageable()
    }

    fn is_divisible(&self) -> bool {
        self.model.is_divisible()
    }

    fn replica(&self, input: &M::TrainingInput, device: &Device) -> Self {
        Self {
            model: self.model.replica(input, device),
            ..self.clone()
        }
    }

    fn try_train_step(&self, input: M::TrainingInput) -> Result<TrainOutput<StepOutput>> {
        self.model.try_train_step(input)
    }

    fn try_update(
        &mut self,
        optimizer: &mut ModuleOptimizer,
        learning_rate: ModuleLearningRate,
        gradients: GradientsParams,
    ) -> Result<()> {
        let was_selectable = self.model.is_selectable();
        self.model.try_update(optimizer, learning_rate, gradients)?;
        if !was_selectable && self.model.is_selectable() {
            self.restart();
        } else {
            self.advance();
        }
        Ok(())
    }

    fn set_temperatures(&mut self, temperatures: &[f64]) -> Result<bool> {
        self.model.set_temperatures(temperatures)
    }

    fn set_fused_temperature(&mut self, temperature: f64) -> Result<bool> {
        self.model.set_fused_temperature(temperature)
    }

    fn try_inference_step(&self, batch: MultimodalBatch<M::Inputs>) -> Result<EvaluationOutput> {
        self.averaged().try_inference_step(batch)
    }
}
