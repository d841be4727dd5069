//! DCCA: networks whose outputs correlate, and a linear classifier on them.

mod correlation;
mod network;
#[cfg(all(test, feature = "train"))]
mod tests;
mod top;

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};

use crate::baseline::joint::{check_sizes, check_widths};
use crate::baseline::missing::classifier::LinearClassifier;
use crate::baseline::missing::dcca::correlation::Correlation;
use crate::baseline::missing::dcca::top::Top;
use crate::baseline::missing::pairs::{PairRows, check_means};
use crate::baseline::missing::whole_set::{
    Fit, FitValues, Moment, PassPlan, WholeSamples, WholeSetHead,
};
use crate::baseline::{JointHead, JointLogits, JointLoss, JointSamples, ModalityFeatures};
use crate::error::{MlaError, Result, at_least_one, check_order, not_negative, positive};
use crate::modality::Presence;
use crate::module::{Buffer, draw_parameters};
use crate::numeric::{Matrix, columns_to_tensor, read_columns};

pub(super) use network::Network;
#[cfg(all(test, feature = "train"))]
pub(super) use tests::network_name;

/// Configuration of [`Dcca`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `d_features` | required | feature width of each modality | at least two, each >= 1 |
/// | `n_classes` | required | number of classes | >= 1 |
/// | `n_components` | 2 | width of each network's output | >= 1 |
/// | `hidden` | `[256, 256, 256]` | widths of the hidden layers of each network | each >= 1 |
/// | `ridge` | 1e-3 | added to the diagonal of each covariance of outputs | (0, inf) |
/// | `smoothing` | 1e-3 | added to the squared singular values; 0 for the trace norm of Andrew et al. | `[0, inf)` |
/// | `rows` | `Imputed` | rows of a batch from which a pair of modalities correlates | |
/// | `imputing_means` | none | values of missing modalities; the means of the training rows that have them if none | one list per modality, of its width, finite |
/// | `smallest_batch` | `2 n_components` | number of samples from which a batch makes a step; smaller ones count in fits only | >= 2 |
/// | `linear_cca` | false | whether a [`Cca`](crate::baseline::Cca) of the outputs, with as many components and the same ridge and rows, projects them before the classifier | |
/// | `classifier` | `Svm` | classifier on the outputs or projections | |
/// | `c` | 0.01 | weight of the classifier's losses against its penalty | (0, inf) |
///
/// The defaults are those of GCNet's README. Train as it does by Burn's `Adam` with a learning rate of
/// 1e-3 and a weight decay of 1e-4, batches of 1024, 100 epochs.
#[derive(Config, Debug)]
pub struct DccaConfig {
    /// Feature width of each modality.
    pub d_features: Vec<usize>,
    /// Number of classes.
    pub n_classes: usize,
    /// Width of each network's output.
    #[config(default = 2)]
    pub n_components: usize,
    /// Widths of the hidden layers of each network.
    #[config(default = "vec![256, 256, 256]")]
    pub hidden: Vec<usize>,
    /// Added to the diagonal of each covariance of outputs.
    #[config(default = 1e-3)]
    pub ridge: f64,
    /// Added to the squared singular values.
    #[config(default = 1e-3)]
    pub smoothing: f64,
    /// Rows of a batch from which a pair of modalities correlates.
    #[config(default = "PairRows::Imputed")]
    pub rows: PairRows,
    /// Values of missing modalities instead of the means of the training rows.
    pub imputing_means: Option<Vec<Vec<f64>>>,
    /// Number of samples from which a batch makes a step.
    pub smallest_batch: Option<usize>,
    /// Whether a correlation analysis of the outputs projects them before the classifier.
    #[config(default = false)]
    pub linear_cca: bool,
    /// Classifier on the outputs or projections.
    #[config(default = "LinearClassifier::Svm")]
    pub classifier: LinearClassifier,
    /// Weight of the classifier's losses against its penalty.
    #[config(default = 0.01)]
    pub c: f64,
}

/// Deep canonical correlation analysis (Andrew, Arora, Bilmes, Livescu, ICML 2013) of each pair of
/// modalities, and a linear classifier on the outputs of the networks.
///
/// ```text
/// H_m    = network_m(x_m)            x_m imputed by the mean of the training rows that have it
/// loss   = -sum_{i<j} corr(H_i, H_j)       corr = sum_k sqrt(sigma_k^2 + smoothing)
/// sigma  = singular values of S_ii^-1/2 S_ij S_jj^-1/2, covariances with a ridge
/// logits = [H_1, .., H_M] W + b
/// ```
///
/// Each modality has a network of its own, with batch normalization before each ReLU. The gradient of the
/// loss has a closed form, computed on the host in f64. It does not involve labels, and neither class
/// weights nor label smoothing have an effect.
///
/// Train it as a [`WholeSet`](crate::baseline::WholeSet). A fit before the batches of a pass takes the
/// imputing means, one after them the classifier on the outputs in evaluation mode. The reported loss of
/// a fit is that of the whole set. Logits are 0 until the first classifier.
///
/// Where most samples have a single modality, imputed rows carry no signal but which modality is
/// missing, and networks learn to correlate that: see [`PairRows`].
///
/// After GCNet's `dcca.py`, which follows Michaelvll's DeepCCA (MIT), with these differences: the code
/// runs the third modality through the second one's network, and imputes by means of all data. GCNet's code
/// fits no linear CCA on the outputs. Michaelvll's has it as an option, which is `linear_cca`.
#[derive(Module, Debug)]
pub struct Dcca {
    networks: Vec<Network>,
    /// The value of a missing modality, `[d_m]` for each.
    imputed: Vec<Buffer<1>>,
    /// 1 after a fit of the imputed values.
    fitted: Buffer<1>,
    top: Top,
    d_features: Vec<usize>,
    #[module(skip)]
    config: DccaConfig,
}

