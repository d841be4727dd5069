//! CPM-Net: a latent vector per sample, from which networks reconstruct the modalities present.

mod clustering;
mod decoder;
mod latents;
#[cfg(all(test, feature = "train"))]
mod tests;

use burn::config::Config;
use burn::module::{Module, Param, ParamGroup, ParamId};
use burn::nn::Initializer;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use crate::baseline::joint::{check_sizes, check_widths};
use crate::baseline::missing::cpm_net::clustering::clustering;
use crate::baseline::missing::cpm_net::decoder::Decoder;
use crate::baseline::missing::cpm_net::latents::{closed_form, descent};
use crate::baseline::missing::whole_set::{Fit, FitValues, PassPlan, WholeSamples, WholeSetHead};
use crate::baseline::{JointHead, JointLogits, JointLoss, JointSamples, ModalityFeatures};
use crate::error::{MlaError, Result, at_least_one, not_negative};
use crate::module::{Buffer, draw_parameters};

pub use clustering::ClusteringMargin;
pub use latents::{DescentStart, TestLatents};

/// Configuration of [`CpmNet`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `d_features` | required | feature width of each modality | each >= 1 |
/// | `n_classes` | required | number of classes | >= 1 |
/// | `n_data` | required | number of samples of the training data | >= 1, `4 d_latent` bytes each |
/// | `d_latent` | 128 | width of the latent vectors | >= 1 |
/// | `hidden` | `[]` | widths of the hidden layers of each network | each >= 1 |
/// | `relu` | false | whether a ReLU follows each hidden layer; needs `TestLatents::Descent` | |
/// | `clustering_weight` | 1 | weight of the clustering loss | `[0, inf)` |
/// | `margin` | `Misclassified` | margin of the clustering loss | |
/// | `network_steps` | 5 | updates of the networks, in turn with those of the latent vectors | >= 1 |
/// | `latent_steps` | 5 | updates of the latent vectors | >= 1 |
/// | `fine_tune_after` | none | number of updates after which only the networks train | |
/// | `test_latents` | `ClosedForm`, no ridge | latent vectors of predictions | |
///
/// The defaults are those of GCNet's README, without the closed form. Train as it does by Adam with a
/// learning rate of 1e-3 for the networks and 1e-2 for [the latent vectors](CpmNet::latent_group), 30
/// epochs.
#[derive(Config, Debug)]
pub struct CpmNetConfig {
    /// Feature width of each modality.
    pub d_features: Vec<usize>,
    /// Number of classes.
    pub n_classes: usize,
    /// Number of samples of the training data.
    pub n_data: usize,
    /// Width of the latent vectors.
    #[config(default = 128)]
    pub d_latent: usize,
    /// Widths of the hidden layers of each network.
    #[config(default = "vec![]")]
    pub hidden: Vec<usize>,
    /// Whether a ReLU follows each hidden layer.
    #[config(default = false)]
    pub relu: bool,
    /// Weight of the clustering loss.
    #[config(default = 1.0)]
    pub clustering_weight: f64,
    /// Margin of the clustering loss.
    #[config(default = "ClusteringMargin::Misclassified")]
    pub margin: ClusteringMargin,
    /// Updates of the networks, in turn with those of the latent vectors.
    #[config(default = 5)]
    pub network_steps: usize,
    /// Updates of the latent vectors.
    #[config(default = 5)]
    pub latent_steps: usize,
    /// Number of updates after which only the networks train.
    pub fine_tune_after: Option<u64>,
    /// Latent vectors of predictions.
    #[config(default = "TestLatents::ClosedForm { ridge: 0.0 }")]
    pub test_latents: TestLatents,
}

