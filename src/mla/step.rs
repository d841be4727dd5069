//! The forward and backward pass of a step: Eq. 2 and 4.

use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::GradientsParams;
use burn::tensor::{DType, Tensor};
use burn::train::TrainOutput;

use crate::encoder::{Encoders, check_rows};
use crate::error::{MlaError, NonFinite, Result, same_size};
use crate::fusion::UncertaintyFusion;
use crate::head::{HeadOutput, ProtectedLayer, SharedHead};
use crate::method::StepOutput;
use crate::mla::carried::{Carried, Factors, FeatureSum};
use crate::mla::{Mla, ProjectionTarget};
use crate::modality::{ModalityInputs, Turn};
use crate::module::{ParamValues, discard_pending_updates};
use crate::projector::OrthogonalProjector;

impl<E: Encoders, H: SharedHead, P: OrthogonalProjector, F: UncertaintyFusion> Mla<E, H, P, F> {
    /// The forward and backward pass of one modality's turn (Eq. 2): gradients for its encoder
    /// and the head only, together with the mean feature of Eq. 4.
    ///
    /// The model must be on an autodiff device. Pass the gradients to
    /// [`try_optimize`](Self::try_optimize), as they are or summed by Burn's
    /// `GradientsAccumulator` over several batches of the same modality; it then uses their mean.
    /// Do not change the gradient of a protected weight in between. With many classes and few
    /// samples the factors of the gradient are projected in its place (see
    /// [`prefers_factors`](OrthogonalProjector::prefers_factors)).
    ///
    /// # Errors
    ///
    /// - [`MlaError::ModalityOutOfRange`] for a turn of a modality that does not exist;
    /// - [`MlaError::Empty`] for a turn without samples;
    /// - [`MlaError::LabelOutOfRange`] for a label that is not a class of the head;
    /// - [`MlaError::Size`] when the number of the encoder's rows is not that of the labels, or
    ///   when the number or a width of the head's inputs is not that of its protected layers;
    /// - [`MlaError::NonFinite`] for features or a loss that are not finite, or features so large
    ///   that the squared norm of their mean is not.
    ///
    /// After an error the model is unchanged, including its running statistics.
    ///
    /// # Panics
    ///
    /// Without autodiff, and when the encoder panics on the shape of its input.
    pub fn try_step(
        &self,
        turn: Turn<<E::Inputs as ModalityInputs>::One>,
    ) -> Result<TrainOutput<StepOutput>> {
        let Turn { input, targets } = turn;
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

        let encoder_refused = |error| {
            discard_pending_updates(&self.encoders, Some(&[modality]));
            error
        };
        let refused = |error| {
            discard_pending_updates(&self.head, None);
            encoder_refused(error)
        };
        let features = self.encoders.encode(input);
        check_rows(&features, targets.len()).map_err(encoder_refused)?;
        let output = self.head.forward(features.clone());
        let errors = self.errors(&output);
        let logits = match &errors {
            Some((_, zeros)) => output.logits.clone() + zeros.clone(),
            None => output.logits.clone(),
        };
        let loss = CrossEntropyLossConfig::new()
            .with_smoothing(
                self.config
                    .label_smoothing
                    .map(|smoothing| smoothing as f32),
            )
            .init(&features.device())
            .forward(logits, targets.tensor());
        let sums = self.feature_sums(&output.inputs).map_err(refused)?;
        self.check_numbers(&features, &sums, &loss, modality)
            .map_err(refused)?;

        let mut carried = Carried::new(modality, sums);
        let total = match carried.term(&self.projection) {
            Some(term) => loss.clone() + term.cast(loss.dtype()),
            None => loss.clone(),
        };
        let mut gradients = total.backward();
        let mut grads = GradientsParams::from_module(&mut gradients, self);
        if let Some((layer, zeros)) = errors {
            let errors = zeros.grad_remove(&mut gradients);
            carried.factors[layer] = errors.map(|errors| Factors {
                inputs: output.inputs[layer].clone().without_autodiff(),
                errors,
            });
        }
        let loss = loss.without_autodiff();
        carried.write(&self.projection, &mut grads, loss.clone());
        Ok(TrainOutput {
            grads,
            item: StepOutput {
                modality: Some(modality),
                loss,
                logits: output.logits.without_autodiff(),
                targets,
            },
        })
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
            return Err(non_finite(NonFinite::Features));
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
