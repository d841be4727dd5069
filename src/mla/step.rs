//! The forward and backward pass of a step: Eq. 2 and 4.

use burn::module::Param;
use burn::optim::GradientsParams;
use burn::tensor::{DType, Tensor};
use burn::train::TrainOutput;

use crate::encoder::{Encoders, encode};
use crate::error::{MlaError, NonFinite, Result, output_shape, positive, same_size};
use crate::fusion::UncertaintyFusion;
use crate::head::{HeadOutput, ProtectedLayer, SharedHead};
use crate::loss::TrainingLoss;
use crate::method::StepOutput;
use crate::mla::carried::{Carried, Factors, FeatureSum};
use crate::mla::{Mla, ProjectionTarget};
use crate::modality::{ModalityInputs, Rows, Targets, Turn};
use crate::module::{
    ModelThread, ParamValues, ParamVisitor, Visited, carry_updates, unshared, visit,
};
use crate::numeric::{culprit, not_finite_rows};
use crate::projector::OrthogonalProjector;

impl<E: Encoders, H: SharedHead, P: OrthogonalProjector, F: UncertaintyFusion> Mla<E, H, P, F> {
    /// The forward and backward pass of one modality's turn (Eq. 2): gradients for its encoder
    /// and the head only, together with the mean feature of Eq. 4.
    ///
    /// The model must be on an autodiff device. The gradients are those of the *sum* of the samples'
    /// losses. Pass them to [`try_optimize`](Self::try_optimize), which divides by the number of
    /// samples, as they are or summed by Burn's `GradientsAccumulator` over several batches of the
    /// same modality.
    /// Do not change the gradient of a protected weight in between. With many classes and few
    /// samples the factors of the gradient are projected in its place (see
    /// [`prefers_factors`](OrthogonalProjector::prefers_factors)).
    ///
    /// The model does not change. Updates of running statistics, those of batch normalization,
    /// travel with the gradients, and [`try_optimize`](Self::try_optimize) applies their mean over
    /// the samples.
    ///
    /// # Errors
    ///
    /// - [`MlaError::ModalityOutOfRange`] for a turn of a modality that does not exist;
    /// - [`MlaError::Empty`] for a turn without samples;
    /// - [`MlaError::LabelOutOfRange`] for a label that is not a class of the head, and those of the
    ///   [loss](crate::loss::TrainingLoss);
    /// - [`MlaError::Input`] for an input that the encoder refuses, such as one of another shape;
    /// - [`MlaError::EncoderOutput`] for features that are not `[n_labels, d_feature]`, and
    ///   [`MlaError::OutputShape`] for logits that are not `[n_labels, n_classes]`;
    /// - [`MlaError::Size`] when the number or a width of the head's inputs is not that of its
    ///   protected layers;
    /// - [`MlaError::NonFinite`] for features or a loss that are not finite, or features so large
    ///   that the squared norm of their mean is not.
    ///
    /// An error of a single sample names its position in the batch that the turn was taken from. If
    /// the turn has the positions of its samples in the data set, or the sample of a non-finite feature
    /// is known, it is a [`MlaError::Sample`].
    ///
    /// # Panics
    ///
    /// Without autodiff, and when the encoder panics for an input that its
    /// [`check`](crate::encoder::Encoder::check) accepts.
    pub fn try_step(
        &self,
        turn: Turn<<E::Inputs as ModalityInputs>::One>,
    ) -> Result<TrainOutput<StepOutput>> {
        let (rows, samples) = (turn.rows.clone(), turn.samples.clone());
        let rows = match &rows {
            Rows::All => None,
            Rows::Some(rows) => Some(&rows[..]),
        };
        let thread = ModelThread::of(&self.encoders, &self.head);
        let output = thread.run(|| self.passes(turn.input, turn.targets));
        output.map_err(|error| error.located(rows, samples.as_deref()))
    }

