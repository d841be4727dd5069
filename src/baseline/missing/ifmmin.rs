//! IF-MMIN: MMIN with features that are the same for all modalities.

use burn::config::Config;
use burn::module::{Module, ParamId};
use burn::tensor::{DType, Device, Tensor};

use crate::baseline::joint::check_sizes;
use crate::baseline::missing::cascade::{Cascade, Walked};
use crate::baseline::missing::cmd::central_moment_discrepancy;
use crate::baseline::missing::networks::{Act, Stack, StackOptions, Stacks, WeightInit, widths};
use crate::baseline::missing::target::{Imputation, ImputeConfig};
use crate::baseline::missing::taught::{Student, Taught, Teacher, add_square};
use crate::baseline::{JointLoss, JointSamples, ModalityFeatures};
use crate::error::{Result, at_least_one, check_order, not_negative};
use crate::module::{param_ids, with_values_of};

/// The wiring of IF-MMIN's blocks. The authors changed it twice after the paper; which one gave the
/// paper's numbers is not known.
///
/// `in_b` is the input of block `b`, `o_b = dec_b(enc_b(in_b))` its output, `H'` the invariant features.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum IfMminBlock {
    /// The code since September 2024 (commit f4d65fc): `in_b = o_(b-1) + H'` with `o_0 = z`, `u = transition(o_B)`.
    Current,
    /// The second release: as `Current`, with `u = transition(in_B + o_B)`.
    Second,
    /// The first release: `in_b = in_(b-1) + H'` with `in_0 = z`, `u = transition(in_B + o_B)`.
    /// The decoders of all blocks but the last have no effect.
    First,
}

/// Configuration of an [`IfMmin`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `d_features` | required | feature width of each modality | two or more, each >= 1 |
/// | `n_classes` | required | number of classes | >= 1 |
/// | `teacher_steps` | required | number of updates of the first stage, in which the teacher trains | >= 1 |
/// | `d_embedding` | 128 | width `e` of the embedding of each modality | >= 1 |
/// | `hidden` | `[128, 128]` | widths of the hidden layers of encoders and classifiers | each >= 1 |
/// | `layers` | `[256, 128, 64]` | widths of each autoencoder's encoder | one or more, each >= 1 |
/// | `blocks` | 5 | number `B` of autoencoders | >= 1 |
/// | `block` | `Current` | the [wiring](IfMminBlock) of the blocks | |
/// | `moments` | 5 | largest order of the central moments | >= 1 |
/// | `cmd_weight` | 1 | weight of the central moment discrepancy | `[0, inf)` |
/// | `teacher_dropout` | 0.3 | dropout of the teacher | `[0, 1)` |
/// | `dropout` | 0.5 | dropout of the student | `[0, 1)` |
/// | `imagination_weight` | 1 | weight `w_i` of the imagination loss | `[0, inf)` |
/// | `invariance_weight` | 100 | weight `w_v` of the invariance loss; the published script sets 100 by an option that its code does not have, and the code's default is 1 | `[0, inf)` |
/// | `impute` | [`ImputeConfig`] | imputation targets | |
/// | `init` | `Burn` | initial values of the layers; published code: `KaimingNormal` | |
#[derive(Config, Debug)]
pub struct IfMminConfig {
    /// Feature width of each modality.
    pub d_features: Vec<usize>,
    /// Number of classes.
    pub n_classes: usize,
    /// Number of updates of the first stage.
    pub teacher_steps: u64,
    /// Width of the embedding of each modality.
    #[config(default = 128)]
    pub d_embedding: usize,
    /// Widths of the hidden layers of encoders and classifiers.
    #[config(default = "vec![128, 128]")]
    pub hidden: Vec<usize>,
    /// Widths of each autoencoder's encoder.
    #[config(default = "vec![256, 128, 64]")]
    pub layers: Vec<usize>,
    /// Number of autoencoders.
    #[config(default = 5)]
    pub blocks: usize,
    /// The wiring of the blocks.
    #[config(default = "IfMminBlock::Current")]
    pub block: IfMminBlock,
    /// Largest order of the central moments.
    #[config(default = 5)]
    pub moments: usize,
    /// Weight of the central moment discrepancy.
    #[config(default = 1.0)]
    pub cmd_weight: f64,
    /// Dropout of the teacher.
    #[config(default = 0.3)]
    pub teacher_dropout: f64,
    /// Dropout of the student.
    #[config(default = 0.5)]
    pub dropout: f64,
    /// Weight of the imagination loss.
    #[config(default = 1.0)]
    pub imagination_weight: f64,
    /// Weight of the invariance loss.
    #[config(default = 100.0)]
    pub invariance_weight: f64,
    /// Imputation targets.
    #[config(default = "ImputeConfig::new()")]
    pub impute: ImputeConfig,
    /// Initial values of the layers.
    #[config(default = "WeightInit::Burn")]
    pub init: WeightInit,
}

