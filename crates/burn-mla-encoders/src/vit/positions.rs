//! Position embeddings by sines and cosines.

use burn::tensor::{Device, Tensor, TensorData};

/// Precision in which the originals compute the angles.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Arithmetic {
    /// Each step is rounded to f32.
    Single,
    /// f64, rounded at the end.
    Double,
}

impl Arithmetic {
    fn round(self, value: f64) -> f64 {
        match self {
            Self::Single => f64::from(value as f32),
            Self::Double => value,
        }
    }

    /// The embedding of one position: the sines of all frequencies, then their cosines. Frequency
    /// `i` is `10000^(-i / (width / 2))`.
    fn embedding(self, position: usize, width: usize) -> impl Iterator<Item = f32> {
        let half = width / 2;
        let angle = move |i: usize| {
            let exponent = self.round(i as f64 / half as f64);
            let frequency = self.round(1.0 / self.round(10000f64.powf(exponent)));
            self.round(position as f64 * frequency)
        };
        let sines = (0..half).map(move |i| angle(i).sin() as f32);
        sines.chain((0..half).map(move |i| angle(i).cos() as f32))
    }
}

/// The embeddings of the positions in a sequence, `[1, length, width]`. `width` must be even.
pub(crate) fn sin_cos(
    length: usize,
    width: usize,
    arithmetic: Arithmetic,
    device: &Device,
) -> Tensor<3> {
    let values = (0..length).flat_map(|position| arithmetic.embedding(position, width));
    let values: Vec<f32> = values.collect();
    Tensor::from_data(TensorData::new(values, [1, length, width]), device)
}

/// The embeddings of the positions in a grid, `[rows, columns, width]`: the column in the first half
/// of the channels, the row in the second. `width` must be a multiple of 4.
pub(crate) fn sin_cos_grid(
    [rows, columns]: [usize; 2],
    width: usize,
    arithmetic: Arithmetic,
    device: &Device,
) -> Tensor<3> {
    let half = |position| -> Vec<f32> { arithmetic.embedding(position, width / 2).collect() };
    let halves: Vec<Vec<f32>> = (0..rows.max(columns)).map(half).collect();
    let mut values: Vec<f32> = Vec::with_capacity(rows * columns * width);
    for row in 0..rows {
        for column in 0..columns {
            values.extend(&halves[column]);
            values.extend(&halves[row]);
        }
    }
    Tensor::from_data(TensorData::new(values, [rows, columns, width]), device)
}
