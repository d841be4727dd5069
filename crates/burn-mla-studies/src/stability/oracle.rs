//! The recursions of the projector in f64.

/// The recursions in f64. Eq. 5 and the trace-rescaled rule are computed by square roots, which keeps
/// the oracle itself accurate.
pub struct Oracle {
    s: usize,
    alpha: f64,
    rule: OracleRule,
    /// `P`, or its square root.
    matrix: Vec<f64>,
}

enum OracleRule {
    SquareRoot,
    Leaky(f64),
    TraceRescaled,
}

impl Oracle {
    pub fn rls(s: usize, alpha: f64) -> Self {
        Self::new(s, alpha, OracleRule::SquareRoot)
    }

    pub fn leaky(s: usize, alpha: f64, leak: f64) -> Self {
        Self::new(s, alpha, OracleRule::Leaky(leak))
    }

    pub fn trace_rescaled(s: usize, alpha: f64) -> Self {
        Self::new(s, alpha, OracleRule::TraceRescaled)
    }

    fn new(s: usize, alpha: f64, rule: OracleRule) -> Self {
        let mut matrix = vec![0.0; s * s];
        (0..s).for_each(|i| matrix[i * s + i] = 1.0);
        Self {
            s,
            alpha,
            rule,
            matrix,
        }
    }

    pub fn update(&mut self, r: &[f32]) {
        let (s, alpha) = (self.s, self.alpha);
        let m = &mut self.matrix;
        if !matches!(self.rule, OracleRule::Leaky(_)) {
            let mut f = vec![0.0; s];
            for (row, &r) in m.chunks(s).zip(r) {
                f.iter_mut()
                    .zip(row)
                    .for_each(|(f, m)| *f += m * f64::from(r));
            }
            let d = alpha + f.iter().map(|f| f * f).sum::<f64>();
            let scale = d + (alpha * d).sqrt();
            for row in m.chunks_mut(s) {
                let along = row.iter().zip(&f).map(|(m, f)| m * f).sum::<f64>() / scale;
                row.iter_mut().zip(&f).for_each(|(m, f)| *m -= along * f);
            }
            if let OracleRule::TraceRescaled = self.rule {
                let trace: f64 = m.iter().map(|m| m * m).sum();
                let factor = (s as f64 / trace).sqrt();
                m.iter_mut().for_each(|m| *m *= factor);
            }
            return;
        }
        let k: Vec<f64> = m
            .chunks(s)
            .map(|row| row.iter().zip(r).map(|(m, &r)| m * f64::from(r)).sum())
            .collect();
        let d = alpha + k.iter().zip(r).map(|(k, &r)| k * f64::from(r)).sum::<f64>();
        for (i, row) in m.chunks_mut(s).enumerate() {
            let along = k[i] / d;
            row.iter_mut().zip(&k).for_each(|(m, k)| *m -= along * k);
        }
        if let OracleRule::Leaky(leak) = self.rule {
            m.iter_mut().for_each(|m| *m *= 1.0 - leak);
            (0..s).for_each(|i| m[i * s + i] += leak);
        }
    }

    /// The gain along a direction, `|S^T v|^2`, of Eq. 5.
    pub fn gain(&self, direction: &[f64]) -> f64 {
        let mut along = vec![0.0; self.s];
        for (row, v) in self.matrix.chunks(self.s).zip(direction) {
            along.iter_mut().zip(row).for_each(|(a, m)| *a += m * v);
        }
        along.iter().map(|a| a * a).sum()
    }

    pub fn matrix(&self) -> Vec<f64> {
        let (s, m) = (self.s, &self.matrix);
        if let OracleRule::Leaky(_) = self.rule {
            return m.clone();
        }
        let entry = |at: usize| {
            let (a, b) = (&m[at / s * s..][..s], &m[at % s * s..][..s]);
            a.iter().zip(b).map(|(a, b)| a * b).sum()
        };
        (0..s * s).map(entry).collect()
    }
}
