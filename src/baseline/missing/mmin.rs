//! MMIN: a student imagines what a teacher of all modalities would have embedded.

use burn::config::Config;
use burn::module::{Module, ParamId};
use burn::tensor::{Device, Tensor};

use crate::baseline::joint::check_sizes;
use crate::baseline::missing::cascade::Cascade;
use crate::baseline::missing::networks::{
    Stack, StackOptions, Stacks, WeightInit, embedding_widths, widths,
};
use crate::baseline::missing::target::{Imputation, ImputeConfig};
use crate::baseline::missing::taught::{Student, Taught, Teacher, add_square};
use crate::baseline::{JointLoss, JointSamples, ModalityFeatures};
use crate::error::{Result, at_least_one, check_order, not_negative};
use crate::module::{param_ids, with_values_of};

/// Configuration of an [`Mmin`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `d_features` | required | feature width of each modality | two or more, each >= 1 |
/// | `n_classes` | required | number of classes | >= 1 |
/// | `teacher_steps` | required | number of updates of the first stage, in which the teacher trains | >= 1 |
/// | `d_embedding` | `d_features` | width of each modality's embedding; `D` is their sum | each >= 1 |
/// | `hidden` | `[128, 128]` | widths of the hidden layers of encoders and classifiers | each >= 1 |
/// | `layers` | `[256, 128, 64]` | widths of each residual autoencoder's encoder | one or more, each >= 1 |
/// | `blocks` | 5 | number `B` of residual autoencoders of a cascade | >= 1 |
/// | `teacher_dropout` | 0.3 | dropout of the teacher | `[0, 1)` |
/// | `dropout` | 0.5 | dropout of the student | `[0, 1)` |
/// | `imagination_weight` | 4 | weight `w_i` of the imagination loss | `[0, inf)` |
/// | `cycle_weight` | 2 | weight `w_c` of the cycle loss | `[0, inf)` |
/// | `share_weight` | false | whether the backward cascade has the weights of the forward one | |
/// | `impute` | [`ImputeConfig`] | imputation targets | |
/// | `teacher_init` | `Burn` | initial values of the teacher's layers; published code: `KaimingNormal` | |
/// | `init` | `Burn` | initial values of the student's layers; published code: `SmallNormal` | |
#[derive(Config, Debug)]
pub struct MminConfig {
    /// Feature width of each modality.
    pub d_features: Vec<usize>,
    /// Number of classes.
    pub n_classes: usize,
    /// Number of updates of the first stage.
    pub teacher_steps: u64,
    /// Width of each modality's embedding.
    pub d_embedding: Option<Vec<usize>>,
    /// Widths of the hidden layers of encoders and classifiers.
    #[config(default = "vec![128, 128]")]
    pub hidden: Vec<usize>,
    /// Widths of each residual autoencoder's encoder.
    #[config(default = "vec![256, 128, 64]")]
    pub layers: Vec<usize>,
    /// Number of residual autoencoders of a cascade.
    #[config(default = 5)]
    pub blocks: usize,
    /// Dropout of the teacher.
    #[config(default = 0.3)]
    pub teacher_dropout: f64,
    /// Dropout of the student.
    #[config(default = 0.5)]
    pub dropout: f64,
    /// Weight of the imagination loss.
    #[config(default = 4.0)]
    pub imagination_weight: f64,
    /// Weight of the cycle loss.
    #[config(default = 2.0)]
    pub cycle_weight: f64,
    /// Whether the backward cascade has the weights of the forward one.
    #[config(default = false)]
    pub share_weight: bool,
    /// Imputation targets.
    #[config(default = "ImputeConfig::new()")]
    pub impute: ImputeConfig,
    /// Initial values of the teacher's layers.
    #[config(default = "WeightInit::Burn")]
    pub teacher_init: WeightInit,
    /// Initial values of the student's layers.
    #[config(default = "WeightInit::Burn")]
    pub init: WeightInit,
}

