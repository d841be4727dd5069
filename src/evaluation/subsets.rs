//! Scores of a model for every subset of its modalities.

use std::fmt;

use burn::data::dataloader::DataLoader;
use burn::train::InferenceStep;

use crate::error::{MlaError, Result, same_size};
use crate::evaluation::Confusion;
use crate::evaluation::evaluate::for_each_output;
use crate::method::{EvaluationOutput, MultimodalMethod, SubsetPrediction, check_subsets, members};
use crate::module::distinct_names;

/// Scores of a model for each non-empty subset of its modalities, from [`evaluate_subsets`].
///
/// Subsets are also numbered by bit masks: bit `m` is set if modality `m` is in the subset. The mask 1
/// is modality 0 alone, 2 is modality 1 alone, and 3 is both.
///
/// Its `Display` output is a table with one line per subset, small subsets first, and the modality
/// names of [`with_names`](Self::with_names).
#[derive(Debug, Clone, PartialEq)]
pub struct SubsetEvaluation {
    names: Vec<String>,
    n_classes: usize,
    n_samples: usize,
    /// By bit mask minus 1.
    scores: Vec<SubsetScore>,
}

/// Scores of a model for one subset of its modalities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubsetScore {
    /// The modalities, in order.
    pub modalities: Vec<usize>,
    /// True classes against the fused predictions from these modalities, over the samples that have
    /// at least one of them.
    pub confusion: Confusion,
    /// Number of samples without any of them.
    pub n_left_out: usize,
}

/// Evaluates a model on all batches of a loader with each non-empty subset of its modalities, as if
/// the other modalities were missing in every sample.
///
/// Each sample is predicted from the modalities that it has and that are in the subset. The encoders
/// run once per batch, as in [`evaluate`](crate::evaluation::evaluate). Only the fusion runs
/// `2^M - 1` times for `M` modalities; for an [`Mla`](crate::Mla) it does not include the head. The
/// score of the full subset is the fused one of `evaluate`.
///
/// Pass [`model.valid()`](burn::module::Module::valid).
///
/// ```
/// # use std::sync::Arc;
/// # use burn::data::dataloader::batcher::Batcher;
/// # use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
/// # use burn::data::dataset::InMemDataset;
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::modality::ModalityInput;
/// use burn_mla::fusion::MeanFusion;
/// use burn_mla::prelude::*;
/// use burn_mla::evaluation::evaluate_subsets;
/// # type Inputs = (Option<ModalityInput<Tensor<2>>>, Option<ModalityInput<Tensor<2>>>);
/// # struct Complete;
/// # impl Batcher<usize, MultimodalBatch<Inputs>> for Complete {
/// #     fn batch(&self, labels: Vec<usize>, device: &Device) -> MultimodalBatch<Inputs> {
/// #         let input = |width| Tensor::ones([labels.len(), width], device);
/// #         MultimodalBatch::paired((input(20), input(30)), Targets::new(labels, device))
/// #     }
/// # }
///
/// let device = Device::flex();
/// let audio = MlpEncoderConfig::new(20, 16).init(&device)?;
/// let text = MlpEncoderConfig::new(30, 16).init(&device)?;
/// let head = LinearHeadConfig::new(16, 4).init(&device)?;
/// let projector = RlsProjectorConfig::new().init()?;
/// let model = Mla::new((audio, text), head, projector, MeanFusion)?;
/// # let data = InMemDataset::new((0..20).map(|i| i % 4).collect());
/// # let builder = DataLoaderBuilder::new(Complete).batch_size(8).set_device(device);
/// # let loader: Arc<dyn DataLoader<MultimodalBatch<Inputs>>> = builder.build(data);
/// let subsets = evaluate_subsets(&model, &*loader)?.with_names(["audio", "text"])?;
/// println!("{subsets}");
/// let text_only = subsets.subset(&[1]).expect("there are two modalities");
/// println!("without audio: {:.3}", text_only.confusion.accuracy());
/// assert_eq!(subsets.iter().count(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// - [`MlaError::TooManyModalities`] for more than 16;
/// - as [`evaluate`](crate::evaluation::evaluate);
/// - [`MlaError::Empty`] for a model whose evaluation has no
///   [`EvaluatedBatch`](crate::method::EvaluatedBatch).
pub fn evaluate_subsets<M: MultimodalMethod>(
    model: &M,
    loader: &dyn DataLoader<<M as InferenceStep>::Input>,
) -> Result<SubsetEvaluation> {
    let mut evaluation = SubsetEvaluation::new(model.n_modalities(), model.n_classes())?;
    for_each_output(model, loader, |output| evaluation.add_output(&output))?;
    Ok(evaluation)
}

