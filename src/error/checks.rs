//! Checks of hyper-parameters and sizes, shared by all rooms.

use crate::error::{MlaError, Result};

/// Checks that `value` is finite and greater than zero, also as an f32.
pub(crate) fn positive(name: &'static str, value: f64) -> Result<f64> {
    let holds = value > 0.0 && (value as f32).is_normal();
    check(name, value, "finite and > 0", holds)
}

/// Checks that a size equals the expected one.
pub(crate) fn same_size(what: &'static str, expected: usize, got: usize) -> Result<()> {
    if expected == got {
        Ok(())
    } else {
        Err(MlaError::Size {
            what,
            expected,
            got,
        })
    }
}

/// Checks the shape of an output of a head or a fusion.
pub(crate) fn output_shape(
    what: &'static str,
    expected: [usize; 2],
    found: [usize; 2],
) -> Result<()> {
    if expected == found {
        Ok(())
    } else {
        Err(MlaError::OutputShape {
            what,
            expected,
            found,
        })
    }
}

/// Checks that a count is at least one.
pub(crate) fn at_least_one(name: &'static str, value: usize) -> Result<usize> {
    check(name, value as f64, "at least 1", value > 0)?;
    Ok(value)
}

/// Checks that `value` lies in `[0, 1)`.
pub(crate) fn fraction(name: &'static str, value: f64) -> Result<f64> {
    check(name, value, "in [0, 1)", (0.0..1.0).contains(&value))
}

/// Checks that `value` lies in `[0, 1]`.
pub(crate) fn share(name: &'static str, value: f64) -> Result<f64> {
    check(name, value, "in [0, 1]", (0.0..=1.0).contains(&value))
}

/// Checks that `value` lies in `(0, 1)`.
#[cfg(feature = "train")]
pub(crate) fn between_0_and_1(name: &'static str, value: f64) -> Result<f64> {
    check(name, value, "in (0, 1)", value > 0.0 && value < 1.0)
}

/// Checks that `value` is finite and at least zero, also as an f32.
pub(crate) fn not_negative(name: &'static str, value: f64) -> Result<f64> {
    let holds = value >= 0.0 && (value as f32).is_finite();
    check(name, value, "finite and >= 0", holds)
}

/// Checks that a size is at least `smallest`.
pub(crate) fn check_order(
    name: &'static str,
    value: usize,
    requirement: &'static str,
    smallest: usize,
) -> Result<usize> {
    check(name, value as f64, requirement, value >= smallest)?;
    Ok(value)
}

fn check(name: &'static str, value: f64, requirement: &'static str, holds: bool) -> Result<f64> {
    if holds {
        Ok(value)
    } else {
        Err(MlaError::HyperParameter {
            name,
            requirement,
            value,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hyper_parameter_error_names_name_range_and_value() {
        let error = positive("alpha", -0.5).unwrap_err();
        assert_eq!(error.to_string(), "alpha must be finite and > 0, got -0.5");
        assert!(positive("alpha", f64::NAN).is_err());
        assert!(positive("alpha", f64::INFINITY).is_err());
        assert!(positive("alpha", 1e-50).is_err(), "0 in f32");
        assert!(fraction("dropout", 1.0).is_err());
        assert!(at_least_one("width", 0).is_err());
        assert!(not_negative("weight", 0.0).is_ok() && not_negative("weight", -1.0).is_err());
        assert!(not_negative("weight", f64::NAN).is_err() && not_negative("w", 1e300).is_err());
    }
}
