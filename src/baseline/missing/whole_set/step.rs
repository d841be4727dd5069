//! Training of a model whose head is fitted to the whole training set, and its `MultimodalMethod`.

use std::sync::Arc;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, ParamId};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{DType, Tensor};
use burn::train::TrainOutput;

use crate::baseline::joint::joint_method;
use crate::baseline::missing::whole_set::input::PassLoader;
use crate::baseline::missing::whole_set::{WholePass, WholeSamples, WholeSet, WholeSetInput};
use crate::baseline::{ModalityFeatures, WholeSetHead};
use crate::encoder::Encoders;
use crate::error::{MlaError, Result, output_shape};
use crate::loader::{LoaderHandle, SourceLoader};
use crate::method::{MultimodalMethod, StepOutput, TrainingLoader};
use crate::modality::{MultimodalBatch, Presence, Targets};
use crate::module::unshared;

impl<E: Encoders<Inputs: Clone>, H: WholeSetHead> WholeSet<E, H> {
    /// Fits the head to all samples of a pass.
    ///
    /// Pass the gradients to [`try_optimize`](Self::try_optimize). The model does not change.
    ///
    /// # Errors
    ///
    /// - as [`Joint::features`](crate::baseline::Joint::features), for a batch of the pass;
    /// - those of [`WholeSetHead::fit`], such as [`MlaError::AbsentModality`] for a modality that no
    ///   sample has, where the method needs one;
    /// - [`MlaError::LabelOutOfRange`], [`MlaError::NonFiniteFeatures`];
    /// - [`MlaError::NonFiniteLoss`] for such an objective.
    pub fn try_fit(&self, whole: &WholePass<E::Inputs>) -> Result<TrainOutput<StepOutput>> {
        let joint = &self.joint;
        let samples = WholeSamples {
            features: self.features_of(whole)?,
            targets: whole.targets(),
            samples: whole.samples(),
            moment: whole.moment(),
            step: joint.n_steps(),
        };
        samples.check(joint.n_classes())?;
        // Forward passes change the running statistics of this copy only.
        let fit = unshared(&joint.head).fit(&samples)?;
        let shape = [samples.targets.len(), joint.n_classes()];
        output_shape("the logits of the head", shape, fit.logits.dims())?;

        let loss = fit.loss.clone().without_autodiff();
        let value: f64 = loss
            .clone()
            .try_into_scalar()
            .map_err(MlaError::read("the loss"))?;
        if !value.is_finite() {
            let step = joint.n_steps();
            return Err(MlaError::NonFiniteLoss { step });
        }
        let mut grads = if fit.descends {
            GradientsParams::from_module(&mut fit.loss.backward(), joint)
        } else {
            GradientsParams::new()
        };
        fit.values.carry(&mut grads);
        let one = Tensor::<1>::ones([1], (&loss.device(), DType::F32));
        grads.register(joint.weight.id(), one.clone());
        grads.register(self.fits(), one);
        Ok(TrainOutput {
            grads,
            item: StepOutput {
                modality: None,
                loss,
                logits: fit.logits.without_autodiff(),
                targets: whole.targets().clone(),
                weight: whole.targets().len() as f64,
            },
        })
    }

    /// The id under which the number of fits in a sum of gradients travels: that of a parameter of the
    /// model without a gradient, because a sum drops other ids.
    fn fits(&self) -> ParamId {
        self.joint.temperature.id()
    }

    /// The features of all samples of a pass, from encoders in evaluation mode.
    fn features_of(&self, whole: &WholePass<E::Inputs>) -> Result<ModalityFeatures> {
        let evaluated = self.joint.valid();
        let mut columns: Vec<Vec<Tensor<2>>> = vec![vec![]; self.joint.n_modalities()];
        let mut mask = vec![];
        for batch in whole.batches() {
            let features = evaluated.features(batch.clone())?.without_autodiff();
            let presence = features.presence();
            for sample in 0..features.n_samples() {
                let entries = 0..features.n_modalities();
                mask.extend(entries.map(|modality| presence.is_present(sample, modality)));
            }
            let parts = columns.iter_mut().zip(features.all());
            parts.for_each(|(column, part)| column.push(part.clone()));
        }
        let presence = Presence::from_mask(mask, columns.len())?;
        let columns = columns.into_iter().map(|parts| Tensor::cat(parts, 0));
        ModalityFeatures::new(columns.collect(), presence)
    }

    /// The forward and backward pass of a batch, for a head with steps on batches.
    ///
    /// # Errors
    ///
    /// As [`Joint::try_step`](crate::baseline::Joint::try_step).
    pub fn try_step(&self, batch: MultimodalBatch<E::Inputs>) -> Result<TrainOutput<StepOutput>> {
        self.joint.try_step(batch)
    }

