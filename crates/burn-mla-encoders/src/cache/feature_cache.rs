//! The cache of the features of a frozen encoder.

use std::error::Error;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use burn::config::Config;
use burn::tensor::Tensor;
use burn_mla::directory_lock::DirectoryLock;
use burn_mla::encoder::{Encoder, Frozen};
use burn_mla::{MlaError, atomic_file};
use serde::Serialize;

use super::description::{Description, EncoderDescription, Precision};
use super::shard::{self, NotEncoded, Shard};
use super::{CacheError, CachedFeatures, DataManifest, digest};

/// A shard, and its features once they are complete.
type ReadShard = (Shard, Option<Vec<f32>>);

/// Configuration of a [`FeatureCache`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `batch_size` | 64 | largest number of samples that the encoder takes at once | >= 1 |
/// | `shard_rows` | 4096 | samples per file; an interrupted computation repeats one file | >= 1 |
/// | `half` | false | stores features in f16: half the size, 11 bits of precision, 0 below 3e-8 | |
///
/// An existing cache keeps its `shard_rows`.
#[derive(Config, Debug)]
pub struct FeatureCacheConfig {
    /// Largest number of samples that the encoder takes at once.
    #[config(default = 64)]
    pub batch_size: usize,
    /// Samples per file.
    #[config(default = 4096)]
    pub shard_rows: usize,
    /// Whether features are stored in f16.
    #[config(default = false)]
    pub half: bool,
}

/// How much of a cache is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheProgress {
    /// Samples whose features are computed, with those of earlier runs.
    pub done: usize,
    /// Samples that have the modality.
    pub total: usize,
}

/// The features of a data set by a frozen encoder, in the SafeTensors files of a directory.
///
/// The directory belongs to one encoder with its configuration and weights, one data set and one
/// precision: a cache of anything else is refused with the first difference. The features are computed
/// once; later calls read them. A computation that was interrupted, also by a crash, resumes with the
/// first file that it did not finish. Each file has a checksum.
///
/// The features of a sample do not depend on the interruptions. They may depend in their last bits on
/// the batch size and the device, which are not compared.
///
/// From the cache to a trained model:
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::dataset::InMemory;
/// use burn_mla::encoder::{Frozen, FrozenInput};
/// use burn_mla::modality::{ModalityInput, SelectRows};
/// use burn_mla::prelude::*;
/// use burn_mla_encoders::Projected;
/// use burn_mla_encoders::cache::{DataManifest, FeatureCacheConfig};
///
/// let device = Device::flex();
/// // A pretrained encoder and the data set that it encodes.
/// let config = MlpEncoderConfig::new(8, 12);
/// let encoder = Frozen::new(config.init(&device)?);
/// let texts = Tensor::<2>::ones([100, 8], &device);
/// let ids = (0..100).map(|i| format!("sample {i}"));
///
/// # let directory = tempfile::tempdir()?;
/// # let directory = directory.path();
/// let cache = FeatureCacheConfig::new().open(
///     directory,
///     &encoder,
///     &config,
///     DataManifest::new(ids, "ones"),
/// )?;
/// let features = cache.compute(
///     |samples| texts.clone().select_rows(samples),
///     |progress| println!("{} of {}", progress.done, progress.total),
/// )?;
///
/// // The features take the place of the texts in the data set.
/// let images = Some(ModalityInput::all(Tensor::<2>::ones([100, 5], &device)));
/// let inputs = (images, features.input(&device));
/// let data = InMemory::new(inputs, (0..100).map(|i| i % 4))?;
/// let (train, valid) = data.stratified_split(0.2, 0)?;
///
/// // The encoder keeps its weights; the projection behind it trains.
/// let image = MlpEncoderConfig::new(5, 16).init(&device)?;
/// let text = Projected::init(encoder, 16, vec![], 0.1, &device)?;
/// let head = LinearHeadConfig::new(16, 4).init(&device)?;
/// let model = MlaConfig::new().init_default((image, text), head)?;
/// let train = train.shuffled(10, 0, &device)?;
/// let fitted = fit(model, train, valid.in_order(20, &device)?, &FitConfig::new(1))?;
///
/// // The trained model also takes texts that are not in the cache.
/// let raw = FrozenInput::Raw(Tensor::<2>::ones([1, 8], &device));
/// let inputs = (None, Some(ModalityInput::all(raw)));
/// let batch = MultimodalBatch::unlabelled(inputs, 1, &device);
/// println!("{}", fitted.model.predict(batch)?.fused);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FeatureCache<'a, E: Encoder> {
    directory: PathBuf,
    encoder: &'a Frozen<E>,
    description: Description,
    batch_size: usize,
}