/// Cross partial multi-view networks (Zhang et al., "CPM-Nets: Cross Partial Multi-View Networks",
/// NeurIPS 2019).
///
/// ```text
/// networks:        L_rec = sum_n sum_{m present} |f_m(h_n) - x_nm|^2
/// latent vectors:  L_rec + clustering_weight L_cls
/// L_cls = sum_n max(0, D_n + max_c F_nc - F_n,y_n)      F_nc = mean over j != n of class c of h_n . h_j
/// ```
///
/// Each training sample has a latent vector `h_n`, a parameter at its position in the data set. Updates of
/// the networks and of the latent vectors alternate, each on all samples. Only the parameters in turn have
/// gradients, so that an optimizer keeps a state for each. A sample of a prediction gets a latent vector from
/// the [modalities present](TestLatents), and its logits are the products with the mean training vectors of
/// the classes. A class without training samples has the lowest logit.
///
/// Train it as a [`WholeSet`](crate::baseline::WholeSet) on batches with the positions of their
/// [samples](crate::modality::MultimodalBatch::samples). A pass makes `network_steps + latent_steps`
/// updates. A modality may be absent in the whole training set: its network stays as it is initialized.
/// Encoders are not trained: freeze them.
///
/// The latent vectors are bound to the training set. Training another one fails at the first sample whose
/// label differs.
///
/// After the authors' code (hanmenghan/CPM_Nets), with these differences: no dropout with hidden layers
/// (the code drops outputs too, in predictions as well), no term for the only sample of a class (there
/// NaN), and predictions that depend neither on chance nor on the number of samples. The paper's
/// fine-tuning before a prediction, which the code lacks, is off by default: after `fine_tune_after` updates
/// all further ones are of the networks, with the latent vectors fixed and without the clustering loss.
///
/// A model file holds the means of the classes and no latent vector of a training sample. Checkpoints hold
/// both.
#[derive(Module, Debug)]
pub struct CpmNet {
    /// `[n_data, d_latent]`
    latents: Param<Tensor<2>>,
    networks: Vec<Decoder>,
    /// The label of each training sample, -1 where it is unknown, `[n_data]`.
    labels: Buffer<1>,
    /// The mean latent vector of the training samples of each class, `[n_classes, d_latent]`.
    means: Buffer<2>,
    /// The number of training samples of each class, `[n_classes]`.
    counts: Buffer<1>,
    d_features: Vec<usize>,
    #[module(skip)]
    config: CpmNetConfig,
}

impl CpmNetConfig {
    /// Initializes the head on `device`.
    ///
    /// # Errors
    ///
    /// [`MlaError`] for a value outside of the ranges above, or no modality.
    pub fn init(&self, device: &Device) -> Result<CpmNet> {
        check_sizes(&self.d_features, self.n_classes)?;
        at_least_one("n_data", self.n_data)?;
        at_least_one("d_latent", self.d_latent)?;
        if self.n_data > isize::MAX as usize / size_of::<f32>() / self.d_latent {
            return Err(MlaError::HyperParameter {
                name: "n_data",
                requirement: "small enough for the memory of the device",
                value: self.n_data as f64,
            });
        }
        for &width in &self.hidden {
            at_least_one("hidden", width)?;
        }
        not_negative("clustering_weight", self.clustering_weight)?;
        at_least_one("network_steps", self.network_steps)?;
        at_least_one("latent_steps", self.latent_steps)?;
        self.test_latents.check()?;
        let is_linear = !self.relu || self.hidden.is_empty();
        if let (TestLatents::ClosedForm { .. }, false) = (self.test_latents, is_linear) {
            return Err(MlaError::HyperParameter {
                name: "relu",
                requirement: "0 for latent vectors in closed form",
                value: 1.0,
            });
        }
        let network = |&width: &usize| {
            let mut widths = vec![self.d_latent];
            widths.extend(&self.hidden);
            widths.push(width);
            Decoder::new(&widths, self.relu, device)
        };
        let options = (&device.clone().inner(), DType::F32);
        let xavier = Initializer::XavierUniform { gain: 1.0 };
        let (fan_in, fan_out) = (Some(self.n_data), Some(self.d_latent));
        Ok(draw_parameters(CpmNet {
            latents: xavier.init_with([self.n_data, self.d_latent], fan_in, fan_out, device),
            networks: self.d_features.iter().map(network).collect(),
            labels: Buffer::new(Tensor::full([self.n_data], -1.0, options)),
            means: Buffer::new(Tensor::zeros([self.n_classes, self.d_latent], options)),
            counts: Buffer::new(Tensor::zeros([self.n_classes], options)),
            d_features: self.d_features.clone(),
            config: self.clone(),
        }))
    }
}

impl CpmNet {
    /// The latent vectors of the training samples in a model, for a learning rate of their own.
    ///
    /// ```
    /// use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
    /// use burn_mla::baseline::CpmNet;
    ///
    /// let schedule = ModuleLrScheduler::from(1e-3).with_group(CpmNet::latent_group(), 1e-2);
    /// # drop(schedule);
    /// ```
    pub fn latent_group() -> ParamGroup {
        ParamGroup::from_path("head.latents")
    }

    /// The latent vectors of the training samples, `[n_data, d_latent]`, by their positions in the data set.
    pub fn training_latents(&self) -> Tensor<2> {
        self.latents.val().without_autodiff()
    }

