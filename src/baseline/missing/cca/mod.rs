//! CCA: canonical correlation analysis of each pair of modalities, and a linear classifier.

mod analysis;
#[cfg(all(test, feature = "train"))]
mod tests;

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};

use crate::baseline::joint::check_widths;
use crate::baseline::missing::cca::analysis::{Centred, View};
use crate::baseline::missing::classifier::{FittedLinear, LinearClassifier, logits, stacked};
use crate::baseline::missing::pairs::{PairRows, check_means, check_pairs, pairs};
use crate::baseline::missing::whole_set::{
    Fit, FitValues, Moment, PassPlan, WholeSamples, WholeSetHead,
};
use crate::baseline::{JointHead, JointLogits, JointLoss, JointSamples, ModalityFeatures};
use crate::error::{MlaError, Result, not_negative, positive};
use crate::modality::Targets;
use crate::module::Buffer;
use crate::numeric::{Matrix, columns_to_tensor, read_columns};

/// Configuration of [`Cca`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `d_features` | required | feature width of each modality | at least two, each >= 1 |
/// | `n_classes` | required | number of classes | >= 1 |
/// | `n_components` | 2 | number of directions of each pair of modalities | >= 1, at most the smallest width |
/// | `ridge` | 1e-4 | added to the diagonal of each covariance, in the units of the features' variances | `[0, inf)`; > 0 for fewer samples than features |
/// | `rows` | `Imputed` | training rows of a pair | |
/// | `imputing_means` | none | values of missing modalities with `Imputed` rows; those of the training rows that have them if none | one list per modality, of its width, finite |
/// | `classifier` | `Svm` | classifier on the projections | |
/// | `c` | 0.01 | weight of the classifier's losses against its penalty | (0, inf) |
///
/// The defaults are those of GCNet's code, which imputes by the means of all rows, those of the test set
/// included. Compute these means and set `imputing_means` to repeat it: the result has then seen the test
/// set.
#[derive(Config, Debug)]
pub struct CcaConfig {
    /// Feature width of each modality.
    pub d_features: Vec<usize>,
    /// Number of classes.
    pub n_classes: usize,
    /// Number of directions of each pair of modalities.
    #[config(default = 2)]
    pub n_components: usize,
    /// Added to the diagonal of each covariance.
    #[config(default = 1e-4)]
    pub ridge: f64,
    /// Training rows of a pair.
    #[config(default = "PairRows::Imputed")]
    pub rows: PairRows,
    /// Values of missing modalities instead of the means of the training rows.
    pub imputing_means: Option<Vec<Vec<f64>>>,
    /// Classifier on the projections.
    #[config(default = "LinearClassifier::Svm")]
    pub classifier: LinearClassifier,
    /// Weight of the classifier's losses against its penalty.
    #[config(default = 0.01)]
    pub c: f64,
}

/// Canonical correlation analysis (Hotelling, "Relations Between Two Sets of Variates", 1936) of each
/// pair of modalities with a ridge, and a linear classifier on the projections.
///
/// ```text
/// S_ii = X_i' X_i / (N - 1) + ridge I        S_ij = X_i' X_j / (N - 1)        of centred training rows
/// S_ii^-1/2 S_ij S_jj^-1/2 = U diag(rho) V'      A = S_ii^-1/2 U     B = S_jj^-1/2 V
/// z = [(x_i - mean_i) A; (x_j - mean_j) B]  for each pair i < j       logits = z W + b
/// ```
///
/// A missing modality is imputed by the mean of the training rows that have it. Its projection is
/// exactly 0, in training and in prediction, because this mean is also that of the imputed rows. It is
/// also 0 with [`PairRows::CompletePairs`], and constant with imputing means of your own.
///
/// The fit has a closed form. One epoch of training is enough, and any optimizer serves, because nothing
/// follows a gradient. Encoders are not trained: freeze them. [`CcaConfig::fit`] fits features directly.
///
/// After GCNet's `cca.py`, with two differences: means come from training rows only (the code takes
/// validation and test rows too), and features are not scaled:
/// [`Scaled`](crate::encoder::Scaled) does that, by constants of the training. Two modalities that no training row has
/// in common correlate by 0 with arbitrary directions, which a warning of the log says.
#[derive(Module, Debug)]
pub struct Cca {
    pairs: Vec<Pair>,
    classifier: FittedLinear,
    d_features: Vec<usize>,
    #[module(skip)]
    config: CcaConfig,
}

/// The analysis of two modalities.
#[derive(Module, Debug)]
struct Pair {
    first: Side,
    second: Side,
    /// `[n_components]`
    correlations: Buffer<1>,
}

/// One modality of a pair.
#[derive(Module, Debug)]
struct Side {
    /// `[width]`
    mean: Buffer<1>,
    /// `[width, n_components]`
    weight: Buffer<2>,
    /// The projection of a missing modality, `[n_components]`.
    missing: Buffer<1>,
}

