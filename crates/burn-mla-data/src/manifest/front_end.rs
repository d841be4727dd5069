//! What turns cells into tensors, one front end per modality.

use std::marker::PhantomData;
use std::path::Path;

use burn::tensor::Device;
use burn_mla::modality::{ModalityInput, ModalityInputs};
use rand::rngs::ChaCha12Rng;
use serde_json::Value;

use super::{Cell, ColumnKind, FrontEndError};

/// What turns the cells of a column into the input of an encoder.
///
/// Cells are decoded one by one, possibly on several threads. The items of several samples become one
/// input.
///
/// # Implementing your own
///
/// ```
/// use burn::tensor::{Device, Tensor, TensorData};
/// use burn_mla_data::manifest::{Cell, ColumnKind, FrontEnd, FrontEndError};
/// use rand::{RngExt, rngs::ChaCha12Rng};
///
/// /// Length of a text and number of its words, with some noise in training.
/// struct Lengths;
///
/// impl FrontEnd for Lengths {
///     type Item = [f32; 2];
///     type Input = Tensor<2>;
///
///     fn reads(&self, kind: ColumnKind) -> bool {
///         kind == ColumnKind::Text
///     }
///
///     fn decode(
///         &self,
///         cell: Cell<'_>,
///         numbers: Option<&mut ChaCha12Rng>,
///     ) -> Result<[f32; 2], FrontEndError> {
///         let Cell::Text(text) = cell else {
///             return Err("no text".into());
///         };
///         let noise = numbers.map_or(0.0, |numbers| numbers.random::<f32>());
///         Ok([text.len() as f32 + noise, text.split_whitespace().count() as f32])
///     }
///
///     fn collate(&self, items: Vec<[f32; 2]>, device: &Device) -> Result<Tensor<2>, FrontEndError> {
///         let shape = [items.len(), 2];
///         Ok(Tensor::from_data(TensorData::new(items.concat(), shape), device))
///     }
/// }
/// ```
pub trait FrontEnd: Send + Sync + 'static {
    /// A decoded cell.
    type Item: Send + Sync + 'static;

    /// The input of the encoder for several samples.
    type Input: Send + 'static;

    /// Whether the cells of a kind of column can be decoded.
    fn reads(&self, kind: ColumnKind) -> bool;

    /// Decodes a cell, and augments it by the random `numbers` that it gets in training. Without
    /// them it always returns the same item.
    ///
    /// # Errors
    ///
    /// For a value that is malformed. The data set adds its place.
    fn decode(
        &self,
        cell: Cell<'_>,
        numbers: Option<&mut ChaCha12Rng>,
    ) -> Result<Self::Item, FrontEndError>;

    /// Makes an input of at least one item.
    ///
    /// # Errors
    ///
    /// For items that do not fit together.
    fn collate(
        &self,
        items: Vec<Self::Item>,
        device: &Device,
    ) -> Result<Self::Input, FrontEndError>;

    /// The settings of the front end, which a resumed training must share. The default is none.
    fn recipe(&self) -> Value {
        Value::Null
    }

    /// The front end with another type of input, for an encoder that takes it.
    fn map<J: Send + 'static>(self, map: fn(Self::Input) -> J) -> MappedFrontEnd<Self, J>
    where
        Self: Sized,
    {
        MappedFrontEnd {
            front_end: self,
            map,
        }
    }
}

/// A front end whose inputs are mapped; see [`FrontEnd::map`].
pub struct MappedFrontEnd<F: FrontEnd, J> {
    front_end: F,
    map: fn(F::Input) -> J,
}

impl<F: FrontEnd, J: Send + 'static> FrontEnd for MappedFrontEnd<F, J> {
    type Item = F::Item;
    type Input = J;

    fn reads(&self, kind: ColumnKind) -> bool {
        self.front_end.reads(kind)
    }

    fn decode(
        &self,
        cell: Cell<'_>,
        numbers: Option<&mut ChaCha12Rng>,
    ) -> Result<F::Item, FrontEndError> {
        self.front_end.decode(cell, numbers)
    }

    fn collate(&self, items: Vec<F::Item>, device: &Device) -> Result<J, FrontEndError> {
        self.front_end.collate(items, device).map(self.map)
    }

    fn recipe(&self) -> Value {
        self.front_end.recipe()
    }
}

