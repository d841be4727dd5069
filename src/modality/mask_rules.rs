//! The rules of both protocols on given random numbers, against reference values.

use serde_json::Value;

use crate::modality::missing_protocol::{extra_probability, remains};
use crate::modality::missing_rate::independent;
use crate::modality::{MissingProtocol, MissingRate};

fn numbers(value: &Value) -> Vec<f64> {
    let numbers = value.as_array().unwrap().iter();
    numbers.map(|number| number.as_f64().unwrap()).collect()
}

#[test]
fn rows_and_expected_shares_are_the_reference_values() {
    let text = include_str!("../../tests/golden-missing/mask/masks.json");
    let file: Value = serde_json::from_str(text).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 10);
    for case in cases {
        let rate = case["rate"].as_f64().unwrap();
        let n_modalities = case["n_modalities"].as_u64().unwrap() as usize;
        let extra = extra_probability(rate, n_modalities);
        let near = |found: f64, name: &str| {
            let expected = case[name].as_f64().unwrap();
            assert!((found - expected).abs() < 1e-12, "{name}: {found}");
        };
        near(extra, "extra_probability");
        let share = |protocol| {
            let rate = MissingRate::new(rate, 0).unwrap().with_protocol(protocol);
            rate.expected_share(n_modalities)
        };
        near(share(MissingProtocol::CpmNets), "expected_missing_cpm");
        near(
            share(MissingProtocol::Independent),
            "expected_missing_independent",
        );

        let kept = numbers(&case["kept"]);
        assert_eq!(kept.len(), 12);
        for (sample, kept) in kept.into_iter().enumerate() {
            let row = |name: &str| numbers(&case[name][sample]);
            let expected = |name: &str| -> Vec<bool> {
                row(name)
                    .into_iter()
                    .map(|present| present == 1.0)
                    .collect()
            };
            let draws = row("uniform");
            let cpm = draws.iter().enumerate();
            let cpm = cpm.map(|(m, &draw)| remains(m, kept as usize, extra, draw));
            assert_eq!(cpm.collect::<Vec<_>>(), expected("present_cpm"));
            let found = independent(rate, &draws, |_| true);
            assert_eq!(found, expected("present_independent"));
        }
    }
}
