//! Convolutions of RGB images for an input of one channel.

use burn::store::bridge;
use burn::store::burn_pack::Tensor;
use burn::tensor::TensorData;

/// The reduction of a convolution's input channels to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    /// The sum of the channels, which is the response to an image with the same value in each.
    Sum,
    /// Their mean, which keeps the scale of a single channel's response.
    Mean,
}

impl Channels {
    /// Reduces the second dimension of a convolution's weight to 1 when its data is read.
    pub(super) fn reduce(self, tensor: Tensor) -> Tensor {
        let mut shape = tensor.shape.clone();
        if shape.len() < 3 || !tensor.dtype.is_float() {
            return tensor;
        }
        shape[1] = 1;
        let name = tensor.name.clone();
        let reduced = shape.clone();
        let dtype = tensor.dtype;
        bridge::map_data(tensor, name, dtype, shape, move |data| {
            let [n_out, n_in] = [data.shape()[0], data.shape()[1]];
            let n_kernel: usize = data.shape().iter().skip(2).product();
            let scale = match self {
                Self::Sum => 1.0,
                Self::Mean => 1.0 / n_in as f64,
            };
            let values: Vec<f64> = data.iter().collect();
            let value = |out: usize, at: usize| {
                let channel = |channel| values[(out * n_in + channel) * n_kernel + at];
                ((0..n_in).map(channel).sum::<f64>() * scale) as f32
            };
            let outputs = (0..n_out).flat_map(|out| (0..n_kernel).map(move |at| (out, at)));
            let values: Vec<f32> = outputs.map(|(out, at)| value(out, at)).collect();
            TensorData::new(values, reduced.clone()).convert_dtype(dtype)
        })
    }
}
