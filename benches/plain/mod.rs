//! The layers of the methods of the bench `missing`, by Burn alone, without masks, targets and stages.

mod transformer;

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::activation::{leaky_relu, relu};
use burn::tensor::{Device, Int, Tensor};

pub use transformer::Transformer;

use crate::{HIDDEN, N_CLASSES, N_MODALITIES, WIDTH};

/// The loss of the features of all modalities.
pub trait Layers: Module {
    fn loss(&self, features: &[Tensor<2>], labels: &Tensor<1, Int>) -> Tensor<1>;
}

/// The mean cross-entropy.
pub fn cross_entropy(logits: Tensor<2>, labels: &Tensor<1, Int>) -> Tensor<1> {
    let loss = CrossEntropyLossConfig::new().init(&logits.device());
    loss.forward(logits, labels.clone())
}

/// Linear layers with activations and dropout between them.
#[derive(Module, Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
    dropout: Dropout,
    /// Of the activations for negative inputs.
    slope: f64,
}

impl Mlp {
    fn new(widths: &[usize], slope: f64, dropout: f64, device: &Device) -> Self {
        let layers = widths.windows(2);
        let layers = layers.map(|pair| LinearConfig::new(pair[0], pair[1]).init(device));
        Self {
            layers: layers.collect(),
            dropout: DropoutConfig::new(dropout).init(),
            slope,
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let layers = self.layers.iter().enumerate();
        layers.fold(x, |x, (at, layer)| {
            if at == 0 {
                return layer.forward(x);
            }
            let x = if self.slope == 0.0 {
                relu(x)
            } else {
                leaky_relu(x, self.slope)
            };
            layer.forward(self.dropout.forward(x))
        })
    }
}

fn stack(d_input: usize, d_output: usize, dropout: f64, device: &Device) -> Mlp {
    Mlp::new(&[d_input, HIDDEN, HIDDEN, d_output], 0.0, dropout, device)
}

fn stacks(d_input: usize, dropout: f64, device: &Device) -> Vec<Mlp> {
    let stack = |_| stack(d_input, WIDTH, dropout, device);
    (0..N_MODALITIES).map(stack).collect()
}

fn each(stacks: &[Mlp], inputs: &[Tensor<2>]) -> Vec<Tensor<2>> {
    let pairs = stacks.iter().zip(inputs);
    pairs.map(|(stack, x)| stack.forward(x.clone())).collect()
}

/// Width of all modalities next to each other.
const TOTAL: usize = N_MODALITIES * WIDTH;

/// Residual autoencoders one after the other, and a transition.
#[derive(Module, Debug)]
pub struct Chain {
    encoders: Vec<Mlp>,
    decoders: Vec<Mlp>,
    transition: Mlp,
}

impl Chain {
    fn new(layers: &[usize], n_blocks: usize, device: &Device) -> Self {
        let down: Vec<usize> = [TOTAL].iter().chain(layers).copied().collect();
        let up: Vec<usize> = down.iter().rev().copied().collect();
        let mlps = |widths: &[usize], slope| {
            let mlp = |_| Mlp::new(widths, slope, 0.0, device);
            (0..n_blocks).map(mlp).collect()
        };
        Self {
            encoders: mlps(&down, 0.01),
            decoders: mlps(&up, 0.0),
            transition: Mlp::new(&[TOTAL; 3], 0.0, 0.0, device),
        }
    }

    /// The latents of all blocks, and the output.
    fn forward(&self, z: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let mut latents = vec![];
        let blocks = self.encoders.iter().zip(&self.decoders);
        let last = blocks.fold(z, |x, (encoder, decoder)| {
            let latent = encoder.forward(x.clone());
            latents.push(latent.clone());
            x + decoder.forward(latent)
        });
        (Tensor::cat(latents, 1), self.transition.forward(last))
    }
}

/// AE, or CRA with a chain.
#[derive(Module, Debug)]
pub struct Completion {
    encoders: Vec<Mlp>,
    chain: Option<Chain>,
    autoencoder: Option<Mlp>,
    decoders: Vec<Mlp>,
    classifier: Mlp,
}

impl Completion {
    pub fn ae(device: &Device) -> Self {
        let widths = [TOTAL, 256, 128, 256, TOTAL];
        Self {
            autoencoder: Some(Mlp::new(&widths, 0.01, 0.0, device)),
            chain: None,
            ..Self::cra(device)
        }
    }

