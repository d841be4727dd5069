//! Interruptions, foreign and damaged caches, precision, and training from a cache.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData, Tolerance};
use burn_mla::dataset::InMemory;
use burn_mla::encoder::{Encoder, Frozen, FrozenInput, MlpEncoder, MlpEncoderConfig};
use burn_mla::modality::{ModalityInput, SelectRows};
use burn_mla::prelude::{FitConfig, LinearHeadConfig, fit};
use burn_mla::{MlaConfig, MlaError};

use super::shard::Shard;
use super::{CacheError, CacheProgress, CachedFeatures, DataManifest, FeatureCacheConfig};
use crate::test_devices;

/// Ten samples in shards of four, computed by three.
const N: usize = 10;

fn config() -> FeatureCacheConfig {
    FeatureCacheConfig::new()
        .with_batch_size(3)
        .with_shard_rows(4)
}

fn encoder_config() -> MlpEncoderConfig {
    MlpEncoderConfig::new(3, 2)
}

fn encoder(seed: u64, device: &Device) -> Frozen<MlpEncoder> {
    device.seed(seed);
    Frozen::new(encoder_config().init(device).unwrap())
}

fn inputs(device: &Device) -> Tensor<2> {
    let values: Vec<f32> = (0..N * 3).map(|i| (i as f32 * 0.37).sin() + 0.5).collect();
    Tensor::from_data(TensorData::new(values, [N, 3]), device)
}

fn manifest() -> DataManifest {
    DataManifest::new((0..N).map(|i| format!("s{i}")), "sines")
}

/// Computes a cache, and returns the samples that it asked for.
fn compute(
    directory: &Path,
    config: &FeatureCacheConfig,
    encoder: &Frozen<MlpEncoder>,
    data: DataManifest,
) -> Result<(CachedFeatures, Vec<usize>), CacheError> {
    let inputs = inputs(&encoder.devices()[0]);
    let asked = RefCell::new(vec![]);
    let cache = config.open(directory, encoder, &encoder_config(), data)?;
    let features = cache.compute(
        |samples| {
            asked.borrow_mut().extend_from_slice(samples);
            inputs.clone().select_rows(samples)
        },
        |_| {},
    )?;
    Ok((features, asked.into_inner()))
}

fn message<T>(result: Result<T, CacheError>) -> String {
    let Err(error) = result else {
        panic!("not refused")
    };
    error.to_string()
}

fn shard(directory: &Path, number: usize) -> std::path::PathBuf {
    directory.join(Shard::name(number))
}

fn values(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().iter().collect()
}

#[test]
fn features_are_computed_once() {
    for device in test_devices() {
        let folder = tempfile::tempdir().unwrap();
        let encoder = encoder(1, &device);
        let (features, asked) = compute(folder.path(), &config(), &encoder, manifest()).unwrap();
        assert_eq!(asked, (0..N).collect::<Vec<_>>());
        assert_eq!(features.n_samples(), N);
        let direct = encoder.features(inputs(&device));
        let found = features.tensor(&device);
        for (found, direct) in values(found).into_iter().zip(values(direct)) {
            assert!((found - direct).abs() < 1e-6);
        }
        // Another batch or shard size is no other cache.
        let other = config().with_batch_size(1).with_shard_rows(7);
        let (again, asked) = compute(folder.path(), &other, &encoder, manifest()).unwrap();
        assert!(asked.is_empty());
        assert_eq!(again.values, features.values);
        let input = features.input::<Tensor<2>>(&device).unwrap();
        let encoded = encoder.encode(input.input);
        assert_eq!(values(encoded), features.values);
        // Nor is another device.
        for other in test_devices() {
            for other in [other.clone().autodiff(), other] {
                let moved = encoder.clone().to_device(&other);
                let (_, asked) = compute(folder.path(), &config(), &moved, manifest()).unwrap();
                assert!(asked.is_empty());
            }
        }
    }
}

