//! Logits of all modalities for the same samples, the input of every fusion.

use burn::tensor::Tensor;

use crate::error::{MlaError, Result, same_size};
use crate::modality::{Presence, SelectRows, are_all};

/// The logits of each modality for the same samples, with the modality mask.
#[derive(Debug, Clone)]
pub struct ModalityLogits {
    logits: Vec<Tensor<2>>,
    presence: Presence,
}

impl ModalityLogits {
    /// Creates the logits from one `[n_samples, n_classes]` tensor per modality. Rows of missing
    /// modalities may have any content.
    ///
    /// # Errors
    ///
    /// [`MlaError`] for no modality, no class, or shapes that differ between the modalities or from
    /// `presence`.
    pub fn new(logits: Vec<Tensor<2>>, presence: Presence) -> Result<Self> {
        let Some(first) = logits.first() else {
            return Err(MlaError::NoModalities { what: "the logits" });
        };
        let [n_samples, n_classes] = first.dims();
        if n_classes == 0 {
            return Err(MlaError::Empty {
                what: "a row of logits",
            });
        }
        for logits in &logits {
            let [samples, classes] = logits.dims();
            same_size("samples of a modality's logits", n_samples, samples)?;
            same_size("classes of a modality's logits", n_classes, classes)?;
        }
        same_size(
            "samples of the modality mask",
            n_samples,
            presence.n_samples(),
        )?;
        same_size(
            "modalities of the modality mask",
            logits.len(),
            presence.n_modalities(),
        )?;
        Ok(Self { logits, presence })
    }

    /// Creates the logits of samples that have every modality.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn complete(logits: Vec<Tensor<2>>) -> Result<Self> {
        let n_samples = logits.first().map_or(0, |logits| logits.dims()[0]);
        let presence = Presence::all(n_samples, logits.len());
        Self::new(logits, presence)
    }

    /// Number of samples.
    pub fn n_samples(&self) -> usize {
        self.presence.n_samples()
    }

    /// Number of modalities.
    pub fn n_modalities(&self) -> usize {
        self.logits.len()
    }

    /// Number of classes.
    pub fn n_classes(&self) -> usize {
        self.logits[0].dims()[1]
    }

    /// The modality mask.
    pub fn presence(&self) -> &Presence {
        &self.presence
    }

    /// The unmodified logits of a modality, `[n_samples, n_classes]`.
    ///
    /// # Panics
    ///
    /// If there is no such modality.
    pub fn modality(&self, modality: usize) -> Tensor<2> {
        self.logits[modality].clone()
    }

    /// The samples `rows` with all modalities except `modalities` missing.
    ///
    /// # Errors
    ///
    /// As [`Presence::restricted`].
    pub fn restricted(&self, rows: &[usize], modalities: &[usize]) -> Result<Self> {
        let all = are_all(rows, self.n_samples());
        if all && (0..self.n_modalities()).all(|m| modalities.contains(&m)) {
            return Ok(self.clone());
        }
        let presence = self.presence.restricted(rows, modalities)?;
        let select = |logits: &Tensor<2>| {
            if all {
                Ok(logits.clone())
            } else {
                logits.clone().select_rows(rows)
            }
        };
        let logits = self.logits.iter().map(select).collect::<Result<_>>()?;
        Self::new(logits, presence)
    }

    /// The logits of a modality, 0 in the rows of samples that lack it,
    /// `[n_samples, n_classes]`.
    ///
    /// # Panics
    ///
    /// If there is no such modality.
    pub fn present_logits(&self, modality: usize) -> Tensor<2> {
        let logits = self.modality(modality);
        match self.presence.missing(&logits.device()) {
            None => logits,
            Some(missing) => {
                let missing = missing.slice([0..self.n_samples(), modality..modality + 1]);
                let missing = missing.expand(logits.dims());
                logits.mask_fill(missing, 0.0)
            }
        }
    }

    /// One number per sample and modality, `[n_samples, n_modalities]`. `score` maps the index of a
    /// modality and its logits to `[n_samples]`. Missing modalities have the score of all-zero logits.
    pub fn score(&self, score: impl Fn(usize, Tensor<2>) -> Tensor<1>) -> Tensor<2> {
        let scores = (0..self.n_modalities())
            .map(|m| score(m, self.present_logits(m)))
            .collect();
        Tensor::stack(scores, 1)
    }

    /// Returns `scores`, `[n_samples, n_modalities]`, with `value` where a modality is missing.
    pub fn mask(&self, scores: Tensor<2>, value: f32) -> Tensor<2> {
        match self.presence.missing(&scores.device()) {
            None => scores,
            Some(missing) => scores.mask_fill(missing, value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restriction_keeps_only_the_given_modalities() {
        for device in crate::test_devices() {
            let logits = |x: f32| Tensor::<2>::from_floats([[x, 0.0], [-x, 1.0]], &device);
            let whole = ModalityLogits::complete(vec![logits(2.0), logits(3.0)]).unwrap();
            let kept = |modalities: &[usize]| {
                let kept = whole.restricted(&[0, 1], modalities).unwrap();
                (0..2)
                    .map(|m| kept.presence().is_present(0, m))
                    .collect::<Vec<_>>()
            };
            assert_eq!(kept(&[1, 0]), [true, true]);
            assert_eq!(kept(&[1]), [false, true]);
            // A repeated modality does not count as another one.
            assert_eq!(kept(&[1, 1]), [false, true]);

            let second = whole.restricted(&[1], &[0, 1]).unwrap().modality(1);
            let second: Vec<f32> = second.into_data().iter().collect();
            assert_eq!(second, [-3.0, 1.0]);
        }
    }
}
