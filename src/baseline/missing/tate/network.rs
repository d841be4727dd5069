//! The network of TATE: tokens of the modalities, their common space with a tag, and an encoder.

use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear};
use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::baseline::missing::pairs::pairs;
use crate::baseline::missing::tate::block::{Block, TokenBlock, biased, projection};
use crate::baseline::missing::tate::{MissingToken, TateConfig};
use crate::baseline::missing::taught::Teacher;
use crate::baseline::{JointLoss, JointSamples, ModalityFeatures};
use crate::error::Result;
use crate::layer::linear;
use crate::modality::Presence;
use crate::module::{ParamVisitor, Visited, visit};
use crate::numeric::{is_host, widened};

/// The network without its decoder. The teacher is one, and the student has another one.
#[derive(Module, Debug)]
pub struct Network {
    /// To the width of a token, one per modality.
    token: Vec<Linear>,
    /// The token of a missing modality, `[n_modalities, d]`; zeros without.
    missing: Option<Param<Tensor<2>>>,
    intra: Vec<TokenBlock>,
    /// To the common space, one per pair of modalities, in lexicographic order.
    pair: Vec<Linear>,
    pub(super) encoder: Block,
    pub(super) pool: Pool,
    project: Linear,
    classifier: Linear,
    /// Of a token with its tag.
    width: usize,
    /// Weight of half the squares of all parameters in the loss of a teacher.
    l2: f64,
}

/// What a forward pass computes.
pub(super) struct States {
    /// Tokens in the common space, with their tag, `[n_samples, n_modalities, width]`.
    pub(super) tagged: Tensor<3>,
    /// Of the shape of `tagged`.
    pub(super) encoded: Tensor<3>,
    /// `[n_samples, width]`.
    pub(super) pooled: Tensor<2>,
    /// `[n_samples, n_classes]`.
    pub(super) logits: Tensor<2>,
}

impl Network {
    /// Takes a configuration whose values are in their ranges.
    pub(super) fn init(config: &TateConfig, device: &Device) -> Self {
        let (d, n_modalities) = (config.d_token, config.d_features.len());
        let width = config.tagged_width();
        let widths = config.d_features.iter();
        let learned = Initializer::XavierUniform { gain: 1.0 };
        let dropout = config.dropout;
        Self {
            token: widths.map(|&w| projection(w, d, device)).collect(),
            missing: (config.missing_token == MissingToken::Learned)
                .then(|| learned.init_with([n_modalities, d], Some(n_modalities), Some(d), device)),
            intra: (0..n_modalities)
                .map(|_| TokenBlock::init(d, config.epsilon, device))
                .collect(),
            pair: pairs(n_modalities)
                .map(|_| projection(d, d / (n_modalities - 1), device))
                .collect(),
            encoder: Block::init(width, config.n_heads, dropout, config.epsilon, device),
            pool: Pool::init(width, device),
            project: projection(width, d, device),
            classifier: biased(d, config.n_classes, device),
            width,
            l2: config.l2,
        }
    }

    pub(super) fn forward(&self, features: &ModalityFeatures) -> States {
        let tagged = self.tagged(features);
        let encoded = self.encoder.forward(tagged.clone());
        let pooled = self.pool.forward(encoded.clone());
        let logits = linear(&self.classifier, linear(&self.project, pooled.clone()));
        States {
            tagged,
            encoded,
            pooled,
            logits,
        }
    }

    /// The encoded tokens alone, `[n_samples, n_modalities, width]`.
    pub(super) fn encode(&self, features: &ModalityFeatures) -> Tensor<3> {
        self.encoder.forward(self.tagged(features))
    }

    /// `(|W|^2 + |b|^2) / 2` of the classifier, `[1]`.
    pub(super) fn classifier_penalty(&self) -> Tensor<1> {
        half_squares(&self.classifier)
    }

    pub(super) fn n_classes(&self) -> usize {
        self.classifier.weight.lazy_shape()[1]
    }

    /// The token of each modality, `[n_samples, d]`.
    pub(super) fn tokens(&self, features: &ModalityFeatures) -> Vec<Tensor<2>> {
        let missing = features.presence().missing(&features.device());
        let token = |(m, layer): (usize, &Linear)| {
            let token = linear(layer, features.modality(m));
            let token = match (&self.missing, &missing) {
                (Some(learned), Some(missing)) => {
                    let shape = token.dims();
                    let row = learned.val().slice([m..m + 1]).expand(shape);
                    let missing = missing.clone().slice([0..shape[0], m..m + 1]);
                    token.mask_where(missing.expand(shape), row)
                }
                _ => token,
            };
            self.intra[m].forward(token)
        };
        self.token.iter().enumerate().map(token).collect()
    }