#[test]
fn progress_counts_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (device, seen) = (Device::flex(), RefCell::new(vec![]));
    let encoder = encoder(1, &device);
    compute(folder.path(), &config(), &encoder, manifest()).unwrap();
    fs::remove_file(shard(folder.path(), 1)).unwrap();
    let cache = config().open(folder.path(), &encoder, &encoder_config(), manifest());
    let compute = |progress: &dyn Fn(CacheProgress)| {
        let inputs = inputs(&device);
        cache
            .as_ref()
            .unwrap()
            .compute(|samples| inputs.clone().select_rows(samples), progress)
            .unwrap()
    };
    compute(&|progress| seen.borrow_mut().push((progress.done, progress.total)));
    assert_eq!(seen.take(), [(6, 10), (9, 10), (10, 10)]);
    compute(&|_| panic!("complete"));
}

/// The child of the next two tests: computes a cache. Before the batch whose number is in the environment
/// it dies, or creates a file and waits to be killed.
#[test]
fn child_that_is_killed() {
    let (Ok(folder), Ok(batch)) = (std::env::var("CACHE_FOLDER"), std::env::var("CACHE_BATCH"))
    else {
        return;
    };
    let device = Device::flex();
    let (encoder, inputs) = (encoder(1, &device), inputs(&device));
    let cache = config().open(folder, &encoder, &encoder_config(), manifest());
    let mut left: usize = batch.parse().unwrap();
    let _ = cache.unwrap().compute(
        |samples| {
            if left == 0 {
                if let Ok(waiting) = std::env::var("CACHE_WAITING") {
                    fs::write(waiting, "").unwrap();
                    std::thread::sleep(Duration::from_secs(60));
                }
                std::process::abort();
            }
            left -= 1;
            inputs.clone().select_rows(samples)
        },
        |_| {},
    );
}

fn child(folder: &Path, batch: usize) -> Command {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "cache::tests::child_that_is_killed"])
        .env("CACHE_FOLDER", folder)
        .env("CACHE_BATCH", batch.to_string());
    child
}

#[test]
fn a_second_process_is_refused_and_takes_over_once_the_first_is_killed() {
    let [folder, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let encoder = encoder(1, &Device::flex());
    let waiting = other.path().join("waiting");
    let mut first = child(folder.path(), 3);
    first.env("CACHE_WAITING", &waiting).stdout(Stdio::null());
    let mut first = first.spawn().unwrap();
    while !waiting.exists() && first.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let second = compute(folder.path(), &config(), &encoder, manifest());
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(message(second).ends_with(": another process computes this cache"));
    let (_, asked) = compute(folder.path(), &config(), &encoder, manifest()).unwrap();
    assert_eq!(asked, (4..N).collect::<Vec<_>>());
}

/// The child of the next test: reports the error of a computation.
#[test]
fn child_that_cannot_write() {
    let Ok(folder) = std::env::var("CACHE_FULL") else {
        return;
    };
    let device = Device::flex();
    let config = MlpEncoderConfig::new(3, 1000);
    let (encoder, inputs) = (Frozen::new(config.init(&device).unwrap()), inputs(&device));
    let cache = FeatureCacheConfig::new().open(folder, &encoder, &config, manifest());
    let cache = cache.unwrap();
    let computed = cache.compute(|samples| inputs.clone().select_rows(samples), |_| {});
    println!("{}", message(computed));
}

/// Files of more than 4 or 8 kB fail as on a full disk.
#[cfg(unix)]
#[test]
fn a_full_disk_names_the_file_and_leaves_no_part_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            "cache::tests::child_that_cannot_write",
        ])
        .env("CACHE_FULL", folder.path())
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    let expected = format!("{}: ", shard(folder.path(), 0).display());
    assert!(output.contains(&expected), "{output}");
    let entries = fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".lock", "cache.json"]);
}

#[test]
fn a_killed_computation_resumes_with_its_unfinished_shard() {
    let encoder = encoder(1, &Device::flex());
    let whole = tempfile::tempdir().unwrap();
    let (expected, _) = compute(whole.path(), &config(), &encoder, manifest()).unwrap();
    // Two batches for each of the first two shards, and one for the last.
    for (batch, first) in [(0, 0), (1, 0), (2, 4), (3, 4), (4, 8)] {
        let folder = tempfile::tempdir().unwrap();
        let killed = child(folder.path(), batch).output().unwrap();
        assert!(!killed.status.success());
        // The remainder of a process that was killed while it wrote.
        let unfinished = folder.path().join("features-00009.x.burn-mla-unfinished");
        fs::write(&unfinished, b"half of the f").unwrap();

        let (found, asked) = compute(folder.path(), &config(), &encoder, manifest()).unwrap();
        assert_eq!(asked, (first..N).collect::<Vec<_>>(), "{batch}");
        assert_eq!(found.values, expected.values);
        assert!(!unfinished.exists());
        for number in 0..3 {
            let [found, expected] = [&folder, &whole].map(|f| fs::read(shard(f.path(), number)));
            assert_eq!(found.unwrap(), expected.unwrap());
        }
    }
}

