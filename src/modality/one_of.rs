//! The enums `OneOf2` to `OneOf8`, and the one list of the arities that tuples are implemented for.

/// Calls `$callback!(OneOfN, N, [A 0, B 1, ..])` for each arity from 2 to 8. The callback names the
/// enum, the number of modalities, and a type parameter and tuple index per modality.
macro_rules! for_each_arity {
    ($callback:ident) => {
        $callback!(OneOf2, 2, [A 0, B 1]);
        $callback!(OneOf3, 3, [A 0, B 1, C 2]);
        $callback!(OneOf4, 4, [A 0, B 1, C 2, D 3]);
        $callback!(OneOf5, 5, [A 0, B 1, C 2, D 3, E 4]);
        $callback!(OneOf6, 6, [A 0, B 1, C 2, D 3, E 4, F 5]);
        $callback!(OneOf7, 7, [A 0, B 1, C 2, D 3, E 4, F 5, G 6]);
        $callback!(OneOf8, 8, [A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7]);
    };
}
pub(crate) use for_each_arity;

macro_rules! one_of {
    ($name:ident, $n:literal, [$($t:ident $i:tt),+]) => {
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

for_each_arity!(one_of);
