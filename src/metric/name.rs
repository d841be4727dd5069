//! Names of modalities and metrics: what Burn makes file names of.

use std::collections::HashSet;
use std::sync::Arc;

use burn::train::metric::MetricName;

use crate::error::{MlaError, Result, same_size};

/// Longest name of a modality, in bytes, which leaves room for the metric in a file name.
const LONGEST: usize = 100;

/// The name of a metric, with `-` for every character that a file name cannot have on some system.
/// Burn's logger makes a file name of it, and a name with a slash would abort the training.
pub(super) fn file_safe(name: &MetricName) -> MetricName {
    let is_unsafe = |c: char| c.is_control() || r#"/\:*?"<>|"#.contains(c);
    if !name.contains(is_unsafe) {
        return name.clone();
    }
    Arc::new(name.replace(is_unsafe, "-"))
}

/// Checks that each of `n_modalities` modalities has a name of its own, also as a part of a file name.
pub(super) fn check_names(names: &[&str], n_modalities: usize) -> Result<()> {
    same_size("names of modalities", n_modalities, names.len())?;
    let mut seen = HashSet::from([Arc::new("fused".to_string())]);
    for name in names {
        let problem = if name.trim().is_empty() {
            "it is empty"
        } else if name.len() > LONGEST {
            "it has more than 100 bytes"
        } else if !seen.insert(file_safe(&Arc::new(name.to_string()))) {
            "it has the metrics of another modality or of the fused prediction"
        } else {
            continue;
        };
        let name = name.to_string();
        return Err(MlaError::ModalityName { name, problem });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_file_names() {
        let safe = |name: &str| file_safe(&Arc::new(name.to_string())).to_string();
        assert_eq!(safe("Accuracy rgb/flow"), "Accuracy rgb-flow");
        assert_eq!(safe("a\\b:c*d?e\"f<g>h|i\nj"), "a-b-c-d-e-f-g-h-i-j");
        assert_eq!(safe("Accuracy Bild (groß) ..."), "Accuracy Bild (groß) ...");
    }

    #[test]
    fn names_are_as_many_as_modalities_and_differ() {
        let error = |names: &[&str]| check_names(names, 2).unwrap_err().to_string();
        assert_eq!(check_names(&["rgb/flow", "audio"], 2), Ok(()));
        assert_eq!(error(&["a"]), "names of modalities: expected 2, got 1");
        assert!(check_names(&["a", "b", "c"], 2).is_err());
        let twice = "it has the metrics of another modality or of the fused prediction";
        for names in [["a", "a"], ["a", "fused"], ["a/b", "a-b"]] {
            let expected = format!("the modality name `{}` cannot be used: {twice}", names[1]);
            assert_eq!(error(&names), expected);
        }
        assert!(error(&["a", " "]).ends_with("it is empty"));
        assert!(error(&["a", &"b".repeat(101)]).ends_with("more than 100 bytes"));
    }
}
