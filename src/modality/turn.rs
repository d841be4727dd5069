use crate::modality::Targets;

/// One modality's turn: the input of its encoder and the labels of the same samples.
///
/// `T` is the input tagged with its modality: one of [`OneOf2`] to [`OneOf8`] for a tuple of
/// encoders, [`Indexed`] for a `Vec` of them.
#[derive(Debug, Clone)]
pub struct Turn<T> {
    /// The encoder's input.
    pub input: T,
    /// The labels, one a row of the input.
    pub targets: Targets,
}

impl<T> Turn<T> {
    /// A turn from an input and its labels.
    pub fn new(input: T, targets: Targets) -> Self {
        Self { input, targets }
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

macro_rules! one_of {
    ($name:ident, $n:literal, [$($t:ident $i:literal),+]) => {
        #[doc = concat!("The input of one of ", $n, " modalities.")]
        #[derive(Debug, Clone)]
        pub enum $name<$($t),+> {
            $(
                #[doc = concat!("Input of modality ", $i, ".")]
                $t($t),
            )+
        }
    };
}

one_of!(OneOf2, "2", [A "0", B "1"]);
one_of!(OneOf3, "3", [A "0", B "1", C "2"]);
one_of!(OneOf4, "4", [A "0", B "1", C "2", D "3"]);
one_of!(OneOf5, "5", [A "0", B "1", C "2", D "3", E "4"]);
one_of!(OneOf6, "6", [A "0", B "1", C "2", D "3", E "4", F "5"]);
one_of!(OneOf7, "7", [A "0", B "1", C "2", D "3", E "4", F "5", G "6"]);
one_of!(OneOf8, "8", [A "0", B "1", C "2", D "3", E "4", F "5", G "6", H "7"]);
