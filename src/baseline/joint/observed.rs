//! How the observations of a head with a memory travel with the gradients of a step.
//!
//! Those of a single backward pass travel as rows with their positions, under an id that no parameter
//! has. A sum of gradients drops them. With `JointConfig::accumulation` they travel as a table of the
//! shape of the memory too, under its id, and tables can be summed.

use burn::module::ParamId;
use burn::optim::GradientsParams;
use burn::tensor::{DType, IndexingUpdateOp, Int, Tensor, TensorData};

use crate::baseline::{Joint, JointHead};
use crate::error::{MlaError, Result, output_shape};
use crate::module::Buffer;

/// A position has two parts, each exact in f32.
const PART: usize = 1 << 16;

/// Observations, `[n, columns]`, and their rows of the memory.
pub(super) struct Observed {
    at: Vec<usize>,
    rows: Tensor<2>,
}

impl Observed {
    /// Checks observations of samples at `at` in the data set.
    pub(super) fn new(
        memory: &Buffer<2>,
        at: Option<&[usize]>,
        n_samples: usize,
        rows: Tensor<2>,
    ) -> Result<Self> {
        let at = at.ok_or(MlaError::UnknownSamples)?.to_vec();
        let [n_rows, columns] = memory.dims();
        output_shape(
            "the observations of the head",
            [n_samples, columns],
            rows.dims(),
        )?;
        match at.iter().find(|&&at| at >= n_rows) {
            Some(&row) => Err(MlaError::RowOutOfRange { row, n_rows }),
            None => Ok(Self {
                at,
                rows: rows.without_autodiff().cast(DType::F32),
            }),
        }
    }

    /// Registers the observations of a pass under `id`, and as a table if `table` is given.
    pub(super) fn write(
        self,
        gradients: &mut GradientsParams,
        id: ParamId,
        table: Option<&Buffer<2>>,
    ) {
        let device = self.rows.device();
        let n = self.at.len();
        if let Some(memory) = table {
            let at: Vec<i64> = self.at.iter().map(|&at| at as i64).collect();
            let at = Tensor::<1, Int>::from_data(TensorData::new(at, [n]), &device);
            let zeros = Tensor::zeros(memory.dims(), (&device, DType::F32));
            let sum = zeros.select_assign(0, at, self.rows.clone(), IndexingUpdateOp::Add);
            gradients.register(memory.id(), sum);
        }
        let parts = self.at.iter().flat_map(|at| [at / PART, at % PART]);
        let parts: Vec<f32> = parts.map(|part| part as f32).collect();
        let parts = TensorData::new(parts, [n, 2]);
        let parts = Tensor::<2>::from_data(parts, (&device, DType::F32));
        gradients.register(id, Tensor::cat(vec![parts, self.rows], 1));
    }
}

impl<E, H: JointHead> Joint<E, H> {
    /// Takes the observations out of gradients: rows of the memory, and what to add to them.
    ///
    /// # Errors
    ///
    /// [`MlaError::ObservationsLost`] for a sum of gradients without them.
    pub(super) fn take_observed(
        &self,
        gradients: &mut GradientsParams,
    ) -> Result<Option<(Tensor<1, Int>, Tensor<2>)>> {
        let Some(memory) = self.head.memory() else {
            return Ok(None);
        };
        let table = gradients.remove::<2>(memory.id());
        if let Some(rows) = gradients.remove::<2>(self.observed) {
            let [n, columns] = rows.dims();
            let part = |column: usize| {
                let part = rows.clone().slice([0..n, column..column + 1]);
                part.squeeze_dim::<1>(1).int()
            };
            let at = part(0) * PART as i64 + part(1);
            return Ok(Some((at, rows.clone().slice([0..n, 2..columns]))));
        }
        let table = table.ok_or(MlaError::ObservationsLost)?;
        let at = Tensor::arange(0..memory.dims()[0] as i64, &table.device());
        Ok(Some((at, table)))
    }
}
