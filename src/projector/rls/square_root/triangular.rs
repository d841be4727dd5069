//! Carlson's update of an upper triangular square root, in place, with vector instructions.

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdOp};

/// Updates the upper triangular `T`, `[s, s]` in row-major order, by a feature `r` of length `s`.
/// `T` is `t` plus the `remainder` that f32 rounds away.
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
    /// otherwise it becomes `factor` times itself.
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
            let row = j * s + j..(j + 1) * s;
            let r = &self.r[j..];
            *f = dot(&self.t[row.clone()], r) + f64::from(small_dot(isa, &self.remainder[row], r));
        }
        let rows = rows(&f, self.alpha);

        let lanes = isa.f32().len();
        let mut column = 0;
        while column + 4 * lanes <= s {
            update_columns::<_, 4>(isa, self.t, self.remainder, &rows, column);
            column += 4 * lanes;
        }
        while column + lanes <= s {
            update_columns::<_, 1>(isa, self.t, self.remainder, &rows, column);
            column += lanes;
        }
        for column in column..s {
            update_column(self.t, self.remainder, &rows, column);
        }
    }
}

/// `a^T b`, summed in f64: along a direction that is nearly closed, the terms cancel.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 16;
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for i in 0..LANES {
            sums[i] += f64::from(a[i]) * f64::from(b[i]);
        }
    }
    let mut sum = 0.0;
    for (a, b) in a_rest.iter().zip(b_rest) {
        sum += f64::from(*a) * f64::from(*b);
    }
    for partial in sums {
        sum += partial;
    }
    sum
}

/// `a^T b` in f32.
#[inline(always)]
fn small_dot<I: Isa>(isa: I, a: &[f32], b: &[f32]) -> f32 {
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

/// The update of each row.
fn rows(f: &[f64], alpha: f64) -> Vec<Row> {
    let s = f.len();
    let mut norms = vec![alpha; s + 1];
    for j in (0..s).rev() {
        norms[j] = norms[j + 1] + f[j] * f[j];
    }
    norms.iter_mut().for_each(|norm| *norm = norm.sqrt());
    let row = |(j, &f): (usize, &f64)| {
        let (norm, below) = (norms[j], norms[j + 1]);
        let keeps = 2.0 * below > norm;
        // 1 - below / norm, without the loss of digits.
        let lost = f * f / (norm * (norm + below));
        Row {
            f: f as f32,
            keeps,
            factor: if keeps { -lost } else { below / norm } as f32,
            below: (-f / (norm * below)) as f32,
        }
    };
    f.iter().enumerate().map(row).collect()
}

/// Updates `N` vectors of columns, from `column` on. The sums of rows stay in registers.
#[inline(always)]
fn update_columns<I: Isa, const N: usize>(
    isa: I,
    t: &mut [f32],
    remainder: &mut [f32],
    rows: &[Row],
    column: usize,
) {
    let ops = isa.f32();
    let (lanes, s) = (ops.len(), rows.len());
    let mut sums = [ops.zero(); N];
    // Further down the columns are zero.
    for j in (0..column + N * lanes).rev() {
        let row = &rows[j];
        let at = j * s + column;
        let (t, remainder) = (&mut t[at..][..N * lanes], &mut remainder[at..][..N * lanes]);
        let (f, factor, below) = (
            ops.splat(row.f),
            ops.splat(row.factor),
            ops.splat(row.below),
        );
        for (i, sum) in sums.iter_mut().enumerate() {
            let (t, remainder) = (&mut t[i * lanes..], &mut remainder[i * lanes..]);
            let (high, low) = (ops.load(t), ops.load(remainder));
            let x = ops.add(high, low);
            let from_below = ops.mul(*sum, below);
            let change = ops.mul_add(x, factor, from_below);
            let (new, rest) = if row.keeps {
                let change = ops.add(low, change);
                let new = ops.add(high, change);
                (new, ops.sub(change, ops.sub(new, high)))
            } else {
                // What the sum and the product round away.
                let lost = ops.add(ops.sub(high, x), low);
                let rest = ops.mul_add(x, factor, ops.sub(from_below, change));
                (change, ops.mul_add(lost, factor, rest))
            };
            ops.store(new, t);
            ops.store(rest, remainder);
            *sum = ops.mul_add(x, f, *sum);
        }
    }
}

/// Updates a single column.
fn update_column(t: &mut [f32], remainder: &mut [f32], rows: &[Row], column: usize) {
    let s = rows.len();
    let mut sum = 0.0;
    for (j, row) in rows[..=column].iter().enumerate().rev() {
        let at = j * s + column;
        let x = f64::from(t[at]) + f64::from(remainder[at]);
        let change = x * f64::from(row.factor) + sum * f64::from(row.below);
        let new = if row.keeps { x + change } else { change };
        t[at] = new as f32;
        remainder[at] = (new - f64::from(t[at])) as f32;
        sum += x * f64::from(row.f);
    }
}
