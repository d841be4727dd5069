//! Eq. 5 in f32 as it is printed, which loses positive definiteness.

/// `P` in f32, with the last corrections pending: the form that this crate used before the square
/// root.
pub struct Printed {
    s: usize,
    alpha: f32,
    p: Vec<f32>,
    /// Rows `k / sqrt(alpha + r^T k)`.
    pending: Vec<Vec<f32>>,
}

const MOST_PENDING: usize = 32;

impl Printed {
    pub fn new(s: usize, alpha: f64) -> Self {
        let mut p = vec![0.0; s * s];
        p.iter_mut().step_by(s + 1).for_each(|x| *x = 1.0);
        Self {
            s,
            alpha: alpha as f32,
            p,
            pending: vec![],
        }
    }

    /// Updates `P`. Returns whether it is still positive definite, or `None` while the corrections are
    /// pending.
    pub fn update(&mut self, r: &[f32]) -> Option<bool> {
        let mut k: Vec<f32> = self.p.chunks(self.s).map(|row| dot(row, r)).collect();
        for row in &self.pending {
            let along = dot(row, r);
            k.iter_mut().zip(row).for_each(|(k, x)| *k -= along * x);
        }
        let length = (self.alpha + dot(r, &k)).max(self.alpha).sqrt();
        k.iter_mut().for_each(|k| *k /= length);
        self.pending.push(k);
        if self.pending.len() < MOST_PENDING.min((self.s / 4).max(1)) {
            return None;
        }
        for row in &self.pending {
            for (to, x) in self.p.chunks_mut(self.s).zip(row) {
                to.iter_mut().zip(row).for_each(|(p, y)| *p -= x * y);
            }
        }
        self.pending.clear();
        Some(self.is_positive())
    }

    /// Whether the symmetric part of `P` has a Cholesky factor in f64.
    fn is_positive(&self) -> bool {
        let s = self.s;
        let mut lower = vec![0.0; s * s];
        for j in 0..s {
            for i in j..s {
                let (a, b) = (&lower[i * s..][..j], &lower[j * s..][..j]);
                let dot: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                let entry = f64::from(self.p[i * s + j]) / 2.0 + f64::from(self.p[j * s + i]) / 2.0;
                let rest = entry - dot;
                lower[i * s + j] = if i > j {
                    rest / lower[j * s + j]
                } else if rest > 0.0 {
                    rest.sqrt()
                } else {
                    return false;
                };
            }
        }
        true
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
