//! The forward and backward pass of a fused turn.

use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{DType, Tensor};
use burn::train::TrainOutput;

use crate::encoder::{Encoders, encode, run_placed};
use crate::error::{MlaError, NonFinite, Result, output_shape};
use crate::fusion::{MeanFusion, ModalityLogits, UncertaintyFusion, fused_by};
use crate::head::SharedHead;
use crate::method::{Parameters, StepOutput};
use crate::mla::{FusedLogits, FusedTurns, ProjectionTarget};
use crate::modality::{ModalityInputs, MultimodalBatch};
use crate::module::{ModelThread, Visited, carry_updates, unshared};
use crate::numeric::{first_not_finite, not_finite_rows};
use crate::projector::OrthogonalProjector;

/// A modality's pass through its encoder and the head.
struct Pass {
    modality: usize,
    n_samples: usize,
    /// On the tape of the parameters.
    logits: Tensor<2>,
    /// The same values as a leaf of the tape of the loss.
    leaf: Tensor<2>,
}

impl<E: Encoders, H: SharedHead, P: OrthogonalProjector, F: UncertaintyFusion>
    FusedTurns<E, H, P, F>
{
    /// The forward and backward pass of a fused turn: gradients for the head and, unless their share is
    /// 0, for the encoders of all modalities that the batch has.
    ///
    /// As in [`Mla::try_step`](crate::Mla::try_step), the gradients are those of the sum of the samples'
    /// losses, and updates of running statistics travel with them. Those of the head are already
    /// projected. Pass them to [`try_optimize`](Self::try_optimize) as they are, or summed over several
    /// fused turns without an update in between.
    ///
    /// # Errors
    ///
    /// - those of [`MultimodalBatch::presence`] for a malformed batch, and [`MlaError::ModalityCount`];
    /// - [`MlaError::LabelOutOfRange`], and those of the [loss](crate::loss::TrainingLoss);
    /// - [`MlaError::Input`], [`MlaError::EncoderOutput`] and [`MlaError::OutputShape`], as
    ///   [`Mla::try_step`](crate::Mla::try_step);
    /// - [`MlaError::MissingHeadGradient`] when a trainable protected weight has no gradient to project;
    /// - unless the check is off, [`MlaError::NonFinite`] for logits of a modality that are not finite,
    ///   and [`MlaError::NonFiniteLoss`] for such a loss.
    ///
    /// If the batch has the positions of its samples in the data set, the error of a sample is a
    /// [`MlaError::Sample`].
    ///
    /// # Panics
    ///
    /// Without autodiff, and when an encoder panics for an input that its
    /// [`check`](crate::encoder::Encoder::check) accepts.
    pub fn try_fused_step(
        &self,
        batch: MultimodalBatch<E::Inputs>,
    ) -> Result<TrainOutput<StepOutput>> {
        let samples = batch.samples.clone();
        let thread = ModelThread::of(&self.model.encoders, &self.model.head);
        let output = thread.run(|| self.fused_passes(batch));
        output.map_err(|error| error.located(None, samples.as_deref()))
    }

    fn fused_passes(&self, batch: MultimodalBatch<E::Inputs>) -> Result<TrainOutput<StepOutput>> {
        let model = &self.model;
        let targets = batch.targets.clone();
        targets.check(model.n_classes())?;
        let trains_encoders = self.config.encoder_share > 0.0;
        // Forward passes change the running statistics of these copies only.
        let (encoders, head) = (unshared(&model.encoders), unshared(&model.head));
        let mut passes = vec![];
        let (placed, presence) = run_placed(batch, model.n_modalities(), |input, n_samples| {
            let modality = E::Inputs::modality(&input);
            let features = encode(&encoders, input, n_samples)?;
            let features = if trains_encoders {
                features
            } else {
                features.detach()
            };
            let logits = head.forward_of(modality, features).logits;
            let shape = [n_samples, model.n_classes()];
            output_shape("the logits of the head", shape, logits.dims())?;
            let leaf = logits.clone().detach().require_grad();
            passes.push(Pass {
                modality,
                n_samples,
                logits,
                leaf: leaf.clone(),
            });
            Ok(leaf)
        })?;
        let zeros = placed.iter().flatten().next().map(Tensor::zeros_like);
        let zeros = zeros.ok_or(MlaError::NothingPresent { sample: 0 })?;
        let placed = placed.into_iter();
        let placed = placed.map(|logits| logits.unwrap_or_else(|| zeros.clone()));
        let logits = ModalityLogits::new(placed.collect(), presence)?;
        let fused = self.fused_logits(&logits)?;
        let loss = model.loss(None, fused.clone(), &targets)?;
        self.check_fused_numbers(&passes, &loss)?;

        let weight = model.weight(&targets)?;
        // Gradients of a sum can be added up over batches of different sizes.
        let mut errors = (loss.clone().cast(DType::F32) * weight as f32).backward();
        let mut sum = GradientsAccumulator::new();
        let mut n_rows = vec![0; model.n_modalities()];
        for pass in passes {
            n_rows[pass.modality] = pass.n_samples;
            let error = pass.leaf.grad_remove(&mut errors);
            let gradients = self.gradients_of(pass.modality, pass.logits, error)?;
            sum.accumulate(model, gradients);
        }
        let mut grads = sum.grads();
        if trains_encoders {
            let rows = |param: &Visited| param.part().map_or(0, |modality| n_rows[modality]);
            carry_updates(&encoders, &rows, &mut grads);
        }
        let n_all = n_rows.iter().sum();
        carry_updates(&head, &|_| n_all, &mut grads);
        let loss = loss.without_autodiff();
        let total = Tensor::<1>::full([1], weight as f32, (&loss.device(), DType::F32));
        grads.register(self.weight.id(), total);
        Ok(TrainOutput {
            grads,
            item: StepOutput {
                modality: None,
                loss,
                logits: fused.without_autodiff(),
                targets,
                weight,
            },
        })
    }

    fn fused_logits(&self, logits: &ModalityLogits) -> Result<Tensor<2>> {
        let fusion = &self.model.fusion;
        let n_modalities = logits.n_modalities();
        let fused = match self.config.logits {
            FusedLogits::Fusion => {
                let constant = (0..n_modalities).map(|m| logits.modality(m).detach());
                let constant = ModalityLogits::new(constant.collect(), logits.presence().clone())?;
                let weights = fusion.weights(&constant);
                let shape = [logits.n_samples(), n_modalities];
                output_shape("the weights of the fusion", shape, weights.dims())?;
                fused_by(fusion, logits, weights)
            }
            FusedLogits::FusionThroughWeights => fusion.fuse(logits).logits,
            FusedLogits::Mean => MeanFusion.fuse(logits).logits,
            FusedLogits::Sum => (1..n_modalities).fold(logits.present_logits(0), |sum, m| {
                sum + logits.present_logits(m)
            }),
        };
        let shape = [logits.n_samples(), logits.n_classes()];
        output_shape("the fused logits", shape, fused.dims())?;
        Ok(fused)
    }

    /// The gradients of a modality's encoder and, projected, of the head, for the gradient `error` of the
    /// loss at its logits.
    fn gradients_of(
        &self,
        modality: usize,
        logits: Tensor<2>,
        error: Option<Tensor<2>>,
    ) -> Result<GradientsParams> {
        let model = &self.model;
        let error = error.unwrap_or_else(|| logits.clone().without_autodiff().zeros_like());
        // The gradient of this sum at the logits is `error`.
        let product = (logits * error.autodiff()).sum();
        let mut gradients = GradientsParams::from_grads(product.backward(), model);
        let share = self.config.encoder_share;
        if share > 0.0 && share < 1.0 {
            let factor = Tensor::full(
                [1],
                1.0 / share as f32,
                (&self.weight.get().device(), DType::F32),
            );
            let no_head: Vec<H> = vec![];
            Parameters::of(&model.encoders, &no_head).divide(&mut gradients, &factor);
        }
        let protected = model.head.protected();
        model.check_head_gradients(&protected, &gradients, modality)?;
        let projection = model.projection();
        if projection.n_steps() > 0 && projection.config().target == ProjectionTarget::Gradient {
            let no_factors = protected.iter().map(|_| None).collect();
            model.project_gradients(&protected, modality, no_factors, &mut gradients);
        }
        Ok(gradients)
    }

    fn check_fused_numbers(&self, passes: &[Pass], loss: &Tensor<1>) -> Result<()> {
        if !self.model.config.finite_check {
            return Ok(());
        }
        let step = self.model.projection().n_steps();
        let off_tape = |values: &Tensor<2>| values.clone().without_autodiff().cast(DType::F32);
        let mut all: Vec<_> = passes
            .iter()
            .map(|pass| Some(off_tape(&pass.logits)))
            .collect();
        all.push(Some(off_tape(&loss.clone().unsqueeze_dim::<2>(0))));
        let Some(at) = first_not_finite(&all)? else {
            return Ok(());
        };
        let Some(pass) = passes.get(at) else {
            return Err(MlaError::NonFiniteLoss { step });
        };
        let error = MlaError::NonFinite {
            what: NonFinite::Features,
            modality: pass.modality,
            step,
        };
        let rows = not_finite_rows(&off_tape(&pass.logits))?;
        Err(error.of_sample(crate::numeric::culprit(&rows, pass.n_samples)))
    }
}
