//! Masking: removes modalities from a batch by a modality mask.

use crate::error::{MlaError, Result, same_size};
use crate::modality::one_of::for_each_arity;
use crate::modality::{ModalityInput, ModalityInputs, MultimodalBatch, Presence, Rows, SelectRows};

/// Inputs of all modalities whose rows can be removed. Implemented by the tuples and the `Vec` of
/// [`ModalityInputs`] where each input is [`SelectRows`].
pub trait KeepPresent: ModalityInputs + Sized {
    /// Keeps the rows of each modality whose samples have it in `presence`, in their order. A
    /// modality without remaining rows becomes `None`.
    ///
    /// # Errors
    ///
    /// - as [`ModalityInputs::presence`] for malformed inputs;
    /// - [`MlaError::ModalityCount`] for a mask with another number of modalities;
    /// - [`MlaError::NothingPresent`] for a sample that would lose all its modalities;
    /// - [`MlaError::InputRows`] for an input whose number of rows differs from its [`Rows`];
    /// - [`MlaError::Input`] for an input whose parts differ in their number of rows.
    fn keep_present(self, presence: &Presence) -> Result<Self>;

    /// Keeps the rows of each modality whose samples lack it in `presence`: those that
    /// [`keep_present`](Self::keep_present) removes.
    ///
    /// # Errors
    ///
    /// As [`keep_present`](Self::keep_present), except that a sample may lose all its modalities.
    fn keep_missing(self, presence: &Presence) -> Result<Self>;
}

impl<In: ModalityInputs> MultimodalBatch<In> {
    /// Applies a modality mask, whose samples are those of this batch in the same order. A
    /// modality keeps the rows of the samples that have it both in the mask and in the batch.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use burn_mla::modality::{MissingRate, MultimodalBatch, Targets};
    ///
    /// let device = Device::flex();
    /// let split = MissingRate::new(0.5, 0)?.presence("train", 100, 2)?;
    /// let samples = [4, 90, 17]; // of the batch, as positions in the split
    /// let inputs = (Tensor::<2>::zeros([3, 5], &device), Tensor::<2>::zeros([3, 7], &device));
    /// let batch = MultimodalBatch::paired(inputs, Targets::new([0, 1, 0], &device));
    /// let batch = batch.with_presence(&split.select(&samples)?)?;
    /// assert_eq!(batch.presence()?, split.select(&samples)?);
    /// # Ok::<(), burn_mla::MlaError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - [`MlaError::Size`] for a mask with another number of samples;
    /// - as [`MultimodalBatch::presence`] and [`KeepPresent::keep_present`], in particular
    ///   [`MlaError::NothingPresent`] for a sample that would lose all its modalities.
    pub fn with_presence(self, presence: &Presence) -> Result<Self>
    where
        In: KeepPresent,
    {
        self.presence()?;
        same_size(
            "samples of the modality mask",
            self.targets.len(),
            presence.n_samples(),
        )?;
        let inputs = self.inputs.keep_present(presence);
        let samples = self.samples.as_deref();
        Ok(Self {
            inputs: inputs.map_err(|error| error.located(None, samples))?,
            targets: self.targets,
            samples: self.samples,
            hidden: self.hidden,
        })
    }

    /// Applies a modality mask as [`with_presence`](Self::with_presence), and keeps the removed inputs as
    /// [hidden](Self::hidden) ones. Methods that impute with
    /// [`ImputeTarget::Oracle`](crate::baseline::ImputeTarget::Oracle) train with them as targets. No
    /// method sees them otherwise.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use burn_mla::modality::{MultimodalBatch, Presence, Rows, Targets};
    ///
    /// let device = Device::flex();
    /// let inputs = (Tensor::<2>::zeros([3, 5], &device), Tensor::<2>::zeros([3, 7], &device));
    /// let batch = MultimodalBatch::paired(inputs, Targets::new([0, 1, 0], &device));
    /// let mask = Presence::from_mask(vec![true, false, true, true, false, true], 2)?;
    /// let batch = batch.with_hidden(&mask)?;
    /// assert_eq!(batch.presence()?, mask);
    /// let (first, second) = batch.hidden.unwrap();
    /// assert_eq!(first.unwrap().rows, Rows::Some(vec![2]));
    /// assert_eq!(second.unwrap().rows, Rows::Some(vec![0]));
    /// # Ok::<(), burn_mla::MlaError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`with_presence`](Self::with_presence), and [`MlaError::HiddenTwice`] for a batch that has
    /// hidden inputs already.
    pub fn with_hidden(self, presence: &Presence) -> Result<Self>
    where
        In: KeepPresent + Clone,
    {
        if self.hidden.is_some() {
            return Err(MlaError::HiddenTwice);
        }
        let inputs = self.inputs.clone();
        let mut masked = self.with_presence(presence)?;
        let hidden = inputs.keep_missing(presence);
        let samples = masked.samples.as_deref();
        masked.hidden = Some(hidden.map_err(|error| error.located(None, samples))?);
        Ok(masked)
    }
}