    fn passes(
        &self,
        input: <E::Inputs as ModalityInputs>::One,
        targets: Targets,
    ) -> Result<TrainOutput<StepOutput>> {
        let modality = E::Inputs::modality(&input);
        let n_modalities = self.n_modalities();
        if modality >= n_modalities {
            return Err(MlaError::ModalityOutOfRange {
                modality,
                n_modalities,
            });
        }
        if targets.is_empty() {
            return Err(MlaError::Empty { what: "the turn" });
        }
        targets.check(self.n_classes())?;

        // Forward passes change the running statistics of these copies only.
        let (encoders, head) = (unshared(&self.encoders), unshared(&self.head));
        let features = encode(&encoders, input, targets.len())?;
        let output = head.forward_of(modality, features.clone());
        let shape = [targets.len(), self.n_classes()];
        output_shape("the logits of the head", shape, output.logits.dims())?;
        let errors = self.errors(&output);
        let logits = match &errors {
            Some((_, zeros)) => output.logits.clone() + zeros.clone(),
            None => output.logits.clone(),
        };
        let loss = self.loss(Some(modality), logits, &targets)?;
        let sums = self.feature_sums(&output.inputs)?;
        self.check_numbers(&features, &sums, &loss, modality)?;

        let weight = self.weight(&targets)?;
        let mut carried = Carried::new(modality, sums, weight, &features.device());
        // Gradients of a sum can be added up over batches of different sizes.
        let sum_of_losses = loss.clone().cast(DType::F32) * weight as f32;
        let mut gradients = (sum_of_losses + carried.term(&self.projection)).backward();
        let mut grads = GradientsParams::from_module(&mut gradients, self);
        if let Some((layer, zeros)) = errors {
            let errors = zeros.grad_remove(&mut gradients);
            // Factors are of a single pass, whose mean they give at once.
            carried.factors[layer] = errors.map(|errors| Factors {
                inputs: output.inputs[layer].clone().without_autodiff(),
                errors: errors.cast(DType::F32) / weight as f32,
            });
        }
        let loss = loss.without_autodiff();
        carried.write(&self.projection, &mut grads);
        carry_updates(&encoders, &|_| targets.len(), &mut grads);
        carry_updates(&head, &|_| targets.len(), &mut grads);
        Ok(TrainOutput {
            grads,
            item: StepOutput {
                modality: Some(modality),
                loss,
                logits: output.logits.without_autodiff(),
                targets,
                weight,
            },
        })
    }

    /// The loss of a modality's turn, or of a fused prediction, `[1]`.
    pub(super) fn loss(
        &self,
        modality: Option<usize>,
        logits: Tensor<2>,
        targets: &Targets,
    ) -> Result<Tensor<1>> {
        match &self.loss {
            Some(loss) => loss.loss(logits, targets),
            None => self.config.cross_entropy(modality)?.loss(logits, targets),
        }
    }

    /// The total weight of the targets in the loss.
    pub(super) fn weight(&self, targets: &Targets) -> Result<f64> {
        let weight = match &self.loss {
            Some(loss) => loss.weight(targets),
            None => self.config.cross_entropy(None)?.weight(targets),
        };
        positive("weight of the samples in the loss", weight)
    }

    /// Zeros to add to the logits, whose gradient is that of the logits, and the protected layer
    /// whose gradient has it as a factor. `None` if factors do not pay or nothing is projected.
    fn errors(&self, output: &HeadOutput) -> Option<(usize, Tensor<2>)> {
        let target = self.projection.config().target;
        if target != ProjectionTarget::Gradient || self.projection.n_steps() == 0 {
            return None;
        }
        let protected = self.head.protected();
        let layer = protected.iter().position(|layer| layer.is_output)?;
        // Where Burn reduces gradients over devices, factors would be those of one device only.
        if self.is_distributed(&protected[layer]) {
            return None;
        }
        let [n_samples, n_classes] = output.logits.dims();
        let d_input = self.projection.layers.get(layer)?.d_input;
        let rule = self.projection.rule();
        if output.inputs.len() <= layer || !rule.prefers_factors(n_samples, d_input, n_classes) {
            return None;
        }
        let logits = &output.logits;
        let zeros = Tensor::zeros([n_samples, n_classes], (&logits.device(), logits.dtype()));
        Some((layer, zeros.require_grad()))
    }

