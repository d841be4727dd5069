//! TATE: tokens with a tag of what is missing, and a student that encodes as a teacher does.

mod block;
#[cfg(all(test, feature = "train"))]
mod golden;
mod loss;
mod network;
#[cfg(all(test, feature = "train"))]
mod stages;
#[cfg(test)]
mod tests;

use burn::config::Config;
use burn::module::{Module, ParamId};
use burn::tensor::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::baseline::joint::{check_sizes, check_widths};
use crate::baseline::missing::target::Imputation;
use crate::baseline::missing::tate::block::Block;
use crate::baseline::missing::tate::loss::{divergence, tag_loss};
use crate::baseline::missing::tate::network::{Network, States, tag};
use crate::baseline::missing::taught::{Student, Taught};
use crate::baseline::{ImputeConfig, JointLoss, JointSamples, ModalityFeatures};
use crate::error::{MlaError, Result, at_least_one, check_order, fraction, not_negative};
use crate::modality::Presence;
use crate::module::{draw_parameters, param_ids};

/// The token of a modality that a sample lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum MissingToken {
    /// Zeros, as published. The norm of a row of zeros has a slope of `1 / sqrt(epsilon)`.
    #[default]
    Zero,
    /// A vector per modality, which trains.
    Learned,
}

/// Configuration of [`Tate`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `d_features` | required | feature width of each modality | at least two, each >= 1 |
/// | `n_classes` | required | number of classes | >= 1 |
/// | `teacher_steps` | required | number of updates of the teacher, before those of the student | >= 1 |
/// | `impute` | `ObservedOnly`, `hide_probability` 0 | what the teacher and the student see | |
/// | `d_token` | 300 | width of a token | >= 1, a multiple of the number of modalities less 1 |
/// | `n_heads` | 4 | heads of the attention between tokens | >= 1 |
/// | `dropout` | 0.2 | dropout of the weights of the attention | `[0, 1)` |
/// | `epsilon` | 1e-5 | added to the variances of the layer norms | `[1e-5, inf)` |
/// | `missing_token` | `Zero` | the token of a missing modality | |
/// | `forward_weight` | 0.1 | weight of the distance from the teacher's states | `[0, inf)` |
/// | `backward_weight` | 0.1 | weight of the distance of the decoded from the tagged tokens | `[0, inf)` |
/// | `tag_weight` | 0.1 | weight of the distance of the read from the true tag | `[0, inf)` |
/// | `l2` | 1e-4 | weight of half the squares of the classifier, of all parameters of the teacher | `[0, inf)` |
#[derive(Config, Debug)]
pub struct TateConfig {
    /// Feature width of each modality.
    pub d_features: Vec<usize>,
    /// Number of classes.
    pub n_classes: usize,
    /// Number of updates of the teacher.
    pub teacher_steps: u64,
    /// What the teacher and the student see.
    #[config(default = "ImputeConfig::new().with_hide_probability(0.0)")]
    pub impute: ImputeConfig,
    /// Width of a token.
    #[config(default = 300)]
    pub d_token: usize,
    /// Number of heads of the attention between tokens.
    #[config(default = 4)]
    pub n_heads: usize,
    /// Probability of dropping a weight of the attention.
    #[config(default = 0.2)]
    pub dropout: f64,
    /// Added to the variances of the layer norms.
    #[config(default = 1e-5)]
    pub epsilon: f64,
    /// The token of a missing modality.
    #[config(default = "MissingToken::Zero")]
    pub missing_token: MissingToken,
    /// Weight of the distance from the teacher's states.
    #[config(default = 0.1)]
    pub forward_weight: f64,
    /// Weight of the distance of the decoded tokens from the tagged ones.
    #[config(default = 0.1)]
    pub backward_weight: f64,
    /// Weight of the distance of the tag that is read from the true one.
    #[config(default = 0.1)]
    pub tag_weight: f64,
    /// Weight of half the squares of parameters.
    #[config(default = 1e-4)]
    pub l2: f64,
}

impl TateConfig {
    /// Initializes the head on `device`.
    ///
    /// # Errors
    ///
    /// [`MlaError`] for a value outside of the ranges above.
    pub fn init(&self, device: &Device) -> Result<Tate> {
        self.check()?;
        let width = self.tagged_width();
        let teacher = Network::init(self, device);
        let student = TateStudent {
            network: Network::init(self, device),
            decoder: Block::init(width, self.n_heads, self.dropout, self.epsilon, device),
            config: self.clone(),
        };
        let head = Taught::new(teacher, student, self.teacher_steps, &self.impute, device)?;
        Ok(draw_parameters(head))
    }

    fn check(&self) -> Result<()> {
        let n_modalities = self.d_features.len();
        check_order("number of d_features", n_modalities, "at least 2", 2)?;
        check_sizes(&self.d_features, self.n_classes)?;
        at_least_one("n_heads", self.n_heads)?;
        at_least_one("d_token", self.d_token)?;
        let requirement = |name, requirement, value| MlaError::HyperParameter {
            name,
            requirement,
            value,
        };
        if !self.d_token.is_multiple_of(n_modalities - 1) {
            let multiple = "a multiple of the number of modalities less 1";
            return Err(requirement("d_token", multiple, self.d_token as f64));
        }
        fraction("dropout", self.dropout)?;
        if !(self.epsilon >= 1e-5 && self.epsilon.is_finite()) {
            let range = "finite and at least 1e-5";
            return Err(requirement("epsilon", range, self.epsilon));
        }
        not_negative("forward_weight", self.forward_weight)?;
        not_negative("backward_weight", self.backward_weight)?;
        not_negative("tag_weight", self.tag_weight)?;
        not_negative("l2", self.l2)?;
        Ok(())
    }

