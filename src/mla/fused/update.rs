//! The update of a fused turn.

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::optim::{GradientsParams, ModuleOptimizer};

use crate::encoder::Encoders;
use crate::error::{MlaError, Result};
use crate::fusion::UncertaintyFusion;
use crate::head::SharedHead;
use crate::method::Parameters;
use crate::mla::carried::Carried;
use crate::mla::optimize::Layers;
use crate::mla::{FusedTurns, ProjectionTarget};
use crate::module::ModelThread;
use crate::projector::OrthogonalProjector;

impl<E: Encoders, H: SharedHead, P: OrthogonalProjector, F: UncertaintyFusion>
    FusedTurns<E, H, P, F>
{
    /// The update of a turn of either kind. Gradients of [`Mla::try_step`](crate::Mla::try_step) update the
    /// model as [`Mla::try_optimize`](crate::Mla::try_optimize) does, projector included. Those of
    /// [`try_fused_step`](Self::try_fused_step), of one fused turn or summed over several, are divided by
    /// the weight of their samples.
    ///
    /// # Errors
    ///
    /// As [`Mla::try_optimize`](crate::Mla::try_optimize), and [`MlaError::MixedTurns`] for a sum of
    /// gradients of both kinds. The model and the optimizer are then unchanged, with the exception named
    /// there.
    pub fn try_optimize(
        &mut self,
        optimizer: &mut ModuleOptimizer,
        learning_rate: impl Into<ModuleLearningRate>,
        gradients: GradientsParams,
    ) -> Result<()> {
        let learning_rate = learning_rate.into();
        let thread = ModelThread::of(&self.model.encoders, &self.model.head);
        thread.run(|| self.update(optimizer, learning_rate, gradients))
    }

    fn update(
        &mut self,
        optimizer: &mut ModuleOptimizer,
        learning_rate: ModuleLearningRate,
        mut gradients: GradientsParams,
    ) -> Result<()> {
        let Some(weight) = gradients.remove::<1>(self.weight.id()) else {
            return self.model.try_optimize(optimizer, learning_rate, gradients);
        };
        let model = &mut self.model;
        match Carried::take(&model.projection, &mut gradients) {
            Err(MlaError::NoMeanFeature | MlaError::NoStepGradients) => {}
            _ => return Err(MlaError::MixedTurns),
        }
        let parameters = Parameters::of(&model.encoders, &model.head);
        let mut checked = parameters.divide(&mut gradients, &weight);
        parameters.check_learning_rate(&learning_rate, &gradients)?;
        model.check_gradients(&gradients, None, &mut checked)?;
        let projects_update = model.projection.n_steps() > 0
            && model.projection.config().target == ProjectionTarget::Update;
        if projects_update {
            let protected = model.head.protected();
            let before = Layers::of(&model.head, &protected);
            model.step_optimizer(optimizer, learning_rate, gradients);
            let all = 0..model.n_modalities();
            model.project_update(&protected, all, before);
        } else {
            model.step_optimizer(optimizer, learning_rate, gradients);
        }
        Ok(())
    }
}