impl CcaConfig {
    /// Initializes the head on `device`, with logits of 0 until it is fitted.
    ///
    /// # Errors
    ///
    /// [`MlaError`] for a value outside of the ranges above, [`MlaError::Components`] for more components
    /// than a modality has features.
    pub fn init(&self, device: &Device) -> Result<Cca> {
        check_pairs(&self.d_features, self.n_classes, self.n_components)?;
        not_negative("ridge", self.ridge)?;
        positive("c", self.c)?;
        check_means(self.imputing_means.as_deref(), &self.d_features)?;
        let options = (&device.clone().inner(), DType::F32);
        let side = |modality: usize| {
            let width = self.d_features[modality];
            Side {
                mean: Buffer::new(Tensor::zeros([width], options)),
                weight: Buffer::new(Tensor::zeros([width, self.n_components], options)),
                missing: Buffer::new(Tensor::zeros([self.n_components], options)),
            }
        };
        let pairs = pairs(self.d_features.len()).map(|(first, second)| Pair {
            first: side(first),
            second: side(second),
            correlations: Buffer::new(Tensor::zeros([self.n_components], options)),
        });
        let pairs: Vec<Pair> = pairs.collect();
        let width = 2 * self.n_components * pairs.len();
        Ok(Cca {
            pairs,
            classifier: FittedLinear::zeros(width, self.n_classes, device),
            d_features: self.d_features.clone(),
            config: self.clone(),
        })
    }

    /// Fits features directly, without encoders and training loop.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use burn_mla::baseline::{CcaConfig, JointHead, ModalityFeatures};
    /// use burn_mla::modality::Targets;
    ///
    /// let device = Device::flex();
    /// let audio = Tensor::<2>::from_floats([[1., 0.], [2., 1.], [3., 0.], [4., 1.]], &device);
    /// let text = Tensor::<2>::from_floats([[1.], [2.], [3.], [4.]], &device);
    /// let features = ModalityFeatures::complete(vec![audio, text])?;
    /// let targets = Targets::new([0, 0, 1, 1], &device);
    /// let config = CcaConfig::new(vec![2, 1], 2).with_n_components(1).with_c(10.0);
    /// let cca = config.fit(&features, &targets)?;
    /// let classes = cca.fuse(&features).logits.argmax(1).into_data();
    /// assert_eq!(classes.iter::<i64>().collect::<Vec<_>>(), [0, 0, 1, 1]);
    /// # Ok::<(), burn_mla::MlaError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init); [`MlaError::ModalityCount`] and [`MlaError::JointWidth`] for features of
    /// other widths; as the [fit](WholeSetHead::fit) of a [`Cca`]; and those of targets and features that
    /// are no labels or not finite.
    pub fn fit(&self, features: &ModalityFeatures, targets: &Targets) -> Result<Cca> {
        let head = self.init(&features.device())?;
        let widths = features.all().iter().map(|features| features.dims()[1]);
        head.check(&widths.collect::<Vec<_>>())?;
        let samples = WholeSamples {
            features: features.without_autodiff(),
            targets,
            samples: None,
            moment: Moment::AfterBatches,
            step: 0,
        };
        samples.check(self.n_classes)?;
        let values = head.fit(&samples)?.values;
        Ok(values.apply(head))
    }
}

impl Side {
    /// `[n_samples, n_components]`, with any content where a sample lacks the modality.
    fn forward(&self, features: Tensor<2>) -> Tensor<2> {
        let mean = self.mean.get().unsqueeze_dim::<2>(0);
        (features - mean).matmul(self.weight.get())
    }
}

impl Cca {
    /// The modalities of each pair and their canonical correlations, `[n_components]`, from the largest.
    pub fn correlations(&self) -> Vec<(usize, usize, Tensor<1>)> {
        let found = self.pairs.iter().map(|pair| pair.correlations.get());
        let pairs = pairs(self.d_features.len()).zip(found);
        pairs.map(|((i, j), found)| (i, j, found)).collect()
    }

    /// The projections, `[n_samples, 2 n_components n_pairs]`: pair by pair those of the first and of the
    /// second modality.
    ///
    /// # Panics
    ///
    /// For features of other widths.
    pub fn project(&self, features: &ModalityFeatures) -> Tensor<2> {
        let missing = features.presence().missing(&features.device());
        let side = |side: &Side, modality: usize| {
            let projected = side.forward(features.modality(modality));
            let Some(missing) = &missing else {
                return projected;
            };
            let shape = projected.dims();
            let column = missing.clone().slice([0..shape[0], modality..modality + 1]);
            let constant = side.missing.get().unsqueeze_dim::<2>(0).expand(shape);
            projected.mask_where(column.expand(shape), constant)
        };
        let sides = pairs(self.d_features.len()).zip(&self.pairs);
        let sides = sides.flat_map(|((i, j), pair)| [side(&pair.first, i), side(&pair.second, j)]);
        Tensor::cat(sides.collect(), 1)
    }