    /// Width of a token with its tag, a multiple of the number of heads.
    fn tagged_width(&self) -> usize {
        let width = self.d_token + 1 + self.d_features.len();
        width.next_multiple_of(self.n_heads)
    }
}

/// The tag-assisted transformer encoder of Zeng et al., "Tag-assisted Multimodal Sentiment Analysis under
/// Uncertain Missing Modalities" (SIGIR 2022), on one feature vector per modality.
///
/// ```text
/// token_m  = block_m(h_m T_m)                            a block on one token
/// common_m = [token_m W_mo for each other modality o]    one matrix W per pair
/// tagged_m = [common_m; 0; tag]                          tag = [complete, lacks 1, .., lacks M]
/// E = encoder(tagged)    E' = decoder(E)                 blocks on the M tokens
/// p = sum_m a_m E_m      a = softmax_m((E_m U * sigmoid(E_m G)) s)
/// logits = (p W_o) W_l + b
///
/// loss = CE + l2 / 2 (|W_l|^2 + |b|^2) + forward_weight  KL(E, E_teacher)
///      + backward_weight KL(E', tagged) + tag_weight mean |sigmoid(last entries of p) - tag|
/// ```
///
/// where `KL` is the symmetric divergence of the softmax over the entries of a token. A block is
/// self-attention without biases and output projection, and two layers, each with residual and layer
/// norm. Of one token, attention is the projection to values.
///
/// The teacher is another network of the same form without decoder. It trains first, for
/// [`teacher_steps`](TateConfig::teacher_steps) updates, with the cross-entropy and the squares of all its
/// parameters. Then it is fixed, and the student trains from values of its own: see [`Taught`].
///
/// With [`ImputeTarget::Oracle`](crate::baseline::ImputeTarget::Oracle) the teacher sees the features of
/// hidden inputs too, as in the paper. With `ObservedOnly` it sees what is observed; the student sees the
/// same, or less with a [`hide_probability`](ImputeConfig::hide_probability) above 0.
///
/// The norm of a missing modality's token, a row of zeros, has a steep slope: set
/// [`JointConfig::clip_norm`](crate::baseline::JointConfig::clip_norm) to 5, or use
/// [`MissingToken::Learned`].
///
/// Differences from the authors' code: tokens are vectors, not sequences; the tag is used, which a
/// comparison that is always false prevents there; all terms are means over the batch, where that code sums
/// all but the tag's; dropout and the choice of the model never see the test data.
pub type Tate = Taught<Network, TateStudent>;

/// The network that trains in the second stage, and what only its loss uses.
#[derive(Module, Debug)]
pub struct TateStudent {
    network: Network,
    decoder: Block,
    #[module(skip)]
    config: TateConfig,
}

impl TateStudent {
    /// The terms of the loss beside the cross-entropy, `[1]`. `taught` are the features that the teacher
    /// sees.
    fn auxiliary_loss(
        &self,
        teacher: &Network,
        states: States,
        presence: &Presence,
        taught: &ModalityFeatures,
    ) -> Tensor<1> {
        let config = &self.config;
        let mut loss = self.network.classifier_penalty() * config.l2;
        if config.forward_weight > 0.0 {
            let target = teacher.encode(&taught.without_autodiff());
            let target = Tensor::from_inner(target);
            let distance = divergence(states.encoded.clone(), target);
            loss = loss + distance * config.forward_weight;
        }
        if config.backward_weight > 0.0 {
            let decoded = self.decoder.forward(states.encoded);
            loss = loss + divergence(decoded, states.tagged) * config.backward_weight;
        }
        if config.tag_weight > 0.0 {
            let tag = tag(presence, &states.pooled.device()).cast(states.pooled.dtype());
            loss = loss + tag_loss(states.pooled, tag) * config.tag_weight;
        }
        loss
    }
}

impl Student<Network> for TateStudent {
    fn start(self, _: &Network) -> Self {
        self
    }

    fn logits(&self, features: &ModalityFeatures) -> Tensor<2> {
        self.network.forward(features).logits
    }

    fn loss(
        &self,
        teacher: &Network,
        imputation: &Imputation,
        samples: &JointSamples,
    ) -> Result<JointLoss> {
        let Imputation { input, known } = imputation;
        let states = self.network.forward(input);
        let logits = states.logits.clone();
        let loss = samples.loss(logits.clone(), samples.targets)?;
        let auxiliary = self.auxiliary_loss(teacher, states, input.presence(), known);
        let loss = loss.cast(DType::F32) + auxiliary;
        Ok(JointLoss::unobserved(loss, logits))
    }

    fn has_target(&self) -> bool {
        self.config.forward_weight > 0.0
    }

    fn n_classes(&self) -> usize {
        self.network.n_classes()
    }

    fn check(&self, d_features: &[usize]) -> Result<()> {
        check_widths(&self.config.d_features, d_features)
    }

    fn describe(&self) -> String {
        "TATE".to_string()
    }

    fn training_only(&self) -> Vec<ParamId> {
        param_ids(&self.decoder)
    }
}