    /// The latent vectors of samples, `[n_samples, d_latent]`, from the modalities that they have.
    ///
    /// # Errors
    ///
    /// [`MlaError::DeviceRead`], and [`MlaError::NotPositive`] for weights that are not finite.
    pub fn latents(&self, features: &ModalityFeatures) -> Result<Tensor<2>> {
        let evaluated = self.valid();
        let features = features.without_autodiff();
        match self.config.test_latents {
            TestLatents::ClosedForm { ridge } => {
                closed_form(&evaluated.networks, &features, self.config.d_latent, ridge)
            }
            TestLatents::Descent {
                n_steps,
                learning_rate,
                start,
            } => {
                let shape = [features.n_samples(), self.config.d_latent];
                let start = match start {
                    DescentStart::Zero => Tensor::zeros(shape, (&features.device(), DType::F32)),
                    DescentStart::MeanLatent => self.mean_latent().expand(shape),
                };
                let networks = &evaluated.networks;
                Ok(descent(networks, &features, start, n_steps, learning_rate))
            }
        }
    }

    /// The features of all modalities that the networks make of the [latent vectors](Self::latents) of
    /// samples, `[n_samples, d_m]` each: imputations of what is missing.
    ///
    /// # Errors
    ///
    /// As [`latents`](Self::latents).
    pub fn reconstruct(&self, features: &ModalityFeatures) -> Result<Vec<Tensor<2>>> {
        let latents = self.latents(features)?;
        let networks = self.valid().networks;
        let decoded = networks
            .iter()
            .map(|network| network.forward(latents.clone()));
        Ok(decoded.collect())
    }

    /// 1 for the class of each training sample whose label is known, `[n_data, n_classes]`.
    fn known_classes(&self) -> Tensor<2> {
        let labels = self.labels.get();
        let (n_data, n_classes) = (labels.dims()[0], self.config.n_classes);
        let classes = Tensor::<1, Int>::arange(0..n_classes as i64, &labels.device());
        let classes = classes.float().cast(labels.dtype()).unsqueeze_dim::<2>(0);
        let labels = labels.unsqueeze_dim::<2>(1).expand([n_data, n_classes]);
        let own = labels.clone().equal(classes.expand([n_data, n_classes]));
        own.float().cast(labels.dtype())
    }

    /// The mean latent vector of the training samples, `[1, d_latent]`.
    fn mean_latent(&self) -> Tensor<2> {
        let counts = self.counts.get().unsqueeze_dim::<2>(0);
        let n_known = counts.clone().sum_dim(1).clamp_min(1.0);
        counts.matmul(self.means.get()) / n_known
    }

    /// The products of latent vectors with the mean of each class, `[n_samples, n_classes]`.
    fn scores(&self, latents: Tensor<2>) -> Tensor<2> {
        let scores = latents.matmul(self.means.get().transpose());
        let shape = scores.dims();
        let lowest = (scores.clone().min_dim(1) - 1.0).expand(shape);
        let unknown = self.counts.get().unsqueeze_dim::<2>(0).equal_elem(0.0);
        scores.mask_where(unknown.expand(shape), lowest)
    }

    /// The positions of samples in the table of latent vectors.
    fn positions<'a>(&self, samples: &WholeSamples<'a>) -> Result<&'a [usize]> {
        let positions = samples.samples.ok_or(MlaError::UnknownSamples)?;
        let n_rows = self.config.n_data;
        match positions.iter().find(|&&row| row >= n_rows) {
            Some(&row) => Err(MlaError::RowOutOfRange { row, n_rows }),
            None => Ok(positions),
        }
    }

    /// The known labels, with those of `samples`.
    fn known_labels(&self, positions: &[usize], samples: &WholeSamples) -> Result<Tensor<1>> {
        let labels = self.labels.get();
        let device = labels.device();
        let mut known: Vec<f32> = labels
            .try_into_vec_as()
            .map_err(MlaError::read("the labels of the training set"))?;
        for (&sample, label) in positions.iter().zip(samples.labels()) {
            let entry = &mut known[sample];
            if *entry >= 0.0 && *entry != label as f32 {
                return Err(MlaError::OtherTrainingSet {
                    sample,
                    label,
                    known: *entry as usize,
                });
            }
            *entry = label as f32;
        }
        let shape = [known.len()];
        Ok(Tensor::from_data(TensorData::new(known, shape), &device))
    }

    /// The sum of squared reconstruction errors of the modalities present, `[1]`.
    fn reconstruction(
        networks: &[Decoder],
        latents: &Tensor<2>,
        features: &ModalityFeatures,
    ) -> Option<Tensor<1>> {
        let errors = networks
            .iter()
            .enumerate()
            .filter_map(|(modality, network)| {
                if features.presence().rows(modality).is_empty() {
                    return None;
                }
                let squares =
                    (network.forward(latents.clone()) - features.modality(modality)).square();
                let shape = squares.dims();
                Some(match features.present(modality) {
                    None => squares.sum(),
                    Some(present) => {
                        let absent = present.equal_elem(0.0).expand(shape);
                        squares.mask_fill(absent, 0.0).sum()
                    }
                })
            });
        errors.reduce(|sum, error| sum + error)
    }
}

