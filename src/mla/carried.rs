//! What travels with the gradients of a step: the number of samples, the mean feature of Eq. 4, and
//! the factors of a wide head's gradient. This file owns their layout.

use burn::module::Param;
use burn::tensor::{DType, Device, Tensor};
#[cfg(feature = "train")]
use burn::{module::ParamId, optim::GradientsParams};

#[cfg(feature = "train")]
use crate::{
    error::{MlaError, Result},
    mla::Projection,
    projector::OrthogonalProjector,
};

/// The inputs of a protected layer summed over the samples of a step, `[d_input + 1]` in f32.
///
/// The last entry is the number of samples. Gradients that are added up therefore carry the sums for
/// the whole batch. A carrier adds the total weight of the samples in the loss.
#[cfg(feature = "train")]
#[derive(Debug, Clone)]
pub(super) struct FeatureSum(Tensor<1>);

/// A zero vector whose gradient is a [`FeatureSum`] for a layer of width `d_input`, followed by the
/// total weight of the samples.
pub(super) fn carrier(d_input: usize, device: &Device) -> Param<Tensor<1>> {
    Param::from_tensor(Tensor::zeros([d_input + 2], (device, DType::F32)))
}

/// A zero number whose gradient is the total weight of the samples, for a head without protected
/// layers.
pub(super) fn weight_carrier(device: &Device) -> Param<Tensor<1>> {
    Param::from_tensor(Tensor::zeros([1], (device, DType::F32)))
}

#[cfg(feature = "train")]
impl FeatureSum {
    /// Sums the rows of `inputs`, `[n_samples, width]`, off the tape. Entries from `width` to
    /// `d_input` are a constant feature of 1.
    pub(super) fn of(inputs: Tensor<2>, d_input: usize) -> Self {
        let inputs = inputs.without_autodiff().cast(DType::F32);
        let [n_samples, width] = inputs.dims();
        let single = (&inputs.device(), DType::F32);
        let counts = Tensor::full([d_input + 1 - width], n_samples as f32, single);
        let sum = inputs.sum_dim(0).squeeze_dim(0);
        Self(Tensor::cat(vec![sum, counts], 0))
    }

    /// Eq. 4, `[d_input]`.
    pub(super) fn mean(&self) -> Tensor<1> {
        self.0.clone().slice([0..self.d_input()]) / self.n_samples()
    }

    /// `[1]`.
    pub(super) fn n_samples(&self) -> Tensor<1> {
        let at = self.d_input();
        self.0.clone().slice([at..at + 1])
    }

    fn d_input(&self) -> usize {
        self.0.dims()[0] - 1
    }
}

/// The factors of a weight's gradient `H^T D`.
#[cfg(feature = "train")]
#[derive(Debug)]
pub(super) struct Factors {
    /// `H`, `[n_samples, width]`.
    pub(super) inputs: Tensor<2>,
    /// `D`, `[n_samples, d_output]`.
    pub(super) errors: Tensor<2>,
}

/// Ids under which [`Factors`] travel. No parameter has them: code that adds up gradients over
/// the model's parameters drops the factors.
#[cfg(feature = "train")]
#[derive(Debug, Clone, Copy)]
pub(super) struct FactorIds {
    inputs: ParamId,
    errors: ParamId,
}

#[cfg(feature = "train")]
impl FactorIds {
    pub(super) fn new() -> Self {
        Self {
            inputs: ParamId::new(),
            errors: ParamId::new(),
        }
    }
}

/// The companions of a step's gradients.
#[cfg(feature = "train")]
#[derive(Debug)]
pub(super) struct Carried {
    /// Modality of the step; `None` if no protected layer carries it.
    pub(super) modality: Option<usize>,
    /// Inputs of each protected layer.
    pub(super) sums: Vec<FeatureSum>,
    /// Factors of the gradient of each protected layer, where they are worth using.
    pub(super) factors: Vec<Option<Factors>>,
    /// Total weight of the samples in the loss, `[1]` in f32, by which the gradients have to be
    /// divided: the number of samples unless the loss weighs them.
    pub(super) weight: Tensor<1>,
}

