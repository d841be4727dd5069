//! Dropout.

use burn::nn::Dropout;
use burn::tensor::{DType, Device, Distribution, Tensor, TensorData};
use rand::Rng;

use crate::numeric::{generator, is_host};

/// Applies dropout: [`Dropout::forward`], with cheaper random numbers on flex and ndarray.
///
/// Burn draws each entry by itself from the generator of the device. Here the device's generator gives the key
/// of another, which is read in blocks. What is dropped therefore depends on [`Device::seed`] as ever, but differs
/// from Burn's choice.
///
/// # Shapes
///
/// - input and output: any, the same
pub fn dropout<const D: usize>(layer: &Dropout, x: Tensor<D>) -> Tensor<D> {
    let device = x.device();
    let is_active = layer.training.is_enabled() && device.is_autodiff() && layer.prob > 0.0;
    if !is_active || x.dtype() != DType::F32 || !is_host(&device.clone().inner()) {
        return layer.forward(x);
    }
    let mask = TensorData::new(
        mask(x.shape().num_elements(), layer.prob, &device),
        x.shape(),
    );
    x * Tensor::from_data(mask, (&device, DType::F32))
}

/// 0 with the given probability, otherwise what keeps the mean.
fn mask(n: usize, probability: f64, device: &Device) -> Vec<f32> {
    let key = Tensor::<1>::random([3], Distribution::Default, (device, DType::F32));
    let key: Vec<f32> = key.into_data().try_into_vec().expect("the tensor is f32");
    let mut numbers = match key[..] {
        [a, b, c] => generator(a.to_bits().into(), b.to_bits().into(), c.to_bits().into()),
        _ => unreachable!("three numbers were drawn"),
    };
    let keep = 1.0 - probability;
    let kept_below = (keep * 2.0_f64.powi(32)) as u64;
    let scale = (1.0 / keep) as f32;
    let mut entry = || {
        let is_kept = u64::from(numbers.next_u32()) < kept_below;
        if is_kept { scale } else { 0.0 }
    };
    (0..n).map(|_| entry()).collect()
}
