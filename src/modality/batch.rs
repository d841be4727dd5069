//! Batches of several modalities and of one.

use burn::tensor::Device;

use crate::error::{MlaError, Result, same_size};
use crate::modality::{ModalityInputs, PairedInputs, Presence, Rows, Targets, Turn};

/// A batch of samples with all their modalities, some of which may be missing.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::modality::{ModalityInput, MultimodalBatch, Targets};
///
/// let device = Device::flex();
/// let targets = Targets::new([0, 1, 1], &device);
/// // Three samples with both modalities:
/// let image = Tensor::<4>::zeros([3, 3, 32, 32], &device);
/// let text = Tensor::<2>::zeros([3, 100], &device);
/// let paired = MultimodalBatch::paired((image.clone(), text.clone()), targets.clone());
/// assert!(paired.presence()?.is_complete());
/// // Only samples 0 and 2 have a text:
/// let text = text.slice([0..2]);
/// let inputs = (Some(ModalityInput::all(image)), ModalityInput::rows(text, vec![0, 2]));
/// let partial = MultimodalBatch::new(inputs, targets);
/// assert!(!partial.presence()?.is_present(1, 1));
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
#[derive(Debug, Clone)]
pub struct MultimodalBatch<In> {
    /// One optional [`ModalityInput`](crate::modality::ModalityInput) per modality.
    pub inputs: In,
    /// The labels of all samples.
    pub targets: Targets,
    /// The positions of the samples in their data set, one per label, for errors, which name them, and
    /// for methods that keep state per sample.
    pub samples: Option<Vec<usize>>,
    /// Inputs of modalities that count as missing, for methods that train with them as targets. Only
    /// [`with_hidden`](Self::with_hidden) and the loaders and data sets of this name set them. They have
    /// no part in the modality mask, in turns and in predictions.
    pub hidden: Option<In>,
}

impl<In: ModalityInputs> MultimodalBatch<In> {
    /// A batch in which some modalities may be missing.
    pub fn new(inputs: In, targets: Targets) -> Self {
        Self {
            inputs,
            targets,
            samples: None,
            hidden: None,
        }
    }

    /// A batch of `n_samples` samples without labels, for prediction. A model refuses to train on it
    /// or to evaluate it ([`MlaError::NoLabel`]).
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use burn_mla::modality::{ModalityInput, MultimodalBatch};
    ///
    /// let device = Device::flex();
    /// let text = Some(ModalityInput::all(Tensor::<2>::zeros([3, 100], &device)));
    /// let image = None::<ModalityInput<Tensor<4>>>; // no sample has one
    /// let batch = MultimodalBatch::unlabelled((image, text), 3, &device);
    /// assert_eq!(batch.presence()?.rows(1), [0, 1, 2]);
    /// # Ok::<(), burn_mla::MlaError>(())
    /// ```
    pub fn unlabelled(inputs: In, n_samples: usize, device: &Device) -> Self {
        Self::new(inputs, Targets::unlabelled(n_samples, device))
    }

    /// Sets the positions of the samples in their data set.
    pub fn with_samples(mut self, samples: Vec<usize>) -> Self {
        self.samples = Some(samples);
        self
    }

    /// A batch in which every sample has every modality.
    pub fn paired(inputs: impl PairedInputs<Inputs = In>, targets: Targets) -> Self {
        Self::new(inputs.into_inputs(), targets)
    }

    /// The modality mask of the batch.
    ///
    /// # Errors
    ///
    /// As [`ModalityInputs::presence`], [`MlaError::Empty`] for a batch without samples, and
    /// [`MlaError::Size`] for another number of [positions](Self::samples) than labels. If the batch has
    /// positions, the error of a sample is a [`MlaError::Sample`].
    pub fn presence(&self) -> Result<Presence> {
        if self.targets.is_empty() {
            return Err(MlaError::Empty { what: "the batch" });
        }
        self.check_samples()?;
        let presence = self.inputs.presence(self.targets.len());
        presence.map_err(|error| error.located(None, self.samples.as_deref()))
    }

    /// Checks that there is one position per label, if there are any.
    pub(crate) fn check_samples(&self) -> Result<()> {
        let Some(samples) = &self.samples else {
            return Ok(());
        };
        let what = "positions of samples (one per label)";
        same_size(what, self.targets.len(), samples.len())
    }

    /// Splits the batch into one turn per modality, `None` for a modality that is absent in the
    /// whole batch.
    ///
    /// # Errors
    ///
    /// As [`presence`](Self::presence).
    pub fn into_turns(self) -> Result<Vec<Option<Turn<In::One>>>> {
        self.presence()?;
        Ok(self.into_checked_turns())
    }

    /// Splits a batch that was already checked by [`presence`](Self::presence).
    pub(crate) fn into_checked_turns(self) -> Vec<Option<Turn<In::One>>> {
        let (targets, samples) = (self.targets, self.samples);
        let turns = self.inputs.split().into_iter().map(|part| {
            let part = part?;
            let (targets, samples) = match &part.rows {
                Rows::All => (targets.clone(), samples.clone()),
                Rows::Some(rows) if rows.is_empty() => return None,
                Rows::Some(rows) => {
                    let samples = samples.as_ref();
                    let select =
                        |samples: &Vec<usize>| rows.iter().map(|&row| samples[row]).collect();
                    (targets.select(rows), samples.map(select))
                }
            };
            Some(Turn {
                input: part.input,
                targets,
                rows: part.rows,
                samples,
            })
        });
        turns.collect()
    }
}

/// A batch of a single modality, for unpaired data.
#[derive(Debug, Clone)]
pub struct UnimodalBatch<I> {
    /// The encoder's input.
    pub input: I,
    /// The labels, one per row of the input.
    pub targets: Targets,
    /// The positions of the samples in their data set, one per label. Errors name them.
    pub samples: Option<Vec<usize>>,
}

impl<I> UnimodalBatch<I> {
    /// A batch from an input and its labels.
    pub fn new(input: I, targets: Targets) -> Self {
        Self {
            input,
            targets,
            samples: None,
        }
    }

    /// Sets the positions of the samples in their data set.
    pub fn with_samples(mut self, samples: Vec<usize>) -> Self {
        self.samples = Some(samples);
        self
    }
}