#[cfg(feature = "train")]
impl Carried {
    /// The companions of a backward pass over samples of a total weight.
    pub(super) fn new(
        modality: usize,
        sums: Vec<FeatureSum>,
        weight: f64,
        device: &Device,
    ) -> Self {
        Self {
            modality: Some(modality),
            factors: sums.iter().map(|_| None).collect(),
            sums,
            weight: Tensor::full([1], weight as f32, (device, DType::F32)),
        }
    }

    /// A term of value 0 to add to the loss, `[1]` in f32. Its gradient carries the sums, through
    /// accumulation and across devices.
    pub(super) fn term<P: OrthogonalProjector>(&self, projection: &Projection<P>) -> Tensor<1> {
        let weight = self.weight.clone().without_autodiff();
        let term = |carrier: &Param<Tensor<1>>, sum: Tensor<1>| {
            (carrier.val().cast(DType::F32) * sum).sum()
        };
        let alone = projection.weight.iter();
        let alone = alone.map(|carrier| term(carrier, weight.clone()));
        let layers = projection.layers.iter().zip(&self.sums);
        let layers = layers.filter_map(|(layer, sum)| {
            let carrier = layer.carriers.get(self.modality?)?;
            let sum = Tensor::cat(vec![sum.0.clone(), weight.clone()], 0);
            Some(term(carrier, sum))
        });
        let total = alone.chain(layers).reduce(|total, term| total + term);
        total.expect("a projection has a carrier, with or without layers")
    }

    /// Adds the factors to the gradients of a backward pass, which hold the sums already.
    pub(super) fn write<P: OrthogonalProjector>(
        self,
        projection: &Projection<P>,
        gradients: &mut GradientsParams,
    ) {
        for (layer, factors) in projection.layers.iter().zip(self.factors) {
            if let Some(factors) = factors {
                gradients.register(layer.factors.inputs, factors.inputs);
                gradients.register(layer.factors.errors, factors.errors);
            }
        }
    }

    /// Takes the companions out of gradients.
    ///
    /// # Errors
    ///
    /// [`MlaError::NoMeanFeature`] and [`MlaError::MixedModalities`], or
    /// [`MlaError::NoStepGradients`] for a head without protected layers.
    pub(super) fn take<P: OrthogonalProjector>(
        projection: &Projection<P>,
        gradients: &mut GradientsParams,
    ) -> Result<Self> {
        let layers = &projection.layers;
        if let Some(carrier) = &projection.weight {
            let weight = gradients.remove(carrier.id);
            return Ok(Self {
                modality: None,
                sums: vec![],
                factors: vec![],
                weight: weight.ok_or(MlaError::NoStepGradients)?,
            });
        }
        let mut found: Option<(usize, Vec<Tensor<1>>)> = None;
        for modality in 0..layers.first().map_or(0, |layer| layer.carriers.len()) {
            let sums: Vec<Tensor<1>> = layers
                .iter()
                .filter_map(|layer| gradients.remove(layer.carriers[modality].id))
                .collect();
            if sums.is_empty() {
                continue;
            }
            if let Some((first, _)) = found {
                let second = modality;
                return Err(MlaError::MixedModalities { first, second });
            }
            if sums.len() != layers.len() {
                return Err(MlaError::NoMeanFeature);
            }
            found = Some((modality, sums));
        }
        let (modality, sums) = found.ok_or(MlaError::NoMeanFeature)?;
        let mut factors = |ids: FactorIds| {
            Some(Factors {
                inputs: gradients.remove(ids.inputs)?,
                errors: gradients.remove(ids.errors)?,
            })
        };
        let split = |sum: &Tensor<1>, at: usize| {
            (sum.clone().slice([0..at]), sum.clone().slice([at..at + 1]))
        };
        let (_, weight) = split(&sums[0], layers[0].d_input + 1);
        let sums = layers.iter().zip(&sums);
        let sums = sums.map(|(layer, sum)| FeatureSum(split(sum, layer.d_input + 1).0));
        Ok(Self {
            modality: Some(modality),
            sums: sums.collect(),
            factors: layers.iter().map(|layer| factors(layer.factors)).collect(),
            weight,
        })
    }
}