    /// The training rows of a pair.
    pub(in crate::baseline) fn rows(&self) -> PairRows {
        self.config.rows
    }

    /// The samples of two modalities that both have.
    fn complete_pair(&self, views: &[View], i: usize, j: usize) -> Result<(Centred, Centred)> {
        let n_common = views[i].common(&views[j]).len();
        if n_common < 2 {
            return Err(MlaError::TooFewPairs {
                first: i,
                second: j,
                needed: 2,
                got: n_common,
            });
        }
        let ridge = self.config.ridge;
        let first = views[i].both(&views[j], ridge);
        let second = views[j].both(&views[i], ridge);
        Ok((
            first.map_err(|error| error.of_modality(i))?,
            second.map_err(|error| error.of_modality(j))?,
        ))
    }
}

impl JointHead for Cca {
    fn fuse(&self, features: &ModalityFeatures) -> JointLogits {
        JointLogits::unweighted(self.classifier.forward(self.project(features)))
    }

    /// # Errors
    ///
    /// Always [`MlaError::NeedsWholeSet`].
    fn loss(&self, _: &JointSamples) -> Result<JointLoss> {
        Err(MlaError::NeedsWholeSet { head: "Cca" })
    }

    fn n_classes(&self) -> usize {
        self.classifier.n_classes()
    }

    fn check(&self, d_features: &[usize]) -> Result<()> {
        check_widths(&self.d_features, d_features)
    }
}

impl WholeSetHead for Cca {
    fn pass(&self) -> PassPlan {
        PassPlan {
            fits_before: 0,
            smallest_batch: None,
            fits_after: 1,
        }
    }

    /// The loss is the objective of the classifier divided by the number of samples.
    ///
    /// # Errors
    ///
    /// - [`MlaError::TooFewSamples`] for fewer than two;
    /// - [`MlaError::AbsentModality`] for a modality that no sample has;
    /// - [`MlaError::TooFewPairs`] for two modalities that fewer than two samples have both, with
    ///   [`PairRows::CompletePairs`];
    /// - [`MlaError::Input`] with [`MlaError::NotPositive`] for a modality whose covariance has no inverse,
    ///   which a ridge prevents;
    /// - [`MlaError::DeviceRead`].
    fn fit(&self, samples: &WholeSamples) -> Result<Fit> {
        let (features, presence) = (&samples.features, samples.features.presence());
        let n_samples = features.n_samples();
        if n_samples < 2 {
            return Err(MlaError::TooFewSamples {
                what: "the training set",
                needed: 2,
                got: n_samples,
            });
        }
        let mut views = vec![];
        for (modality, features) in features.all().iter().enumerate() {
            if presence.rows(modality).is_empty() {
                return Err(MlaError::AbsentModality { modality });
            }
            let columns = read_columns(features.clone(), "the features")?;
            views.push(View::new(columns, presence, modality));
        }
        let mut imputed = vec![];
        if self.config.rows == PairRows::Imputed {
            for (modality, view) in views.iter().enumerate() {
                let means = self.config.imputing_means.as_deref();
                let centred =
                    view.imputed(means.map(|means| &means[modality][..]), self.config.ridge);
                imputed.push(centred.map_err(|error| error.of_modality(modality))?);
            }
        }
        let mut values = FitValues::default();
        let mut projections: Vec<Matrix> = vec![];
        for ((i, j), pair) in pairs(views.len()).zip(&self.pairs) {
            if views[i].common(&views[j]).is_empty() {
                log::warn!(
                    "no training sample has both modality {i} and modality {j}: they correlate by 0"
                );
            }
            let own;
            let (first, second) = match self.config.rows {
                PairRows::Imputed => (&imputed[i], &imputed[j]),
                PairRows::CompletePairs => {
                    own = self.complete_pair(&views, i, j)?;
                    (&own.0, &own.1)
                }
            };
            let found = first.correlate(second, self.config.n_components)?;
            values.vector(&pair.correlations, &found.correlations);
            let sides = [
                (i, &pair.first, first, &found.first),
                (j, &pair.second, second, &found.second),
            ];
            for (modality, side, around, weight) in sides {
                values.vector(&side.mean, &around.mean);
                values.matrix(&side.weight, weight);
                let missing = Matrix::from_column_slice(weight.nrows(), 1, &around.missing);
                values.vector(&side.missing, (weight.transpose() * missing).as_slice());
                projections.push(views[modality].projected(around, weight));
            }
        }
        let projections = stacked(&projections);
        let (weights, objective) = self.config.classifier.fit(
            &projections,
            &samples.labels(),
            self.n_classes(),
            self.config.c,
        )?;
        self.classifier.fitted(&weights, &mut values);
        let device = features.device();
        Ok(Fit {
            loss: Tensor::full([1], objective / n_samples as f64, (&device, DType::F32)),
            descends: false,
            logits: columns_to_tensor(&logits(&weights, &projections), &device),
            values,
        })
    }
}
