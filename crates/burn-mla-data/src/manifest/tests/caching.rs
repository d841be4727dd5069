//! Cached front ends return what others do, without decoding again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use serde_json::{Value, json};

use super::*;
use crate::cache::DiskCache;

/// Lengths of files times a factor, which counts how often it reads one.
struct Lengths {
    factor: f32,
    n_read: Arc<AtomicUsize>,
}

impl FrontEnd for Lengths {
    type Item = f32;
    type Input = f32;

    fn reads(&self, kind: ColumnKind) -> bool {
        kind == ColumnKind::File
    }

    fn decode(
        &self,
        cell: Cell<'_>,
        numbers: Option<&mut ChaCha12Rng>,
    ) -> Result<f32, FrontEndError> {
        self.finish(self.prepare(cell, numbers.is_some())?, numbers)
    }

    fn collate(&self, items: Vec<f32>, _: &burn::tensor::Device) -> Result<f32, FrontEndError> {
        Ok(items.iter().sum())
    }
}

impl CacheableFrontEnd for Lengths {
    type Prepared = Vec<f32>;

    fn prepare(&self, cell: Cell<'_>, _training: bool) -> Result<Vec<f32>, FrontEndError> {
        self.n_read.fetch_add(1, Ordering::Relaxed);
        let Cell::File(path) = cell else {
            return Err("no file".into());
        };
        let bytes = fs::read(path)?;
        if bytes.is_empty() {
            return Err("an empty file".into());
        }
        Ok(vec![bytes.len() as f32 * self.factor])
    }

    fn finish(
        &self,
        prepared: Vec<f32>,
        _numbers: Option<&mut ChaCha12Rng>,
    ) -> Result<f32, FrontEndError> {
        Ok(prepared[0])
    }

    fn prepared_recipe(&self, _training: bool) -> Value {
        json!({"factor": self.factor})
    }
}

#[test]
fn changed_content_and_settings_are_computed_again() {
    let text = "id,first,second\n1,a.bin,b.bin\n2,b.bin,\n3,empty.bin,\n";
    let folder = Folder::new(&[
        ("data.csv", text),
        ("a.bin", "four"),
        ("b.bin", "two"),
        ("empty.bin", ""),
    ]);
    let config = ManifestConfig::new()
        .with_kind("first", ColumnKind::File)
        .with_kind("second", ColumnKind::File);
    let manifest = config.open(folder.path("data.csv")).unwrap();
    let cache = DiskCache::open(folder.path("cache"), 1 << 20).unwrap();
    let n_read = Arc::new(AtomicUsize::new(0));
    let data = |factor: f32| {
        let lengths = || {
            let n_read = n_read.clone();
            Lengths { factor, n_read }.cached(&cache)
        };
        manifest.dataset((lengths(), lengths())).unwrap()
    };
    let read = |factor: f32| {
        let items = (0..2).map(|sample| data(factor).item(sample).unwrap().items);
        items.collect::<Vec<_>>()
    };
    let n_read = || n_read.load(Ordering::Relaxed);
    // The same file in two columns is one entry.
    assert_eq!(read(1.0), [(Some(4.0), Some(3.0)), (Some(3.0), None)]);
    assert_eq!(n_read(), 2);
    assert_eq!(read(1.0), [(Some(4.0), Some(3.0)), (Some(3.0), None)]);
    assert_eq!(n_read(), 2);
    assert_eq!(read(2.0)[0], (Some(8.0), Some(6.0)));
    assert_eq!(n_read(), 4);
    folder.write("a.bin", "changed");
    assert_eq!(read(1.0)[0], (Some(7.0), Some(3.0)));
    assert_eq!(n_read(), 5);
    folder.write("a.bin", "four");
    assert_eq!(read(1.0)[0].0, Some(4.0));
    assert_eq!(n_read(), 5);
    // An error is not cached and names its place.
    for _ in 0..2 {
        let error = data(1.0).item(2).unwrap_err();
        assert_eq!(
            message(&folder, error),
            "data.csv:4 (3): first: an empty file"
        );
    }
    assert_eq!((n_read(), cache.report().damaged), (7, 0));
}