/// The missing modality imagination network.
///
/// ```text
/// Stage 1, teacher:  logits = cls([enc_1(h_1), .., enc_M(h_M)])        loss = CE
/// Stage 2, student:  z      = [enc_1(h_1), .., enc_M(h_M)]             h_m = 0 where m is missing
///                    u, c_1, .., c_B = forward(z)                      a cascade, as in CRA, and its latents
///                    logits = cls([c_1, .., c_B])
///                    target = [teacher_1(x_1), .., teacher_M(x_M)]     x_m: the missing modalities, 0 elsewhere
///                    loss   = CE + w_i mean (u - target)^2 + w_c mean (backward(u) - stop(z))^2
/// ```
///
/// A model begins in stage 1 and passes to stage 2 after `teacher_steps` updates: see [`Taught`]. The
/// student's encoders then become copies of the teacher's.
///
/// With [`ImputeTarget::Oracle`](crate::baseline::ImputeTarget::Oracle) the teacher trains on all modalities, hidden ones included. Encoders of
/// the model that train along get gradients of those that are not hidden only. With
/// [`ImputeTarget::ObservedOnly`](crate::baseline::ImputeTarget::ObservedOnly) it trains on those that are observed, with zeros for others.
///
/// Give the teacher its own optimizer by [`teacher_group`](crate::baseline::teacher_group), such as for the
/// betas of the published code:
///
/// ```
/// use burn::optim::{AdamConfig, ModuleOptimizer};
/// use burn_mla::baseline::teacher_group;
///
/// let adam = AdamConfig::new();
/// let optimizer: ModuleOptimizer = adam
///     .clone()
///     .with_beta_1(0.5)
///     .init()
///     .with_group(teacher_group(), adam.with_beta_1(0.9).build(), None);
/// ```
///
/// Source: Zhao et al., "Missing Modality Imagination Network for Emotion Recognition with Uncertain Missing
/// Modalities", ACL 2021, in the form of GCNet's code (zeroQiaoba/GCNet), in which encoders are multilayer
/// perceptrons; the paper's are recurrent and convolutional. Masks are those of the data, where the
/// original draws one of the incomplete patterns at each visit. GCNet's optimizer is Adam with a learning
/// rate of 1e-3, constant for 20 of 100 epochs in each stage; the optimizer is yours. It clips the gradients of
/// each network to the norm 5: [`JointConfig::clip_norm`](crate::baseline::JointConfig::clip_norm).
pub type Mmin = Taught<MminTeacher, MminStudent>;

/// The model of all modalities.
#[derive(Module, Debug)]
pub struct MminTeacher {
    encoders: Stacks,
    classifier: Stack,
}

/// The model that imagines missing modalities.
#[derive(Module, Debug)]
pub struct MminStudent {
    encoders: Stacks,
    forward: Cascade,
    backward: Option<Cascade>,
    classifier: Stack,
    imagination_weight: f64,
    cycle_weight: f64,
}

impl MminConfig {
    /// Initializes the head on `device`.
    ///
    /// # Errors
    ///
    /// [`MlaError`](crate::MlaError) for a value outside of the ranges above.
    pub fn init(&self, device: &Device) -> Result<Mmin> {
        let n_modalities = self.d_features.len();
        check_order("number of modalities", n_modalities, "at least 2", 2)?;
        check_sizes(&self.d_features, self.n_classes)?;
        at_least_one("blocks", self.blocks)?;
        let embedding = embedding_widths(&self.d_features, &self.d_embedding)?;
        let total = embedding.iter().sum();
        let pairs = self.d_features.iter().zip(&embedding);
        let encoders = pairs.map(|(&from, &to)| widths(from, &self.hidden, to));
        let teacher = StackOptions::mlp(self.teacher_dropout, self.teacher_init);
        let student = StackOptions::mlp(self.dropout, self.init);
        let cascade = || Cascade::init(total, &self.layers, self.blocks, self.init, device);
        let classifier = |from| widths(from, &self.hidden, self.n_classes);
        let latents = self.blocks * self.layers.last().copied().unwrap_or_default();
        // Parameters are drawn in this order.
        let teacher = MminTeacher {
            encoders: Stacks::init(teacher, encoders.clone(), device)?,
            classifier: teacher.init(&classifier(total), device)?,
        };
        let student = MminStudent {
            encoders: Stacks::init(student, encoders, device)?,
            forward: cascade()?,
            backward: if self.share_weight {
                None
            } else {
                Some(cascade()?)
            },
            classifier: student.init(&classifier(latents), device)?,
            imagination_weight: not_negative("imagination_weight", self.imagination_weight)?,
            cycle_weight: not_negative("cycle_weight", self.cycle_weight)?,
        };
        Taught::new(teacher, student, self.teacher_steps, &self.impute, device)
    }
}