/// The missing modality imagination network with invariant features.
///
/// ```text
/// Stage 1, teacher:  e_m = enc_m(h_m)        i_m = g(e_m), one g for all modalities
///                    logits = cls([e_1, .., e_M, i_1, .., i_M])
///                    loss   = CE + cmd_weight * mean over pairs of CMD(i_m, i_l)
/// Stage 2, student:  z = [e_1, .., e_M]      H' = [i_1, .., i_M]
///                    c_b = enc_b(in_b)       o_b = dec_b(c_b)        in_b = o_(b-1) + H',  o_0 = z
///                    u = transition(o_B)     logits = cls([c_1, .., c_B])
///                    loss = CE + w_i mean (u - target)^2 + w_v mean (H' - H)^2
/// ```
///
/// `target` is that of [`Mmin`](crate::baseline::Mmin), by the teacher's encoders. `H` are the teacher's
/// invariant features of all that the training may use: the complete features with
/// [`ImputeTarget::Oracle`](crate::baseline::ImputeTarget::Oracle), the observed ones with
/// [`ImputeTarget::ObservedOnly`](crate::baseline::ImputeTarget::ObservedOnly). Stages are those of
/// [`Mmin`](crate::baseline::Mmin); encoders and `g` of the student begin as copies of the teacher's. `CMD` is
/// the central moment discrepancy over the rows of a batch. It is unreliable below 32 rows, and compares only
/// means for one row.
///
/// Source: Zuo et al., "Exploiting Modality-Invariant Feature for Robust Multimodal Emotion Recognition with
/// Missing Modalities", ICASSP 2023, and its code (ZhuoYulang/IF-MMIN, MIT licence); the encoders there are
/// recurrent and convolutional, here multilayer perceptrons. Its optimizer is Adam with a learning rate of
/// 2e-4, batches of 64 and 128 samples, and the first beta 0.9 and 0.5 in the two stages; the optimizer is
/// yours. It clips gradients to the norms 0.5 and 1; here one
/// [`JointConfig::clip_norm`](crate::baseline::JointConfig::clip_norm) holds for both stages.
pub type IfMmin = Taught<IfMminTeacher, IfMminStudent>;

/// The model of all modalities.
#[derive(Module, Debug)]
pub struct IfMminTeacher {
    encoders: Stacks,
    invariant: Stack,
    classifier: Stack,
    moments: usize,
    cmd_weight: f64,
}

/// The model that imagines missing modalities.
#[derive(Module, Debug)]
pub struct IfMminStudent {
    encoders: Stacks,
    invariant: Stack,
    forward: Cascade,
    classifier: Stack,
    imagination_weight: f64,
    invariance_weight: f64,
    #[module(skip)]
    block: IfMminBlock,
}

fn of_each(invariant: &Stack, embedded: &[Tensor<2>]) -> Vec<Tensor<2>> {
    let embedded = embedded.iter();
    embedded.map(|e| invariant.forward(e.clone())).collect()
}