#[test]
fn an_error_of_the_inputs_keeps_what_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::flex();
    let (encoder, inputs) = (encoder(1, &device), inputs(&device));
    let cache = config().open(folder.path(), &encoder, &encoder_config(), manifest());
    let failed = cache.unwrap().compute(
        |samples| match samples[0] {
            4 => Err("the disk is gone".to_string()),
            _ => Ok(inputs.clone().select_rows(samples).unwrap()),
        },
        |_| {},
    );
    let expected = "the inputs of the samples from `s4` cannot be read: the disk is gone";
    assert_eq!(message(failed), expected);
    let (_, asked) = compute(folder.path(), &config(), &encoder, manifest()).unwrap();
    assert_eq!(asked, (4..N).collect::<Vec<_>>());
}

#[test]
fn a_cache_of_something_else_is_refused_with_the_difference() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::flex();
    let ours = encoder(1, &device);
    compute(folder.path(), &config(), &ours, manifest()).unwrap();
    let open = |config: FeatureCacheConfig, encoder, configuration, data| {
        let opened = config.open(folder.path(), encoder, &configuration, data);
        let message = message(opened.map(|_| ()));
        message.split_once("made with ").unwrap().1.to_string()
    };
    let other = encoder(2, &device);
    let wrong_weights = open(config(), &other, encoder_config(), manifest());
    assert!(
        wrong_weights.starts_with("encoder.weights = "),
        "{wrong_weights}"
    );

    let configuration = encoder_config().with_dropout(0.5);
    let wrong_config = open(config(), &ours, configuration, manifest());
    assert_eq!(
        wrong_config,
        "encoder.configuration.dropout = 0.0, not 0.5: choose another directory or remove this one"
    );
    let wrong_precision = open(
        config().with_half(true),
        &ours,
        encoder_config(),
        manifest(),
    );
    assert!(wrong_precision.starts_with("precision = \"f32\", not \"f16\""));

    for (data, expected) in [
        (
            DataManifest::new((0..N).map(|i| format!("s{i}")), "cosines"),
            "data.fingerprint = \"sines\", not \"cosines\"",
        ),
        (
            DataManifest::new((0..N).map(|i| format!("s{}", i % 9)), "sines"),
            "data.ids[9] = \"s9\", not \"s0\"",
        ),
        (
            DataManifest::new((0..N - 1).map(|i| format!("s{i}")), "sines"),
            "length of data.ids = 10, not 9",
        ),
        (
            manifest().with_rows([0, 3]).unwrap(),
            "data.rows = null, not [0,3]",
        ),
        (
            manifest().with_file(shard(folder.path(), 0)).unwrap(),
            "data.files = null, not [\"features-00000.safetensors ",
        ),
    ] {
        let found = open(config(), &ours, encoder_config(), data);
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn another_tokenizer_is_another_cache() {
    let [folder, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let encoder = encoder(1, &Device::flex());
    let path = other.path().join("tokenizer.json");
    let compute = |content: &str| {
        fs::write(&path, content).unwrap();
        let data = manifest().with_file(&path).unwrap();
        compute(folder.path(), &config(), &encoder, data).map(|(_, asked)| asked.len())
    };
    assert_eq!(compute("{}").unwrap(), N);
    assert_eq!(compute("{}").unwrap(), 0);
    let error = message(compute("{ }"));
    assert!(
        error.contains("data.files[0] = \"tokenizer.json "),
        "{error}"
    );
    let missing = message(manifest().with_file(other.path().join("none")));
    assert!(missing.contains("none: No such file"), "{missing}");
}

/// An encoder of the same configuration and weights as another type.
#[test]
fn the_type_of_the_encoder_counts() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::flex();
    let inner = encoder(1, &device);
    compute(folder.path(), &config(), &inner, manifest()).unwrap();
    let outer = Frozen::new(inner);
    let opened = config().open(folder.path(), &outer, &encoder_config(), manifest());
    let message = message(opened.map(|_| ()));
    assert!(
        message.contains("encoder.name = \"MlpEncoder\", not \"Frozen<MlpEncoder>\""),
        "{message}"
    );
}

#[test]
fn a_damaged_or_foreign_shard_is_named() {
    let encoder = encoder(1, &Device::flex());
    let folder = tempfile::tempdir().unwrap();
    compute(folder.path(), &config(), &encoder, manifest()).unwrap();
    let path = shard(folder.path(), 1);
    let whole = fs::read(&path).unwrap();
    let error = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = message(compute(folder.path(), &config(), &encoder, manifest()));
        let (file, problem) = error.split_once(": ").unwrap();
        assert_eq!(Path::new(file), path);
        problem.to_string()
    };
    let damaged = "damaged: remove the file to compute it again";
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    assert_eq!(error(&flipped), damaged);
    for n in [0, 7, 40, whole.len() - 1] {
        assert_eq!(error(&whole[..n]), damaged, "{n} bytes");
    }
    assert_eq!(error(b"not a file of tensors at all"), damaged);
    let first = fs::read(shard(folder.path(), 0)).unwrap();
    let foreign = "a shard of another feature cache: choose another directory or remove the file";
    assert_eq!(error(&first), foreign);
    let head = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/head.safetensors");
    assert_eq!(
        error(&fs::read(head).unwrap()),
        "not a shard of a feature cache"
    );

    fs::remove_file(&path).unwrap();
    let (_, asked) = compute(folder.path(), &config(), &encoder, manifest()).unwrap();
    assert_eq!(asked, [4, 5, 6, 7]);
    assert_eq!(fs::read(&path).unwrap(), whole);
}