impl FeatureCacheConfig {
    /// Opens the cache in a directory, which is created if it does not exist.
    ///
    /// `configuration` is that of the encoder. It identifies the cache together with the name of the
    /// encoder's type, a hash of its weights and the data.
    ///
    /// # Errors
    ///
    /// - [`CacheError::Differs`] for a cache of something else;
    /// - [`CacheError::Unusable`] for a directory whose `cache.json` is not that of a cache;
    /// - [`CacheError::HyperParameter`] for a size of 0;
    /// - [`CacheError::Io`], [`CacheError::Configuration`], [`CacheError::Weights`].
    pub fn open<'a, E: Encoder>(
        &self,
        directory: impl AsRef<Path>,
        encoder: &'a Frozen<E>,
        configuration: &impl Serialize,
        data: DataManifest,
    ) -> Result<FeatureCache<'a, E>, CacheError> {
        at_least_one("batch_size", self.batch_size)?;
        at_least_one("shard_rows", self.shard_rows)?;
        let configuration =
            serde_json::to_value(configuration).map_err(|error| CacheError::Configuration {
                message: error.to_string(),
            })?;
        let described = EncoderDescription {
            name: type_name::<E>(),
            configuration,
            weights: digest::of_weights(encoder.encoder())?,
            d_feature: encoder.d_feature(),
        };
        let precision = if self.half {
            Precision::F16
        } else {
            Precision::F32
        };
        let directory = directory.as_ref().to_path_buf();
        std::fs::create_dir_all(&directory).map_err(CacheError::io(&directory))?;
        let description = Description::new(described, precision, data, self.shard_rows);
        Ok(FeatureCache {
            description: description.enter(&directory)?,
            directory,
            encoder,
            batch_size: self.batch_size,
        })
    }
}

