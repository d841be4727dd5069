//! Eq. 5 with a leak: protection fades.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};

use crate::error::{MlaError, Result, at_least_one, positive};
use crate::module::Buffer;
use crate::numeric::{Numbers, add_scaled, dot, is_flex, is_host, product};
use crate::projector::OrthogonalProjector;
use crate::projector::pending::PendingRows;

/// Configuration of a [`LeakyRlsProjector`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `alpha` | 0.1 | regularises the denominator; small protects more | (0, inf) |
/// | `leak` | 0.01 | share of the protection that each update forgets | (0, 1) |
/// | `fold_every` | 32 | updates, `d_input / 4` at most, that one product folds into the matrix | >= 1 |
#[derive(Config, Debug, PartialEq)]
pub struct LeakyRlsProjectorConfig {
    /// Regulariser of the denominator; small protects more.
    #[config(default = 0.1)]
    pub alpha: f64,
    /// Share of the protection that each update forgets.
    #[config(default = 0.01)]
    pub leak: f64,
    /// Number of updates, `d_input / 4` at most, that one product folds into the matrix.
    #[config(default = 32)]
    pub fold_every: usize,
}

/// Eq. 5 with a leak: the head never stops learning.
///
/// ```text
/// k  = P r
/// P <- P - k k^T / (alpha + r^T k)
/// P <- (1 - leak) P + leak I
/// ```
///
/// `P` of Eq. 5 only shrinks, and at some point no gradient passes. Here `leak I <= P <= I`. The
/// rule protects the directions of features of about the last `1 / leak` updates. After `n`
/// updates without a direction, `(1 - leak)^n` of its protection is left.
///
/// The state is the protection `N = I - P`. An update forgets a share of it and adds
/// `k k^T / (alpha + r^T k)`. `N` is a sum of squares; therefore `P` neither exceeds `I` nor
/// becomes indefinite by rounding, for any features.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeakyRlsProjector {
    alpha: f64,
    leak: f64,
    fold_every: usize,
}

/// The protection `N` of a [`LeakyRlsProjector`]: `P = I - N`.
#[derive(Module, Debug)]
pub struct LeakyRlsState {
    /// `N = (1 - leak)^n (base + rows^T rows)` after `n` updates since the last fold.
    base: Buffer<2>,
    rows: PendingRows,
}

impl LeakyRlsProjectorConfig {
    /// Checks the configuration.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for a value outside the ranges above.
    pub fn init(&self) -> Result<LeakyRlsProjector> {
        if !(self.leak > 0.0 && self.leak < 1.0) {
            return Err(MlaError::HyperParameter {
                name: "leak",
                requirement: "in (0, 1)",
                value: self.leak,
            });
        }
        Ok(LeakyRlsProjector {
            alpha: positive("alpha", self.alpha)?,
            leak: self.leak,
            fold_every: at_least_one("fold_every", self.fold_every)?,
        })
    }
}

/// The default configuration: `alpha = 0.1`, `leak = 0.01`.
impl Default for LeakyRlsProjector {
    fn default() -> Self {
        let LeakyRlsProjectorConfig {
            alpha,
            leak,
            fold_every,
        } = LeakyRlsProjectorConfig::new();
        Self {
            alpha,
            leak,
            fold_every,
        }
    }
}

/// Rows are divided by the scale of `N`, and are folded in before it falls below this.
const SMALLEST_SCALE: f64 = 1e-3;

impl LeakyRlsProjector {
    /// The factor of `N` when `n_rows` are folded in.
    fn scale(&self, n_rows: usize) -> f64 {
        (1.0 - self.leak).powi(n_rows as i32)
    }
}

impl LeakyRlsState {
    /// `P x` for columns `x`, `[d_input, n]`, with `N = scale (base + rows^T rows)`.
    fn project(&self, scale: f64, x: Tensor<2>) -> Tensor<2> {
        let (device, [_, n]) = (x.device(), x.dims());
        if (2..=FEW_COLUMNS).contains(&n) && is_flex(&device) {
            let projected = self.project_rows(scale, x.transpose()).transpose();
            // Column layout, for the operations that follow.
            return Numbers::of(projected).into_tensor(&device);
        }
        let mut protected = product(self.base.get(), x.clone());
        if !self.rows.is_empty() {
            protected = protected + self.rows.apply(x.clone());
        }
        x - protected * scale
    }