    /// Feature sum of each protected layer.
    fn feature_sums(&self, inputs: &[Tensor<2>]) -> Result<Vec<FeatureSum>> {
        let layers = &self.projection.layers;
        let inputs_of_layers = "inputs of protected layers from the head";
        same_size(inputs_of_layers, layers.len(), inputs.len())?;
        let pairs = layers.iter().zip(inputs);
        pairs
            .map(|(layer, input)| {
                let width = input.dims()[1];
                same_size("width of a protected layer's input", layer.width, width)?;
                Ok(FeatureSum::of(input.clone(), layer.d_input))
            })
            .collect()
    }

    /// Reads the loss and the squared norms of the mean features in one device read. Refuses
    /// non-finite numbers.
    fn check_numbers(
        &self,
        features: &Tensor<2>,
        sums: &[FeatureSum],
        loss: &Tensor<1>,
        modality: usize,
    ) -> Result<()> {
        if !self.config.finite_check {
            return Ok(());
        }
        let [n_samples, _] = features.dims();
        let features = features.clone().without_autodiff().cast(DType::F32);
        let each = features.clone();
        let squared_norm = |mean: Tensor<1>| mean.square().sum();
        let mut numbers = vec![
            loss.clone().without_autodiff().cast(DType::F32),
            squared_norm(features.sum_dim(0).squeeze_dim(0) / n_samples as f32),
        ];
        numbers.extend(sums.iter().map(|sum| squared_norm(sum.mean())));
        let numbers: Vec<f64> = Tensor::cat(numbers, 0)
            .try_to_vec_as()
            .map_err(MlaError::read("the loss and the norms"))?;
        let non_finite = |what| MlaError::NonFinite {
            what,
            modality,
            step: self.projection.n_steps(),
        };
        if numbers[1..].iter().any(|norm| !norm.is_finite()) {
            if has_non_finite_weights(&self.encoders, modality)? {
                return Err(non_finite(NonFinite::Weights));
            }
            let error = non_finite(NonFinite::Features);
            return Err(error.of_sample(culprit(&not_finite_rows(&each)?, n_samples)));
        }
        if !numbers[0].is_finite() {
            return Err(non_finite(NonFinite::Loss));
        }
        Ok(())
    }

    /// Whether Burn reduces the gradient of a layer's weight over devices.
    fn is_distributed(&self, layer: &ProtectedLayer) -> bool {
        let weight = ParamValues::read(&self.head, |param| param.id == layer.weight);
        let weight = weight.get::<2>(layer.weight);
        weight.is_some_and(|weight| weight.is_distributed())
    }
}

/// Whether a parameter of a modality's encoder is not finite.
fn has_non_finite_weights<E: Encoders>(encoders: &E, modality: usize) -> Result<bool> {
    struct Sum(usize, Option<Tensor<1>>);
    impl ParamVisitor for Sum {
        fn visit<const D: usize>(&mut self, described: &Visited<'_>, param: &Param<Tensor<D>>) {
            if described.part() == Some(self.0) {
                let sum = param.val().without_autodiff().cast(DType::F32).sum();
                self.1 = Some(match self.1.take() {
                    None => sum,
                    Some(total) => total.to_device(&sum.device()) + sum,
                });
            }
        }
    }
    let mut sum = Sum(modality, None);
    visit(encoders, &mut sum);
    let Some(total) = sum.1 else {
        return Ok(false);
    };
    let total: f32 = total
        .try_into_scalar()
        .map_err(MlaError::read("the weights"))?;
    Ok(!total.is_finite())
}