    pub fn cra(device: &Device) -> Self {
        Self {
            encoders: stacks(WIDTH, 0.5, device),
            chain: Some(Chain::new(&[256, 128], 2, device)),
            autoencoder: None,
            decoders: stacks(TOTAL, 0.5, device),
            classifier: stack(TOTAL, N_CLASSES, 0.5, device),
        }
    }
}

impl Layers for Completion {
    fn loss(&self, features: &[Tensor<2>], labels: &Tensor<1, Int>) -> Tensor<1> {
        let mut u = Tensor::cat(each(&self.encoders, features), 1);
        if let Some(chain) = &self.chain {
            u = chain.forward(u).1;
        }
        if let Some(autoencoder) = &self.autoencoder {
            u = autoencoder.forward(u);
        }
        let loss = cross_entropy(self.classifier.forward(u.clone()), labels);
        let pairs = self.decoders.iter().zip(features);
        let errors = pairs.map(|(decoder, x)| {
            let difference = decoder.forward(u.clone()) - x.clone();
            difference.square().mean()
        });
        errors.fold(loss, |sum, error| sum + error)
    }
}

/// The first stage of MMIN, and of IF-MMIN with invariant features.
#[derive(Module, Debug)]
pub struct Teacher {
    encoders: Vec<Mlp>,
    invariant: Option<Mlp>,
    classifier: Mlp,
}

impl Teacher {
    pub fn new(is_invariant: bool, device: &Device) -> Self {
        let width = if is_invariant { 2 * TOTAL } else { TOTAL };
        let invariant = || Mlp::new(&[WIDTH; 3], 0.01, 0.0, device);
        Self {
            encoders: stacks(WIDTH, 0.3, device),
            invariant: is_invariant.then(invariant),
            classifier: stack(width, N_CLASSES, 0.3, device),
        }
    }
}

/// Embeddings, and the invariant features of each.
fn embedded(
    encoders: &[Mlp],
    invariant: &Option<Mlp>,
    features: &[Tensor<2>],
) -> [Vec<Tensor<2>>; 2] {
    let embedded = each(encoders, features);
    let invariant = invariant.iter().flat_map(|invariant| {
        let all = embedded.iter();
        all.map(move |x| leaky_relu(invariant.forward(x.clone()), 0.01))
    });
    let invariant = invariant.collect();
    [embedded, invariant]
}

impl Layers for Teacher {
    fn loss(&self, features: &[Tensor<2>], labels: &Tensor<1, Int>) -> Tensor<1> {
        let [embedding, invariant] = embedded(&self.encoders, &self.invariant, features);
        let all = [embedding, invariant.clone()].concat();
        let mut loss = cross_entropy(self.classifier.forward(Tensor::cat(all, 1)), labels);
        for (at, first) in invariant.iter().enumerate() {
            for second in &invariant[at + 1..] {
                loss = loss + discrepancy(first, second) / 3.0;
            }
        }
        loss
    }
}

/// The central moment discrepancy of order 5.
fn discrepancy(first: &Tensor<2>, second: &Tensor<2>) -> Tensor<1> {
    let norm = |x: Tensor<2>| (x.square().sum() + 1e-16).sqrt();
    let means = [first, second].map(|x| x.clone().mean_dim(0));
    let [mut x, mut y] = [first, second].map(Clone::clone);
    (x, y) = (x - means[0].clone(), y - means[1].clone());
    let [first, second] = means;
    let mut sum = norm(first - second);
    let (one, other) = (x.clone(), y.clone());
    for _ in 2..=5 {
        (x, y) = (x * one.clone(), y * other.clone());
        sum = sum + norm(x.clone().mean_dim(0) - y.clone().mean_dim(0));
    }
    sum
}

/// The second stage of MMIN, and of IF-MMIN with invariant features.
#[derive(Module, Debug)]
pub struct Student {
    /// Without autodiff.
    teacher: Teacher,
    encoders: Vec<Mlp>,
    invariant: Option<Mlp>,
    forward: Chain,
    backward: Option<Chain>,
    classifier: Mlp,
}

impl Student {
    pub fn new(is_invariant: bool, device: &Device) -> Self {
        let layers = [256, 128, 64];
        let chain = || Chain::new(&layers, 5, device);
        let invariant = || Mlp::new(&[WIDTH; 3], 0.01, 0.0, device);
        Self {
            teacher: Teacher::new(is_invariant, device).valid(),
            encoders: stacks(WIDTH, 0.5, device),
            invariant: is_invariant.then(invariant),
            forward: chain(),
            backward: (!is_invariant).then(chain),
            classifier: stack(5 * layers[2], N_CLASSES, 0.5, device),
        }
    }
}

impl Layers for Student {
    fn loss(&self, features: &[Tensor<2>], labels: &Tensor<1, Int>) -> Tensor<1> {
        let inner: Vec<_> = features.iter().map(|x| x.clone().inner()).collect();
        let teacher = &self.teacher;
        let target = |parts| Tensor::from_inner(Tensor::cat(parts, 1));
        let [embedding, invariant] = embedded(&self.encoders, &self.invariant, features);
        let z = Tensor::cat(embedding, 1);
        let (latents, u) = self.forward.forward(z.clone());
        let mut loss = cross_entropy(self.classifier.forward(latents), labels);
        let imagined = target(each(&teacher.encoders, &inner));
        loss = loss + (u.clone() - imagined).square().mean();
        if let Some(backward) = &self.backward {
            let cycle = backward.forward(u).1 - z.detach();
            loss = loss + cycle.square().mean();
        }
        if !invariant.is_empty() {
            let [_, expected] = embedded(&teacher.encoders, &teacher.invariant, &inner);
            let difference = Tensor::cat(invariant, 1) - target(expected);
            loss = loss + difference.square().mean();
        }
        loss
    }
}
