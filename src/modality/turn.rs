//! The input of a training step: one modality's part of a batch.

use crate::modality::{Rows, Targets};

/// One modality's turn: the input of its encoder and the labels of the same samples.
///
/// `T` is the input tagged with its modality: one of [`OneOf2`](crate::modality::OneOf2) to
/// [`OneOf8`](crate::modality::OneOf8) for a tuple of encoders, [`Indexed`] for a `Vec` of them.
#[derive(Debug, Clone)]
pub struct Turn<T> {
    /// The encoder's input.
    pub input: T,
    /// The labels, one per row of the input.
    pub targets: Targets,
    /// The samples of the multimodal batch that the rows belong to. Errors name them.
    pub rows: Rows,
    /// The positions of the rows' samples in their data set, one per label. Errors name them.
    pub samples: Option<Vec<usize>>,
}

impl<T> Turn<T> {
    /// A turn from an input and its labels.
    pub fn new(input: T, targets: Targets) -> Self {
        Self {
            input,
            targets,
            rows: Rows::All,
            samples: None,
        }
    }
}

/// The input of one modality among several of the same type.
#[derive(Debug, Clone)]
pub struct Indexed<I> {
    /// The modality, from 0.
    pub modality: usize,
    /// The encoder's input.
    pub input: I,
}