    /// Applies what a [fit](Self::try_fit) found, or updates the parameters with the gradients of
    /// [steps](Self::try_step).
    ///
    /// # Errors
    ///
    /// As [`Joint::try_optimize`](crate::baseline::Joint::try_optimize), and
    /// [`MlaError::FitAccumulated`] for a sum of gradients that contains those of a fit. The model and the
    /// optimizer are then unchanged.
    pub fn try_optimize(
        &mut self,
        optimizer: &mut ModuleOptimizer,
        learning_rate: impl Into<ModuleLearningRate>,
        mut gradients: GradientsParams,
    ) -> Result<()> {
        if let Some(fits) = gradients.remove::<1>(self.fits()) {
            let weight = gradients.get::<1>(self.joint.weight.id());
            let weight = weight.ok_or(MlaError::NoStepGradients)?;
            let counts: Vec<f64> = Tensor::cat(vec![fits, weight], 0)
                .try_into_vec_as()
                .map_err(MlaError::read("the number of fits"))?;
            if counts != [1.0, 1.0] {
                return Err(MlaError::FitAccumulated);
            }
        }
        self.joint.try_optimize(optimizer, learning_rate, gradients)
    }
}

crate::burn_steps!(
    impl[E: Encoders<Inputs: Clone + Sync> + 'static, H: WholeSetHead] WholeSet<E, H>
);

impl<E: Encoders<Inputs: Clone + Sync> + 'static, H: WholeSetHead> MultimodalMethod
    for WholeSet<E, H>
{
    type TrainingInput = WholeSetInput<E::Inputs>;

    joint_method!(joint);

    /// The inputs of the head's [plan](WholeSetHead::pass).
    ///
    /// # Errors
    ///
    /// [`MlaError::NoSamples`] for a loader without items.
    fn training_loader(
        &self,
        batches: SourceLoader<MultimodalBatch<E::Inputs>>,
    ) -> Result<TrainingLoader<Self::TrainingInput>> {
        if batches.loader.num_items() == 0 {
            let what = "the training data";
            return Err(MlaError::NoSamples { what });
        }
        Ok(TrainingLoader {
            loader: Arc::new(PassLoader::new(batches.loader, self.joint.head.pass())),
            handle: LoaderHandle::of_sources(batches.sources),
        })
    }

    /// One per fit, and one per batch if the head makes steps on batches.
    fn n_turns(&self, n_batches: usize) -> usize {
        let plan = self.joint.head.pass();
        let n_steps = plan.smallest_batch.map_or(0, |_| n_batches);
        plan.fits_before + n_steps + plan.fits_after
    }

    /// False: the head is fitted to features of the current weights.
    fn is_averageable(&self) -> bool {
        false
    }

    fn targets(input: &Self::TrainingInput) -> &Targets {
        input.targets()
    }

    fn try_train_step(&self, input: Self::TrainingInput) -> Result<TrainOutput<StepOutput>> {
        match input {
            WholeSetInput::Batch(batch) => self.try_step(batch),
            WholeSetInput::Whole(whole) => self.try_fit(&whole),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use burn::tensor::{Device, Tensor};

    use super::*;
    use crate::baseline::{
        Cca, CcaConfig, Fit, JointConfig, JointHead, JointLogits, ModalityFeatures, PassPlan,
        WholeSamples,
    };
    use crate::encoder::{MlpEncoder, MlpEncoderConfig};

    /// A head in an early stage of its training.
    #[derive(Module, Debug)]
    struct Early {
        cca: Cca,
    }

    impl JointHead for Early {
        fn fuse(&self, features: &ModalityFeatures) -> JointLogits {
            self.cca.fuse(features)
        }

        fn unimodal(&self, features: &ModalityFeatures, modality: usize) -> Tensor<2> {
            self.cca.unimodal(features, modality)
        }

        fn is_selectable(&self) -> bool {
            false
        }

        fn n_classes(&self) -> usize {
            self.cca.n_classes()
        }

        fn check(&self, d_features: &[usize]) -> Result<()> {
            self.cca.check(d_features)
        }
    }

    impl WholeSetHead for Early {
        fn pass(&self) -> PassPlan {
            self.cca.pass()
        }

        fn fit(&self, samples: &WholeSamples) -> Result<Fit> {
            self.cca.fit(samples)
        }
    }

    fn model<H: WholeSetHead>(head: H) -> WholeSet<Vec<MlpEncoder>, H> {
        let encoder = || MlpEncoderConfig::new(3, 2).init(&Device::flex()).unwrap();
        let joint = JointConfig::new().init(vec![encoder(), encoder()], head);
        WholeSet::new(joint.unwrap())
    }

    #[test]
    fn the_head_decides_whether_a_validation_counts() {
        let cca = CcaConfig::new(vec![2, 2], 2).init(&Device::flex()).unwrap();
        assert!(model(cca.clone()).is_selectable());
        assert!(!model(Early { cca }).is_selectable());
    }
}
