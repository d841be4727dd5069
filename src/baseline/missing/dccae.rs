//! DCCAE: DCCA with decoders that reconstruct the features.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::baseline::missing::dcca::{Dcca, DccaConfig, Network};
use crate::baseline::missing::whole_set::{Fit, PassPlan, WholeSamples, WholeSetHead};
use crate::baseline::{JointHead, JointLogits, JointLoss, JointSamples, ModalityFeatures};
use crate::error::{Result, not_negative};
use crate::module::draw_parameters;

/// The rows that the decoders reconstruct.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum ReconstructedRows {
    /// Of each modality those that have it. Ours.
    Present,
    /// All, with the imputed value where the modality is missing, as public code.
    All,
}

/// Configuration of [`Dccae`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `dcca` | required | the correlation, its networks and the classifier | |
/// | `reconstruction_weight` | 1e-3 | weight of the reconstruction errors; 0 for DCCA | `[0, inf)` |
/// | `reconstructed` | `Present` | rows that the decoders reconstruct | |
///
/// The default weight is that of GCNet's code for mean squared errors.
#[derive(Config, Debug)]
pub struct DccaeConfig {
    /// The correlation, its networks and the classifier.
    pub dcca: DccaConfig,
    /// Weight of the reconstruction errors.
    #[config(default = 1e-3)]
    pub reconstruction_weight: f64,
    /// Rows that the decoders reconstruct.
    #[config(default = "ReconstructedRows::Present")]
    pub reconstructed: ReconstructedRows,
}

/// Deep canonically correlated autoencoders (Wang, Arora, Livescu, Bilmes, ICML 2015): [`Dcca`] with a
/// decoder for each modality.
///
/// ```text
/// loss = -sum_{i<j} corr(H_i, H_j) + reconstruction_weight sum_m mean |decoder_m(H_m) - x_m|^2
/// ```
///
/// The mean is over samples and columns. A decoder has the layers of its network in reverse. The features
/// that it reconstructs are constants: encoders do not follow the gradient of a target.
///
/// After GCNet's `dccae.py`, with the differences of [`Dcca`], and without the reconstruction of imputed
/// values. The paper weighs the sum of squared errors per sample.
#[derive(Module, Debug)]
pub struct Dccae {
    dcca: Dcca,
    decoders: Vec<Network>,
    #[module(skip)]
    config: DccaeConfig,
}

impl DccaeConfig {
    /// Initializes the head on `device`, with logits of 0 until it is fitted.
    ///
    /// # Errors
    ///
    /// As [`DccaConfig::init`], and for a weight outside of the range above.
    pub fn init(&self, device: &Device) -> Result<Dccae> {
        let dcca = self.dcca.init(device)?;
        not_negative("reconstruction_weight", self.reconstruction_weight)?;
        let decoder = |&width: &usize| {
            let mut widths = vec![self.dcca.n_components];
            widths.extend(self.dcca.hidden.iter().rev());
            widths.push(width);
            Network::new(&widths, device)
        };
        Ok(draw_parameters(Dccae {
            dcca,
            decoders: self.dcca.d_features.iter().map(decoder).collect(),
            config: self.clone(),
        }))
    }
}

impl Dccae {
    /// The features that the decoders make of each modality, from the features of this modality:
    /// `[n_samples, d_m]`. Where it is missing, those of the imputed value.
    ///
    /// # Panics
    ///
    /// For features of other widths.
    pub fn reconstruct(&self, features: &ModalityFeatures) -> Vec<Tensor<2>> {
        let outputs = self.dcca.outputs(self.dcca.imputed(features));
        self.decoded(&outputs)
    }

    fn decoded(&self, outputs: &[Tensor<2>]) -> Vec<Tensor<2>> {
        let pairs = self.decoders.iter().zip(outputs);
        pairs
            .map(|(decoder, output)| decoder.forward(output.clone()))
            .collect()
    }

    /// The sum of the modalities' mean squared errors, `[1]`; `None` without a modality.
    fn reconstruction_error(
        &self,
        outputs: &[Tensor<2>],
        imputed: &[Tensor<2>],
        features: &ModalityFeatures,
    ) -> Option<Tensor<1>> {
        let errors = self.decoded(outputs).into_iter().zip(imputed).enumerate();
        let errors = errors.filter_map(|(modality, (decoded, x))| {
            let squares = (decoded - x.clone().detach()).square();
            let [n_samples, width] = squares.dims();
            match (self.config.reconstructed, features.present(modality)) {
                (ReconstructedRows::All, _) | (_, None) => Some(squares.mean()),
                (ReconstructedRows::Present, Some(present)) => {
                    let n_present = features.presence().rows(modality).len();
                    let shape = [n_samples, width];
                    let absent = present.equal_elem(0.0).expand(shape);
                    let sum = squares.mask_fill(absent, 0.0).sum();
                    (n_present > 0).then(|| sum / (n_present * width) as f64)
                }
            }
        });
        errors.reduce(|sum, error| sum + error)
    }

    /// The loss of a batch, `[1]`, and the outputs of the networks.
    fn objective(&self, features: &ModalityFeatures) -> Result<(Tensor<1>, Vec<Tensor<2>>)> {
        let imputed = self.dcca.imputed(features);
        let outputs = self.dcca.outputs(imputed.clone());
        let found = self.dcca.correlated(outputs, features.presence())?;
        let weight = self.config.reconstruction_weight;
        if weight == 0.0 {
            return Ok((found.loss, found.outputs));
        }
        let error = self.reconstruction_error(&found.outputs, &imputed, features);
        let loss = match error {
            None => found.loss,
            Some(error) => found.loss + error * weight,
        };
        Ok((loss, found.outputs))
    }
}