impl DccaConfig {
    /// Initializes the head on `device`, with logits of 0 until it is fitted.
    ///
    /// # Errors
    ///
    /// [`MlaError`] for a value outside of the ranges above.
    pub fn init(&self, device: &Device) -> Result<Dcca> {
        check_sizes(&self.d_features, self.n_classes)?;
        let n_modalities = self.d_features.len();
        check_order("the number of modalities", n_modalities, "at least 2", 2)?;
        at_least_one("n_components", self.n_components)?;
        for &width in &self.hidden {
            at_least_one("hidden", width)?;
        }
        positive("ridge", self.ridge)?;
        not_negative("smoothing", self.smoothing)?;
        check_means(self.imputing_means.as_deref(), &self.d_features)?;
        if let Some(smallest) = self.smallest_batch {
            check_order("smallest_batch", smallest, "at least 2", 2)?;
        }
        positive("c", self.c)?;
        let network = |&width: &usize| {
            let mut widths = vec![width];
            widths.extend(&self.hidden);
            widths.push(self.n_components);
            Network::new(&widths, device)
        };
        let options = (&device.clone().inner(), DType::F32);
        let value = |&width: &usize| Buffer::new(Tensor::zeros([width], options));
        Ok(draw_parameters(Dcca {
            networks: self.d_features.iter().map(network).collect(),
            imputed: self.d_features.iter().map(value).collect(),
            fitted: Buffer::new(Tensor::zeros([1], options)),
            top: Top::init(self, device)?,
            d_features: self.d_features.clone(),
            config: self.clone(),
        }))
    }
}

/// The outputs of the networks with their loss.
pub(super) struct Correlated {
    /// `[n_samples, n_components]` of each modality.
    pub(super) outputs: Vec<Tensor<2>>,
    /// `[1]`, with the gradient of the correlation.
    pub(super) loss: Tensor<1>,
}

impl Dcca {
    /// The features of each modality with the imputed value where it is missing.
    pub(super) fn imputed(&self, features: &ModalityFeatures) -> Vec<Tensor<2>> {
        let missing = features.presence().missing(&features.device());
        let impute = |(modality, x): (usize, &Tensor<2>)| {
            let Some(missing) = &missing else {
                return x.clone();
            };
            let shape = x.dims();
            let column = missing.clone().slice([0..shape[0], modality..modality + 1]);
            let value = self.imputed[modality]
                .get()
                .unsqueeze_dim::<2>(0)
                .expand(shape);
            let value = value.cast(x.dtype());
            x.clone()
                .mask_where(column.expand(shape), on_device_of(x, value))
        };
        features.all().iter().enumerate().map(impute).collect()
    }

    /// The outputs of the networks for imputed features.
    pub(super) fn outputs(&self, imputed: Vec<Tensor<2>>) -> Vec<Tensor<2>> {
        let pairs = self.networks.iter().zip(imputed);
        pairs.map(|(network, x)| network.forward(x)).collect()
    }

    /// The loss of outputs. Its value is that of the correlation, and its gradient the one in closed
    /// form: that of `sum(H * G)` with constant `G`.
    pub(super) fn correlated(
        &self,
        outputs: Vec<Tensor<2>>,
        presence: &Presence,
    ) -> Result<Correlated> {
        let n_samples = presence.n_samples();
        if n_samples < 2 {
            return Err(MlaError::TooFewSamples {
                what: "a batch whose outputs correlate",
                needed: 2,
                got: n_samples,
            });
        }
        let (value, gradients) = self.on_host(&outputs, presence)?;
        let device = outputs[0].device();
        let terms = outputs.iter().zip(&gradients).map(|(output, gradient)| {
            let gradient = columns_to_tensor(gradient, &device).cast(output.dtype());
            (output.clone() * on_device_of(output, gradient)).sum()
        });
        let surrogate = terms.reduce(|sum, term| sum + term);
        let surrogate = surrogate.ok_or(MlaError::NoModalities { what: "the head" })?;
        let constant = surrogate.clone().detach();
        Ok(Correlated {
            loss: surrogate - constant + value,
            outputs,
        })
    }

