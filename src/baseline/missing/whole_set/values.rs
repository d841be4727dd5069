//! The numbers that a fit finds, on their way into the buffers of a head.

use burn::module::{Module, ModuleMapper, Param, ParamId};
#[cfg(feature = "train")]
use burn::optim::GradientsParams;
use burn::tensor::{DType, Tensor, TensorData};

use crate::module::Buffer;
use crate::numeric::{Matrix, columns_to_tensor};

/// New values of a head's [buffers](Buffer), which a [fit](super::WholeSetHead::fit) found.
///
/// In training they travel with the gradients, as running statistics do: a step changes no model, and
/// the update applies them.
#[derive(Debug, Clone, Default)]
pub struct FitValues {
    vectors: Vec<(ParamId, Tensor<1>)>,
    matrices: Vec<(ParamId, Tensor<2>)>,
}

impl FitValues {
    /// Sets the value of a buffer in f32, without autodiff.
    ///
    /// # Panics
    ///
    /// For a value of another shape than the buffer.
    pub fn set_vector(&mut self, buffer: &Buffer<1>, value: Tensor<1>) {
        assert_eq!(buffer.dims(), value.dims(), "a fit keeps shapes");
        let value = value.without_autodiff().cast(DType::F32);
        self.vectors.push((buffer.id(), value));
    }

    /// As [`set_vector`](Self::set_vector).
    ///
    /// # Panics
    ///
    /// As [`set_vector`](Self::set_vector).
    pub fn set_matrix(&mut self, buffer: &Buffer<2>, value: Tensor<2>) {
        assert_eq!(buffer.dims(), value.dims(), "a fit keeps shapes");
        let value = value.without_autodiff().cast(DType::F32);
        self.matrices.push((buffer.id(), value));
    }

    /// Sets the value of a buffer from numbers on the host.
    pub(in crate::baseline) fn vector(&mut self, buffer: &Buffer<1>, value: &[f64]) {
        let entries: Vec<f32> = value.iter().map(|&x| x as f32).collect();
        let data = TensorData::new(entries, [value.len()]);
        let device = buffer.get().device();
        self.set_vector(buffer, Tensor::from_data(data, (&device, DType::F32)));
    }

    /// As [`vector`](Self::vector).
    pub(in crate::baseline) fn matrix(&mut self, buffer: &Buffer<2>, value: &Matrix) {
        let device = buffer.get().device();
        self.set_matrix(buffer, columns_to_tensor(&value.transpose(), &device));
    }

    /// Adds other values.
    pub(in crate::baseline) fn extend(&mut self, others: Self) {
        self.vectors.extend(others.vectors);
        self.matrices.extend(others.matrices);
    }

    /// Writes the values into the buffers of a module.
    pub fn apply<M: Module>(mut self, module: M) -> M {
        module.map(&mut self)
    }

    /// Adds the values to gradients: the value of a buffer under its id, with a row of ones below, the
    /// number of fits that a sum of gradients is over. The update of a model takes means of running
    /// statistics out of gradients in the same form.
    #[cfg(feature = "train")]
    pub(super) fn carry(self, gradients: &mut GradientsParams) {
        for (id, value) in self.vectors {
            let count = Tensor::ones([1], (&value.device(), value.dtype()));
            gradients.register(id, Tensor::cat(vec![value, count], 0));
        }
        for (id, value) in self.matrices {
            let count = Tensor::ones([1, value.dims()[1]], (&value.device(), value.dtype()));
            gradients.register(id, Tensor::cat(vec![value, count], 0));
        }
    }
}

impl ModuleMapper for FitValues {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let id = param.id;
        let vector = self.vectors.iter().find(|(of, _)| *of == id);
        let matrix = self.matrices.iter().find(|(of, _)| *of == id);
        match (vector, matrix) {
            (Some((_, value)), _) => param.map(|old| value.clone().reshape(old.dims())),
            (_, Some((_, value))) => param.map(|old| value.clone().reshape(old.dims())),
            (None, None) => param,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_reach_the_buffers_they_are_for() {
        for device in crate::test_devices() {
            let (first, second) = (
                Buffer::new(Tensor::<1>::zeros([2], &device)),
                Buffer::new(Tensor::<2>::zeros([1, 2], &device)),
            );
            let mut values = FitValues::default();
            values.vector(&first, &[1.0, 2.0]);
            values.matrix(&second, &Matrix::from_row_slice(1, 2, &[3.0, 4.0]));
            let other = Buffer::new(Tensor::<1>::zeros([2], &device));
            let (first, second, other) = values.apply((first, second, other));
            let numbers = |data: TensorData| -> Vec<f32> { data.iter().collect() };
            assert_eq!(numbers(first.get().into_data()), [1.0, 2.0]);
            assert_eq!(numbers(second.get().into_data()), [3.0, 4.0]);
            assert_eq!(numbers(other.get().into_data()), [0.0, 0.0]);
        }
    }
}