impl JointHead for Dccae {
    fn fuse(&self, features: &ModalityFeatures) -> JointLogits {
        self.dcca.fuse(features)
    }

    /// # Errors
    ///
    /// As [`Dcca`].
    fn loss(&self, samples: &JointSamples) -> Result<JointLoss> {
        self.dcca.check_fitted("Dccae")?;
        let (loss, outputs) = self.objective(&samples.features)?;
        let presence = samples.features.presence();
        let logits = self.dcca.classified(&outputs, presence)?;
        Ok(JointLoss::unobserved(loss, logits))
    }

    fn n_classes(&self) -> usize {
        self.dcca.n_classes()
    }

    fn check(&self, d_features: &[usize]) -> Result<()> {
        self.dcca.check(d_features)
    }
}

impl WholeSetHead for Dccae {
    fn pass(&self) -> PassPlan {
        self.dcca.pass()
    }

    /// As that of [`Dcca`], whose loss is the reported one.
    ///
    /// # Errors
    ///
    /// As [`Dcca`].
    fn fit(&self, samples: &WholeSamples) -> Result<Fit> {
        self.dcca.fit(samples)
    }
}

#[cfg(all(test, feature = "train"))]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::baseline::missing::dcca::network_name;
    use crate::baseline::missing::golden::Golden;
    use crate::baseline::missing::samples::{gaps, numbers, shared_signal};
    use crate::test_devices;

    #[rstest]
    fn losses_and_gradients_are_those_of_the_reference(#[values(2, 3)] n_views: usize) {
        for device in test_devices() {
            let device = device.autodiff();
            let golden = Golden::load(&format!("dccae/network_{n_views}_views"));
            let inputs = golden.inputs(&device);
            let widths = inputs.iter().map(|x| x.dims()[1]).collect();
            let option = |name: &str| golden.meta[name].as_f64().unwrap();
            let dcca = DccaConfig::new(widths, 3)
                .with_n_components(golden.size("n_components"))
                .with_hidden(vec![8, 8])
                .with_ridge(option("ridge"))
                .with_smoothing(option("eps"));
            let config =
                DccaeConfig::new(dcca).with_reconstruction_weight(option("reconstruction_weight"));
            let head = config.init(&device).unwrap();
            let name = |path: &str| match path.strip_prefix("decoders.") {
                Some(path) => network_name("decoder", path),
                None => network_name("encoder", path.strip_prefix("dcca.networks.")?),
            };
            let head = golden.set(head, name);
            let features = ModalityFeatures::complete(inputs).unwrap();
            let (loss, outputs) = head.objective(&features).unwrap();
            for (view, decoded) in head.decoded(&outputs).into_iter().enumerate() {
                golden.close(&format!("reconstruction.{view}"), decoded.inner(), 1e-5);
            }
            golden.close("total", loss.clone().inner(), 1e-5);
            golden.close_gradients(&head, &loss.backward(), name, 3e-5);
        }
    }

    #[test]
    fn without_reconstruction_it_is_dcca() {
        let device = Device::flex().autodiff();
        let (features, _) = shared_signal(20, 1, Some(gaps(20)), &device);
        let dcca = DccaConfig::new(vec![4, 3, 5], 4).with_hidden(vec![6]);
        let head = DccaeConfig::new(dcca).with_reconstruction_weight(0.0);
        let head = head.init(&device).unwrap();
        let (loss, _) = head.objective(&features).unwrap();
        let outputs = head.dcca.outputs(head.dcca.imputed(&features));
        let expected = head
            .dcca
            .correlated(outputs, features.presence())
            .unwrap()
            .loss;
        assert_eq!(numbers(loss.clone()), numbers(expected));
        let gradients = loss.backward();
        for decoder in &head.decoders {
            assert!(decoder.weight_gradient(&gradients).is_none());
        }
    }

    #[test]
    fn rows_that_are_missing_are_no_targets() {
        for device in test_devices() {
            let (features, _) = shared_signal(20, 1, Some(gaps(20)), &device);
            let dcca = DccaConfig::new(vec![4, 3, 5], 4).with_hidden(vec![6]);
            let head = DccaeConfig::new(dcca).init(&device).unwrap();
            let error = |reconstructed, imputed: &[Tensor<2>]| -> f32 {
                let mut head = head.clone();
                head.config.reconstructed = reconstructed;
                let outputs = head.dcca.outputs(features.all().to_vec());
                let error = head.reconstruction_error(&outputs, imputed, &features);
                error.unwrap().into_scalar()
            };
            let plain = features.all().to_vec();
            let moved: Vec<Tensor<2>> = (0..3)
                .map(|m| plain[m].clone() + (1.0 - features.present(m).unwrap()) * 9.0)
                .collect();
            let present = ReconstructedRows::Present;
            assert_eq!(error(present, &plain), error(present, &moved));
            let all = ReconstructedRows::All;
            assert!(error(all, &plain) < error(all, &moved));
        }
    }

    #[test]
    fn a_weight_out_of_range_is_refused() {
        let dcca = DccaConfig::new(vec![4, 3], 4);
        let config = DccaeConfig::new(dcca).with_reconstruction_weight(f64::NAN);
        assert!(config.init(&Device::flex()).is_err());
    }
}
