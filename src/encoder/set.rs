//! The encoders of a model as one type: tuples of different encoders, vectors of equal ones.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Device, Tensor};

use crate::encoder::Encoder;
use crate::error::{MlaError, Result};
use crate::modality::one_of::*;
use crate::modality::{Indexed, ModalityInput, ModalityInputs};

/// The encoders of a model: a tuple of 2 to 8 different encoders, or a `Vec` of encoders of one type.
///
/// The types of the inputs follow from the encoders. An input for the wrong modality does not
/// compile:
///
/// ```compile_fail
/// # use burn::tensor::{Device, Int, Tensor};
/// # use burn_mla::encoder::{Encoder, Encoders, MlpEncoder};
/// # use burn_mla::modality::OneOf2;
/// fn features<A: Encoder<Input = Tensor<2>>, B: Encoder<Input = Tensor<4>>>(set: &(A, B)) {
///     let image: Tensor<4> = Tensor::zeros([1, 3, 32, 32], &Device::flex());
///     set.encode(OneOf2::A(image)); // modality A takes a Tensor<2>
/// }
/// ```
pub trait Encoders: Module + ModuleDisplay + Sync {
    /// The inputs of all modalities of a batch.
    type Inputs: ModalityInputs;

    /// Number of encoders.
    fn n_modalities(&self) -> usize;

    /// Feature width of each encoder.
    fn d_features(&self) -> Vec<usize>;

    /// Checks one modality's input by [`Encoder::check`].
    ///
    /// # Errors
    ///
    /// [`MlaError::Input`] with the modality and the encoder's error,
    /// [`MlaError::ModalityOutOfRange`] for a modality that does not exist (`Vec` only).
    fn check(&self, input: &<Self::Inputs as ModalityInputs>::One) -> Result<()>;

    /// Computes the features of one modality's input, `[batch, d_feature]`.
    ///
    /// # Panics
    ///
    /// If the modality of the input does not exist (`Vec` only), and where the encoder panics.
    fn encode(&self, input: <Self::Inputs as ModalityInputs>::One) -> Tensor<2>;

    /// Moves the encoder of `modality` to `device`, as [`Module::fork`] does. The others may stay where
    /// they are, because a turn of the modality does not use them. The default moves all.
    fn fork_of(self, modality: usize, device: &Device) -> Self {
        let _ = modality;
        self.fork(device)
    }
}

impl<E: Encoder> Encoders for Vec<E> {
    type Inputs = Vec<Option<ModalityInput<E::Input>>>;

    fn n_modalities(&self) -> usize {
        self.len()
    }

    fn d_features(&self) -> Vec<usize> {
        self.iter().map(Encoder::d_feature).collect()
    }

    fn check(&self, input: &Indexed<E::Input>) -> Result<()> {
        let modality = input.modality;
        let encoder = self.get(modality).ok_or(MlaError::ModalityOutOfRange {
            modality,
            n_modalities: self.len(),
        })?;
        let checked = encoder.check(&input.input);
        checked.map_err(|error| error.of_modality(modality))
    }

    fn encode(&self, input: Indexed<E::Input>) -> Tensor<2> {
        self[input.modality].encode(input.input)
    }

    fn fork_of(self, modality: usize, device: &Device) -> Self {
        let encoders = self.into_iter().enumerate();
        let forked = encoders.map(|(at, encoder)| {
            if at == modality {
                encoder.fork(device)
            } else {
                encoder
            }
        });
        forked.collect()
    }
}

macro_rules! tuple_encoders {
    ($one:ident, $n:literal, [$($t:ident $i:tt),+]) => {
        impl<$($t: Encoder),+> Encoders for ($($t,)+) {
            type Inputs = ($(Option<ModalityInput<$t::Input>>,)+);

            fn n_modalities(&self) -> usize {
                $n
            }

            fn d_features(&self) -> Vec<usize> {
                vec![$(self.$i.d_feature(),)+]
            }

            fn check(&self, input: &$one<$($t::Input),+>) -> Result<()> {
                match input {
                    $($one::$t(input) => {
                        self.$i.check(input).map_err(|error| error.of_modality($i))
                    })+
                }
            }

            fn encode(&self, input: $one<$($t::Input),+>) -> Tensor<2> {
                match input {
                    $($one::$t(input) => self.$i.encode(input),)+
                }
            }

            fn fork_of(mut self, modality: usize, device: &Device) -> Self {
                $(if modality == $i {
                    self.$i = self.$i.fork(device);
                })+
                self
            }
        }
    };
}

for_each_arity!(tuple_encoders);