/// Decodes with and without a cache, twice each, in evaluation and in training.
#[cfg(feature = "image")]
fn assert_cached_alike<F>(make: impl Fn() -> F, cells: &[Cell<'_>])
where
    F: CacheableFrontEnd<Item = burn::tensor::TensorData>,
{
    let folder = tempfile::tempdir().unwrap();
    let cache = DiskCache::open(folder.path(), 1 << 30).unwrap();
    let (plain, cached) = (make(), make().cached(&cache));
    assert_eq!(plain.recipe(), cached.recipe());
    for _ in 0..2 {
        for (seed, cell) in cells.iter().enumerate() {
            let numbers = || ChaCha12Rng::seed_from_u64(seed as u64);
            let (mut first, mut second) = (numbers(), numbers());
            let expected = plain.decode(cell.clone(), Some(&mut first)).unwrap();
            let found = cached.decode(cell.clone(), Some(&mut second)).unwrap();
            assert!(found == expected, "{cell:?} in training");
            // The next modality of the sample draws the same numbers.
            assert_eq!(first, second);
            let expected = plain.decode(cell.clone(), None).unwrap();
            assert!(
                cached.decode(cell.clone(), None).unwrap() == expected,
                "{cell:?}"
            );
        }
    }
    let report = cache.report();
    assert!(
        report.hits >= 2 * cells.len() as u64 && report.damaged == 0,
        "{report}"
    );
}

#[cfg(feature = "image")]
#[test]
fn cached_images_are_those_of_their_recipe() {
    use crate::fixtures::path;
    use crate::image::ImageFrontEnd;
    let cells = ["images/photo.jpg", "images/palette.png"].map(|name| Cell::File(path(name)));
    assert_cached_alike(
        || TrainAndTest {
            train: ImageFrontEnd::resnet_train(),
            test: ImageFrontEnd::m3ae(),
        },
        &cells,
    );
}

#[cfg(all(feature = "audio", feature = "image"))]
#[test]
fn cached_sounds_are_those_of_their_recipe() {
    use crate::audio::{AudioFrontEndConfig, SpecAugment};
    use crate::fixtures::path;
    let cells = ["fbank/mono16k.wav", "sound/tone.mp3"].map(|name| Cell::File(path(name)));
    let masked = AudioFrontEndConfig::mla_fbank().with_spec_augment(Some(SpecAugment::new(40, 10)));
    for config in [
        masked.clone(),
        masked.with_gain_db(Some((-6.0, 6.0))),
        AudioFrontEndConfig::mla_spectrogram(),
        AudioFrontEndConfig::ogm_crema_d(),
    ] {
        assert_cached_alike(|| config.init().unwrap(), &cells);
    }
}

#[cfg(feature = "video")]
#[test]
fn cached_frames_are_in_the_order_of_their_numbers() {
    use crate::fixtures::bytes;
    use crate::image::ImageFrontEnd;
    use crate::video::{FrameSelection, VideoFrontEnd};
    let folder = Folder::new(&[]);
    let (photo, grey) = (bytes("kinds/subsampled.jpg"), bytes("kinds/grey.jpg"));
    // The same contents in the order of names, in another order of numbers.
    for (name, content) in [
        ("a/1.jpg", &photo),
        ("a/2.jpg", &grey),
        ("a/3.jpg", &grey),
        ("b/10.jpg", &photo),
        ("b/8.jpg", &grey),
        ("b/9.jpg", &grey),
    ] {
        folder.write(name, content);
    }
    let cell = |name: &str, files: [&str; 3]| Cell::Frames {
        folder: folder.path(name),
        files: files
            .map(|file| folder.path(&format!("{name}/{file}.jpg")))
            .to_vec(),
    };
    let cells = [cell("a", ["1", "2", "3"]), cell("b", ["10", "8", "9"])];
    for train in [
        FrameSelection::Spaced { n: 3 },
        FrameSelection::SegmentRandom { n: 1 },
    ] {
        assert_cached_alike(
            || TrainAndTest {
                train: VideoFrontEnd::new(train, ImageFrontEnd::resnet_train()),
                test: VideoFrontEnd::mla(),
            },
            &cells,
        );
    }
}
