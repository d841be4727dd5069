//! Checks of the values of configurations, and of token ids.

use burn::tensor::{Int, Tensor};
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

/// Checks the shape of token ids, `[batch, 1 to longest]`, and reads them back to compare them with
/// the vocabulary.
pub(crate) fn token_ids(ids: &Tensor<2, Int>, longest: usize, n_tokens: usize) -> Result<()> {
    let shape = ids.dims();
    if !(1..=longest).contains(&shape[1]) {
        let expected = format!("token ids [batch, length] with a length from 1 to {longest}");
        return Err(MlaError::input_shape(shape, expected));
    }
    let data = ids.to_data();
    let mut found = data.iter::<i64>().enumerate();
    match found.find(|(_, id)| !(0..n_tokens as i64).contains(id)) {
        None => Ok(()),
        Some((at, token)) => Err(MlaError::TokenOutOfRange {
            token,
            sample: at / shape[1],
            n_tokens,
        }),
    }
}
