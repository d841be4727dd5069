//! Imputation: fills missing modalities with zeros.

use burn::tensor::Device;

use crate::error::{MlaError, Result};
use crate::modality::masking::check_input_rows;
use crate::modality::one_of::for_each_arity;
use crate::modality::{ModalityInput, ModalityInputs, MultimodalBatch, Rows, ZeroRows};

/// Inputs of all modalities that can be filled with zeros. Implemented by the tuples and the `Vec`
/// of [`ModalityInputs`] where each input is [`ZeroRows`].
pub trait FillMissing: ModalityInputs + Sized {
    /// Fills the missing rows of each modality with zeros, for `n_samples` samples. A modality
    /// that is absent in all of them gets zeros on `device` in the shape of the template.
    ///
    /// # Errors
    ///
    /// - as [`ModalityInputs::presence`] for malformed inputs;
    /// - [`MlaError::UnknownShape`] for a modality that is absent both here and in the template;
    /// - [`MlaError::InputRows`] for an input whose number of rows differs from its [`Rows`].
    fn fill_missing(
        self,
        template: Option<&Self>,
        n_samples: usize,
        device: &Device,
    ) -> Result<Self>;

    /// One row of zeros per modality, which serves as a template.
    ///
    /// # Errors
    ///
    /// [`MlaError::UnknownShape`] for a modality that is absent.
    fn zero_row(&self, device: &Device) -> Result<Self>;
}

/// Zero imputation of missing modalities. **The paper does not do this**, but the authors' code
/// does; use it only to compare with that code.
///
/// Every sample then has every modality: the encoder of a missing one runs on zeros, which
/// contribute to its loss, its mean feature and the fusion. The method itself, and this crate by
/// default, excludes such a sample from the modality's turns and from the fusion.
///
/// For a modality that is absent in a whole batch, another batch supplies the shape:
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::modality::{ModalityInput, MultimodalBatch, Targets, ZeroImputation};
///
/// let device = Device::flex();
/// let targets = Targets::new([0, 1], &device);
/// let inputs = (Tensor::<2>::ones([2, 3], &device), Tensor::<3>::ones([2, 4, 5], &device));
/// let complete = MultimodalBatch::paired(inputs, targets.clone());
/// let zero_imputation = ZeroImputation::like(&complete)?;
///
/// let first = ModalityInput::rows(Tensor::<2>::ones([2, 3], &device), vec![0, 1]);
/// let second_is_absent = MultimodalBatch::new((first, None), targets);
/// let filled = zero_imputation.fill(second_is_absent)?;
/// assert!(filled.presence()?.is_complete());
/// assert_eq!(filled.inputs.1.unwrap().input.dims(), [2, 4, 5]);
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ZeroImputation<In> {
    template: In,
}

impl<In: FillMissing> ZeroImputation<In> {
    /// Zeros in the shapes of the inputs of `batch`, which must contain each modality.
    ///
    /// # Errors
    ///
    /// [`MlaError::UnknownShape`] for a modality that `batch` does not contain.
    pub fn like(batch: &MultimodalBatch<In>) -> Result<Self> {
        let device = batch.targets.tensor().device();
        let template = batch.inputs.zero_row(&device)?;
        Ok(Self { template })
    }

    /// Fills `batch` with zeros wherever a modality is missing, also where its input is
    /// [hidden](MultimodalBatch::hidden). The zeros of a modality that is absent in the whole batch are
    /// on the device of the labels.
    ///
    /// # Errors
    ///
    /// - as [`MultimodalBatch::presence`] for a malformed batch, including samples without any
    ///   modality;
    /// - [`MlaError::ModalityCount`] for another number of modalities;
    /// - [`MlaError::InputRows`] for an input whose number of rows differs from its [`Rows`].
    pub fn fill(&self, batch: MultimodalBatch<In>) -> Result<MultimodalBatch<In>> {
        batch.filled(Some(&self.template))
    }
}