#[test]
fn a_foreign_directory_is_refused() {
    let encoder = encoder(1, &Device::flex());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache.json");
    for (text, expected) in [
        ("{\"name\": \"x\"}", "not a feature cache"),
        ("[", "not a feature cache: EOF"),
        (
            "{\"format\": \"burn-mla feature cache\", \"version\": 2}",
            "version 2 of a feature cache",
        ),
    ] {
        fs::write(&path, text).unwrap();
        let error = message(compute(folder.path(), &config(), &encoder, manifest()));
        assert!(error.contains(expected), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn one_process_computes() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::flex();
    let (encoder, inputs) = (encoder(1, &device), inputs(&device));
    let cache = config().open(folder.path(), &encoder, &encoder_config(), manifest());
    let cache = cache.unwrap();
    let outer = cache.compute(
        |samples| {
            let inner = compute(folder.path(), &config(), &encoder, manifest());
            assert!(matches!(inner, Err(CacheError::InUse { .. })));
            inputs.clone().select_rows(samples)
        },
        |_| {},
    );
    outer.unwrap();
    compute(folder.path(), &config(), &encoder, manifest()).unwrap();
}

#[test]
fn half_precision_halves_the_files() {
    let encoder = encoder(1, &Device::flex());
    let [single, half] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (expected, _) = compute(single.path(), &config(), &encoder, manifest()).unwrap();
    let halves = config().with_half(true);
    let (found, _) = compute(half.path(), &halves, &encoder, manifest()).unwrap();
    for (found, expected) in found.values.iter().zip(&expected.values) {
        assert!((found - expected).abs() <= expected.abs() / 2048.0);
    }
    assert_ne!(found.values, expected.values);
    let (again, asked) = compute(half.path(), &halves, &encoder, manifest()).unwrap();
    assert!(asked.is_empty());
    assert_eq!(again.values, found.values);
    let sizes = [single, half].map(|folder| fs::metadata(shard(folder.path(), 0)).unwrap().len());
    assert_eq!(sizes[0] - sizes[1], 4 * 2 * 2);
}

#[test]
fn what_cannot_be_stored_is_named() {
    let device = Device::flex();
    let encoder = encoder(1, &device);
    let folder = tempfile::tempdir().unwrap();
    for (value, half, end) in [
        (f32::NAN, false, "are not finite"),
        (1e6, true, "are not finite in half precision"),
    ] {
        let cache = config().with_half(half);
        let directory = folder.path().join(end);
        let cache = cache.open(&directory, &encoder, &encoder_config(), manifest());
        let result = cache.unwrap().compute(
            |samples| {
                let input = inputs(&device).select_rows(samples)?;
                let wrong = samples.iter().position(|&sample| sample == 5);
                Ok::<_, MlaError>(match wrong {
                    Some(row) => input.slice_fill([row..row + 1, 0..3], value),
                    None => input,
                })
            },
            |_| {},
        );
        assert_eq!(
            message(result),
            format!("the features of sample `s5` {end}")
        );
        assert!(!shard(&directory, 1).exists());
    }
}

#[test]
fn refused_inputs_and_sizes_are_named() {
    let device = Device::flex();
    let encoder = encoder(1, &device);
    let folder = tempfile::tempdir().unwrap();
    let cache = config().open(folder.path(), &encoder, &encoder_config(), manifest());
    let cache = cache.unwrap();
    let ones = |n, width| Tensor::<2>::ones([n, width], &device);
    let wide = |samples: &[usize]| Ok::<_, MlaError>(ones(samples.len(), 4));
    let expected = "the batch of the samples from `s0`: the input has the shape [3, 4], expected \
                    [batch, 3]";
    assert_eq!(message(cache.compute(wide, |_| {})), expected);
    let few = |_: &[usize]| Ok::<_, MlaError>(ones(1, 3));
    let expected = "the batch of the samples from `s0`: the features have the shape [1, 2], \
                    expected [3, 2]";
    assert_eq!(message(cache.compute(few, |_| {})), expected);
    let zero = config().with_shard_rows(0);
    let opened = zero.open(folder.path(), &encoder, &encoder_config(), manifest());
    assert_eq!(
        message(opened.map(|_| ())),
        "shard_rows must be at least 1, got 0"
    );
    let rows = message(manifest().with_rows([2, 2]));
    assert!(
        rows.starts_with("row 1 of the manifest is of sample 2"),
        "{rows}"
    );
    assert!(manifest().with_rows([N]).is_err());
}

#[test]
fn a_model_trains_from_a_cache_with_missing_rows() {
    for device in test_devices() {
        let folder = tempfile::tempdir().unwrap();
        let encoder = encoder(1, &device);
        let data = manifest().with_rows([0, 1, 4, 5, 6, 9]).unwrap();
        let (features, asked) = compute(folder.path(), &config(), &encoder, data).unwrap();
        assert_eq!(asked, [0, 1, 4, 5, 6, 9]);
        let cached = features.input::<Tensor<2>>(&device);
        let whole = encoder.features(inputs(&device));
        let kept = whole.select_rows(&asked).unwrap();
        kept.into_data().assert_approx_eq::<f32>(
            &features.tensor(&device).into_data(),
            Tolerance::absolute(1e-6),
        );

        let other = Some(ModalityInput::all(inputs(&device)));
        let labels = (0..N).map(|i| i % 2);
        let data = InMemory::new((cached, other), labels).unwrap();
        let presence = data.presence().unwrap();
        assert!(presence.is_present(4, 0) && !presence.is_present(3, 0));

        let second = encoder_config().init(&device).unwrap();
        let head = LinearHeadConfig::new(2, 2).init(&device).unwrap();
        let before = encoder.features(inputs(&device));
        let model = MlaConfig::new()
            .init_default((encoder, second), head)
            .unwrap();
        let train = data.shuffled(4, 0, &device).unwrap();
        let valid = data.in_order(4, &device).unwrap();
        let config = FitConfig::new(2).with_progress(false);
        let model = fit(model, train, valid, &config).unwrap().model;
        // The encoder of the cache is what it was, and accepts what it was computed from.
        let trained = &model.encoders.0;
        let raw = trained.encode(FrozenInput::Raw(inputs(&device)));
        assert_eq!(values(raw), values(before));
    }
}

#[test]
fn nothing_to_compute_is_no_input() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let data = manifest().with_rows([]).unwrap();
    let (features, asked) = compute(folder.path(), &config(), &encoder(1, &device), data).unwrap();
    assert!(asked.is_empty());
    assert!(features.input::<Tensor<2>>(&device).is_none());
}
