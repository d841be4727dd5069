//! One feature per text from the hidden states of its tokens.

use burn::tensor::{Bool, Tensor};
use serde::{Deserialize, Serialize};

/// How the feature of a text is made of the hidden states of its tokens. The feature of a text
/// without tokens is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pooling {
    /// The mean over the tokens, as in sentence transformers.
    Mean,
    /// The hidden state at the first position, that of `[CLS]`. Texts must be padded at their end:
    /// the feature is zero where the first position is padding.
    Cls,
}

impl Pooling {
    /// Pools `[batch, length, d_model]` by a mask `[batch, length]` to `[batch, d_model]`.
    pub(super) fn forward(self, hidden: Tensor<3>, mask: Tensor<2, Bool>) -> Tensor<2> {
        let dtype = hidden.dtype();
        let tokens = mask.float().cast(dtype);
        match self {
            Self::Mean => {
                let n_tokens = tokens.clone().sum_dim(1).clamp_min(1.0);
                let sum = (hidden * tokens.unsqueeze_dim::<3>(2)).sum_dim(1);
                sum.squeeze_dim::<2>(1) / n_tokens
            }
            Self::Cls => {
                let first = hidden.narrow(1, 0, 1).squeeze_dim::<2>(1);
                first * tokens.narrow(1, 0, 1)
            }
        }
    }
}
