//! The layers of TATE.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::{log_softmax, relu, sigmoid, softmax};
use burn::tensor::{Device, Int, Tensor};

use super::{Layers, cross_entropy};
use crate::{N_CLASSES, N_MODALITIES, WIDTH};

const TOKEN: usize = 300;
/// With the tag, a multiple of the number of heads.
const TAGGED: usize = 304;
const HEADS: usize = 4;

fn projection(d_input: usize, d_output: usize, device: &Device) -> Linear {
    let config = LinearConfig::new(d_input, d_output).with_bias(false);
    config.init(device)
}

/// The layers after an attention.
#[derive(Module, Debug)]
struct After {
    norms: [LayerNorm; 2],
    hidden: Linear,
    output: Linear,
}

impl After {
    fn new(width: usize, device: &Device) -> Self {
        let norm = || LayerNormConfig::new(width).init(device);
        Self {
            norms: [norm(), norm()],
            hidden: LinearConfig::new(width, 4 * width).init(device),
            output: LinearConfig::new(4 * width, width).init(device),
        }
    }

    fn forward<const D: usize>(&self, attended: Tensor<D>, x: Tensor<D>) -> Tensor<D> {
        let x = self.norms[0].forward(attended + x);
        let y = self.output.forward(relu(self.hidden.forward(x.clone())));
        self.norms[1].forward(x + y)
    }
}

#[derive(Module, Debug)]
struct Block {
    qkv: [Linear; 3],
    after: After,
    dropout: Dropout,
}

impl Block {
    fn new(device: &Device) -> Self {
        Self {
            qkv: [0; 3].map(|_| projection(TAGGED, TAGGED, device)),
            after: After::new(TAGGED, device),
            dropout: DropoutConfig::new(0.2).init(),
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [n, tokens, width] = x.dims();
        let [query, key, value] = self.qkv.each_ref().map(|layer| {
            let heads = layer.forward(x.clone());
            let heads = heads.reshape([n, tokens, HEADS, width / HEADS]);
            heads.swap_dims(1, 2)
        });
        let scale = ((width / HEADS) as f64).sqrt();
        let scores = (query / scale).matmul(key.swap_dims(2, 3));
        let weights = self.dropout.forward(softmax(scores, 3));
        let attended = weights.matmul(value).swap_dims(1, 2);
        self.after.forward(attended.reshape([n, tokens, width]), x)
    }
}

#[derive(Module, Debug)]
struct Network {
    tokens: Vec<Linear>,
    values: Vec<Linear>,
    afters: Vec<After>,
    /// To the common space, one per pair.
    pairs: Vec<Linear>,
    encoder: Block,
    pool: [Linear; 2],
    score: Linear,
    project: Linear,
    classifier: Linear,
}

impl Network {
    fn new(device: &Device) -> Self {
        let layers = |d_input, d_output| {
            let layer = |_| projection(d_input, d_output, device);
            (0..N_MODALITIES).map(layer).collect()
        };
        Self {
            tokens: layers(WIDTH, TOKEN),
            values: layers(TOKEN, TOKEN),
            afters: (0..N_MODALITIES)
                .map(|_| After::new(TOKEN, device))
                .collect(),
            // Three modalities have three pairs.
            pairs: layers(TOKEN, TOKEN / 2),
            encoder: Block::new(device),
            pool: [0; 2].map(|_| projection(TAGGED, TAGGED, device)),
            score: projection(TAGGED, 1, device),
            project: projection(TAGGED, TOKEN, device),
            classifier: LinearConfig::new(TOKEN, N_CLASSES).init(device),
        }
    }

    /// Tokens before and after the encoder.
    fn encode(&self, features: &[Tensor<2>]) -> [Tensor<3>; 2] {
        let rows = features.iter().enumerate().map(|(m, x)| {
            let token = self.tokens[m].forward(x.clone());
            let attended = self.values[m].forward(token.clone());
            let token = self.afters[m].forward(attended, token);
            let others = (0..N_MODALITIES).filter(|&other| other != m);
            // Pair `i` is without modality `2 - i`.
            let parts = others.map(|other| self.pairs[m + other - 1].forward(token.clone()));
            let mut parts: Vec<_> = parts.collect();
            let [n, _] = token.dims();
            parts.push(Tensor::zeros([n, TAGGED - TOKEN], &token.device()));
            Tensor::cat(parts, 1)
        });
        let tagged = Tensor::stack::<3>(rows.collect(), 1);
        [tagged.clone(), self.encoder.forward(tagged)]
    }

    fn logits(&self, encoded: Tensor<3>) -> Tensor<2> {
        let [update, gate] = self
            .pool
            .each_ref()
            .map(|layer| layer.forward(encoded.clone()));
        let weights = softmax(self.score.forward(update * sigmoid(gate)), 1);
        let pooled = (encoded * weights).sum_dim(1).squeeze_dim::<2>(1);
        self.classifier.forward(self.project.forward(pooled))
    }
}

/// The symmetric divergence of softmaxes.
fn divergence(first: Tensor<3>, second: Tensor<3>) -> Tensor<1> {
    let (first, second) = (log_softmax(first, 2), log_softmax(second, 2));
    let difference = first.clone() - second.clone();
    ((first.exp() - second.exp()) * difference)
        .sum_dim(2)
        .mean()
}

/// TATE in the first stage, or with a teacher and a decoder in the second.
#[derive(Module, Debug)]
pub struct Transformer {
    network: Network,
    /// Without autodiff.
    teacher: Option<Network>,
    decoder: Option<Block>,
}

impl Transformer {
    pub fn new(is_student: bool, device: &Device) -> Self {
        Self {
            network: Network::new(device),
            teacher: is_student.then(|| Network::new(device).valid()),
            decoder: is_student.then(|| Block::new(device)),
        }
    }
}

impl Layers for Transformer {
    fn loss(&self, features: &[Tensor<2>], labels: &Tensor<1, Int>) -> Tensor<1> {
        let [tagged, encoded] = self.network.encode(features);
        let mut loss = cross_entropy(self.network.logits(encoded.clone()), labels);
        if let Some(teacher) = &self.teacher {
            let inner: Vec<_> = features.iter().map(|x| x.clone().inner()).collect();
            let [_, target] = teacher.encode(&inner);
            loss = loss + divergence(encoded.clone(), Tensor::from_inner(target));
        }
        if let Some(decoder) = &self.decoder {
            loss = loss + divergence(decoder.forward(encoded), tagged);
        }
        loss
    }
}
