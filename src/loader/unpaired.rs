//! Loaders of single modalities, for unpaired data.

use std::sync::Arc;

use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::Device;

use crate::loader::{ResumableLoader, SourceLoader};
use crate::modality::one_of::*;
use crate::modality::{Indexed, ModalityInput, ModalityInputs, Turn, UnimodalBatch};

/// One data loader per modality, each with its own data set: a tuple of 2 to 8
/// `Arc<dyn ResumableLoader<UnimodalBatch<I>>>`, or a `Vec` of them with one `I`.
///
/// `Arc<dyn DataLoader<UnimodalBatch<I>>>` serve as well, all of them; a training with them cannot
/// resume.
pub trait UnpairedLoaders {
    /// The inputs of a model that trains on these loaders.
    type Inputs: ModalityInputs;

    /// Converts the loaders to loaders of turns.
    fn into_turns(self) -> Vec<SourceLoader<Turn<<Self::Inputs as ModalityInputs>::One>>>;
}

/// A loader of one modality's turns.
type TurnLoader<T> = Arc<dyn DataLoader<Turn<T>>>;

type ModalityLoader<I> = Arc<dyn DataLoader<UnimodalBatch<I>>>;

type ResumableModalityLoader<I> = Arc<dyn ResumableLoader<UnimodalBatch<I>>>;

/// A loader whose batches are tagged with their modality.
struct Tagged<I, T> {
    loader: ModalityLoader<I>,
    tag: Arc<dyn Fn(I) -> T + Send + Sync>,
}

struct TaggedIter<'a, I, T> {
    batches: Box<dyn DataLoaderIterator<UnimodalBatch<I>> + 'a>,
    tag: &'a (dyn Fn(I) -> T + Send + Sync),
}

impl<I, T> Iterator for TaggedIter<'_, I, T> {
    type Item = Result<Turn<T>, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.batches.next()?;
        Some(batch.map(|batch| Turn::new((self.tag)(batch.input), batch.targets)))
    }
}

impl<I, T> DataLoaderIterator<Turn<T>> for TaggedIter<'_, I, T> {
    fn progress(&self) -> Progress {
        self.batches.progress()
    }
}

impl<I: 'static, T: 'static> DataLoader<Turn<T>> for Tagged<I, T> {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<Turn<T>> + 'a> {
        Box::new(TaggedIter {
            batches: self.loader.iter(),
            tag: &*self.tag,
        })
    }

    fn num_items(&self) -> usize {
        self.loader.num_items()
    }

    fn to_device(&self, device: &Device) -> TurnLoader<T> {
        tagged(self.loader.to_device(device), self.tag.clone())
    }

    fn slice(&self, start: usize, end: usize) -> TurnLoader<T> {
        tagged(self.loader.slice(start, end), self.tag.clone())
    }
}

fn tagged<I: 'static, T: 'static>(
    loader: ModalityLoader<I>,
    tag: Arc<dyn Fn(I) -> T + Send + Sync>,
) -> TurnLoader<T> {
    Arc::new(Tagged { loader, tag })
}

fn source<I: 'static, T: 'static>(
    loader: impl Into<SourceLoader<UnimodalBatch<I>>>,
    tag: impl Fn(I) -> T + Send + Sync + 'static,
) -> SourceLoader<Turn<T>> {
    let SourceLoader { loader, sources } = loader.into();
    SourceLoader {
        loader: tagged(loader, Arc::new(tag)),
        sources,
    }
}

macro_rules! vec_loaders {
    ($loader:ident) => {
        impl<I: Send + 'static> UnpairedLoaders for Vec<$loader<I>> {
            type Inputs = Vec<Option<ModalityInput<I>>>;

            fn into_turns(self) -> Vec<SourceLoader<Turn<Indexed<I>>>> {
                let loaders = self.into_iter().enumerate();
                loaders
                    .map(|(modality, loader)| {
                        source(loader, move |input| Indexed { modality, input })
                    })
                    .collect()
            }
        }
    };
}

vec_loaders!(ModalityLoader);
vec_loaders!(ResumableModalityLoader);

macro_rules! tuple_loaders {
    ($one:ident, $n:literal, [$($t:ident $i:tt),+]) => {
        tuple_loaders!($one, ModalityLoader, [$($t $i),+]);
        tuple_loaders!($one, ResumableModalityLoader, [$($t $i),+]);
    };
    ($one:ident, $loader:ident, [$($t:ident $i:tt),+]) => {
        impl<$($t: Send + 'static),+> UnpairedLoaders for ($($loader<$t>,)+) {
            type Inputs = ($(Option<ModalityInput<$t>>,)+);

            fn into_turns(self) -> Vec<SourceLoader<Turn<$one<$($t),+>>>> {
                vec![$(source(self.$i, $one::$t),)+]
            }
        }
    };
}

for_each_arity!(tuple_loaders);