    /// The loss and its gradients. Outputs that are not finite have the loss NaN.
    fn on_host(&self, outputs: &[Tensor<2>], presence: &Presence) -> Result<(f64, Vec<Matrix>)> {
        let all = read_columns(Tensor::cat(outputs.to_vec(), 1), "outputs of networks")?;
        let parts: Vec<Matrix> = split(&all, outputs.len());
        if all.iter().any(|x| !x.is_finite()) {
            let zeros = parts.iter().map(|part| part * 0.0).collect();
            return Ok((f64::NAN, zeros));
        }
        let correlation = Correlation {
            ridge: self.config.ridge,
            smoothing: self.config.smoothing,
            rows: self.config.rows,
        };
        correlation.loss(&parts, presence)
    }

    /// Checks that imputed values were fitted.
    pub(super) fn check_fitted(&self, head: &'static str) -> Result<()> {
        let fitted: f64 = self
            .fitted
            .get()
            .try_into_scalar()
            .map_err(MlaError::read("whether a head was fitted"))?;
        if fitted == 0.0 {
            return Err(MlaError::NeedsWholeSet { head });
        }
        Ok(())
    }

    /// The logits of outputs.
    ///
    /// # Errors
    ///
    /// [`MlaError::Size`] for another number of samples than in `presence`.
    pub(super) fn classified(
        &self,
        outputs: &[Tensor<2>],
        presence: &Presence,
    ) -> Result<Tensor<2>> {
        self.top.logits(outputs, presence)
    }

    /// The head with imputed values from the samples.
    fn with_means(&self, samples: &WholeSamples, values: &mut FitValues) -> Result<Self> {
        let (features, presence) = (&samples.features, samples.features.presence());
        for (modality, x) in features.all().iter().enumerate() {
            let rows = presence.rows(modality);
            if rows.is_empty() {
                return Err(MlaError::AbsentModality { modality });
            }
            let mean = match &self.config.imputing_means {
                Some(means) => means[modality].clone(),
                None => {
                    // Rows of missing modalities are 0.
                    let sum = read_columns(x.clone(), "the features")?.column_sum();
                    sum.iter().map(|sum| sum / rows.len() as f64).collect()
                }
            };
            values.vector(&self.imputed[modality], &mean);
        }
        values.vector(&self.fitted, &[1.0]);
        Ok(values.clone().apply(self.clone()))
    }
}

/// A constant in the autodiff context of another tensor.
fn on_device_of(like: &Tensor<2>, constant: Tensor<2>) -> Tensor<2> {
    constant.to_device(&like.device())
}

/// Matrices of `n` equal parts of the rows.
fn split(all: &Matrix, n: usize) -> Vec<Matrix> {
    let height = all.nrows() / n;
    let part = |i| all.rows(i * height, height).clone_owned();
    (0..n).map(part).collect()
}

impl JointHead for Dcca {
    fn fuse(&self, features: &ModalityFeatures) -> JointLogits {
        let outputs = self.outputs(self.imputed(features));
        let logits = self.classified(&outputs, features.presence());
        JointLogits::unweighted(logits.expect("outputs are of the samples of the features"))
    }

    /// # Errors
    ///
    /// [`MlaError::TooFewSamples`] for a batch of one sample, [`MlaError::NeedsWholeSet`] before the first
    /// fit, [`MlaError::DeviceRead`].
    fn loss(&self, samples: &JointSamples) -> Result<JointLoss> {
        self.check_fitted("Dcca")?;
        let features = &samples.features;
        let outputs = self.outputs(self.imputed(features));
        let found = self.correlated(outputs, features.presence())?;
        let logits = self.classified(&found.outputs, features.presence())?;
        Ok(JointLoss::unobserved(found.loss, logits))
    }

    fn n_classes(&self) -> usize {
        self.config.n_classes
    }

    fn check(&self, d_features: &[usize]) -> Result<()> {
        check_widths(&self.d_features, d_features)
    }
}

impl WholeSetHead for Dcca {
    fn pass(&self) -> PassPlan {
        let smallest = self.config.smallest_batch;
        PassPlan {
            fits_before: 1,
            smallest_batch: Some(smallest.unwrap_or(2 * self.config.n_components)),
            fits_after: 1,
        }
    }

    /// # Errors
    ///
    /// [`MlaError::AbsentModality`] for a modality that no sample has, [`MlaError::TooFewSamples`] for
    /// fewer than two, with `linear_cca` those of [`Cca`](crate::baseline::Cca), [`MlaError::DeviceRead`].
    fn fit(&self, samples: &WholeSamples) -> Result<Fit> {
        let (features, presence) = (&samples.features, samples.features.presence());
        let mut values = FitValues::default();
        let evaluated = match samples.moment {
            Moment::BeforeBatches => self.with_means(samples, &mut values)?.valid(),
            Moment::AfterBatches => self.valid(),
        };
        let outputs = evaluated.outputs(evaluated.imputed(features));
        let found = evaluated.correlated(outputs, presence)?;
        let logits = match samples.moment {
            Moment::BeforeBatches => evaluated.classified(&found.outputs, presence)?,
            Moment::AfterBatches => {
                let (config, outputs) = (&self.config, &found.outputs);
                self.top.fit(config, outputs, samples, &mut values)?
            }
        };
        Ok(Fit {
            loss: found.loss,
            descends: false,
            logits,
            values,
        })
    }
}