/// The expected number of correct predictions when the class of each sample left out is guessed.
pub(crate) fn expected_correct(n_correct: usize, n_left_out: usize, n_classes: usize) -> f64 {
    n_correct as f64 + n_left_out as f64 / n_classes as f64
}

impl SubsetEvaluation {
    fn new(n_modalities: usize, n_classes: usize) -> Result<Self> {
        check_subsets(n_modalities)?;
        let score = |mask: usize| SubsetScore {
            modalities: members(mask, n_modalities),
            confusion: Confusion::new(n_classes),
            n_left_out: 0,
        };
        Ok(Self {
            names: (0..n_modalities).map(|m| m.to_string()).collect(),
            n_classes,
            n_samples: 0,
            scores: (1..1 << n_modalities).map(score).collect(),
        })
    }

    fn add_output(&mut self, output: &EvaluationOutput) -> Result<()> {
        let evaluated = output.evaluated.as_ref().ok_or(MlaError::Empty {
            what: "the evaluated batch of an evaluation",
        })?;
        let labels = output.targets.labels();
        self.add(&evaluated.subsets()?, labels)
    }

    /// Adds a batch, whose labels are classes.
    fn add(&mut self, subsets: &[SubsetPrediction], labels: &[i64]) -> Result<()> {
        same_size("subsets of modalities", self.scores.len(), subsets.len())?;
        for (score, subset) in self.scores.iter_mut().zip(subsets) {
            score.n_left_out += labels.len() - subset.rows.len();
            for (&row, &class) in subset.rows.iter().zip(&subset.classes) {
                score.confusion.add(labels[row] as usize, class)?;
            }
        }
        self.n_samples += labels.len();
        Ok(())
    }

    /// Names the modalities, in their order. The default names are 0, 1 and so on.
    ///
    /// # Errors
    ///
    /// [`MlaError::Size`] if the number of names differs from that of the modalities,
    /// [`MlaError::NameTwice`] for a name that occurs twice.
    pub fn with_names<S: Into<String>>(
        mut self,
        names: impl IntoIterator<Item = S>,
    ) -> Result<Self> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        same_size("names of modalities", self.n_modalities(), names.len())?;
        distinct_names("modalities", &names)?;
        self.names = names;
        Ok(self)
    }

    /// Number of modalities.
    pub fn n_modalities(&self) -> usize {
        self.names.len()
    }

    /// Number of samples, including those that a subset leaves out.
    pub fn n_samples(&self) -> usize {
        self.n_samples
    }

    /// The score of a subset, given by its modalities in any order; `None` for the empty subset and
    /// for a modality that does not exist.
    pub fn subset(&self, modalities: &[usize]) -> Option<&SubsetScore> {
        let mut mask = 0;
        for &modality in modalities {
            if modality >= self.n_modalities() {
                return None;
            }
            mask |= 1 << modality;
        }
        self.mask(mask)
    }

    /// The score of the subset whose bit mask is `mask`; `None` for 0 and for a modality that does
    /// not exist.
    pub fn mask(&self, mask: usize) -> Option<&SubsetScore> {
        self.scores.get(mask.checked_sub(1)?)
    }

    /// The score of all modalities together.
    pub fn full(&self) -> Option<&SubsetScore> {
        self.scores.last()
    }

    /// All scores, from single modalities through pairs to the full subset.
    pub fn iter(&self) -> impl Iterator<Item = &SubsetScore> {
        let mut scores: Vec<&SubsetScore> = self.scores.iter().collect();
        scores.sort_by_key(|score| (score.modalities.len(), &score.modalities));
        scores.into_iter()
    }

    /// The accuracy of each subset over *all* samples, by bit mask, `2^M` of them. These are the worths
    /// of coalitions for [`shapley_values`](crate::evaluation::shapley_values).
    ///
    /// The class of a sample that a subset leaves out is guessed, which is correct with probability
    /// `1 / n_classes`. The first value is that of the empty subset, which leaves out every sample:
    ///
    /// ```text
    /// value(S) = (correct(S) + left_out(S) / n_classes) / n_samples,   value({}) = 1 / n_classes
    /// ```
    ///
    /// Without samples, all values but the first are NaN.
    pub fn values(&self) -> Vec<f64> {
        let chance = 1.0 / self.n_classes as f64;
        let value = |score: &SubsetScore| {
            let n_correct = score.confusion.n_correct();
            expected_correct(n_correct, score.n_left_out, self.n_classes) / self.n_samples as f64
        };
        std::iter::once(chance)
            .chain(self.scores.iter().map(value))
            .collect()
    }

    fn name(&self, score: &SubsetScore) -> String {
        let names: Vec<&str> = score
            .modalities
            .iter()
            .map(|&m| self.names[m].as_str())
            .collect();
        names.join(" + ")
    }
}