/// A front end of closures, for files: one reads a file, the other makes an input of several.
///
/// ```
/// use burn::tensor::{Device, Tensor, TensorData};
/// use burn_mla_data::manifest::FileFrontEnd;
///
/// // Files of 64 bytes each.
/// let bytes = FileFrontEnd::new(
///     |path| Ok(std::fs::read(path)?),
///     |items: Vec<Vec<u8>>, device: &Device| {
///         let shape = [items.len(), 64];
///         let values: Vec<f32> = items.concat().into_iter().map(f32::from).collect();
///         Ok(Tensor::<2>::from_data(TensorData::new(values, shape), device))
///     },
/// );
/// # let _ = bytes;
/// ```
pub struct FileFrontEnd<T, I, D, C> {
    decode: D,
    collate: C,
    types: PhantomData<fn(T) -> I>,
}

impl<T, I, D, C> FileFrontEnd<T, I, D, C>
where
    D: Fn(&Path) -> Result<T, FrontEndError>,
    C: Fn(Vec<T>, &Device) -> Result<I, FrontEndError>,
{
    /// A front end that decodes files of any kind and collates them.
    pub fn new(decode: D, collate: C) -> Self {
        Self {
            decode,
            collate,
            types: PhantomData,
        }
    }
}

impl<T, I, D, C> FrontEnd for FileFrontEnd<T, I, D, C>
where
    T: Send + Sync + 'static,
    I: Send + 'static,
    D: Fn(&Path) -> Result<T, FrontEndError> + Send + Sync + 'static,
    C: Fn(Vec<T>, &Device) -> Result<I, FrontEndError> + Send + Sync + 'static,
{
    type Item = T;
    type Input = I;

    fn reads(&self, kind: ColumnKind) -> bool {
        kind.is_path() && kind != ColumnKind::Frames
    }

    fn decode(
        &self,
        cell: Cell<'_>,
        _numbers: Option<&mut ChaCha12Rng>,
    ) -> Result<T, FrontEndError> {
        match cell {
            Cell::File(path) => (self.decode)(&path),
            _ => Err("no file".into()),
        }
    }

    fn collate(&self, items: Vec<T>, device: &Device) -> Result<I, FrontEndError> {
        (self.collate)(items, device)
    }
}

/// An error of the front end of a modality.
pub type ModalityError = (usize, FrontEndError);

/// The front ends of all modalities: a tuple of 2 to 8, or a `Vec` of one type.
pub trait FrontEnds: Send + Sync + 'static {
    /// The decoded cells of a sample, `None` where it lacks the modality.
    type Items: Send + Sync + 'static;

    /// The inputs of a batch.
    type Inputs: ModalityInputs;

    /// Number of modalities.
    fn n_modalities(&self) -> usize;

    /// Whether the front end of a modality decodes the cells of a kind of column.
    fn reads(&self, modality: usize, kind: ColumnKind) -> bool;

    /// Decodes the cells of a sample, one per modality; see [`FrontEnd::decode`].
    ///
    /// # Errors
    ///
    /// That of the first front end that fails.
    fn decode(
        &self,
        cells: Vec<Option<Cell<'_>>>,
        numbers: Option<&mut ChaCha12Rng>,
    ) -> Result<Self::Items, ModalityError>;

    /// Makes the inputs of a batch.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode).
    fn collate(
        &self,
        samples: Vec<Self::Items>,
        device: &Device,
    ) -> Result<Self::Inputs, ModalityError>;

    /// The settings of all front ends.
    fn recipe(&self) -> Value;
}

/// The items of one modality in a batch, and the samples that have them.
struct Gathered<T> {
    items: Vec<T>,
    rows: Vec<usize>,
}

impl<T> Default for Gathered<T> {
    fn default() -> Self {
        Self {
            items: vec![],
            rows: vec![],
        }
    }
}

impl<T> Gathered<T> {
    fn push(&mut self, sample: usize, item: Option<T>) {
        if let Some(item) = item {
            self.items.push(item);
            self.rows.push(sample);
        }
    }

    fn input<F: FrontEnd<Item = T>>(
        self,
        front_end: &F,
        n_samples: usize,
        device: &Device,
    ) -> Result<Option<ModalityInput<F::Input>>, FrontEndError> {
        if self.rows.is_empty() {
            return Ok(None);
        }
        let input = front_end.collate(self.items, device)?;
        Ok(if self.rows.len() == n_samples {
            Some(ModalityInput::all(input))
        } else {
            ModalityInput::rows(input, self.rows)
        })
    }
}

