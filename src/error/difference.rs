//! The first difference between two configurations.

use serde_json::Value::{self, Array, Null, Object};

/// A value that two configurations disagree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Path of the value.
    pub(crate) at: String,
    /// The value of a training when it was saved.
    pub(crate) saved: String,
    /// The value now.
    pub(crate) given: String,
}

impl Difference {
    /// The first difference between two values, whose path is `at`.
    pub(crate) fn between(at: &str, saved: &Value, given: &Value) -> Option<Self> {
        match (saved, given) {
            (Object(saved), Object(given)) => {
                let mut keys = saved.keys().chain(given.keys());
                keys.find_map(|key| {
                    let value = |of: &serde_json::Map<_, _>| of.get(key).unwrap_or(&Null).clone();
                    Self::between(&format!("{at}.{key}"), &value(saved), &value(given))
                })
            }
            (Array(saved), Array(given)) if saved.len() == given.len() => {
                let mut pairs = saved.iter().zip(given).enumerate();
                pairs.find_map(|(i, (saved, given))| {
                    Self::between(&format!("{at}[{i}]"), saved, given)
                })
            }
            _ => (saved != given).then(|| Self {
                at: at.to_string(),
                saved: saved.to_string(),
                given: given.to_string(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn difference(saved: Value, given: Value) -> Option<[String; 3]> {
        let found = Difference::between("all", &saved, &given)?;
        Some([found.at, found.saved, found.given])
    }

    #[test]
    fn the_first_difference_has_its_path_and_both_values() {
        let saved = json!({"alpha": 0.1, "parts": [{"width": 64}, {"width": 8}]});
        assert_eq!(difference(saved.clone(), saved.clone()), None);
        let found = |given: Value| difference(saved.clone(), given).unwrap();
        let other = json!({"alpha": 0.1, "parts": [{"width": 64}, {"width": 9}]});
        assert_eq!(found(other), ["all.parts[1].width", "8", "9"]);
        let added = json!({"alpha": 0.1, "parts": saved["parts"], "new": "x"});
        assert_eq!(found(added), ["all.new", "null", "\"x\""]);
        let shorter = json!({"alpha": 0.1, "parts": [1]});
        assert_eq!(found(shorter)[0], "all.parts");
        assert_eq!(found(json!(3))[0], "all");
    }
}