pub(super) fn check_input_rows(
    input: &impl SelectRows,
    modality: usize,
    expected: usize,
) -> Result<()> {
    let n_rows = input
        .n_rows()
        .map_err(|error| error.of_modality(modality))?;
    match n_rows {
        got if got == expected => Ok(()),
        got => Err(MlaError::InputRows {
            modality,
            expected,
            got,
        }),
    }
}

/// Keeps the rows of the samples that have the modality if `present`, or those that lack it.
fn keep<I: SelectRows>(
    part: Option<ModalityInput<I>>,
    modality: usize,
    presence: &Presence,
    present: bool,
) -> Result<Option<ModalityInput<I>>> {
    let Some(part) = part else {
        return Ok(None);
    };
    let samples = match &part.rows {
        Rows::All => (0..presence.n_samples()).collect(),
        Rows::Some(rows) => rows.clone(),
    };
    check_input_rows(&part.input, modality, samples.len())?;
    let kept: Vec<usize> = (0..samples.len())
        .filter(|&row| presence.is_present(samples[row], modality) == present)
        .collect();
    if kept.is_empty() {
        return Ok(None);
    }
    if kept.len() == samples.len() {
        return Ok(Some(part));
    }
    let samples = kept.iter().map(|&row| samples[row]).collect();
    let input = part.input.select_rows(&kept);
    let input = input.map_err(|error| error.of_modality(modality))?;
    Ok(ModalityInput::rows(input, samples))
}

/// The intersection of `presence` with the mask of the inputs.
fn common(inputs: &impl ModalityInputs, presence: &Presence) -> Result<Presence> {
    inputs
        .presence(presence.n_samples())?
        .intersection(presence)
}

/// Checks that a mask is one of the samples and modalities of the inputs.
fn check_mask(inputs: &impl ModalityInputs, presence: &Presence) -> Result<()> {
    let found = inputs.presence(presence.n_samples())?;
    if found.n_modalities() == presence.n_modalities() {
        return Ok(());
    }
    Err(MlaError::ModalityCount {
        what: "the modality mask",
        expected: found.n_modalities(),
        got: presence.n_modalities(),
    })
}

impl<I: SelectRows + Send + 'static> KeepPresent for Vec<Option<ModalityInput<I>>> {
    fn keep_present(self, presence: &Presence) -> Result<Self> {
        let presence = common(&self, presence)?;
        let parts = self.into_iter().enumerate();
        parts
            .map(|(modality, part)| keep(part, modality, &presence, true))
            .collect()
    }

    fn keep_missing(self, presence: &Presence) -> Result<Self> {
        check_mask(&self, presence)?;
        let parts = self.into_iter().enumerate();
        parts
            .map(|(modality, part)| keep(part, modality, presence, false))
            .collect()
    }
}

macro_rules! tuple_keep {
    ($one:ident, $n:literal, [$($t:ident $i:tt),+]) => {
        impl<$($t: SelectRows + Send + 'static),+> KeepPresent
            for ($(Option<ModalityInput<$t>>,)+)
        {
            fn keep_present(self, presence: &Presence) -> Result<Self> {
                let presence = common(&self, presence)?;
                Ok(($(keep(self.$i, $i, &presence, true)?,)+))
            }

            fn keep_missing(self, presence: &Presence) -> Result<Self> {
                check_mask(&self, presence)?;
                Ok(($(keep(self.$i, $i, presence, false)?,)+))
            }
        }
    };
}

for_each_arity!(tuple_keep);
