//! Steps on a key, in whole dot-separated parts.

/// A key after the steps of the caller.
pub(super) enum Key {
    /// The path of a parameter, or what should be one.
    Used(String),
    /// A key that the caller leaves out.
    LeftOut,
}

/// Returns the last part of a key.
pub(super) fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// Returns the rest of a key that starts with the parts of `name`.
pub(super) fn within<'a>(key: &'a str, name: &str) -> Option<&'a str> {
    key.strip_prefix(name)?.strip_prefix('.')
}

/// Returns the key without `prefix`, or the key itself if it starts otherwise.
pub(super) fn strip<'a>(key: &'a str, prefix: &str) -> &'a str {
    key.strip_prefix(prefix).unwrap_or(key)
}

/// Returns whether a key starts or ends with the parts of `name`.
pub(super) fn matches(key: &str, name: &str) -> bool {
    let (key, name): (Vec<&str>, Vec<&str>) = (key.split('.').collect(), name.split('.').collect());
    key.starts_with(&name) || key.ends_with(&name)
}

/// Returns the key with each occurrence of the parts `from` replaced by `to`; an empty `to`
/// removes them.
pub(super) fn rename(key: &str, from: &str, to: &str) -> String {
    let from: Vec<&str> = from.split('.').collect();
    let to: Vec<&str> = to.split('.').filter(|part| !part.is_empty()).collect();
    let mut rest: Vec<&str> = key.split('.').collect();
    let mut renamed = vec![];
    while !rest.is_empty() {
        let n = if rest.starts_with(&from) {
            renamed.extend(&to);
            from.len()
        } else {
            renamed.push(rest[0]);
            1
        };
        rest.drain(..n);
    }
    renamed.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_parts_match() {
        assert!(matches("bn1.num_batches_tracked", "num_batches_tracked"));
        assert!(matches("layer1.0.bn1.weight", "layer1.0"));
        assert!(!matches("layer10.0.bn1.weight", "layer1"));
        assert!(!matches("layer1.0.bn1.weight", "bn1"));
        assert!(!matches("bn1", "bn1.weight"));
    }

    #[test]
    fn parts_are_renamed_wherever_they_are() {
        assert_eq!(rename("a.0.a.w", "a", "b"), "b.0.b.w");
        assert_eq!(rename("a.a.w", "a", "b.c"), "b.c.b.c.w");
        assert_eq!(rename("net.conv.w", "net", ""), "conv.w");
        assert_eq!(
            rename("l.downsample.0.w", "downsample.0", "conv"),
            "l.conv.w"
        );
        assert_eq!(rename("ab.w", "a", "b"), "ab.w");
    }

    #[test]
    fn a_key_is_within_whole_parts() {
        assert_eq!(
            within("audio_net.conv1.weight", "audio_net"),
            Some("conv1.weight")
        );
        assert_eq!(within("audio_net2.conv1.weight", "audio_net"), None);
        assert_eq!(within("audio_net", "audio_net"), None);
    }

    #[test]
    fn a_prefix_is_stripped_once() {
        assert_eq!(strip("module.module.w", "module."), "module.w");
        assert_eq!(strip("w", "module."), "w");
    }
}
