//! Canonical correlation analysis of two modalities, on the host in f64.

use crate::error::Result;
use crate::modality::Presence;
use crate::numeric::{
    Matrix, Singular, cholesky, gram, leading, solve_lower, solve_lower_transposed,
    times_transposed,
};

/// The features of a modality of all samples.
pub(super) struct View {
    /// `[width, n_samples]`, with any content where a sample lacks the modality.
    columns: Matrix,
    /// The samples that have the modality.
    rows: Vec<usize>,
}

/// Samples of a modality around their mean, and the factor `L` of their covariance `L L^T`.
pub(super) struct Centred {
    pub(super) mean: Vec<f64>,
    /// A missing modality relative to the mean.
    pub(super) missing: Vec<f64>,
    /// `[width, n_samples]`
    columns: Matrix,
    /// `[width, width]`
    factor: Matrix,
}

/// Directions of two modalities along which they correlate most.
pub(super) struct Directions {
    /// `[width, n_components]`
    pub(super) first: Matrix,
    pub(super) second: Matrix,
    /// From the largest.
    pub(super) correlations: Vec<f64>,
}

impl View {
    pub(super) fn new(columns: Matrix, presence: &Presence, modality: usize) -> Self {
        let rows = presence.rows(modality);
        Self { columns, rows }
    }

    /// All samples, with `value` in place of what is missing, or else with the mean of the samples that
    /// have the modality. This is also the mean of the imputed samples, relative to which it is 0.
    pub(super) fn imputed(&self, value: Option<&[f64]>, ridge: f64) -> Result<Centred> {
        let n_samples = self.columns.ncols();
        let mut mean = mean(&self.columns, &self.rows);
        let mut missing = vec![0.0; mean.len()];
        if let Some(value) = value {
            let share = self.rows.len() as f64 / n_samples as f64;
            for ((mean, missing), value) in mean.iter_mut().zip(&mut missing).zip(value) {
                *mean = share * *mean + (1.0 - share) * value;
                *missing = value - *mean;
            }
        }
        let columns = centred(&self.columns, &self.rows, &mean, &missing);
        Centred::new(mean, missing, columns, ridge)
    }

    /// The samples that another modality has, too, around their mean.
    pub(super) fn both(&self, other: &Self, ridge: f64) -> Result<Centred> {
        let columns = self.columns.select_columns(&self.common(other));
        let all: Vec<usize> = (0..columns.ncols()).collect();
        let mean = mean(&columns, &all);
        let missing = vec![0.0; mean.len()];
        let columns = centred(&columns, &all, &mean, &missing);
        Centred::new(mean, missing, columns, ridge)
    }

    /// The samples that both modalities have.
    pub(super) fn common(&self, other: &Self) -> Vec<usize> {
        let has = |row: &usize| other.rows.binary_search(row).is_ok();
        self.rows.iter().copied().filter(has).collect()
    }

    /// Projections of the samples, `[n_components, n_samples]`.
    pub(super) fn projected(&self, around: &Centred, directions: &Matrix) -> Matrix {
        let columns = centred(&self.columns, &self.rows, &around.mean, &around.missing);
        directions.transpose() * columns
    }
}

/// Deviations from a mean below this share of it are rounding errors.
const ROUNDING: f64 = 1e-14;

/// The mean of the columns at `rows`.
fn mean(columns: &Matrix, rows: &[usize]) -> Vec<f64> {
    let mut mean = vec![0.0; columns.nrows()];
    for &row in rows {
        let terms = mean.iter_mut().zip(columns.column(row));
        terms.for_each(|(mean, x)| *mean += x / rows.len() as f64);
    }
    mean
}

/// The columns at `rows` minus a mean, and `missing` elsewhere.
fn centred(columns: &Matrix, rows: &[usize], mean: &[f64], missing: &[f64]) -> Matrix {
    let mut centred = Matrix::zeros(columns.nrows(), columns.ncols());
    let mut rows = rows.iter().peekable();
    for (row, mut entries) in centred.column_iter_mut().enumerate() {
        if rows.next_if(|&&next| next == row).is_none() {
            entries.copy_from_slice(missing);
            continue;
        }
        let terms = columns.column(row).into_iter().zip(mean);
        for (entry, (x, mean)) in entries.iter_mut().zip(terms) {
            // Of a constant feature only rounding is left.
            let difference = x - mean;
            let is_rounding = difference.abs() <= ROUNDING * mean.abs();
            *entry = if is_rounding { 0.0 } else { difference };
        }
    }
    centred
}

impl Centred {
    fn new(mean: Vec<f64>, missing: Vec<f64>, columns: Matrix, ridge: f64) -> Result<Self> {
        let n_samples = columns.ncols() as f64;
        let mut covariance = gram(&columns) / (n_samples - 1.0);
        for i in 0..covariance.nrows() {
            covariance[(i, i)] += ridge;
        }
        let what = "the covariance of the features";
        Ok(Self {
            factor: cholesky(covariance, what)?.unpack(),
            mean,
            missing,
            columns,
        })
    }

    /// The directions along which two modalities correlate most, of the same samples.
    ///
    /// With `S_ii = L_i L_i^T`, the singular triples `U diag(rho) V^T` of `L_i^-1 S_ij L_j^-T` give the
    /// weights `L_i^-T U` and `L_j^-T V`. The largest weight of each column of the first is positive.
    pub(super) fn correlate(&self, other: &Self, n_components: usize) -> Result<Directions> {
        let n_samples = self.columns.ncols() as f64;
        let cross = times_transposed(&self.columns, &other.columns) / (n_samples - 1.0);
        let half = solve_lower(&self.factor, &cross)?;
        let whitened = solve_lower(&other.factor, &half.transpose())?.transpose();
        let Singular {
            left,
            values,
            right,
        } = leading(&whitened, n_components);
        let mut first = solve_lower_transposed(&self.factor, &left)?;
        let mut second = solve_lower_transposed(&other.factor, &right)?;
        for at in 0..values.len() {
            let column = first.column(at);
            if column[column.icamax()] < 0.0 {
                first.column_mut(at).neg_mut();
                second.column_mut(at).neg_mut();
            }
        }
        Ok(Directions {
            first,
            second,
            correlations: values,
        })
    }
}