    /// The tokens in the common space, `[n_samples, n_modalities, d]`: those of modality `m` are its
    /// projections for the pairs with each of the others, in order.
    pub(super) fn common(&self, tokens: &[Tensor<2>]) -> Tensor<3> {
        let n_modalities = tokens.len();
        let rows = tokens.iter().enumerate().map(|(m, token)| {
            let of_m = pairs(n_modalities).zip(&self.pair);
            let of_m = of_m.filter(|((i, j), _)| *i == m || *j == m);
            let parts = of_m.map(|(_, layer)| linear(layer, token.clone()));
            Tensor::cat(parts.collect(), 1)
        });
        Tensor::stack(rows.collect(), 1)
    }

    pub(super) fn tagged(&self, features: &ModalityFeatures) -> Tensor<3> {
        let common = self.common(&self.tokens(features));
        let [n_samples, n_modalities, d] = common.dims();
        let tag = tag(features.presence(), &common.device()).cast(common.dtype());
        let tag = tag.unsqueeze_dim::<3>(1);
        let tag = tag.expand([n_samples, n_modalities, n_modalities + 1]);
        let n_zeros = self.width - d - (n_modalities + 1);
        let mut parts = vec![common, tag];
        if n_zeros > 0 {
            let options = (&parts[0].device(), parts[0].dtype());
            parts.insert(
                1,
                Tensor::zeros([n_samples, n_modalities, n_zeros], options),
            );
        }
        Tensor::cat(parts, 2)
    }
}

impl Teacher for Network {
    fn logits(&self, features: &ModalityFeatures) -> Tensor<2> {
        self.forward(features).logits
    }

    fn loss(&self, features: &ModalityFeatures, samples: &JointSamples) -> Result<JointLoss> {
        let logits = self.logits(features);
        let mut loss = samples.loss(logits.clone(), samples.targets)?;
        if self.l2 > 0.0 {
            loss = loss.cast(DType::F32) + half_squares(self) * self.l2;
        }
        Ok(JointLoss::unobserved(loss, logits))
    }
}

/// Half the sum of the squares of all parameters of a module, `[1]`.
///
/// Its gradient is the parameter. The product of `w` and `w` off the tape computes it once, the square of each
/// value would compute it twice. On a CPU a matrix product does it without temporaries. A GPU may round its
/// operands to TF32 and multiplies number by number instead.
fn half_squares<M: Module>(module: &M) -> Tensor<1> {
    #[derive(Default)]
    struct Squares(Vec<Tensor<1>>);
    impl ParamVisitor for Squares {
        fn visit<const D: usize>(&mut self, _: &Visited<'_>, param: &Param<Tensor<D>>) {
            let value = widened(param.val());
            let constant = value.clone().detach();
            if !is_host(&value.device().inner()) {
                self.0.push((value * constant).sum());
                return;
            }
            let n = value.shape().num_elements();
            let product = value.reshape([1, n]).matmul(constant.reshape([n, 1]));
            self.0.push(product.reshape([1]));
        }
    }
    let mut squares = Squares::default();
    visit(module, &mut squares);
    let sum = Tensor::cat(squares.0, 0).sum();
    sum.clone() - sum.detach() / 2.0
}

/// The tag of each sample, `[n_samples, 1 + n_modalities]`: whether it is complete, and whether it lacks
/// each modality, as 1 and 0.
pub(super) fn tag(presence: &Presence, device: &Device) -> Tensor<2> {
    let n_modalities = presence.n_modalities();
    let rows = (0..presence.n_samples()).flat_map(|sample| {
        let missing = move |m| !presence.is_present(sample, m);
        let complete = !(0..n_modalities).any(missing);
        std::iter::once(complete).chain((0..n_modalities).map(missing))
    });
    let bits: Vec<f32> = rows.map(|bit| f32::from(u8::from(bit))).collect();
    Tensor::from_data(
        TensorData::new(bits, [presence.n_samples(), n_modalities + 1]),
        device,
    )
}

/// A gated average of tokens.
#[derive(Module, Debug)]
pub(super) struct Pool {
    update: Linear,
    gate: Linear,
    score: Linear,
}

impl Pool {
    fn init(width: usize, device: &Device) -> Self {
        Self {
            update: projection(width, width, device),
            gate: projection(width, width, device),
            score: projection(width, 1, device),
        }
    }

    /// The weight of each token, `[n_samples, n_tokens, 1]`.
    pub(super) fn weights(&self, encoded: Tensor<3>) -> Tensor<3> {
        let gate = sigmoid(linear(&self.gate, encoded.clone()));
        softmax(linear(&self.score, linear(&self.update, encoded) * gate), 1)
    }

    pub(super) fn forward(&self, encoded: Tensor<3>) -> Tensor<2> {
        let weights = self.weights(encoded.clone());
        (encoded * weights).sum_dim(1).squeeze_dim::<2>(1)
    }
}