impl JointHead for CpmNet {
    /// Logits are NaN where the latent vectors cannot be computed, because the weights are not finite or a
    /// device fails to read them.
    fn fuse(&self, features: &ModalityFeatures) -> JointLogits {
        let logits = match self.latents(features) {
            Ok(latents) => self.scores(latents),
            Err(_) => {
                let shape = [features.n_samples(), self.config.n_classes];
                Tensor::full(shape, f32::NAN, (&features.device(), DType::F32))
            }
        };
        JointLogits::unweighted(logits)
    }

    /// # Errors
    ///
    /// Always [`MlaError::NeedsWholeSet`].
    fn loss(&self, _: &JointSamples) -> Result<JointLoss> {
        Err(MlaError::NeedsWholeSet { head: "CpmNet" })
    }

    /// Takes the means of the classes.
    fn after_update(&mut self, _: u64) {
        let own = self.known_classes();
        let counts = own.clone().sum_dim(0);
        let latents = self.training_latents().cast(DType::F32);
        let means = own.transpose().matmul(latents) / counts.clone().clamp_min(1.0).transpose();
        self.means.set(means);
        self.counts.set(counts.squeeze_dim::<1>(0));
    }

    fn n_classes(&self) -> usize {
        self.config.n_classes
    }

    fn check(&self, d_features: &[usize]) -> Result<()> {
        check_widths(&self.d_features, d_features)
    }

    fn describe(&self) -> String {
        let CpmNetConfig {
            relu, test_latents, ..
        } = &self.config;
        format!("CpmNet, relu {relu}, {test_latents:?}")
    }

    fn training_only(&self) -> Vec<ParamId> {
        vec![self.latents.id, self.labels.id()]
    }
}

impl WholeSetHead for CpmNet {
    fn pass(&self) -> PassPlan {
        PassPlan {
            fits_before: 0,
            smallest_batch: None,
            fits_after: self.config.network_steps + self.config.latent_steps,
        }
    }

    /// The loss and the gradients of the networks or of the latent vectors, by the number of updates.
    ///
    /// # Errors
    ///
    /// [`MlaError::UnknownSamples`] for batches without positions, [`MlaError::RowOutOfRange`] for a
    /// position beyond `n_data`, [`MlaError::OtherTrainingSet`] for a sample whose label differs from that
    /// of an earlier fit, [`MlaError::DeviceRead`].
    fn fit(&self, samples: &WholeSamples) -> Result<Fit> {
        let positions = self.positions(samples)?;
        let known = self.known_labels(positions, samples)?;
        let latents = self.latents.val();
        let rows: Vec<i64> = positions.iter().map(|&row| row as i64).collect();
        let rows = TensorData::new(rows, [positions.len()]);
        let latents = latents
            .clone()
            .select(0, Tensor::from_data(rows, &latents.device()));

        let (network_steps, latent_steps) = (self.config.network_steps, self.config.latent_steps);
        let turn = samples.step % (network_steps + latent_steps) as u64;
        let tunes = self.config.fine_tune_after;
        let tunes = tunes.is_some_and(|n_updates| samples.step >= n_updates);
        let of_networks = tunes || turn < network_steps as u64;
        let nothing = MlaError::NoModalities { what: "the head" };
        let margin = self.config.margin;
        let (loss, scores) = if of_networks {
            let latents = latents.detach();
            let error = Self::reconstruction(&self.networks, &latents, &samples.features);
            let (_, scores) = clustering(latents, samples.targets, self.n_classes(), margin);
            (error.ok_or(nothing)?, scores)
        } else {
            let networks = self.networks.clone().no_grad();
            let error = Self::reconstruction(&networks, &latents, &samples.features);
            let (loss, scores) = clustering(latents, samples.targets, self.n_classes(), margin);
            let loss = loss * self.config.clustering_weight;
            (error.ok_or(nothing)? + loss, scores)
        };
        let mut values = FitValues::default();
        values.set_vector(&self.labels, known);
        Ok(Fit {
            loss,
            descends: true,
            logits: scores.detach(),
            values,
        })
    }
}