    /// `x P` for rows `x`, `[n, d_input]`: `N` is symmetric, and flex does not repack it for rows.
    fn project_rows(&self, scale: f64, x: Tensor<2>) -> Tensor<2> {
        let mut protected = product(x.clone(), self.base.get());
        if !self.rows.is_empty() {
            protected = protected + self.rows.apply_to_rows(x.clone());
        }
        x - protected * scale
    }

    /// The row `k^T / sqrt(scale d)`, `k = P r`, `d = alpha + r^T k`, for a column `r`.
    fn correction(&self, scale: f64, alpha: f64, r: Tensor<2>) -> Tensor<2> {
        let k = self.project(scale, r.clone());
        // r^T P r >= 0, which rounding may violate.
        let d = (product(r.transpose(), k.clone()) + alpha).clamp_min(alpha);
        (k / (d * scale).sqrt()).transpose()
    }

    /// Appends the [correction](Self::correction) on a [host](is_host).
    fn push_correction_on_host(self, scale: f64, alpha: f64, r: Tensor<2>) -> Self {
        let mut k = Numbers::of(product(self.base.get(), r.clone()));
        let r = Numbers::of(r);
        let (scale, alpha) = (scale as f32, alpha as f32);
        let rows = self.rows.push_on_host(|rows| {
            let (r, to) = (r.get(), k.get_mut());
            for row in rows.chunks_exact(r.len()) {
                add_scaled(to, dot(row, r), row);
            }
            for (k, r) in to.iter_mut().zip(r) {
                *k = r - scale * *k;
            }
            let d = (alpha + dot(r, to)).max(alpha);
            let length = (d * scale).sqrt();
            to.iter_mut().for_each(|k| *k /= length);
            k
        });
        Self { rows, ..self }
    }
}

/// Up to this number of columns, flex multiplies them faster as rows.
const FEW_COLUMNS: usize = 8;

/// From this width, flex multiplies columns faster than rows with AVX2.
const WIDE: usize = 1024;

/// Rows of the matrix per fold on a [host](is_host). Intermediate results stay in the cache, and
/// none is as large as the matrix.
const BLOCK: usize = 64;

/// `scale (base + rows^T rows)`, with `rows` `[n, s]` and `base` `[s, s]`.
fn fold(base: Tensor<2>, rows: Tensor<2>, scale: f64) -> Tensor<2> {
    let device = base.device();
    if !is_host(&device) {
        return (base + product(rows.clone().transpose(), rows)) * scale;
    }
    let [n, s] = rows.dims();
    let scale = scale as f32;
    let mut base = Numbers::of(base);
    for (block, base) in base.get_mut().chunks_mut(BLOCK * s).enumerate() {
        let at = BLOCK * block;
        let left = rows.clone().slice([0..n, at..(at + BLOCK).min(s)]);
        let sum = Numbers::of(product(left.transpose(), rows.clone()));
        for (base, &sum) in base.iter_mut().zip(sum.get()) {
            *base = (*base + sum) * scale;
        }
    }
    base.into_tensor(&device)
}

impl OrthogonalProjector for LeakyRlsProjector {
    type State = LeakyRlsState;

    fn init(&self, d_input: usize, _: usize, device: &Device) -> Result<LeakyRlsState> {
        at_least_one("d_input", d_input)?;
        Ok(LeakyRlsState {
            base: Buffer::new(Tensor::zeros([d_input, d_input], (device, DType::F32))),
            rows: PendingRows::of_corrections(self.fold_every, d_input, device),
        })
    }

    /// # Panics
    ///
    /// If `feature` is not `[d_input]`.
    fn update(&self, feature: Tensor<1>, _: usize, mut state: LeakyRlsState) -> LeakyRlsState {
        let r = feature.unsqueeze_dim::<2>(1);
        let scale = self.scale(state.rows.len());
        if is_host(&r.device()) {
            state = state.push_correction_on_host(scale, self.alpha, r);
        } else {
            let row = state.correction(scale, self.alpha, r);
            state.rows = state.rows.push(row);
        }
        let LeakyRlsState { mut base, mut rows } = state;
        let scale = self.scale(rows.len());
        if rows.is_full() || scale < SMALLEST_SCALE {
            base = base.replace(|n| fold(n, rows.rows(), scale));
            rows = rows.clear();
        }
        LeakyRlsState { base, rows }
    }