impl IfMminConfig {
    /// Initializes the head on `device`.
    ///
    /// # Errors
    ///
    /// [`MlaError`](crate::MlaError) for a value outside of the ranges above.
    pub fn init(&self, device: &Device) -> Result<IfMmin> {
        let n_modalities = self.d_features.len();
        check_order("number of modalities", n_modalities, "at least 2", 2)?;
        check_sizes(&self.d_features, self.n_classes)?;
        let e = at_least_one("d_embedding", self.d_embedding)?;
        let encoders = self.d_features.iter();
        let encoders = encoders.map(|&from| widths(from, &self.hidden, e));
        let teacher = StackOptions::mlp(self.teacher_dropout, self.init);
        let student = StackOptions::mlp(self.dropout, self.init);
        let invariant = StackOptions::plain(Act::LeakyRelu, Act::LeakyRelu, self.init);
        let classifier = |from| widths(from, &self.hidden, self.n_classes);
        let total = n_modalities * e;
        let latents = self.blocks * self.layers.last().copied().unwrap_or_default();
        // Parameters are drawn in this order.
        let forward = Cascade::init(total, &self.layers, self.blocks, self.init, device)?;
        let teacher = IfMminTeacher {
            encoders: Stacks::init(teacher, encoders.clone(), device)?,
            invariant: invariant.init(&[e; 3], device)?,
            classifier: teacher.init(&classifier(2 * total), device)?,
            moments: at_least_one("moments", self.moments)?,
            cmd_weight: not_negative("cmd_weight", self.cmd_weight)?,
        };
        let student = IfMminStudent {
            encoders: Stacks::init(student, encoders, device)?,
            invariant: invariant.init(&[e; 3], device)?,
            forward,
            classifier: student.init(&classifier(latents), device)?,
            imagination_weight: not_negative("imagination_weight", self.imagination_weight)?,
            invariance_weight: not_negative("invariance_weight", self.invariance_weight)?,
            block: self.block,
        };
        Taught::new(teacher, student, self.teacher_steps, &self.impute, device)
    }
}

impl IfMminTeacher {
    /// Logits, and the invariant features of each modality.
    fn predict(&self, features: &ModalityFeatures) -> (Tensor<2>, Vec<Tensor<2>>) {
        let mut all = self.encoders.each(features.all());
        let invariant = of_each(&self.invariant, &all);
        all.extend(invariant.iter().cloned());
        (self.classifier.forward(Tensor::cat(all, 1)), invariant)
    }

    /// The invariant features of all modalities next to each other.
    fn invariant(&self, features: &ModalityFeatures) -> Tensor<2> {
        let embedded = self.encoders.each(features.all());
        Tensor::cat(of_each(&self.invariant, &embedded), 1)
    }

    /// The mean discrepancy of all pairs of modalities.
    fn discrepancy(&self, invariant: &[Tensor<2>]) -> Tensor<1> {
        let pairs = invariant.iter().enumerate();
        let pairs = pairs.flat_map(|(i, a)| invariant[i + 1..].iter().map(move |b| (a, b)));
        let each: Vec<Tensor<1>> = pairs
            .map(|(a, b)| central_moment_discrepancy(a.clone(), b.clone(), self.moments))
            .collect();
        Tensor::cat(each, 0).mean()
    }
}

impl Teacher for IfMminTeacher {
    fn networks(&self) -> Vec<Vec<ParamId>> {
        let mut networks = self.encoders.networks();
        networks.extend([param_ids(&self.invariant), param_ids(&self.classifier)]);
        networks
    }

    fn logits(&self, features: &ModalityFeatures) -> Tensor<2> {
        self.predict(features).0
    }

    fn loss(&self, features: &ModalityFeatures, samples: &JointSamples) -> Result<JointLoss> {
        let (logits, invariant) = self.predict(features);
        let mut loss = samples.loss(logits.clone(), samples.targets)?;
        if self.cmd_weight > 0.0 {
            let discrepancy = self.discrepancy(&invariant);
            loss = loss.cast(DType::F32) + discrepancy * self.cmd_weight;
        }
        Ok(JointLoss::unobserved(loss, logits))
    }
}

impl IfMminStudent {
    /// Embedded and invariant features of all modalities, each next to each other.
    fn embedded(&self, features: &ModalityFeatures) -> (Tensor<2>, Tensor<2>) {
        let embedded = self.encoders.each(features.all());
        let invariant = of_each(&self.invariant, &embedded);
        (Tensor::cat(embedded, 1), Tensor::cat(invariant, 1))
    }

