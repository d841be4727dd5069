//! CPU kernels of the fusion rules. Each has a path through Burn's operations for all other tensors.

pub(super) mod rows;
pub(super) mod weighted_sum;