    fn check(&self, state: &LeakyRlsState) -> Result<()> {
        state.rows.check()
    }

    /// # Panics
    ///
    /// If `gradient` is not `[d_input, _]`.
    fn project(&self, gradient: Tensor<2>, _: usize, state: &LeakyRlsState) -> Tensor<2> {
        state.project(self.scale(state.rows.len()), gradient)
    }

    /// # Panics
    ///
    /// If `rows` is not `[_, d_input]`.
    fn project_rows(&self, rows: Tensor<2>, _: usize, state: &LeakyRlsState) -> Tensor<2> {
        let (scale, [n, width]) = (self.scale(state.rows.len()), rows.dims());
        if is_flex(&rows.device()) && (width < WIDE || n <= FEW_COLUMNS) {
            state.project_rows(scale, rows)
        } else {
            state.project(scale, rows.transpose()).transpose()
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Distribution, Tolerance};

    use super::*;
    use crate::projector::laws::{assert_a_zero_feature_protects_nothing, assert_projector_laws};

    fn rule(leak: f64, fold_every: usize) -> LeakyRlsProjector {
        let config = LeakyRlsProjectorConfig::new().with_leak(leak);
        config.with_fold_every(fold_every).init().unwrap()
    }

    #[test]
    fn the_default_is_the_default_configuration() {
        let configured = LeakyRlsProjectorConfig::new().init().unwrap();
        assert_eq!(LeakyRlsProjector::default(), configured);
    }

    #[test]
    fn the_leak_must_lie_between_0_and_1() {
        for leak in [0.0, 1.0, -0.1, f64::NAN] {
            let config = LeakyRlsProjectorConfig::new().with_leak(leak);
            assert!(config.init().is_err(), "{leak}");
        }
    }

    #[test]
    fn obeys_the_laws_of_projectors_at_every_fold() {
        for leak in [1e-3, 0.01, 0.5, 0.999] {
            for fold_every in [1, 7, 32, 100] {
                assert_projector_laws(&rule(leak, fold_every));
                assert_a_zero_feature_protects_nothing(&rule(leak, fold_every));
            }
        }
    }

    #[test]
    fn wide_rows_are_projected_as_columns_are() {
        for device in crate::test_devices() {
            for width in [WIDE - 1, WIDE] {
                let numbers = |[rows, columns]: [usize; 2]| -> Tensor<2> {
                    let at = Tensor::arange(0..(rows * columns) as i64, &device).float();
                    (at * 0.7371).sin().reshape([rows, columns]) * 0.1
                };
                let rule = rule(0.01, 2);
                let mut state = rule.init(width, 2, &device).unwrap();
                for at in 0..3 {
                    let feature = numbers([at + 1, width]).slice([at..at + 1]).squeeze_dim(0);
                    state = rule.update(feature, at % 2, state);
                }
                assert!(!state.rows.is_empty());
                for n in [5, 20] {
                    let rows: Tensor<2> = numbers([n, width]);
                    let columns = rule.project(rows.clone().transpose(), 0, &state);
                    let found = rule.project_rows(rows, 0, &state).transpose();
                    found
                        .into_data()
                        .assert_approx_eq::<f32>(&columns.into_data(), Tolerance::absolute(1e-5));
                }
            }
        }
    }

    #[test]
    fn a_state_with_more_rows_than_room_is_refused() {
        let rule = rule(0.01, 4);
        let mut state = rule.init(32, 2, &Device::flex()).unwrap();
        assert!(rule.check(&state).is_ok());
        for len in [4, 5, u64::MAX] {
            state.rows = state.rows.with_len(len);
            assert!(rule.check(&state).is_err(), "{len}");
        }
    }

    #[test]
    fn blocks_of_a_fold_make_the_whole_product() {
        for device in crate::test_devices() {
            for s in [1, 63, 64, 65, 200] {
                let random = |rows| -> Tensor<2> {
                    Tensor::random([rows, s], Distribution::Normal(0.0, 1.0), &device)
                };
                let (base, rows) = (random(s), random(3));
                let sum = base.clone() + rows.clone().transpose().matmul(rows.clone());
                fold(base, rows, 0.5)
                    .into_data()
                    .assert_approx_eq::<f32>(&(sum * 0.5).into_data(), Tolerance::absolute(1e-5));
            }
        }
    }
}