impl<E: Encoder> FeatureCache<'_, E> {
    /// Returns the features of all samples that have the modality, after computing those that are
    /// missing.
    ///
    /// `input` returns the input of the samples at some positions of the manifest, on the device of
    /// the encoder. `progress` is called at the start and after each batch, unless all features are
    /// there. Only one process at a time may compute; any number may read a complete cache.
    ///
    /// # Errors
    ///
    /// - [`CacheError::Unusable`] for a damaged file, or one of another cache;
    /// - [`CacheError::InUse`] while another process computes;
    /// - [`CacheError::Input`] for an error of `input`;
    /// - [`CacheError::Encoder`] for an input that the encoder refuses;
    /// - [`CacheError::NotFinite`] for a feature that cannot be stored;
    /// - [`CacheError::Io`].
    ///
    /// Files that are complete stay.
    ///
    /// # Panics
    ///
    /// Where the encoder panics for an input that its `check` accepts.
    pub fn compute<R>(
        &self,
        mut input: impl FnMut(&[usize]) -> Result<E::Input, R>,
        mut progress: impl FnMut(CacheProgress),
    ) -> Result<CachedFeatures, CacheError>
    where
        R: Into<Box<dyn Error + Send + Sync>>,
    {
        let mut shards = self.read()?;
        if shards.iter().any(|(_, values)| values.is_none()) {
            let lock = DirectoryLock::acquire(&self.directory).map_err(failed)?;
            let lock = lock.ok_or_else(|| CacheError::InUse {
                directory: self.directory.clone(),
            })?;
            lock.remove_unfinished().map_err(failed)?;
            // Another process may have computed some in the meantime.
            for (shard, values) in &mut shards {
                if values.is_none() {
                    *values = shard.read()?;
                }
            }
            let total = self.data().n_rows();
            let computed = shards.iter().filter(|(_, values)| values.is_some());
            let mut done = computed.map(|(shard, _)| shard.rows.len()).sum();
            progress(CacheProgress { done, total });
            for (shard, values) in &mut shards {
                if values.is_some() {
                    continue;
                }
                let mut found = Vec::with_capacity(shard.rows.len() * shard.d_feature);
                for start in shard.rows.clone().step_by(self.batch_size) {
                    let end = shard.rows.end.min(start + self.batch_size);
                    found.extend(self.encode(start..end, &mut input)?);
                    done += end - start;
                    progress(CacheProgress { done, total });
                }
                atomic_file::write(&shard.path, &self.file(shard, &found)?)
                    .map_err(CacheError::io(&shard.path))?;
                // As a later call reads them, in the precision of the file.
                *values = shard.read()?;
            }
        }
        let d_feature = self.description.encoder.d_feature;
        let mut values = Vec::with_capacity(self.data().n_rows() * d_feature);
        for shard in shards.into_iter().filter_map(|(_, values)| values) {
            values.extend(shard);
        }
        Ok(CachedFeatures {
            values,
            d_feature,
            rows: self.data().rows().map(<[usize]>::to_vec),
            n_samples: self.data().n_samples(),
        })
    }

    fn data(&self) -> &DataManifest {
        &self.description.data
    }

    /// All shards with the features of those that are complete.
    fn read(&self) -> Result<Vec<ReadShard>, CacheError> {
        let Description {
            precision,
            shard_rows,
            ..
        } = self.description;
        let cache = self.description.digest()?;
        let n_rows = self.data().n_rows();
        let starts = (0..n_rows).step_by(shard_rows).enumerate();
        let shards = starts.map(|(number, start)| {
            let shard = Shard {
                path: shard::path(&self.directory, number),
                rows: start..n_rows.min(start + shard_rows),
                d_feature: self.description.encoder.d_feature,
                precision,
                cache: cache.clone(),
            };
            let values = shard.read()?;
            Ok((shard, values))
        });
        shards.collect()
    }

    /// Computes the features of some rows.
    fn encode<R>(
        &self,
        rows: Range<usize>,
        input: &mut impl FnMut(&[usize]) -> Result<E::Input, R>,
    ) -> Result<Vec<f32>, CacheError>
    where
        R: Into<Box<dyn Error + Send + Sync>>,
    {
        let samples: Vec<usize> = rows.clone().map(|row| self.data().sample(row)).collect();
        let input = input(&samples).map_err(|error| CacheError::Input {
            id: self.data().id(rows.start),
            source: error.into(),
        })?;
        let refused = |source| CacheError::Encoder {
            id: self.data().id(rows.start),
            source,
        };
        self.encoder.encoder().check(&input).map_err(refused)?;
        let features: Tensor<2> = self.encoder.features(input);
        let expected = [samples.len(), self.description.encoder.d_feature];
        if features.dims() != expected {
            return Err(refused(MlaError::OutputShape {
                what: "the features",
                expected,
                found: features.dims(),
            }));
        }
        let values = features.try_into_data_as::<f32>();
        let values = values.map_err(|error| {
            refused(MlaError::DeviceRead {
                what: "features",
                message: error.to_string(),
            })
        })?;
        Ok(values.iter().collect())
    }

    fn file(&self, shard: &Shard, values: &[f32]) -> Result<Vec<u8>, CacheError> {
        shard.encode(values).map_err(|problem| match problem {
            NotEncoded::Row(row) => CacheError::NotFinite {
                id: self.data().id(row),
                half: shard.precision == Precision::F16,
            },
            NotEncoded::Format(problem) => CacheError::unusable(&shard.path, problem),
        })
    }
}

fn failed((path, source): (PathBuf, io::Error)) -> CacheError {
    CacheError::Io { path, source }
}

fn at_least_one(name: &'static str, value: usize) -> Result<(), MlaError> {
    if value > 0 {
        return Ok(());
    }
    Err(MlaError::HyperParameter {
        name,
        requirement: "at least 1",
        value: 0.0,
    })
}

/// The name of a type without the paths of its modules, which differ from version to version.
fn type_name<T>() -> String {
    let full = std::any::type_name::<T>();
    let mut short = String::new();
    let mut part = String::new();
    for character in full.chars() {
        match character {
            ':' => part.clear(),
            letter if letter.is_alphanumeric() || letter == '_' => part.push(letter),
            other => {
                short.push_str(&part);
                part.clear();
                short.push(other);
            }
        }
    }
    short + &part
}
