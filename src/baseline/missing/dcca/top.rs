//! What classifies the outputs of DCCA's networks.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::baseline::missing::cca::{Cca, CcaConfig};
use crate::baseline::missing::classifier::{FittedLinear, logits};
use crate::baseline::missing::dcca::DccaConfig;
use crate::baseline::missing::pairs::PairRows;
use crate::baseline::missing::whole_set::{FitValues, WholeSamples, WholeSetHead};
use crate::baseline::{JointHead, ModalityFeatures};
use crate::error::{MlaError, Result};
use crate::modality::Presence;
use crate::numeric::{columns_to_tensor, read_columns};

/// A classifier on the outputs, or a correlation analysis of them with its classifier.
#[derive(Module, Debug)]
// One per model: a box would save nothing.
#[allow(clippy::large_enum_variant)]
pub(super) enum Top {
    Linear(FittedLinear),
    Cca(Cca),
}

impl Top {
    /// A top whose logits are 0. The values of the configuration are in their ranges.
    pub(super) fn init(config: &DccaConfig, device: &Device) -> Result<Self> {
        let (n_modalities, width) = (config.d_features.len(), config.n_components);
        if !config.linear_cca {
            let width = width * n_modalities;
            let linear = FittedLinear::zeros(width, config.n_classes, device);
            return Ok(Self::Linear(linear));
        }
        let cca = CcaConfig::new(vec![width; n_modalities], config.n_classes)
            .with_n_components(width)
            .with_ridge(config.ridge)
            .with_rows(config.rows)
            .with_classifier(config.classifier)
            .with_c(config.c);
        Ok(Self::Cca(cca.init(device)?))
    }

    /// Logits of outputs, `[n_samples, n_components]` for each modality.
    pub(super) fn logits(&self, outputs: &[Tensor<2>], presence: &Presence) -> Result<Tensor<2>> {
        match self {
            Self::Linear(linear) => Ok(linear.forward(Tensor::cat(outputs.to_vec(), 1))),
            Self::Cca(cca) => Ok(cca.fuse(&correlated(cca, outputs, presence)?).logits),
        }
    }

    /// Fits the top to the outputs of all samples, and returns their logits.
    ///
    /// # Errors
    ///
    /// [`MlaError::NonFiniteLoss`] for outputs that are not finite, as [`Cca`]'s fit, and
    /// [`MlaError::DeviceRead`].
    pub(super) fn fit(
        &self,
        config: &DccaConfig,
        outputs: &[Tensor<2>],
        samples: &WholeSamples,
        values: &mut FitValues,
    ) -> Result<Tensor<2>> {
        let all = Tensor::cat(outputs.to_vec(), 1);
        let device = all.device();
        let all = read_columns(all, "outputs of networks")?;
        if all.iter().any(|x| !x.is_finite()) {
            return Err(MlaError::NonFiniteLoss { step: samples.step });
        }
        match self {
            Self::Linear(linear) => {
                let (labels, n_classes) = (samples.labels(), config.n_classes);
                let fitted = config.classifier.fit(&all, &labels, n_classes, config.c)?;
                linear.fitted(&fitted.0, values);
                Ok(columns_to_tensor(&logits(&fitted.0, &all), &device))
            }
            Self::Cca(cca) => {
                let features = correlated(cca, outputs, samples.features.presence())?;
                let found = cca.fit(&WholeSamples {
                    features,
                    ..samples.clone()
                })?;
                values.extend(found.values);
                Ok(found.logits)
            }
        }
    }
}

/// The outputs as features of a correlation analysis. Those of imputed rows are rows as all others, unless
/// pairs are of the rows that have both modalities.
fn correlated(cca: &Cca, outputs: &[Tensor<2>], presence: &Presence) -> Result<ModalityFeatures> {
    match cca.rows() {
        PairRows::Imputed => ModalityFeatures::complete(outputs.to_vec()),
        PairRows::CompletePairs => ModalityFeatures::new(outputs.to_vec(), presence.clone()),
    }
}
