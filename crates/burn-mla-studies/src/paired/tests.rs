//! Expected values were computed with 30 digits by mpmath's regularized incomplete beta function:
//! `p = I(v / (v + t^2); v / 2, 1 / 2)`.

use proptest::prelude::*;
use rstest::rstest;

use crate::paired::{Undefined, holm, paired_t_test};

#[track_caller]
fn close(found: f64, expected: f64) {
    let error = (found - expected).abs();
    assert!(error <= 1e-9 * expected.abs(), "{found}, not {expected}");
}

struct Expected {
    mean: f64,
    deviation: f64,
    t: f64,
    p: f64,
    interval: [f64; 2],
}

#[rstest]
#[case::two_seeds(
    &[0.5, 0.9],
    &[0.4, 0.5],
    Expected {
        mean: 0.25,
        deviation: 0.21213203435596426,
        t: 1.6666666666666667,
        p: 0.34404173924526135,
        interval: [-1.6559307104262057, 2.1559307104262057],
    }
)]
#[case::three_seeds(
    &[0.759, 0.771, 0.744],
    &[0.708, 0.731, 0.689],
    Expected {
        mean: 0.048666666666666667,
        deviation: 0.0077674534651540291,
        t: 10.852094535208628,
        p: 0.0083846297421571048,
        interval: [0.029371242589611757, 0.067962090743721576],
    }
)]
#[case::five_seeds(
    &[0.61, 0.64, 0.58, 0.62, 0.66],
    &[0.6, 0.65, 0.59, 0.58, 0.63],
    Expected {
        mean: 0.012,
        deviation: 0.02280350850198276,
        t: 1.1766968108291042,
        p: 0.30455878468053493,
        interval: [-0.016314295539645451, 0.040314295539645451],
    }
)]
#[case::hamilton_depression_scale_of_nine_patients(
    &[1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30],
    &[0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29],
    Expected {
        mean: 0.43188888888888889,
        deviation: 0.42685549207092453,
        t: 3.0353754156485917,
        p: 0.016176627434908092,
        interval: [0.10377871227216844, 0.75999906550560934],
    }
)]
#[case::a_tiny_p(
    &[0.9, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99],
    &[0.1, 0.12, 0.11, 0.14, 0.13, 0.16, 0.15, 0.18, 0.17, 0.2],
    Expected {
        mean: 0.799,
        deviation: 0.0099442892601175318,
        t: 254.08149183752449,
        p: 1.1530971173094348e-18,
        interval: [0.79188628400280501, 0.80611371599719499],
    }
)]
fn a_t_test_worked_with_many_digits(
    #[case] first: &[f64],
    #[case] second: &[f64],
    #[case] expected: Expected,
) {
    let found = paired_t_test(first, second).unwrap();
    assert_eq!(found.n, first.len());
    close(found.mean, expected.mean);
    close(found.deviation, expected.deviation);
    close(found.t, expected.t);
    close(found.p, expected.p);
    close(found.interval[0], expected.interval[0]);
    close(found.interval[1], expected.interval[1]);
}

#[rstest]
#[case::none(&[], &[], Undefined::TooFew { n: 0 })]
#[case::one(&[0.5], &[0.4], Undefined::TooFew { n: 1 })]
#[case::unpaired(&[0.5, 0.6], &[0.4], Undefined::Unpaired { first: 2, second: 1 })]
#[case::nan(&[0.5, f64::NAN], &[0.4, 0.5], Undefined::NonFinite { pair: 1 })]
#[case::infinite(&[0.5, 0.6], &[f64::INFINITY, 0.5], Undefined::NonFinite { pair: 0 })]
#[case::no_difference(
    &[0.5, 0.6],
    &[0.5, 0.6],
    Undefined::EqualDifferences { n: 2, difference: 0.0 }
)]
#[case::one_difference(
    &[0.75, 0.5],
    &[0.5, 0.25],
    Undefined::EqualDifferences { n: 2, difference: 0.25 }
)]
fn no_p_is_made_up(#[case] first: &[f64], #[case] second: &[f64], #[case] expected: Undefined) {
    assert_eq!(paired_t_test(first, second), Err(expected));
}

#[test]
fn rounding_is_no_deviation() {
    // 0.1 in all pairs, but not in f64.
    let found = paired_t_test(&[0.7, 0.8, 0.4], &[0.6, 0.7, 0.3]).unwrap_err();
    assert!(matches!(found, Undefined::EqualDifferences { n: 3, .. }));
    assert!(found.to_string().ends_with("their standard deviation is 0"));
}

proptest! {
    #[test]
    fn swapping_the_methods_turns_the_sign_and_keeps_p(
        pairs in prop::collection::vec((0.0..1.0f64, 0.0..1.0f64), 2..8),
    ) {
        let (first, second): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        let Ok(there) = paired_t_test(&first, &second) else { return Ok(()) };
        let back = paired_t_test(&second, &first).unwrap();
        prop_assert_eq!(there.t, -back.t);
        prop_assert_eq!(there.p, back.p);
        prop_assert_eq!(there.interval, [-back.interval[1], -back.interval[0]]);
        prop_assert!((0.0..=1.0).contains(&there.p));
        // 0 is in the interval just when p is above 0.05.
        let [low, high] = there.interval;
        prop_assert_eq!(low <= 0.0 && 0.0 <= high, there.p >= 0.05);
    }
}

#[test]
fn holm_worked_by_hand() {
    let found = holm(&[Some(0.04), Some(0.01), Some(0.03), Some(0.005)]);
    // From the smallest: 4 * 0.005, 3 * 0.01, 2 * 0.03, and 0.04, which cannot be below 0.06.
    let expected = [0.06, 0.03, 0.06, 0.02];
    for (found, expected) in found.into_iter().zip(expected) {
        close(found.unwrap(), expected);
    }
    assert_eq!(holm(&[Some(0.6), Some(0.7)]), [Some(1.0), Some(1.0)]);
    assert_eq!(holm(&[Some(0.3)]), [Some(0.3)]);
    assert_eq!(holm(&[]), []);
}

#[test]
fn a_comparison_without_a_p_counts_and_remains_without_one() {
    assert_eq!(holm(&[None, Some(0.25), None]), [None, Some(0.75), None]);
}