    /// The latents of all blocks. The last decoder and the transition do not run.
    fn walk(&self, z: Tensor<2>, invariant: &Tensor<2>) -> Walked {
        let blocks = &self.forward.blocks;
        let mut latents: Vec<Tensor<2>> = Vec::with_capacity(blocks.len());
        let mut input = z + invariant.clone();
        for (at, block) in blocks.iter().enumerate() {
            if at > 0 {
                let before = match self.block {
                    IfMminBlock::First => input,
                    IfMminBlock::Current | IfMminBlock::Second => {
                        blocks[at - 1].decoder.forward(latents[at - 1].clone())
                    }
                };
                input = before + invariant.clone();
            }
            latents.push(block.encoder.forward(input.clone()));
        }
        Walked::new(latents, input)
    }

    /// The imagined embedding `u`.
    fn imagined(&self, walked: &Walked) -> Tensor<2> {
        match self.block {
            IfMminBlock::Current => {
                let output = self.forward.last_decoded(walked);
                self.forward.transition.forward(output)
            }
            IfMminBlock::First | IfMminBlock::Second => self.forward.finish(walked),
        }
    }
}

impl Student<IfMminTeacher> for IfMminStudent {
    fn start(self, teacher: &IfMminTeacher) -> Self {
        Self {
            encoders: with_values_of(self.encoders, &teacher.encoders),
            invariant: with_values_of(self.invariant, &teacher.invariant),
            ..self
        }
    }

    fn logits(&self, features: &ModalityFeatures) -> Tensor<2> {
        let (z, invariant) = self.embedded(features);
        let walked = self.walk(z, &invariant);
        self.classifier.forward(walked.concatenated())
    }

    fn loss(
        &self,
        teacher: &IfMminTeacher,
        imputation: &Imputation,
        samples: &JointSamples,
    ) -> Result<JointLoss> {
        let (z, invariant) = self.embedded(&imputation.input);
        let walked = self.walk(z, &invariant);
        let logits = self.classifier.forward(walked.concatenated());
        let mut loss = samples.loss(logits.clone(), samples.targets)?;
        if self.imagination_weight > 0.0 {
            let target = Tensor::cat(teacher.encoders.each(&imputation.targets()), 1);
            let difference = self.imagined(&walked) - target.without_autodiff();
            loss = add_square(loss, self.imagination_weight, difference);
        }
        if self.invariance_weight > 0.0 {
            let target = teacher.invariant(&imputation.known).without_autodiff();
            loss = add_square(loss, self.invariance_weight, invariant - target);
        }
        Ok(JointLoss::unobserved(loss, logits))
    }

    fn has_target(&self) -> bool {
        self.imagination_weight > 0.0 || self.invariance_weight > 0.0
    }

    fn networks(&self) -> Vec<Vec<ParamId>> {
        let mut networks = self.encoders.networks();
        networks.extend([param_ids(&self.invariant), param_ids(&self.forward)]);
        networks.push(param_ids(&self.classifier));
        networks
    }

    fn n_classes(&self) -> usize {
        self.classifier.d_output()
    }

    fn check(&self, d_features: &[usize]) -> Result<()> {
        self.encoders.check(d_features)
    }

    fn describe(&self) -> String {
        format!("IF-MMIN, {:?}", self.block)
    }
}

