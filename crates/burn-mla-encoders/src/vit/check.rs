//! Checks of the values of configurations, and of token ids.

use burn_mla::{MlaError, Result};

fn check(name: &'static str, requirement: &'static str, value: f64, holds: bool) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(MlaError::HyperParameter {
        name,
        requirement,
        value,
    })
}

/// Checks that a size is at least 1.
pub(crate) fn at_least_one(name: &'static str, value: usize) -> Result<()> {
    check(name, "at least 1", value as f64, value > 0)
}

/// Checks that `value` is a multiple of `factor`, as `requirement` says, and at least 1.
pub(crate) fn multiple(
    name: &'static str,
    requirement: &'static str,
    value: usize,
    factor: usize,
) -> Result<()> {
    let holds = value > 0 && factor > 0 && value.is_multiple_of(factor);
    check(name, requirement, value as f64, holds)
}

/// Checks that a probability lies in `[0, 1)`.
pub(crate) fn fraction(name: &'static str, value: f64) -> Result<()> {
    check(name, "in [0, 1)", value, (0.0..1.0).contains(&value))
}

/// Checks that a value is finite and greater than 0.
pub(crate) fn positive(name: &'static str, value: f64) -> Result<()> {
    check(
        name,
        "finite and > 0",
        value,
        value > 0.0 && value.is_finite(),
    )
}
