//! Front ends whose work on files is cached on the disk.

use burn::tensor::Device;
use rand::rngs::ChaCha12Rng;
use serde_json::{Value, json};

use super::digest::content;
use super::{Cell, ColumnKind, FrontEnd, FrontEndError};
use crate::cache::{CacheItem, CacheKey, DiskCache};

/// A front end with a part that does not depend on random numbers and can be cached on the disk: a decoded image
/// with the steps before the first random one, the features of a sound, or its waveform if that is augmented.
///
/// ```
/// # #[cfg(feature = "image")] {
/// use burn_mla_data::cache::DiskCache;
/// use burn_mla_data::image::ImageFrontEnd;
/// use burn_mla_data::manifest::{CacheableFrontEnd, TrainAndTest};
///
/// # let folder = tempfile::tempdir().unwrap();
/// let cache = DiskCache::open(folder.path(), 20_000_000_000)?;
/// let (train, test) = (ImageFrontEnd::resnet_train(), ImageFrontEnd::resnet());
/// let images = TrainAndTest { train, test }.cached(&cache);
/// # let _ = images;
/// # }
/// # Ok::<(), burn_mla_data::cache::CacheError>(())
/// ```
///
/// # Implementing your own
///
/// [`decode`](FrontEnd::decode) must return what [`finish`](Self::finish) makes of what
/// [`prepare`](Self::prepare) returns:
///
/// ```
/// use burn::tensor::{Device, Tensor, TensorData};
/// use burn_mla_data::manifest::{Cell, CacheableFrontEnd, ColumnKind, FrontEnd, FrontEndError};
/// use rand::rngs::ChaCha12Rng;
/// use serde_json::{Value, json};
///
/// /// The shares of the 256 bytes in a file, or whatever takes long.
/// struct Bytes;
///
/// impl FrontEnd for Bytes {
///     type Item = Vec<f32>;
///     type Input = Tensor<2>;
///
///     fn reads(&self, kind: ColumnKind) -> bool {
///         kind == ColumnKind::File
///     }
///
///     fn decode(
///         &self,
///         cell: Cell<'_>,
///         numbers: Option<&mut ChaCha12Rng>,
///     ) -> Result<Vec<f32>, FrontEndError> {
///         self.finish(self.prepare(cell, numbers.is_some())?, numbers)
///     }
///
///     fn collate(&self, items: Vec<Vec<f32>>, device: &Device) -> Result<Tensor<2>, FrontEndError> {
///         let shape = [items.len(), 256];
///         Ok(Tensor::from_data(TensorData::new(items.concat(), shape), device))
///     }
/// }
///
/// impl CacheableFrontEnd for Bytes {
///     type Prepared = Vec<f32>;
///
///     fn prepare(&self, cell: Cell<'_>, _training: bool) -> Result<Vec<f32>, FrontEndError> {
///         let Cell::File(path) = cell else {
///             return Err("no file".into());
///         };
///         let bytes = std::fs::read(path)?;
///         let mut shares = vec![0.0; 256];
///         bytes.iter().for_each(|byte| shares[usize::from(*byte)] += 1.0 / bytes.len() as f32);
///         Ok(shares)
///     }
///
///     fn finish(
///         &self,
///         shares: Vec<f32>,
///         _numbers: Option<&mut ChaCha12Rng>,
///     ) -> Result<Vec<f32>, FrontEndError> {
///         Ok(shares)
///     }
///
///     fn prepared_recipe(&self, _training: bool) -> Value {
///         json!("shares of bytes")
///     }
/// }
/// ```
pub trait CacheableFrontEnd: FrontEnd + Sized {
    /// The part that is cached.
    type Prepared: CacheItem;

    /// Computes the part of an item that does not depend on random numbers, for training or evaluation.
    ///
    /// # Errors
    ///
    /// As [`FrontEnd::decode`].
    fn prepare(&self, cell: Cell<'_>, training: bool) -> Result<Self::Prepared, FrontEndError>;

    /// Makes an item of a prepared part and of the random `numbers` that it gets in training.
    ///
    /// # Errors
    ///
    /// As [`FrontEnd::decode`].
    fn finish(
        &self,
        prepared: Self::Prepared,
        numbers: Option<&mut ChaCha12Rng>,
    ) -> Result<Self::Item, FrontEndError>;

    /// Everything that the prepared part depends on, besides the cell: other settings are other entries.
    fn prepared_recipe(&self, training: bool) -> Value;

    /// The front end with a cache. Items are the same with and without, and so is the
    /// [recipe](FrontEnd::recipe): a training can resume either way.
    ///
    /// The content of each file is read and hashed, also for a cached item. Several front ends may share a cache.
    fn cached(self, cache: &DiskCache) -> CachedFrontEnd<Self> {
        let settings = |training| {
            json!({
                "version": env!("CARGO_PKG_VERSION"),
                "front_end": std::any::type_name::<Self>(),
                "settings": self.prepared_recipe(training),
            })
        };
        CachedFrontEnd {
            settings: [settings(false), settings(true)],
            cache: cache.clone(),
            front_end: self,
        }
    }
}

/// A front end with a cache; see [`CacheableFrontEnd::cached`].
#[derive(Debug, Clone)]
pub struct CachedFrontEnd<F> {
    front_end: F,
    cache: DiskCache,
    /// For evaluation and for training.
    settings: [Value; 2],
}

impl<F: CacheableFrontEnd> CachedFrontEnd<F> {
    fn key(&self, cell: &Cell<'_>, training: bool) -> Result<CacheKey, FrontEndError> {
        let mut hashed = content(cell)?.sha256.to_vec();
        // The order of frames depends on their names.
        if let Cell::Frames { files, .. } = cell {
            let names = files.iter().filter_map(|path| path.file_name());
            for name in names {
                hashed.extend(name.as_encoded_bytes());
                hashed.push(b'/');
            }
        }
        Ok(CacheKey::new(
            &hashed,
            &self.settings[usize::from(training)],
        ))
    }
}

impl<F: CacheableFrontEnd> FrontEnd for CachedFrontEnd<F> {
    type Item = F::Item;
    type Input = F::Input;

    fn reads(&self, kind: ColumnKind) -> bool {
        self.front_end.reads(kind)
    }

    fn decode(
        &self,
        cell: Cell<'_>,
        numbers: Option<&mut ChaCha12Rng>,
    ) -> Result<F::Item, FrontEndError> {
        let training = numbers.is_some();
        let key = self.key(&cell, training)?;
        let prepared = match self.cache.get(&key) {
            Some(prepared) => prepared,
            None => {
                let prepared = self.front_end.prepare(cell.clone(), training)?;
                // A file that was changed in between would be stored as its old content.
                if self.key(&cell, training)? == key {
                    self.cache.put(&key, &prepared);
                }
                prepared
            }
        };
        self.front_end.finish(prepared, numbers)
    }

    fn collate(&self, items: Vec<F::Item>, device: &Device) -> Result<F::Input, FrontEndError> {
        self.front_end.collate(items, device)
    }

    fn recipe(&self) -> Value {
        self.front_end.recipe()
    }
}
