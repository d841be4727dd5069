//! A convolution and its gradients as products with patches.

use burn::backend::flex::{FlexTensor, Layout};
use burn::backend::{Flex, ops::FloatTensorOps};
use burn::tensor::{Bytes, DType, Shape};
#[cfg(feature = "train")]
use rayon::iter::IntoParallelIterator;
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::{ParallelSlice, ParallelSliceMut};

use crate::layer::patches::Patches;
use crate::layer::product::Product;
#[cfg(feature = "train")]
use crate::numeric::add_scaled;

/// Columns that a product should have: samples with fewer patches share one.
const COLUMNS: usize = 256;

/// Parts into which the samples are divided for the gradient of the kernel, at most. The parts depend on the
/// shapes only, which means that the sum over them is the same on any number of cores.
#[cfg(feature = "train")]
const PARTS: usize = 16;

/// Entries of the gradients of all parts together.
#[cfg(feature = "train")]
const PART_ENTRIES: usize = 1 << 22;

/// A convolution of images whose samples and channels lie one after the other.
#[derive(Debug, Clone)]
pub(super) struct Convolution {
    pub(super) patches: Patches,
    pub(super) d_output: usize,
}

impl Convolution {
    /// Number of samples in one product.
    fn together(&self, n_samples: usize) -> usize {
        (COLUMNS / self.patches.len()).clamp(1, n_samples)
    }

    /// Entries of the output of a sample.
    fn output(&self) -> usize {
        self.d_output * self.patches.len()
    }

    /// The patches of some images, `[patch, samples * positions]`.
    fn columns(&self, images: &[f32]) -> FlexTensor {
        let images = images.chunks(self.patches.image());
        let width = images.len() * self.patches.len();
        let mut matrix = vec![0.0; self.patches.patch() * width];
        for (at, image) in images.enumerate() {
            let begin = at * self.patches.len();
            self.patches.write(image, &mut matrix, width, begin);
        }
        tensor(matrix, [self.patches.patch(), width])
    }

    /// The gradient of some samples' outputs, `[d_output, samples * positions]`.
    #[cfg(feature = "train")]
    fn output_gradient(&self, dy: &FlexTensor, begin: usize, n_samples: usize) -> FlexTensor {
        let shape = [self.d_output, n_samples * self.patches.len()];
        let samples = dy.narrow(0, begin, n_samples).transpose(0, 1);
        samples.reshape(Shape::new(shape))
    }
}

impl Product for Convolution {
    fn forward(&self, x: FlexTensor, weight: FlexTensor) -> FlexTensor {
        let x = x.to_contiguous();
        let images = x.as_slice::<f32>().expect(CONTIGUOUS);
        let weight = weight.reshape(Shape::new([self.d_output, self.patches.patch()]));
        let n_samples = images.len() / self.patches.image();
        let together = self.together(n_samples);
        let mut y = vec![0.0; n_samples * self.output()];
        let images = images.par_chunks(together * self.patches.image());
        let outputs = y.par_chunks_mut(together * self.output());
        outputs.zip(images).for_each(|(outputs, images)| {
            let product = Flex::float_matmul(weight.clone(), self.columns(images));
            let maps = product.storage::<f32>().chunks(self.patches.len());
            let n_samples = outputs.len() / self.output();
            for (at, map) in maps.enumerate() {
                let (channel, sample) = (at / n_samples, at % n_samples);
                let to = (sample * self.d_output + channel) * self.patches.len();
                outputs[to..to + map.len()].copy_from_slice(map);
            }
        });
        let (rows, columns) = (&self.patches.rows, &self.patches.columns);
        let shape = [n_samples, self.d_output, rows.positions, columns.positions];
        tensor(y, shape)
    }

    #[cfg(feature = "train")]
    fn input_gradient(&self, weight: FlexTensor, dy: FlexTensor) -> FlexTensor {
        let weight = weight.reshape(Shape::new([self.d_output, self.patches.patch()]));
        let weight = weight.transpose(0, 1).to_contiguous();
        let n_samples = dy.layout().shape()[0];
        let (together, image) = (self.together(n_samples), self.patches.image());
        let mut dx = vec![0.0; n_samples * image];
        let parts = dx.par_chunks_mut(together * image).enumerate();
        parts.for_each(|(at, images)| {
            let n_samples = images.len() / image;
            let dy = self.output_gradient(&dy, at * together, n_samples);
            let columns = Flex::float_matmul(weight.clone(), dy);
            let width = n_samples * self.patches.len();
            for (at, image) in images.chunks_mut(image).enumerate() {
                let begin = at * self.patches.len();
                self.patches.add(columns.storage(), width, begin, image);
            }
        });
        let (rows, columns) = (&self.patches.rows, &self.patches.columns);
        let shape = [n_samples, self.patches.channels, rows.size, columns.size];
        tensor(dx, shape)
    }

    #[cfg(feature = "train")]
    fn weight_gradient(&self, x: FlexTensor, dy: FlexTensor) -> FlexTensor {
        let x = x.to_contiguous();
        let images = x.as_slice::<f32>().expect(CONTIGUOUS);
        let image = self.patches.image();
        let n_samples = images.len() / image;
        let together = self.together(n_samples);
        let entries = self.patches.patch() * self.d_output;
        let n_products = n_samples.div_ceil(together);
        let n_parts = (PART_ENTRIES / entries).clamp(1, PARTS);
        let part = n_products.div_ceil(n_parts) * together;
        let parts = (0..n_samples.div_ceil(part)).into_par_iter().map(|at| {
            let mut sum = vec![0.0; entries];
            let end = n_samples.min((at + 1) * part);
            for begin in (at * part..end).step_by(together) {
                let end = end.min(begin + together);
                let dy = self.output_gradient(&dy, begin, end - begin);
                let columns = self.columns(&images[begin * image..end * image]);
                // The other order would pack the patches, which are more, number by number.
                let product = Flex::float_matmul(columns, dy.transpose(0, 1));
                add_scaled(&mut sum, 1.0, product.storage());
            }
            sum
        });
        let parts: Vec<Vec<f32>> = parts.collect();
        let mut sum = vec![0.0; entries];
        for part in &parts {
            add_scaled(&mut sum, 1.0, part);
        }
        let (rows, columns) = (&self.patches.rows, &self.patches.columns);
        let shape = [
            self.d_output,
            self.patches.channels,
            rows.kernel,
            columns.kernel,
        ];
        let transposed = tensor(sum, [self.patches.patch(), self.d_output]);
        transposed.transpose(0, 1).reshape(Shape::new(shape))
    }
}

const CONTIGUOUS: &str = "the tensor is f32 and contiguous";

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    let layout = Layout::contiguous(Shape::new(shape));
    FlexTensor::new(Bytes::from_elems(values), layout, DType::F32)
}
