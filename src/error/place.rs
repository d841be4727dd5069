//! The place of an error: the modality, and the sample in the batch and in the data set.

use crate::error::MlaError;

impl MlaError {
    /// The error of an input whose shape an encoder does not accept, for
    /// [`Encoder::check`](crate::encoder::Encoder::check). `expected` describes the valid shapes.
    ///
    /// ```
    /// use burn_mla::MlaError;
    ///
    /// let error = MlaError::input_shape([3, 8], "[batch, 7]");
    /// assert_eq!(error.to_string(), "the input has the shape [3, 8], expected [batch, 7]");
    /// ```
    pub fn input_shape(found: impl Into<Vec<usize>>, expected: impl Into<String>) -> Self {
        Self::InputShape {
            expected: expected.into(),
            found: found.into(),
        }
    }

    /// Adds the modality whose input causes the error.
    pub(crate) fn of_modality(self, modality: usize) -> Self {
        Self::Input {
            modality,
            problem: Box::new(self),
        }
    }

    /// Adds the sample that causes the error, by its position in the batch.
    #[cfg(feature = "train")]
    pub(crate) fn of_sample(self, sample: Option<usize>) -> Self {
        match sample {
            None => self,
            Some(sample) => Self::Sample {
                sample,
                position: None,
                problem: Box::new(self),
            },
        }
    }

    /// Locates the sample of the error. `rows` are the positions in the batch and `samples` those in
    /// the data set, both by the position that the error has; `None` if they are the same or
    /// unknown.
    pub(crate) fn located(mut self, rows: Option<&[usize]>, samples: Option<&[usize]>) -> Self {
        let Some(named) = self.sample_mut() else {
            return self;
        };
        let at = *named;
        *named = rows.and_then(|rows| rows.get(at).copied()).unwrap_or(at);
        let sample = *named;
        match samples.and_then(|samples| samples.get(at).copied()) {
            None => self,
            position => Self::Sample {
                sample,
                position,
                problem: match self {
                    Self::Sample { problem, .. } => problem,
                    problem => Box::new(problem),
                },
            },
        }
    }

    /// The sample that an error names, unless its position in the data set is known already.
    fn sample_mut(&mut self) -> Option<&mut usize> {
        match self {
            Self::LabelOutOfRange { sample, .. }
            | Self::NoLabel { sample }
            | Self::TokenOutOfRange { sample, .. }
            | Self::NothingPresent { sample }
            | Self::NonFiniteLogits { sample }
            | Self::NonFinitePrediction { sample, .. }
            | Self::NonFiniteFusion { sample }
            | Self::Sample {
                sample,
                position: None,
                ..
            } => Some(sample),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_located_once_in_batch_and_data_set() {
        let nothing = |sample| MlaError::NothingPresent { sample };
        let (rows, samples) = ([4, 9], [40, 90]);
        assert_eq!(nothing(1).located(None, None), nothing(1));
        assert_eq!(nothing(1).located(Some(&rows), None), nothing(9));
        let located = nothing(1).located(Some(&rows), Some(&samples));
        assert_eq!(
            located.to_string(),
            "sample 9 has no modality present (sample 9 of the batch, 90 of the data set)"
        );
        assert_eq!(
            located.clone().located(Some(&rows), Some(&[7; 99])),
            located
        );
        let unlabelled = MlaError::NoLabel { sample: 1 };
        let text = unlabelled.located(Some(&rows), Some(&samples)).to_string();
        assert!(
            text.ends_with("(sample 9 of the batch, 90 of the data set)"),
            "{text}"
        );
        let other = MlaError::UnknownSamples;
        assert_eq!(other.clone().located(Some(&rows), Some(&samples)), other);
        let sample = other.of_sample(Some(0));
        assert!(sample.to_string().ends_with("(sample 0 of the batch)"));
        assert_eq!(
            sample.located(Some(&rows), Some(&samples)).to_string(),
            format!(
                "{} (sample 4 of the batch, 40 of the data set)",
                MlaError::UnknownSamples
            )
        );
    }
}
