//! The joint baselines: every head, on two and on three modalities of different widths.

mod accumulation;
mod balanced;
mod edges;
mod evaluation;
mod formulas;
mod heads;
mod history;
mod impute;
mod missing;
mod modulation;
mod options;
mod toy;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Int, Tensor};
use burn_mla::baseline::*;
use burn_mla::modality::Presence;
use burn_mla::module::Buffer;
use burn_mla::prelude::*;

use crate::common::*;

/// Widths of the inputs and of the features.
const INPUTS: [usize; 3] = [5, 4, 3];
const FEATURES: [usize; 3] = [6, 4, 5];
/// Number of samples in the history of QMF.
const N_DATA: usize = 40;

type Batch = MultimodalBatch<Vec<Option<ModalityInput<Tensor<2>>>>>;
type MlpJoint = Joint<Vec<MlpEncoder>, AnyHead>;

/// A head chosen at run time, as in a program with an option for it.
#[derive(Module, Debug)]
enum AnyHead {
    Sum(Sum),
    Concat(Concat),
    LateFusion(LateFusion),
    Film(Film),
    BiGated(BiGated),
    Qmf(Qmf),
}

macro_rules! delegate {
    ($self:ident, $head:ident => $call:expr) => {
        match $self {
            AnyHead::Sum($head) => $call,
            AnyHead::Concat($head) => $call,
            AnyHead::LateFusion($head) => $call,
            AnyHead::Film($head) => $call,
            AnyHead::BiGated($head) => $call,
            AnyHead::Qmf($head) => $call,
        }
    };
}

impl JointHead for AnyHead {
    fn fuse(&self, features: &ModalityFeatures) -> JointLogits {
        delegate!(self, head => head.fuse(features))
    }
    fn unimodal(&self, features: &ModalityFeatures, modality: usize) -> Tensor<2> {
        delegate!(self, head => head.unimodal(features, modality))
    }
    fn loss(&self, samples: &JointSamples) -> Result<JointLoss> {
        delegate!(self, head => head.loss(samples))
    }
    fn n_classes(&self) -> usize {
        delegate!(self, head => head.n_classes())
    }
    fn check(&self, d_features: &[usize]) -> Result<()> {
        delegate!(self, head => head.check(d_features))
    }
    fn memory(&self) -> Option<&Buffer<2>> {
        delegate!(self, head => head.memory())
    }
    fn remember(&mut self, at: Tensor<1, Int>, observed: Tensor<2>) {
        delegate!(self, head => head.remember(at, observed))
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Sum,
    Concat,
    LateFusion,
    /// Late fusion, each head trained on its own.
    Ensemble,
    Film,
    BiGated,
    Qmf,
}

const ALL: [Kind; 7] = [
    Kind::Sum,
    Kind::Concat,
    Kind::LateFusion,
    Kind::Ensemble,
    Kind::Film,
    Kind::BiGated,
    Kind::Qmf,
];

impl Kind {
    fn head(self, widths: &[usize], n_classes: usize, device: &Device) -> AnyHead {
        let d = widths.to_vec();
        let late = LateFusionConfig::new(d.clone(), n_classes);
        let head = match self {
            Self::Sum => SumConfig::new(d, n_classes).init(device).map(AnyHead::Sum),
            Self::Concat => ConcatConfig::new(d, n_classes)
                .init(device)
                .map(AnyHead::Concat),
            Self::LateFusion => late.init(device).map(AnyHead::LateFusion),
            Self::Ensemble => late
                .with_unimodal_losses(true)
                .init(device)
                .map(AnyHead::LateFusion),
            Self::Film => FilmConfig::new(d, n_classes)
                .with_base(1)
                .init(device)
                .map(AnyHead::Film),
            Self::BiGated => BiGatedConfig::new(d, n_classes)
                .with_d_fused(Some(7))
                .init(device)
                .map(AnyHead::BiGated),
            Self::Qmf => QmfConfig::new(d, n_classes, N_DATA)
                .init(device)
                .map(AnyHead::Qmf),
        };
        head.unwrap()
    }
}

fn encoders(n_modalities: usize, device: &Device) -> Vec<MlpEncoder> {
    let pairs = INPUTS.iter().zip(FEATURES).take(n_modalities);
    let encoder = |(&input, feature)| MlpEncoderConfig::new(input, feature).init(device).unwrap();
    pairs.map(encoder).collect()
}

/// A model with the same parameters on every backend.
fn joint(kind: Kind, n_modalities: usize, config: JointConfig, device: &Device) -> MlpJoint {
    let head = kind.head(&FEATURES[..n_modalities], N_CLASSES, device);
    let mut model = config.init(encoders(n_modalities, device), head).unwrap();
    model.encoders = set_parameters(model.encoders, 1);
    model.head = set_parameters(model.head, 2);
    model
}

/// Labels, and inputs of each modality that reveal them.
fn inputs(n: usize, n_modalities: usize, seed: u64) -> (Vec<usize>, Vec<Vec<f32>>) {
    let mut numbers = Numbers::new(seed);
    let labels: Vec<usize> = (0..n).map(|i| (i + seed as usize) % N_CLASSES).collect();
    let values = INPUTS[..n_modalities].iter().map(|&width| {
        let entries = labels
            .iter()
            .flat_map(|&label| (0..width).map(move |column| (f32::from(column == label), column)));
        entries
            .map(|(signal, _)| signal + 0.4 * numbers.next())
            .collect()
    });
    let values = values.collect();
    (labels, values)
}

/// Samples with their positions in the data set.
fn batch_of(n: usize, n_modalities: usize, seed: u64, device: &Device) -> Batch {
    let (labels, inputs) = inputs(n, n_modalities, seed);
    let inputs = inputs.into_iter().zip(INPUTS);
    let inputs = inputs.map(|(values, width)| matrix(values, width, device));
    let batch = MultimodalBatch::paired(inputs.collect::<Vec<_>>(), Targets::new(labels, device));
    batch.with_samples((0..n).map(|i| (i + 3 * seed as usize) % N_DATA).collect())
}

/// One row per sample, one column per modality.
fn presence<const M: usize>(rows: &[[bool; M]]) -> Presence {
    Presence::from_mask(rows.concat(), M).unwrap()
}

fn adamw() -> ModuleOptimizer {
    AdamWConfig::new().init()
}

/// Runs one update and returns its loss.
fn update(model: &mut MlpJoint, optimizer: &mut ModuleOptimizer, rate: f64, batch: Batch) -> f32 {
    let output = model.try_step(batch).unwrap();
    let loss = values(output.item.loss)[0];
    model.try_optimize(optimizer, rate, output.grads).unwrap();
    loss
}

/// The gradients of all parameters, by path.
fn gradients<M: Module>(module: &M, gradients: &GradientsParams) -> Vec<(String, Vec<f32>)> {
    struct Find<'a> {
        path: Vec<String>,
        gradients: &'a GradientsParams,
        found: Vec<(String, Vec<f32>)>,
    }
    impl ModuleVisitor for Find<'_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_string());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.get::<D>(param.id) {
                self.found.push((self.path.join("."), values(gradient)));
            }
        }
    }
    let mut find = Find {
        path: vec![],
        gradients,
        found: vec![],
    };
    module.visit(&mut find);
    find.found
}

