//! Carlson's update of an upper triangular square root, in place, with vector instructions.

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdOp};

/// Updates the upper triangular `t`, `[s, s]` in row-major order, by a feature `r` of length `s`.
/// `remainder` is the part of the diagonal that f32 rounds away.
///
/// ```text
/// f    = T r
/// n_j  = sqrt(alpha + f_j^2 + .. + f_s^2)
/// T_j <- (n_{j+1} / n_j) T_j - f_j / (n_j n_{j+1}) (f_{j+1} T_{j+1} + .. + f_s T_s)
/// ```
pub(super) fn update(t: &mut [f32], remainder: &mut [f32], r: &[f32], alpha: f64) {
    let update = Update {
        t,
        remainder,
        r,
        alpha,
    };
    update.dispatch();
}

struct Update<'a> {
    t: &'a mut [f32],
    remainder: &'a mut [f32],
    r: &'a [f32],
    alpha: f64,
}

/// The update of one row of `T`.
struct Row {
    f: f32,
    /// Whether the row keeps most of its length. It then changes by `factor` times itself,
    /// which is exact where the change is small. Otherwise it becomes `factor` times itself.
    keeps: bool,
    factor: f32,
    /// Factor of the sum of the rows below.
    below: f32,
}

impl SimdOp for Update<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let s = self.r.len();
        let mut f = vec![0.0; s];
        for (j, f) in f.iter_mut().enumerate() {
            let along = dot(isa, &self.t[j * s + j..][..s - j], &self.r[j..]);
            *f = f64::from(along) + f64::from(self.remainder[j]) * f64::from(self.r[j]);
        }
        let (rows, diagonal) = rows(&f, self.t, self.remainder, self.alpha);

        let lanes = isa.f32().len();
        let mut column = 0;
        while column + 4 * lanes <= s {
            update_columns::<_, 4>(isa, self.t, &rows, column);
            column += 4 * lanes;
        }
        while column + lanes <= s {
            update_columns::<_, 1>(isa, self.t, &rows, column);
            column += lanes;
        }
        for column in column..s {
            update_column(self.t, &rows, column);
        }
        for (j, entry) in diagonal.into_iter().enumerate() {
            self.t[j * s + j] = entry as f32;
            self.remainder[j] = (entry - f64::from(entry as f32)) as f32;
        }
    }
}

/// `a^T b`.
#[inline(always)]
fn dot<I: Isa>(isa: I, a: &[f32], b: &[f32]) -> f32 {
    let ops = isa.f32();
    let lanes = ops.len();
    let mut sums = [ops.zero(); 4];
    let whole = a.len() / (4 * lanes) * 4 * lanes;
    let mut at = 0;
    while at < whole {
        for (i, sum) in sums.iter_mut().enumerate() {
            let a = ops.load(&a[at + i * lanes..]);
            let b = ops.load(&b[at + i * lanes..]);
            *sum = ops.mul_add(a, b, *sum);
        }
        at += 4 * lanes;
    }
    let sum = ops.add(ops.add(sums[0], sums[1]), ops.add(sums[2], sums[3]));
    let mut sum = ops.sum(sum);
    while at < a.len() {
        sum += a[at] * b[at];
        at += 1;
    }
    sum
}

/// The update of each row, and the diagonal after it.
fn rows(f: &[f64], t: &[f32], remainder: &[f32], alpha: f64) -> (Vec<Row>, Vec<f64>) {
    let s = f.len();
    let mut norms = vec![alpha; s + 1];
    for j in (0..s).rev() {
        norms[j] = norms[j + 1] + f[j] * f[j];
    }
    norms.iter_mut().for_each(|norm| *norm = norm.sqrt());
    let mut diagonal = Vec::with_capacity(s);
    let mut rows = Vec::with_capacity(s);
    for (j, &f) in f.iter().enumerate() {
        let (norm, below) = (norms[j], norms[j + 1]);
        let entry = f64::from(t[j * s + j]) + f64::from(remainder[j]);
        diagonal.push(entry * (below / norm));
        let keeps = 2.0 * below > norm;
        // 1 - below / norm, without the loss of digits.
        let lost = f * f / (norm * (norm + below));
        let factor = if keeps { -lost } else { below / norm };
        rows.push(Row {
            f: f as f32,
            keeps,
            factor: factor as f32,
            below: (-f / (norm * below)) as f32,
        });
    }
    (rows, diagonal)
}

/// Updates `N` vectors of columns, from `column` on. The sums of rows stay in registers.
#[inline(always)]
fn update_columns<I: Isa, const N: usize>(isa: I, t: &mut [f32], rows: &[Row], column: usize) {
    let ops = isa.f32();
    let (lanes, s) = (ops.len(), rows.len());
    let mut sums = [ops.zero(); N];
    // Further down the columns are zero.
    for j in (0..column + N * lanes).rev() {
        let row = &rows[j];
        let entries = &mut t[j * s + column..][..N * lanes];
        let (f, factor, below) = (
            ops.splat(row.f),
            ops.splat(row.factor),
            ops.splat(row.below),
        );
        for (i, sum) in sums.iter_mut().enumerate() {
            let entries = &mut entries[i * lanes..];
            let x = ops.load(entries);
            let change = ops.mul_add(x, factor, ops.mul(*sum, below));
            let changed = if row.keeps {
                ops.add(x, change)
            } else {
                change
            };
            ops.store(changed, entries);
            *sum = ops.mul_add(x, f, *sum);
        }
    }
}

/// Updates a single column.
fn update_column(t: &mut [f32], rows: &[Row], column: usize) {
    let s = rows.len();
    let mut sum = 0.0;
    for (j, row) in rows[..=column].iter().enumerate().rev() {
        let entry = &mut t[j * s + column];
        let x = *entry;
        let change = x * row.factor + sum * row.below;
        *entry = if row.keeps { x + change } else { change };
        sum += x * row.f;
    }
}
