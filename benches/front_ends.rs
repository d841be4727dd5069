//! Front ends of a data loader with one and two workers: JPEG to a normalized image, waveform to a filter bank, and
//! files with and without a cache on the disk.
//!
//! `common/front_ends.py` measures torchvision on Pillow and torchaudio the same way.
//!
//! ```sh
//! cargo bench --bench front_ends
//! BENCH_PHOTO=photo.jpg cargo bench --bench front_ends -- file
//! ```

use std::hint::black_box;
use std::path::Path;
use std::thread;

use burn_mla_data::DrawKey;
use burn_mla_data::audio::{AudioFrontEndConfig, FbankConfig, Waveform};
use burn_mla_data::cache::DiskCache;
use burn_mla_data::image::{ImageFrontEnd, ImageReader};
use burn_mla_data::manifest::{CacheableFrontEnd, Cell, FrontEnd, TrainAndTest};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Items for each worker in one iteration.
const ITEMS: u64 = 16;
const WORKERS: [u64; 2] = [1, 2];
/// A JPEG of 256 x 256, quality 90, colours at half the resolution.
const JPEG: &[u8] = include_bytes!("common/noise256.jpg");

fn with_workers(c: &mut Criterion, name: &str, item: impl Fn() + Sync) {
    let mut group = c.benchmark_group(format!("front_ends/{name}"));
    for workers in WORKERS {
        group.throughput(Throughput::Elements(workers * ITEMS));
        group.bench_function(BenchmarkId::from_parameter(workers), |b| {
            b.iter(|| {
                thread::scope(|scope| {
                    for _ in 0..workers {
                        scope.spawn(|| (0..ITEMS).for_each(|_| item()));
                    }
                })
            })
        });
    }
    group.finish();
}

fn jpeg(c: &mut Criterion) {
    let (reader, front_end) = (ImageReader::new(), ImageFrontEnd::resnet());
    let key = DrawKey {
        seed: 0,
        pass: 0,
        index: 0,
    };
    with_workers(c, "jpeg-256-to-224", || {
        let image = reader.decode(JPEG).expect("the file is an image");
        let pixels = front_end.compute(image, &mut key.numbers(0));
        black_box(pixels.expect("the recipe is valid"));
    });
}

/// Ten seconds at 16 kHz, as in Kinetics-Sounds.
fn fbank(c: &mut Criterion) {
    let noise = |t: u32| (t.wrapping_mul(2_654_435_761) >> 8) as f32 / 8_388_608.0 - 1.0;
    let wave = Waveform::new((0..160_000).map(noise).collect(), 1, 16_000);
    let wave = wave.expect("the samples are finite");
    let fbank = FbankConfig::kaldi(16_000)
        .init()
        .expect("the configuration is valid");
    with_workers(c, "fbank-10s", || {
        black_box(fbank.compute(&wave).expect("the wave is long enough"));
    });
    let path = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = path.join("../crates/burn-mla-data/tests/media_data/fbank/mono16k.wav");
    let front_end = AudioFrontEndConfig::mla_fbank();
    let front_end = front_end.init().expect("the recipe is valid");
    with_workers(c, "wav-1s-to-fbank", || {
        black_box(front_end.read(&path).expect("the file is a sound"));
    });
}

/// Files to items for evaluation, decoded and from the cache: the JPEG, a photograph if one is named, a sound.
fn cached(c: &mut Criterion) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let images = || TrainAndTest {
        train: ImageFrontEnd::resnet_train(),
        test: ImageFrontEnd::resnet(),
    };
    let jpeg = folder.join("common/noise256.jpg");
    both(c, "jpeg-256-file", images, &jpeg);
    if let Some(photo) = std::env::var_os("BENCH_PHOTO") {
        both(c, "photo-file", images, Path::new(&photo));
    }
    let sound = folder.join("../crates/burn-mla-data/tests/media_data/sound/tone.mp3");
    let fbank = AudioFrontEndConfig::mla_fbank().init();
    let fbank = fbank.expect("the recipe is valid");
    both(c, "mp3-file", || fbank.clone(), &sound);
}

fn both<F: CacheableFrontEnd>(
    c: &mut Criterion,
    name: &str,
    front_end: impl Fn() -> F,
    path: &Path,
) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cache = DiskCache::open(folder.path(), 1 << 30).expect("an empty folder");
    let (plain, cached) = (front_end(), front_end().cached(&cache));
    let cell = || Cell::File(path.to_path_buf());
    with_workers(c, name, || {
        black_box(plain.decode(cell(), None).expect("the file is valid"));
    });
    with_workers(c, &format!("{name}-cached"), || {
        black_box(cached.decode(cell(), None).expect("the file is valid"));
    });
}

criterion_group!(benches, jpeg, fbank, cached);
criterion_main!(benches);
