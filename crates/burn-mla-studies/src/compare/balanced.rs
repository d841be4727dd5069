//! Runs of the methods that balance modalities during joint training, on a concatenation.

use std::error::Error;

use burn::tensor::Device;
use burn_mla::baseline::{
    AgmConfig, Assisted, AssistedConfig, Concat, ConcatConfig, JointConfig, MmParetoConfig,
    OpmConfig, PmrConfig, ReconBoostConfig,
};

use crate::compare::cell::Outcome;
use crate::compare::fit::{Run, encode};
use crate::compare::methods::Method;

impl Run<'_> {
    /// Trains a model with the balanced method of the run.
    pub(super) fn balanced(&self) -> Result<Outcome, Box<dyn Error>> {
        let method = self.key.method;
        let own = self.key.trial.own;
        let own = || own.ok_or("the trial lacks the hyper-parameter of the method");
        let epoch = self.n_batches();
        match method {
            Method::Assisted => self.joint(None, |d| self.assisted(d)),
            Method::MmPareto => self.mm_pareto(own()?),
            Method::Opm => {
                let config = OpmConfig::new().with_base_rate(own()?);
                // The first epoch is the warm-up.
                let config = config.with_first_step(epoch);
                self.joint(None, |d| config.init(self.concat(d)?))
            }
            Method::Agm => {
                let config = AgmConfig::new(self.key.modalities.len(), own()?);
                self.joint(None, |d| config.init(self.concat(d)?))
            }
            Method::Pmr => {
                let config = PmrConfig::new(self.widths(), epoch).with_alpha(own()?);
                // The first epoch has no prototypes.
                let config = config.with_entropy_steps(3 * epoch);
                self.joint(None, |d| config.init(self.concat(d)?))
            }
            Method::ReconBoost => {
                // Every epoch is a stage or a rectification.
                let n_classes = self.emoji.classes.len();
                let config = ReconBoostConfig::new(self.widths(), n_classes, epoch);
                let config = config.with_reconcilement(own()?);
                self.joint(None, |d| config.init(d))
            }
            _ => Err(format!("{method} is no balanced method").into()),
        }
    }

    fn widths(&self) -> Vec<usize> {
        vec![self.budget.sizes.d_feature; self.key.modalities.len()]
    }

    fn concat(&self, device: &Device) -> burn_mla::Result<Concat> {
        ConcatConfig::new(self.widths(), self.emoji.classes.len()).init(device)
    }

    fn assisted(&self, device: &Device) -> burn_mla::Result<Assisted<Concat>> {
        AssistedConfig::new(self.widths()).init(self.concat(device)?)
    }

    fn mm_pareto(&self, gamma: f64) -> Result<Outcome, Box<dyn Error>> {
        let (model, curves) = self.fit(|device| {
            let joint = JointConfig::new()
                .with_label_smoothing(Some(self.budget.label_smoothing))
                .init(self.encoders(device)?, self.assisted(device)?)?;
            MmParetoConfig::new().with_gamma(gamma).init(joint)
        })?;
        Ok(Outcome {
            curves,
            rows: vec![self.row(self.key.method.name(), &model)?],
            gap: self.gap(|batch| encode(&model.joint, batch))?,
            seconds: 0.0,
        })
    }
}
