use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;

use crate::encoder::Encoder;
use crate::error::{Result, same_size};
use crate::modality::{
    Indexed, ModalityInput, ModalityInputs, OneOf2, OneOf3, OneOf4, OneOf5, OneOf6, OneOf7, OneOf8,
};

/// The encoders of a model: a tuple of 2 to 8 different ones, or a `Vec` of equal ones.
///
/// The types of the inputs follow from the encoders, so that an input for the wrong modality
/// does not compile:
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
pub trait Encoders: Module + ModuleDisplay {
    /// The inputs of all modalities of a batch.
    type Inputs: ModalityInputs;

    /// Number of encoders.
    fn n_modalities(&self) -> usize;

    /// Feature width of each encoder.
    fn d_features(&self) -> Vec<usize>;

    /// Features of one modality's input, `[batch, d_feature]`.
    ///
    /// # Panics
    ///
    /// If the input names a modality that does not exist (`Vec` only), and where the encoder
    /// panics.
    fn encode(&self, input: <Self::Inputs as ModalityInputs>::One) -> Tensor<2>;
}

impl<E: Encoder> Encoders for Vec<E> {
    type Inputs = Vec<Option<ModalityInput<E::Input>>>;

    fn n_modalities(&self) -> usize {
        self.len()
    }

    fn d_features(&self) -> Vec<usize> {
        self.iter().map(Encoder::d_feature).collect()
    }

    fn encode(&self, input: Indexed<E::Input>) -> Tensor<2> {
        self[input.modality].encode(input.input)
    }
}

/// Checks that an encoder returned one row per sample.
pub(crate) fn check_rows(rows: &Tensor<2>, n_samples: usize) -> Result<()> {
    same_size(
        "rows of the encoder's features (one a label)",
        n_samples,
        rows.dims()[0],
    )
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

            fn encode(&self, input: $one<$($t::Input),+>) -> Tensor<2> {
                match input {
                    $($one::$t(input) => self.$i.encode(input),)+
                }
            }
        }
    };
}

tuple_encoders!(OneOf2, 2, [A 0, B 1]);
tuple_encoders!(OneOf3, 3, [A 0, B 1, C 2]);
tuple_encoders!(OneOf4, 4, [A 0, B 1, C 2, D 3]);
tuple_encoders!(OneOf5, 5, [A 0, B 1, C 2, D 3, E 4]);
tuple_encoders!(OneOf6, 6, [A 0, B 1, C 2, D 3, E 4, F 5]);
tuple_encoders!(OneOf7, 7, [A 0, B 1, C 2, D 3, E 4, F 5, G 6]);
tuple_encoders!(OneOf8, 8, [A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7]);
