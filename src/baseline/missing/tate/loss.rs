//! The losses of TATE beside the cross-entropy.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_softmax, sigmoid};

use crate::numeric::widened;

/// The symmetric divergence `KL(p, q) + KL(q, p)` of the softmax `p` and `q` of two states of each token,
/// `[n_samples, n_tokens, width]`; the mean over the tokens of all samples, `[1]`.
pub(super) fn divergence(first: Tensor<3>, second: Tensor<3>) -> Tensor<1> {
    let (log_p, log_q) = (
        log_softmax(widened(first), 2),
        log_softmax(widened(second), 2),
    );
    let difference = log_p.clone() - log_q.clone();
    ((log_p.exp() - log_q.exp()) * difference).sum_dim(2).mean()
}

/// The mean distance between the tags, `[n_samples, 1 + n_modalities]`, and those that are read from the
/// last entries of the pooled states, `[n_samples, width]`; `[1]`.
pub(super) fn tag_loss(pooled: Tensor<2>, tag: Tensor<2>) -> Tensor<1> {
    let ([n_samples, width], [_, n_bits]) = (pooled.dims(), tag.dims());
    let read = pooled.slice([0..n_samples, width - n_bits..width]);
    (sigmoid(widened(read)) - widened(tag)).abs().mean()
}