impl Teacher for MminTeacher {
    fn networks(&self) -> Vec<Vec<ParamId>> {
        let mut networks = self.encoders.networks();
        networks.push(param_ids(&self.classifier));
        networks
    }

    fn logits(&self, features: &ModalityFeatures) -> Tensor<2> {
        self.classifier
            .forward(self.encoders.concatenated(features))
    }
}

impl Student<MminTeacher> for MminStudent {
    fn start(self, teacher: &MminTeacher) -> Self {
        Self {
            encoders: with_values_of(self.encoders, &teacher.encoders),
            ..self
        }
    }

    fn logits(&self, features: &ModalityFeatures) -> Tensor<2> {
        let walked = self.forward.walk(self.encoders.concatenated(features));
        self.classifier.forward(walked.concatenated())
    }

    fn loss(
        &self,
        teacher: &MminTeacher,
        imputation: &Imputation,
        samples: &JointSamples,
    ) -> Result<JointLoss> {
        let z = self.encoders.concatenated(&imputation.input);
        let walked = self.forward.walk(z.clone());
        let logits = self.classifier.forward(walked.concatenated());
        let mut loss = samples.loss(logits.clone(), samples.targets)?;
        if self.has_target() || self.cycle_weight > 0.0 {
            let imagined = self.forward.finish(&walked);
            if self.has_target() {
                let target = teacher.encoders.each(&imputation.targets());
                let target = Tensor::cat(target, 1).without_autodiff();
                loss = add_square(loss, self.imagination_weight, imagined.clone() - target);
            }
            if self.cycle_weight > 0.0 {
                let backward = self.backward.as_ref().unwrap_or(&self.forward);
                let difference = backward.forward(imagined) - z.detach();
                loss = add_square(loss, self.cycle_weight, difference);
            }
        }
        Ok(JointLoss::unobserved(loss, logits))
    }

    fn has_target(&self) -> bool {
        self.imagination_weight > 0.0
    }

    fn networks(&self) -> Vec<Vec<ParamId>> {
        let mut networks = self.encoders.networks();
        networks.extend([param_ids(&self.forward), param_ids(&self.classifier)]);
        networks.extend(self.backward.as_ref().map(param_ids));
        networks
    }

    fn n_classes(&self) -> usize {
        self.classifier.d_output()
    }

    fn check(&self, d_features: &[usize]) -> Result<()> {
        self.encoders.check(d_features)
    }

    fn describe(&self) -> String {
        "MMIN".to_string()
    }

    fn training_only(&self) -> Vec<ParamId> {
        self.backward.as_ref().map(param_ids).unwrap_or_default()
    }
}

