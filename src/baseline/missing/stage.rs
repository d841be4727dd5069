//! Stages of a training: a teacher first, then a student.

use burn::module::{Module, ParamGroup};
use burn::tensor::Device;

#[cfg(doc)]
use crate::error::MlaError;
use crate::error::Result;
use crate::module::{Counter, with_values_of};

/// The parameters of the teacher of a [`Joint`](crate::baseline::Joint) model with a head that trains in
/// stages, to give them their own optimizer or learning rate.
///
/// Only the teacher has gradients in the first stage, and only the rest of the model in the second.
pub fn teacher_group() -> ParamGroup {
    ParamGroup::from_regex(r"^head\.teacher\.").expect("the pattern is a valid regular expression")
}

/// The stage of a method that trains a teacher first and a student after it.
///
/// It is part of the model's record, and so are teacher and student: a checkpoint of either stage resumes
/// in it.
#[derive(Module, Debug)]
pub(super) struct Stage {
    /// 0 while the teacher trains, 1 for the student.
    stage: Counter,
    /// Number of updates of the teacher.
    teacher_steps: u64,
}

impl Stage {
    /// The first stage.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for a teacher without an update.
    pub(super) fn new(teacher_steps: u64, device: &Device) -> Result<Self> {
        crate::error::at_least_one("teacher_steps", teacher_steps as usize)?;
        Ok(Self {
            stage: Counter::new(0, device),
            teacher_steps,
        })
    }

    pub(super) fn is_student(&self) -> bool {
        self.stage.get() > 0
    }

    /// Whether the student begins after `n_updates` of the model.
    pub(super) fn ends_after(&self, n_updates: u64) -> bool {
        !self.is_student() && n_updates >= self.teacher_steps
    }

    /// Passes to the student, and returns a module of the student, `module`, with the values of the
    /// teacher's `source`. The student keeps its own parameters.
    pub(super) fn begin_student<M: Module>(&mut self, module: M, source: &M) -> M {
        self.pass();
        with_values_of(module, source)
    }

    /// Passes to a student that does not start as its teacher.
    pub(super) fn pass(&mut self) {
        self.stage.set(1);
    }
}