impl fmt::Display for SubsetEvaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HEADING: &str = "modalities";
        let lines: Vec<(String, &SubsetScore)> =
            self.iter().map(|score| (self.name(score), score)).collect();
        let widths = lines.iter().map(|(name, _)| name.chars().count());
        let width = widths.max().unwrap_or(0).max(HEADING.len());
        write!(
            f,
            "{HEADING:width$}  {:>8}  {:>8}  {:>8}  {:>8}",
            "samples", "left out", "accuracy", "macro F1"
        )?;
        for (name, score) in lines {
            let confusion = &score.confusion;
            write!(
                f,
                "\n{name:width$}  {:>8}  {:>8}  {:>8.4}  {:>8.4}",
                confusion.n_samples(),
                score.n_left_out,
                confusion.accuracy(),
                confusion.macro_f1()
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three samples of class 0, 1, 1 and two modalities. The first modality is correct on sample 0
    /// only. The second, which sample 0 lacks, is correct on 1 and 2, and so are both together.
    fn evaluation() -> SubsetEvaluation {
        let subset = |modalities: &[usize], rows: &[usize], classes: &[usize]| SubsetPrediction {
            modalities: modalities.to_vec(),
            rows: rows.to_vec(),
            classes: classes.to_vec(),
        };
        let subsets = [
            subset(&[0], &[0, 1, 2], &[0, 0, 0]),
            subset(&[1], &[1, 2], &[1, 1]),
            subset(&[0, 1], &[0, 1, 2], &[0, 1, 1]),
        ];
        let mut evaluation = SubsetEvaluation::new(2, 2).unwrap();
        evaluation.add(&subsets, &[0, 1, 1]).unwrap();
        evaluation
    }

    #[test]
    fn subsets_are_scored_over_the_samples_that_have_them() {
        let evaluation = evaluation();
        let score = |modalities: &[usize]| {
            let score = evaluation.subset(modalities).unwrap();
            (
                score.confusion.n_samples(),
                score.n_left_out,
                score.confusion.accuracy(),
            )
        };
        assert_eq!(score(&[0]), (3, 0, 1.0 / 3.0));
        assert_eq!(score(&[1]), (2, 1, 1.0));
        assert_eq!(score(&[1, 0]), (3, 0, 1.0));
        assert_eq!(evaluation.full(), evaluation.mask(3));
        assert!(evaluation.subset(&[]).is_none() && evaluation.mask(4).is_none());
        assert!(evaluation.subset(&[2]).is_none() && evaluation.subset(&[usize::MAX]).is_none());
    }

    #[test]
    fn a_sample_left_out_is_worth_a_guess() {
        let values = evaluation().values();
        let expected = [0.5, 1.0 / 3.0, 2.5 / 3.0, 1.0];
        assert_eq!(values, expected);
        let none = SubsetEvaluation::new(1, 4).unwrap().values();
        assert!(none[0] == 0.25 && none[1].is_nan());
    }

    #[test]
    fn the_table_has_a_line_a_subset_and_names() {
        let named = evaluation().with_names(["image", "text"]).unwrap();
        let expected = "\
modalities     samples  left out  accuracy  macro F1
image                3         0    0.3333    0.2500
text                 2         1    1.0000    1.0000
image + text         3         0    1.0000    1.0000";
        assert_eq!(named.to_string(), expected);
        assert!(named.with_names(["one"]).is_err());
    }

    #[test]
    fn small_subsets_come_first() {
        let evaluation = SubsetEvaluation::new(3, 2).unwrap();
        let order: Vec<Vec<usize>> = evaluation.iter().map(|s| s.modalities.clone()).collect();
        let expected: [&[usize]; 7] = [&[0], &[1], &[2], &[0, 1], &[0, 2], &[1, 2], &[0, 1, 2]];
        assert_eq!(order, expected);
        assert_eq!(
            SubsetEvaluation::new(17, 2).unwrap_err().to_string(),
            "17 modalities have too many subsets: at most 16 modalities are supported"
        );
        assert!(SubsetEvaluation::new(16, 2).is_ok());
    }
}
