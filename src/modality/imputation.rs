//! Imputation of missing modalities by zeros.

use burn::tensor::Device;

use crate::error::{MlaError, Result};
use crate::modality::masking::check_input_rows;
use crate::modality::one_of::for_each_arity;
use crate::modality::{ModalityInput, ModalityInputs, MultimodalBatch, Rows, ZeroRows};

/// The inputs of all modalities, which can be filled up with zeros: where each modality's input is
/// [`ZeroRows`], the tuples and the `Vec` of [`ModalityInputs`] are.
pub trait FillMissing: ModalityInputs + Sized {
    /// Gives each of `n_samples` samples every modality: rows of zeros where it is missing. A
    /// modality that is absent in all of them gets zeros on `device`, shaped as `template`'s.
    ///
    /// # Errors
    ///
    /// - as [`ModalityInputs::presence`] for inputs that are not well formed;
    /// - [`MlaError::UnknownShape`] for a modality that is absent here and in the template, or
    ///   when there is no template;
    /// - [`MlaError::InputRows`] for an input with another number of rows than it says.
    fn fill_missing(
        self,
        template: Option<&Self>,
        n_samples: usize,
        device: &Device,
    ) -> Result<Self>;

    /// One row of zeros of each modality, to be a template.
    ///
    /// # Errors
    ///
    /// [`MlaError::UnknownShape`] for a modality that is absent.
    fn zero_row(&self, device: &Device) -> Result<Self>;
}

/// Feeds a missing modality as zeros, and trains on them. **Not what the paper says**, but what the
/// authors' code does; only for comparison with it.
///
/// Every sample then has every modality: the encoder of a missing one runs on zeros, its loss and
/// its mean feature count, and it has a share in the fusion. The method itself leaves such a sample
/// out of the modality's turns and of the fusion, which is what this crate does unless told to do
/// this.
///
/// Of a modality that is absent in a whole batch, the shape is taken from another batch:
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::modality::{ModalityInput, MultimodalBatch, Targets, ZeroInput};
///
/// let device = Device::flex();
/// let targets = Targets::new([0, 1], &device);
/// let inputs = (Tensor::<2>::ones([2, 3], &device), Tensor::<3>::ones([2, 4, 5], &device));
/// let complete = MultimodalBatch::paired(inputs, targets.clone());
/// let zero_input = ZeroInput::like(&complete)?;
///
/// let first = ModalityInput::rows(Tensor::<2>::ones([2, 3], &device), vec![0, 1]);
/// let second_is_absent = MultimodalBatch::new((first, None), targets);
/// let filled = zero_input.fill(second_is_absent)?;
/// assert!(filled.presence()?.is_complete());
/// assert_eq!(filled.inputs.1.unwrap().input.dims(), [2, 4, 5]);
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ZeroInput<In> {
    template: In,
}

impl<In: FillMissing> ZeroInput<In> {
    /// Zeros shaped as the inputs of a batch, in which each modality must occur.
    ///
    /// # Errors
    ///
    /// [`MlaError::UnknownShape`] names a modality that does not.
    pub fn like(batch: &MultimodalBatch<In>) -> Result<Self> {
        let device = batch.targets.tensor().device();
        let template = batch.inputs.zero_row(&device)?;
        Ok(Self { template })
    }

    /// The batch with zeros wherever a modality is missing, so that nothing is. A modality that is
    /// absent in the whole batch goes where the labels are.
    ///
    /// # Errors
    ///
    /// - as [`MultimodalBatch::presence`] for a batch that is not well formed, samples without any
    ///   modality included;
    /// - [`MlaError::ModalityCount`] when it has another number of modalities;
    /// - [`MlaError::InputRows`] for an input with another number of rows than it says.
    pub fn fill(&self, batch: MultimodalBatch<In>) -> Result<MultimodalBatch<In>> {
        batch.filled(Some(&self.template))
    }
}

impl<In: ModalityInputs> MultimodalBatch<In> {
    /// Feeds what is missing as zeros: the policy [`ZeroInput`], which is not the paper's, for
    /// batches in which each modality occurs.
    ///
    /// # Errors
    ///
    /// As [`ZeroInput::fill`], and [`MlaError::UnknownShape`] for a modality that is absent in the
    /// whole batch: take [`ZeroInput::like`] a batch that has it.
    pub fn with_zero_inputs(self) -> Result<Self>
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
                input.place_rows(&rows, n_samples)?
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