impl<In: ModalityInputs> MultimodalBatch<In> {
    /// Fills missing modalities with zeros, as [`ZeroImputation`] does, in a batch that contains
    /// each modality. The paper does not do this.
    ///
    /// # Errors
    ///
    /// As [`ZeroImputation::fill`], and [`MlaError::UnknownShape`] for a modality that is absent in
    /// the whole batch: use [`ZeroImputation::like`] with a batch that contains it.
    pub fn with_zero_imputation(self) -> Result<Self>
    where
        In: FillMissing,
    {
        self.filled(None)
    }

    fn filled(self, template: Option<&In>) -> Result<Self>
    where
        In: FillMissing,
    {
        self.presence()?;
        let device = self.targets.tensor().device();
        let n_samples = self.targets.len();
        Ok(Self {
            inputs: self.inputs.fill_missing(template, n_samples, &device)?,
            targets: self.targets,
            samples: self.samples,
            hidden: None,
        })
    }
}

fn fill<I: ZeroRows>(
    part: Option<ModalityInput<I>>,
    template: Option<&ModalityInput<I>>,
    modality: usize,
    n_samples: usize,
    device: &Device,
) -> Result<Option<ModalityInput<I>>> {
    let input = match part {
        Some(ModalityInput { input, rows }) => match rows {
            Rows::All => {
                check_input_rows(&input, modality, n_samples)?;
                input
            }
            Rows::Some(rows) => {
                check_input_rows(&input, modality, rows.len())?;
                let placed = input.place_rows(&rows, n_samples);
                placed.map_err(|error| error.of_modality(modality))?
            }
        },
        None => template
            .ok_or(MlaError::UnknownShape { modality })?
            .input
            .zeros(n_samples, device),
    };
    Ok(Some(ModalityInput::all(input)))
}

fn row_of<I: ZeroRows>(
    part: &Option<ModalityInput<I>>,
    modality: usize,
    device: &Device,
) -> Result<Option<ModalityInput<I>>> {
    let part = part.as_ref().ok_or(MlaError::UnknownShape { modality })?;
    Ok(Some(ModalityInput::all(part.input.zeros(1, device))))
}

impl<I: ZeroRows + Send + 'static> FillMissing for Vec<Option<ModalityInput<I>>> {
    fn fill_missing(
        self,
        template: Option<&Self>,
        n_samples: usize,
        device: &Device,
    ) -> Result<Self> {
        self.presence(n_samples)?;
        if let Some(template) = template
            && template.len() != self.len()
        {
            return Err(MlaError::ModalityCount {
                what: "the batch to fill",
                expected: template.len(),
                got: self.len(),
            });
        }
        let parts = self.into_iter().enumerate();
        parts
            .map(|(m, part)| {
                let like = template.and_then(|template| template[m].as_ref());
                fill(part, like, m, n_samples, device)
            })
            .collect()
    }

    fn zero_row(&self, device: &Device) -> Result<Self> {
        let parts = self.iter().enumerate();
        parts
            .map(|(modality, part)| row_of(part, modality, device))
            .collect()
    }
}

macro_rules! tuple_fill {
    ($one:ident, $n:literal, [$($t:ident $i:tt),+]) => {
        impl<$($t: ZeroRows + Send + 'static),+> FillMissing
            for ($(Option<ModalityInput<$t>>,)+)
        {
            fn fill_missing(
                self,
                template: Option<&Self>,
                n_samples: usize,
                device: &Device,
            ) -> Result<Self> {
                self.presence(n_samples)?;
                Ok(($({
                    let like = template.and_then(|template| template.$i.as_ref());
                    fill(self.$i, like, $i, n_samples, device)?
                },)+))
            }

            fn zero_row(&self, device: &Device) -> Result<Self> {
                Ok(($(row_of(&self.$i, $i, device)?,)+))
            }
        }
    };
}

for_each_arity!(tuple_fill);