#[cfg(all(test, feature = "train"))]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::baseline::missing::imputing::{Batch, Golden, backward, close};
    use crate::baseline::{ImputeTarget, JointHead};
    use crate::modality::Presence;
    use crate::module::{ParamVisitor, Visited, visit};
    use crate::test_devices;

    fn config(golden: &Golden) -> MminConfig {
        let width = |m| golden.shape(&format!("encoder.{m}.2.bias"))[0];
        let d_features = golden.d_features();
        let embedding = (0..d_features.len()).map(width).collect();
        MminConfig::new(d_features, golden.meta("n_classes") as usize, 1)
            .with_d_embedding(Some(embedding))
            .with_hidden(golden.meta_list("hidden"))
            .with_layers(golden.meta_list("layers"))
            .with_blocks(golden.meta("blocks") as usize)
            .with_teacher_dropout(0.0)
            .with_dropout(0.0)
            .with_imagination_weight(golden.meta("imagination_weight"))
            .with_cycle_weight(golden.meta("cycle_weight"))
            .with_impute(ImputeConfig::new().with_target(ImputeTarget::Oracle))
    }

    #[rstest]
    fn both_stages_have_the_golden_values(#[values(2, 3, 4)] n_modalities: usize) {
        let golden = Golden::load("mmin", &format!("{n_modalities}_modalities"));
        for device in test_devices() {
            let device = device.autodiff();
            let mut head = golden.set(config(&golden).init(&device).unwrap());
            let batch = Batch::new(&golden, &device);
            let samples = batch.oracle();
            let found = head.loss(&samples).unwrap();
            let expected = golden.values("stage1_cross_entropy");
            close(found.loss, expected, 1e-5, "stage1_cross_entropy");
            let expected = golden.values("stage1_logits");
            close(found.logits, expected, 1e-5, "stage1_logits");

            // The files have other encoders than the teacher's, which shows a mix-up.
            head.begin_student();
            let head = golden.set(head);
            let student = &head.student;
            for (prefix, samples) in [("", batch.oracle()), ("observed_", batch.observed())] {
                let named = |name: &str| golden.values(&format!("{prefix}{name}"));
                let (found, gradients) = backward(&head, &samples);
                close(found.loss, named("total"), 1e-5, "total");
                let imputation = head.impute.split(&samples, true).unwrap();
                let target = head.teacher.encoders.each(&imputation.targets());
                close(Tensor::cat(target, 1), named("target"), 1e-5, "target");
                if prefix.is_empty() {
                    close(found.logits, named("logits"), 1e-5, "logits");
                    golden.check_gradients("grad", &head, &gradients);
                    let z = student.encoders.concatenated(&samples.features);
                    let walked = student.forward.walk(z);
                    close(walked.concatenated(), named("latent"), 1e-5, "latent");
                    let imagined = student.forward.finish(&walked);
                    close(imagined.clone(), named("imagined"), 1e-5, "imagined");
                    let cycle = student.backward.as_ref().unwrap().forward(imagined);
                    close(cycle, named("cycle"), 1e-5, "cycle");
                }
            }
            // Nothing is missing: one constant target, whatever the features.
            let complete = Presence::all(8, n_modalities);
            let samples = batch.samples(complete.clone(), Some(complete));
            let imputation = head.impute.split(&samples, true).unwrap();
            let target = Tensor::cat(head.teacher.encoders.each(&imputation.targets()), 1);
            let expected = golden.values("target_when_complete");
            let [n_samples, width] = target.dims();
            for row in 0..n_samples {
                let target = target.clone().slice([row..row + 1, 0..width]);
                close(target, &expected[..width], 1e-5, "target_when_complete");
            }
        }
    }

    /// Paths of the parameters that have a gradient.
    fn with_gradient(head: &Mmin, samples: &JointSamples) -> Vec<String> {
        struct Find<'a>(&'a burn::optim::GradientsParams, Vec<String>);
        impl ParamVisitor for Find<'_> {
            fn visit<const D: usize>(
                &mut self,
                described: &Visited<'_>,
                param: &burn::module::Param<Tensor<D>>,
            ) {
                if self.0.get::<D>(param.id).is_some() {
                    self.1.push(described.path.join("."));
                }
            }
        }
        let (_, gradients) = backward(head, samples);
        let mut find = Find(&gradients, vec![]);
        visit(head, &mut find);
        find.1
    }

    #[test]
    fn what_has_no_loss_has_no_gradient() {
        let golden = Golden::load("mmin", "3_modalities");
        for device in test_devices() {
            let device = device.autodiff();
            let batch = Batch::new(&golden, &device);
            let config = config(&golden);
            let mut head = config.init(&device).unwrap();
            let found = with_gradient(&head, &batch.oracle());
            assert!(found.iter().all(|path| path.starts_with("teacher.")));
            head.begin_student();
            let found = with_gradient(&head, &batch.oracle());
            assert!(found.iter().all(|path| !path.starts_with("teacher.")));
            assert!(
                found
                    .iter()
                    .any(|path| path.starts_with("student.backward."))
            );

            let config = config.with_imagination_weight(0.0).with_cycle_weight(0.0);
            let mut head = config.init(&device).unwrap();
            head.begin_student();
            assert!(!head.uses_hidden());
            let present = golden.mask("present");
            for path in with_gradient(&head, &batch.samples(present, None)) {
                let unused = path.starts_with("student.backward") || path.contains("transition");
                assert!(!unused, "{path}");
            }
        }
    }

    #[test]
    fn a_shared_cascade_has_one_set_of_weights() {
        let golden = Golden::load("mmin", "2_modalities");
        for device in test_devices() {
            let device = device.autodiff();
            let config = config(&golden).with_share_weight(true);
            let mut head = config.init(&device).unwrap();
            head.begin_student();
            let found = with_gradient(&head, &Batch::new(&golden, &device).oracle());
            assert!(
                found
                    .iter()
                    .all(|path| !path.starts_with("student.backward"))
            );
            assert!(head.training_only().is_empty());
        }
    }
}
