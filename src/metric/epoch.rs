//! Metrics whose value belongs to a whole epoch and is not a mean over its batches.

use burn::tensor::{ExecutionError, TensorReadError};
use burn::train::metric::{SerializedEntry, format_float};

use crate::error::MlaError;
use crate::metric::MetricInput;

/// A statistic over the batches of an epoch, which `epoch_metric` turns into a Burn metric.
pub(super) trait EpochStatistic {
    const UNIT: Option<&'static str>;
    const HIGHER_IS_BETTER: bool;
    const DESCRIPTION: &'static str;
    /// Whether the value is cheap enough to be displayed after each batch.
    const RUNNING: bool = true;

    /// Adds a batch. A batch without the needed predictions changes nothing.
    fn add(&mut self, input: &MetricInput) -> Result<(), TensorReadError>;

    /// Number of samples added.
    fn n_samples(&self) -> usize;

    /// The value so far; NaN without samples.
    fn value(&self) -> f64;

    /// Removes all samples.
    fn reset(&mut self);
}

/// Implements Burn's `Metric` and `Numeric`, and `with_name`, for an [`EpochStatistic`] with a field
/// `name`.
macro_rules! epoch_metric {
    ($metric:ident) => {
        impl $metric {
            /// Replaces the whole name. Characters that file names cannot have become `-`.
            pub fn with_name(mut self, name: impl Into<String>) -> Self {
                self.name = std::sync::Arc::new(name.into());
                self
            }
        }

        impl burn::train::metric::Metric for $metric {
            type Input = $crate::metric::MetricInput;

            fn name(&self) -> burn::train::metric::MetricName {
                $crate::metric::name::file_safe(&self.name)
            }

            fn description(&self) -> Option<String> {
                Some(Self::DESCRIPTION.to_string())
            }

            fn attributes(&self) -> burn::train::metric::MetricAttributes {
                burn::train::metric::NumericAttributes {
                    unit: Self::UNIT.map(str::to_string),
                    higher_is_better: Self::HIGHER_IS_BETTER,
                }
                .into()
            }

            fn update(
                &mut self,
                input: &$crate::metric::MetricInput,
                _metadata: &burn::train::metric::MetricMetadata,
            ) -> Result<burn::train::metric::SerializedEntry, burn::tensor::TensorReadError> {
                self.add(input)?;
                Ok(if Self::RUNNING && self.n_samples() > 0 {
                    $crate::metric::epoch::running_entry(EpochStatistic::value(self), Self::UNIT)
                } else {
                    burn::train::metric::SerializedEntry::not_available(Self::UNIT)
                })
            }

            fn compute(
                &mut self,
            ) -> Result<burn::train::metric::SerializedEntry, burn::tensor::TensorReadError> {
                let value = EpochStatistic::value(self);
                Ok($crate::metric::epoch::final_entry(value, Self::UNIT))
            }

            fn clear(&mut self) {
                self.reset();
            }
        }

        impl burn::train::metric::Numeric for $metric {
            fn value(&self) -> Option<burn::train::metric::NumericEntry> {
                None
            }

            fn running_value(&self) -> Option<burn::train::metric::NumericEntry> {
                let count = self.n_samples();
                (Self::RUNNING && count > 0).then(|| {
                    burn::train::metric::NumericEntry::Aggregated {
                        aggregated_value: EpochStatistic::value(self),
                        count,
                    }
                })
            }

            fn final_value(&self) -> burn::train::metric::NumericEntry {
                burn::train::metric::NumericEntry::Final(EpochStatistic::value(self))
            }
        }
    };
}

pub(super) use epoch_metric;

/// The entry of a batch: the value so far for display, and no value to log.
pub(super) fn running_entry(value: f64, unit: Option<&str>) -> SerializedEntry {
    let not_available = SerializedEntry::not_available(unit);
    let (value, unit) = (format_float(value, 2), with_space(unit));
    SerializedEntry {
        formatted: format!("epoch {value}{unit} - batch N/A{unit}"),
        ..not_available
    }
}

/// The entry of an epoch.
pub(super) fn final_entry(value: f64, unit: Option<&str>) -> SerializedEntry {
    SerializedEntry {
        formatted: format!("epoch {}{}", format_float(value, 2), with_space(unit)),
        serialized: burn::train::metric::NumericEntry::Final(value).serialize(),
    }
}

fn with_space(unit: Option<&str>) -> String {
    unit.map(|unit| format!(" {unit}")).unwrap_or_default()
}

/// Converts an error of this crate to the error type of metrics.
pub(super) fn failure(error: MlaError) -> TensorReadError {
    ExecutionError::with_context(error.to_string()).into()
}
