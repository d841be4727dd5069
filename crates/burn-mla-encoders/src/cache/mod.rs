//! Features of frozen encoders, computed once and kept in files.

mod description;
mod digest;
mod error;
mod feature_cache;
mod features;
mod manifest;
mod shard;
#[cfg(test)]
mod tests;

pub use error::CacheError;
pub use feature_cache::{CacheProgress, FeatureCache, FeatureCacheConfig};
pub use features::CachedFeatures;
pub use manifest::DataManifest;
