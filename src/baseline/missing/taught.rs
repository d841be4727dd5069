//! Training in two stages: a head with a teacher, which trains first, and a student.

use burn::module::{Module, ModuleDisplay, ParamGroup, ParamId};
use burn::tensor::{DType, Device, Tensor};

use crate::baseline::missing::target::{Imputation, ImputeConfig};
use crate::baseline::{JointHead, JointLogits, JointLoss, JointSamples, ModalityFeatures};
#[cfg(doc)]
use crate::error::MlaError;
use crate::error::{Result, at_least_one};
use crate::module::{Counter, param_ids};

/// The parameters of the teacher of a [`Joint`](crate::baseline::Joint) model with a head that trains in
/// stages, to give them their own optimizer or learning rate.
///
/// Only the teacher has gradients in the first stage, and only the rest of the model in the second.
pub fn teacher_group() -> ParamGroup {
    ParamGroup::from_regex(r"^head\.teacher\.").expect("the pattern is a valid regular expression")
}

/// A head that trains a teacher first and a student after it: [`Mmin`](crate::baseline::Mmin),
/// [`IfMmin`](crate::baseline::IfMmin) and [`Tate`](crate::baseline::Tate).
///
/// The stage is part of the record, and so are teacher and student: a checkpoint of either stage resumes in
/// it. In the second stage the teacher is constant. It runs in evaluation mode and gets no gradient.
/// Predictions are those of the network that trains. Validations of the first stage select no epoch and do
/// not count for the patience.
#[derive(Module, Debug)]
pub struct Taught<T: Module, S: Module> {
    pub(super) teacher: T,
    pub(super) student: S,
    /// 0 while the teacher trains, 1 for the student.
    stage: Counter,
    /// Number of updates of the teacher.
    teacher_steps: u64,
    #[module(skip)]
    pub(super) impute: ImputeConfig,
}

/// The network that trains in the first stage.
pub trait Teacher: Module + ModuleDisplay + Sync + 'static {
    /// As [`JointHead::networks`].
    fn networks(&self) -> Vec<Vec<ParamId>> {
        vec![param_ids(self)]
    }

    /// Class scores, `[n_samples, n_classes]`.
    fn logits(&self, features: &ModalityFeatures) -> Tensor<2>;

    /// The training loss. `features` are those that the training may use.
    fn loss(&self, features: &ModalityFeatures, samples: &JointSamples) -> Result<JointLoss> {
        let logits = self.logits(features);
        let loss = samples.loss(logits.clone(), samples.targets)?;
        Ok(JointLoss::unobserved(loss, logits))
    }
}

/// The network that trains in the second stage, with a teacher `T`.
pub trait Student<T>: Module + ModuleDisplay + Sync + 'static {
    /// The student at its start, which may take values of its teacher. It keeps its own parameters.
    fn start(self, teacher: &T) -> Self;

    /// Class scores, `[n_samples, n_classes]`.
    fn logits(&self, features: &ModalityFeatures) -> Tensor<2>;

    /// The training loss. The teacher is in evaluation mode and off the tape.
    fn loss(
        &self,
        teacher: &T,
        imputation: &Imputation,
        samples: &JointSamples,
    ) -> Result<JointLoss>;

    /// Returns true if a term of the loss needs the teacher's features.
    fn has_target(&self) -> bool;

    /// As [`JointHead::networks`].
    fn networks(&self) -> Vec<Vec<ParamId>> {
        vec![param_ids(self)]
    }

    /// As [`JointHead::n_classes`].
    fn n_classes(&self) -> usize;

    /// As [`JointHead::check`].
    fn check(&self, d_features: &[usize]) -> Result<()>;

    /// As [`JointHead::describe`].
    fn describe(&self) -> String;

    /// As [`JointHead::training_only`].
    fn training_only(&self) -> Vec<ParamId> {
        vec![]
    }
}

impl<T: Teacher, S: Student<T>> Taught<T, S> {
    /// A head in the first stage.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for a teacher without an update, and for an option of the targets outside
    /// of its range.
    pub(super) fn new(
        teacher: T,
        student: S,
        teacher_steps: u64,
        impute: &ImputeConfig,
        device: &Device,
    ) -> Result<Self> {
        at_least_one("teacher_steps", teacher_steps as usize)?;
        impute.check()?;
        Ok(Self {
            teacher,
            student,
            stage: Counter::new(0, device),
            teacher_steps,
            impute: impute.clone(),
        })
    }

    /// Passes to the second stage now. Training does it after `teacher_steps` updates. Does nothing in the
    /// second stage.
    pub fn begin_student(&mut self) {
        if !self.is_student() {
            self.stage.set(1);
            self.student = self.student.clone().start(&self.teacher);
        }
    }

    /// Returns true if the model is in the second stage.
    pub fn is_student(&self) -> bool {
        self.stage.get() > 0
    }
}

impl<T: Teacher, S: Student<T>> JointHead for Taught<T, S> {
    fn fuse(&self, features: &ModalityFeatures) -> JointLogits {
        JointLogits::unweighted(if self.is_student() {
            self.student.logits(features)
        } else {
            self.teacher.logits(features)
        })
    }

    /// # Errors
    ///
    /// [`MlaError::NothingHidden`] for an oracle and a batch that lacks modalities and has no hidden inputs.
    fn loss(&self, samples: &JointSamples) -> Result<JointLoss> {
        if self.is_student() {
            let imputation = self.impute.split(samples, self.student.has_target())?;
            let teacher = self.teacher.valid();
            self.student.loss(&teacher, &imputation, samples)
        } else {
            self.teacher.loss(&self.impute.known(samples)?, samples)
        }
    }

    fn uses_hidden(&self) -> bool {
        self.impute.is_oracle() && (!self.is_student() || self.student.has_target())
    }

    fn after_update(&mut self, n_updates: u64) {
        if n_updates >= self.teacher_steps {
            self.begin_student();
        }
    }

    fn is_selectable(&self) -> bool {
        self.is_student()
    }

    fn networks(&self) -> Vec<Vec<ParamId>> {
        let mut networks = self.teacher.networks();
        networks.extend(self.student.networks());
        networks
    }

    fn n_classes(&self) -> usize {
        self.student.n_classes()
    }

    fn check(&self, d_features: &[usize]) -> Result<()> {
        self.student.check(d_features)
    }

    fn describe(&self) -> String {
        self.student.describe()
    }

    fn training_only(&self) -> Vec<ParamId> {
        self.student.training_only()
    }
}

/// Adds the weighted mean square of a difference to a loss, in f32.
pub(super) fn add_square(loss: Tensor<1>, weight: f64, difference: Tensor<2>) -> Tensor<1> {
    let difference = difference.cast(DType::F32);
    loss.cast(DType::F32) + difference.square().mean() * weight
}
