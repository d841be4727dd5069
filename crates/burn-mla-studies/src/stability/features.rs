//! Awkward features for long runs.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Kind of the features of a long run. Vectors have a length of about 1, as those of a normalized
/// encoder, unless another one is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A constant mean and 1 % of noise.
    NearlyConstant,
    /// Random, from length 0.01 to 100 over the run.
    Growing,
    /// The same vector in every step.
    Repeated,
    /// Zero.
    Zero,
    /// Random, of length 1e-6.
    Tiny,
    /// Random, of length 1e4.
    Huge,
    /// One direction, of lengths around 10.
    RankOne,
}

impl Kind {
    pub const ALL: [Self; 7] = [
        Self::NearlyConstant,
        Self::Growing,
        Self::Repeated,
        Self::Zero,
        Self::Tiny,
        Self::Huge,
        Self::RankOne,
    ];

    pub fn features(self, s: usize, n: usize) -> Features {
        let mut rng = StdRng::seed_from_u64(self as u64);
        let mean = random(&mut rng, s);
        Features {
            kind: self,
            rng,
            mean,
            at: 0,
            n,
        }
    }
}

/// A stream of features.
pub struct Features {
    kind: Kind,
    rng: StdRng,
    mean: Vec<f32>,
    at: usize,
    n: usize,
}

impl Features {
    pub fn next(&mut self) -> Vec<f32> {
        self.at += 1;
        let s = self.mean.len();
        let scaled = |values: &[f32], scale: f32| values.iter().map(|x| x * scale).collect();
        match self.kind {
            Kind::NearlyConstant => {
                let noise = random(&mut self.rng, s);
                let pairs = self.mean.iter().zip(noise);
                pairs.map(|(mean, noise)| mean + 0.01 * noise).collect()
            }
            Kind::Growing => {
                let progress = self.at as f32 / self.n as f32;
                scaled(&random(&mut self.rng, s), 10f32.powf(4.0 * progress - 2.0))
            }
            Kind::Repeated => self.mean.clone(),
            Kind::Zero => vec![0.0; s],
            Kind::Tiny => scaled(&random(&mut self.rng, s), 1e-6),
            Kind::Huge => scaled(&random(&mut self.rng, s), 1e4),
            Kind::RankOne => scaled(&self.mean, self.rng.random_range(-20.0..20.0)),
        }
    }
}

/// Entries between 0 and 1, as after a ReLU, scaled to a length of about 1.
fn random(rng: &mut StdRng, s: usize) -> Vec<f32> {
    let scale = (3.0 / s as f32).sqrt();
    (0..s).map(|_| rng.random::<f32>() * scale).collect()
}

/// A stream of features that repeat one direction per modality, with noise.
pub struct Repeated {
    rng: StdRng,
    directions: Vec<Vec<f64>>,
    length: f64,
    noise: f64,
    at: usize,
}

impl Repeated {
    /// `length` times the direction of each modality in turn, plus `noise` times a random vector
    /// of about that length.
    pub fn new(s: usize, length: f64, noise: f64, n_modalities: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(1);
        let directions = (0..n_modalities)
            .map(|_| {
                let v: Vec<f64> = (0..s).map(|_| rng.random_range(-1.0..1.0)).collect();
                let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
                v.iter().map(|x| x / norm).collect()
            })
            .collect();
        Self {
            rng,
            directions,
            length,
            noise,
            at: 0,
        }
    }

    pub fn next(&mut self) -> Vec<f32> {
        let direction = &self.directions[self.at % self.directions.len()];
        self.at += 1;
        let scale = self.noise * (3.0 / direction.len() as f64).sqrt();
        let rng = &mut self.rng;
        let entry = |v: &f64| (self.length * (v + scale * rng.random_range(-1.0..1.0))) as f32;
        direction.iter().map(entry).collect()
    }

    /// The unit vector of a modality.
    pub fn direction(&self, modality: usize) -> &[f64] {
        &self.directions[modality]
    }
}