fn decode<F: FrontEnd>(
    front_end: &F,
    modality: usize,
    cells: &mut [Option<Cell<'_>>],
    numbers: Option<&mut ChaCha12Rng>,
) -> Result<Option<F::Item>, ModalityError> {
    let Some(cell) = cells.get_mut(modality).and_then(Option::take) else {
        return Ok(None);
    };
    let item = front_end.decode(cell, numbers);
    item.map(Some).map_err(|error| (modality, error))
}

impl<F: FrontEnd> FrontEnds for Vec<F> {
    type Items = Vec<Option<F::Item>>;
    type Inputs = Vec<Option<ModalityInput<F::Input>>>;

    fn n_modalities(&self) -> usize {
        self.len()
    }

    fn reads(&self, modality: usize, kind: ColumnKind) -> bool {
        self[modality].reads(kind)
    }

    fn decode(
        &self,
        mut cells: Vec<Option<Cell<'_>>>,
        mut numbers: Option<&mut ChaCha12Rng>,
    ) -> Result<Self::Items, ModalityError> {
        let front_ends = self.iter().enumerate();
        front_ends
            .map(|(m, front_end)| decode(front_end, m, &mut cells, numbers.as_deref_mut()))
            .collect()
    }

    fn collate(
        &self,
        samples: Vec<Self::Items>,
        device: &Device,
    ) -> Result<Self::Inputs, ModalityError> {
        let n_samples = samples.len();
        let mut gathered: Vec<Gathered<F::Item>> = vec![];
        gathered.resize_with(self.len(), Gathered::default);
        for (sample, items) in samples.into_iter().enumerate() {
            for (gathered, item) in gathered.iter_mut().zip(items) {
                gathered.push(sample, item);
            }
        }
        let pairs = self.iter().zip(gathered).enumerate();
        let input = |(modality, (front_end, gathered)): (usize, (&F, Gathered<F::Item>))| {
            let input = gathered.input(front_end, n_samples, device);
            input.map_err(|error| (modality, error))
        };
        pairs.map(input).collect()
    }

    fn recipe(&self) -> Value {
        self.iter().map(FrontEnd::recipe).collect()
    }
}

macro_rules! tuple_front_ends {
    ($n:literal, [$($f:ident $i:tt),+]) => {
        impl<$($f: FrontEnd),+> FrontEnds for ($($f,)+) {
            type Items = ($(Option<$f::Item>,)+);
            type Inputs = ($(Option<ModalityInput<$f::Input>>,)+);

            fn n_modalities(&self) -> usize {
                $n
            }

            fn reads(&self, modality: usize, kind: ColumnKind) -> bool {
                match modality {
                    $($i => self.$i.reads(kind),)+
                    _ => false,
                }
            }

            fn decode(
                &self,
                mut cells: Vec<Option<Cell<'_>>>,
                mut numbers: Option<&mut ChaCha12Rng>,
            ) -> Result<Self::Items, ModalityError> {
                Ok(($(decode(&self.$i, $i, &mut cells, numbers.as_deref_mut())?,)+))
            }

            fn collate(
                &self,
                samples: Vec<Self::Items>,
                device: &Device,
            ) -> Result<Self::Inputs, ModalityError> {
                let n_samples = samples.len();
                let mut gathered = ($(Gathered::<$f::Item>::default(),)+);
                for (sample, items) in samples.into_iter().enumerate() {
                    $(gathered.$i.push(sample, items.$i);)+
                }
                Ok(($(
                    gathered
                        .$i
                        .input(&self.$i, n_samples, device)
                        .map_err(|error| ($i, error))?,
                )+))
            }

            fn recipe(&self) -> Value {
                Value::Array(vec![$(self.$i.recipe()),+])
            }
        }
    };
}

tuple_front_ends!(2, [A 0, B 1]);
tuple_front_ends!(3, [A 0, B 1, C 2]);
tuple_front_ends!(4, [A 0, B 1, C 2, D 3]);
tuple_front_ends!(5, [A 0, B 1, C 2, D 3, E 4]);
tuple_front_ends!(6, [A 0, B 1, C 2, D 3, E 4, F 5]);
tuple_front_ends!(7, [A 0, B 1, C 2, D 3, E 4, F 5, G 6]);
tuple_front_ends!(8, [A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7]);
