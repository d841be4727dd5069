//! Parameter groups, to give an encoder or the head its own optimizer or learning rate.

use burn::module::ParamGroup;

/// The parameters of encoder `modality` of an [`Mla`](crate::Mla), to give them their own
/// optimizer or learning rate.
///
/// The group matches paths within the model and therefore stays valid after a record is loaded.
///
/// ```
/// use burn::optim::{AdamWConfig, ModuleOptimizer, SgdConfig};
/// use burn_mla::mla::{encoder_group, head_group};
///
/// // AdamW for everything, but plain SGD for encoder 1 and the head.
/// let optimizer: ModuleOptimizer = AdamWConfig::new()
///     .init()
///     .with_group(encoder_group(1), SgdConfig::new().build(), None)
///     .with_group(head_group(), SgdConfig::new().build(), None);
/// ```
pub fn encoder_group(modality: usize) -> ParamGroup {
    group(&format!(r"^encoders\.{modality}\."))
}

/// The parameters of the shared head of an [`Mla`](crate::Mla).
pub fn head_group() -> ParamGroup {
    group(r"^head\.")
}

fn group(pattern: &str) -> ParamGroup {
    ParamGroup::from_regex(pattern).expect("the pattern is a valid regular expression")
}