/// A linear layer on the host.
pub struct Layer {
    pub weight: Vec<f64>,
    pub bias: Vec<f64>,
}

impl Layer {
    /// The layer of a module whose path ends in `name`.
    pub fn of<M: Module>(module: &M, name: &str) -> Self {
        let state = state(module);
        let find = |part: &str| -> Vec<f64> {
            let end = format!("{name}.{part}");
            let found = state
                .iter()
                .find(|(path, _)| *path == end || path.ends_with(&format!(".{end}")));
            let (_, values) = found.unwrap_or_else(|| panic!("no {end} in {state:?}"));
            values.iter().map(|&x| f64::from(x)).collect()
        };
        Self {
            weight: find("weight"),
            bias: find("bias"),
        }
    }

    pub fn forward(&self, x: &[f64]) -> Vec<f64> {
        let n = self.bias.len();
        assert_eq!(self.weight.len(), n * x.len());
        let output = |j| {
            self.bias[j]
                + (0..x.len())
                    .map(|i| x[i] * self.weight[i * n + j])
                    .sum::<f64>()
        };
        (0..n).map(output).collect()
    }
}

/// The rows of a matrix, in f64.
pub fn rows(tensor: Tensor<2>) -> Vec<Vec<f64>> {
    let [_, columns] = tensor.dims();
    let all: Vec<f64> = tensor.into_data().iter().collect();
    all.chunks(columns).map(<[f64]>::to_vec).collect()
}

pub fn logsumexp(logits: &[f64]) -> f64 {
    let largest = logits.iter().copied().fold(f64::MIN, f64::max);
    largest + logits.iter().map(|z| (z - largest).exp()).sum::<f64>().ln()
}

/// Cross-entropy of one sample.
pub fn cross_entropy(logits: &[f64], label: usize) -> f64 {
    logsumexp(logits) - logits[label]
}