#[cfg(all(test, feature = "train"))]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::baseline::ImputeTarget;
    use crate::baseline::missing::imputing::{Batch, Golden, backward, close};
    use crate::test_devices;

    fn config(golden: &Golden) -> IfMminConfig {
        IfMminConfig::new(golden.d_features(), golden.meta("n_classes") as usize, 1)
            .with_d_embedding(golden.shape("encoder.0.2.bias")[0])
            .with_hidden(golden.meta_list("hidden"))
            .with_layers(golden.meta_list("layers"))
            .with_blocks(golden.meta("blocks") as usize)
            .with_moments(golden.meta("moments") as usize)
            .with_teacher_dropout(0.0)
            .with_dropout(0.0)
            .with_imagination_weight(golden.meta("imagination_weight"))
            .with_invariance_weight(golden.meta("invariance_weight"))
            .with_impute(ImputeConfig::new().with_target(ImputeTarget::Oracle))
    }

    #[rstest]
    fn both_stages_have_the_golden_values(#[values(2, 3, 4)] n_modalities: usize) {
        let golden = Golden::load("ifmmin", &format!("{n_modalities}_modalities"));
        for device in test_devices() {
            let device = device.autodiff();
            let mut head = golden.set(config(&golden).init(&device).unwrap());
            let batch = Batch::new(&golden, &device);
            let samples = batch.oracle();
            let (found, gradients) = backward(&head, &samples);
            close(
                found.loss,
                golden.values("stage1_total"),
                1e-5,
                "stage1_total",
            );
            close(
                found.logits,
                golden.values("stage1_logits"),
                1e-5,
                "stage1_logits",
            );
            golden.check_gradients("teacher_grad", &head, &gradients);
            let complete = samples.held.as_ref().unwrap();
            let invariant = head.teacher.invariant(complete);
            close(
                invariant,
                golden.values("stage1_invariant"),
                1e-5,
                "stage1_invariant",
            );

            head.begin_student();
            let head = golden.set(head);
            for (prefix, samples) in [("", batch.oracle()), ("observed_", batch.observed())] {
                let named = |name: &str| golden.values(&format!("{prefix}{name}"));
                let (found, gradients) = backward(&head, &samples);
                close(found.loss, named("total"), 1e-5, "total");
                let imputation = head.impute.split(&samples, true).unwrap();
                let target = head.teacher.encoders.each(&imputation.targets());
                close(Tensor::cat(target, 1), named("target"), 1e-5, "target");
                let target = head.teacher.invariant(&imputation.known);
                close(target, named("invariant_target"), 1e-5, "invariant_target");
                if prefix.is_empty() {
                    close(found.logits, named("logits"), 1e-5, "logits");
                    golden.check_gradients("grad", &head, &gradients);
                    let (z, invariant) = head.student.embedded(&samples.features);
                    close(z.clone(), named("features"), 1e-5, "features");
                    close(invariant.clone(), named("invariant"), 1e-5, "invariant");
                    let walked = head.student.walk(z, &invariant);
                    close(walked.concatenated(), named("latent"), 1e-5, "latent");
                    close(
                        head.student.imagined(&walked),
                        named("imagined"),
                        1e-5,
                        "imagined",
                    );
                }
            }
        }
    }

    /// Each wiring by its formula; without invariant features the current one is a chain of autoencoders.
    #[rstest]
    #[case(IfMminBlock::Current)]
    #[case(IfMminBlock::Second)]
    #[case(IfMminBlock::First)]
    fn blocks_are_wired_as_documented(#[case] block: IfMminBlock) {
        for device in test_devices() {
            let config = IfMminConfig::new(vec![3, 4], 2, 1).with_block(block);
            let config = config
                .with_d_embedding(5)
                .with_layers(vec![4, 3])
                .with_blocks(3);
            let head = config.init(&device).unwrap();
            let random = || {
                let normal = burn::tensor::Distribution::Normal(0.0, 1.0);
                Tensor::<2>::random([4, 10], normal, &device)
            };
            for invariant in [random(), Tensor::zeros([4, 10], &device)] {
                let z = random();
                let (mut input, mut output) = (z.clone(), z.clone());
                let mut latents = vec![];
                for block in &head.student.forward.blocks {
                    let before = match head.student.block {
                        IfMminBlock::First => input,
                        _ => output,
                    };
                    input = before + invariant.clone();
                    let latent = block.encoder.forward(input.clone());
                    output = block.decoder.forward(latent.clone());
                    latents.push(latent);
                }
                let last = match head.student.block {
                    IfMminBlock::Current => output,
                    _ => input + output,
                };
                let walked = head.student.walk(z, &invariant);
                let expected = Tensor::cat(latents, 1).into_data();
                walked.concatenated().into_data().assert_eq(&expected, true);
                let expected = head.student.forward.transition.forward(last).into_data();
                head.student
                    .imagined(&walked)
                    .into_data()
                    .assert_eq(&expected, true);
            }
        }
    }
}
