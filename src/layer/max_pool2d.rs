//! Maximum pooling of images.

#[cfg(feature = "flex")]
use burn::backend::{
    Flex,
    flex::{FlexTensor, Layout},
};
#[cfg(all(feature = "flex", feature = "train"))]
use burn::backend::{
    autodiff::checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
    autodiff::grads::Gradients,
    autodiff::ops::{Backward, Ops, OpsKind},
};
use burn::nn::pool::MaxPool2d;
use burn::tensor::Tensor;
#[cfg(feature = "flex")]
use burn::tensor::{Bytes, DType, Shape};
#[cfg(feature = "flex")]
use rayon::{
    iter::{IndexedParallelIterator, ParallelIterator},
    slice::{ParallelSlice, ParallelSliceMut},
};

#[cfg(feature = "flex")]
use crate::layer::patches::Patches;
#[cfg(feature = "flex")]
use crate::numeric::is_flex;

/// Applies a maximum pooling: [`MaxPool2d::forward`], row by row on flex.
///
/// flex's own computes the bounds of each window by themselves. Of equal values the first gets the gradient,
/// as with Burn's. A layer with `ceil_mode` is Burn's.
///
/// # Shapes
///
/// - input: `[batch, channels, height_in, width_in]`
/// - output: `[batch, channels, height_out, width_out]`
pub fn max_pool2d(layer: &MaxPool2d, x: Tensor<4>) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if let Some(y) = by_rows(layer, &x) {
        return y;
    }
    layer.forward(x)
}

#[cfg(feature = "flex")]
fn by_rows(layer: &MaxPool2d, x: &Tensor<4>) -> Option<Tensor<4>> {
    let [_, _, height, width] = x.dims();
    let is_ours = x.dtype() == DType::F32 && is_flex(&x.device().inner()) && !layer.ceil_mode;
    if !is_ours || x.shape().num_elements() == 0 || u32::try_from(height * width).is_err() {
        return None;
    }
    let maximum = Maximum(Patches::new(
        [1, height, width],
        layer.kernel_size,
        layer.stride,
        layer.dilation,
        &layer.padding,
    )?);
    #[cfg(feature = "train")]
    if x.device().is_autodiff() {
        type Autodiff = burn::backend::Autodiff<Flex>;

        let x = x.clone().try_into_primitive::<Autodiff>().ok()?;
        let (y, from) = maximum.forward(x.primitive());
        let recorded = maximum.prepare::<NoCheckpointing>([x.node()]);
        let y = match recorded.compute_bound().stateful() {
            OpsKind::Tracked(recorded) => recorded.finish(from, y),
            OpsKind::UnTracked(recorded) => recorded.finish(y),
        };
        return Some(Tensor::from_primitive::<Autodiff>(y));
    }
    let x = x.clone().try_into_primitive::<Flex>().ok()?;
    Some(Tensor::from_primitive::<Flex>(maximum.forward(&x).0))
}

/// The maxima of the patches of each channel.
#[cfg(feature = "flex")]
#[derive(Debug, Clone)]
struct Maximum(Patches);

/// The position of the maximum in a window that covers padding only.
#[cfg(feature = "flex")]
const NOWHERE: u32 = u32::MAX;

#[cfg(feature = "flex")]
impl Maximum {
    /// The maxima, and the position in the channel that each is from.
    fn forward(&self, x: &FlexTensor) -> (FlexTensor, Vec<u32>) {
        let patches = &self.0;
        let x = x.to_contiguous();
        let channels = x.as_slice::<f32>().expect("f32 and contiguous");
        let n = channels.len() / patches.image() * patches.len();
        let (mut y, mut from) = (vec![f32::NEG_INFINITY; n], vec![NOWHERE; n]);
        let outputs = y.par_chunks_mut(patches.len());
        let outputs = outputs.zip(from.par_chunks_mut(patches.len()));
        let channels = channels.par_chunks(patches.image());
        let row = || vec![0.0; patches.columns.positions];
        outputs
            .zip(channels)
            .for_each_init(row, |row, ((y, from), channel)| {
                let stride = patches.columns.stride;
                patches.runs(patches.len(), 0, |first, at, n| {
                    let at = at % patches.len();
                    // Laid out one after the other, the entries are compared by vector instructions.
                    for (to, entry) in row[..n].iter_mut().zip(channel[first..].chunks(stride)) {
                        *to = entry[0];
                    }
                    let (y, from) = (&mut y[at..at + n], &mut from[at..at + n]);
                    keep_larger(y, from, &row[..n], first as u32, stride as u32);
                });
            });
        let (batch, channels) = (x.layout().shape()[0], x.layout().shape()[1]);
        let positions = [patches.rows.positions, patches.columns.positions];
        let shape = Shape::new([batch, channels, positions[0], positions[1]]);
        let layout = Layout::contiguous(shape);
        (
            FlexTensor::new(Bytes::from_elems(y), layout, DType::F32),
            from,
        )
    }

    #[cfg(feature = "train")]
    fn gradient(&self, dy: FlexTensor, from: &[u32]) -> FlexTensor {
        let patches = &self.0;
        let dy = dy.to_contiguous();
        let gradients = dy.as_slice::<f32>().expect("f32 and contiguous");
        let mut dx = vec![0.0; gradients.len() / patches.len() * patches.image()];
        let outputs = gradients.par_chunks(patches.len());
        let outputs = outputs.zip(from.par_chunks(patches.len()));
        let channels = dx.par_chunks_mut(patches.image());
        channels.zip(outputs).for_each(|(channel, (dy, from))| {
            for (dy, &from) in dy.iter().zip(from) {
                if from != NOWHERE {
                    channel[from as usize] += dy;
                }
            }
        });
        let (batch, channels) = (dy.layout().shape()[0], dy.layout().shape()[1]);
        let shape = [batch, channels, patches.rows.size, patches.columns.size];
        let layout = Layout::contiguous(Shape::new(shape));
        FlexTensor::new(Bytes::from_elems(dx), layout, DType::F32)
    }
}

/// Replaces maxima by larger values and NaN of a row, which begins at `first` in its channel. Without a branch, which
/// would be taken at random.
#[cfg(feature = "flex")]
#[inline(never)] // Inlined, the slices may overlap for all the compiler knows, and vectors are not used.
fn keep_larger(y: &mut [f32], from: &mut [u32], row: &[f32], first: u32, stride: u32) {
    let mut source = first;
    for ((y, from), &x) in y.iter_mut().zip(from).zip(row) {
        let is_larger = (x > *y) | x.is_nan() | (*from == NOWHERE);
        let mask = u32::from(is_larger).wrapping_neg();
        *y = f32::from_bits((x.to_bits() & mask) | (y.to_bits() & !mask));
        *from = (source & mask) | (*from & !mask);
        source = source.wrapping_add(stride);
    }
}

#[cfg(all(feature = "flex", feature = "train"))]
impl Backward<Flex, 1> for Maximum {
    type State = Vec<u32>;

    fn backward(self, ops: Ops<Vec<u32>, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<Flex>(&ops.node);
        let [x] = ops.parents;
        if let Some(x) = x {
            grads.register::<Flex>(x.id, self.gradient(dy, &ops.state));
        }
    }
}
