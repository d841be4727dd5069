//! Options and samples of a run, on miniatures that are read as a user's copy is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use burn::tensor::{Device, TensorData};
use burn_mla_data::audio::AudioFrontEndConfig;
use burn_mla_data::dataset::Split;
use burn_mla_data::dataset::crema_d::{self, CremaD};
use burn_mla_data::dataset::miniature::Miniature;
use burn_mla_data::dataset::mvsa::{self, Mvsa};
use burn_mla_data::manifest::Manifest;
use clap::Parser;
use serde::Serialize;
use tempfile::TempDir;

use super::*;

const PAPER: Paper = Paper {
    dataset: "a set",
    modalities: &[("first", 1.0), ("second", 2.0)],
    fused: 3.0,
};

#[derive(Parser, Serialize)]
struct Clips {
    #[command(flatten)]
    #[serde(flatten)]
    clips: AudioVisual,
}

#[derive(Parser, Serialize)]
struct Pairs {
    #[command(flatten)]
    #[serde(flatten)]
    pairs: TextImageOptions,
}

/// Options of a copy in a folder.
fn parse<A: Parser>(root: &Path, options: &[&str]) -> A {
    let data = ["example", "--data", root.to_str().unwrap()];
    A::try_parse_from(data.iter().chain(options)).unwrap()
}

fn place(options: &Options) -> Place {
    let place = Place::new("a set", options, None, |_, _| unreachable!());
    place.unwrap().unwrap()
}

fn crema_d() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    crema_d::write_miniature(root.path(), &Miniature::default()).unwrap();
    root
}

fn mvsa() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    mvsa::write_miniature(root.path(), &Miniature::default()).unwrap();
    root
}

#[test]
fn a_run_of_other_options_or_samples_has_another_folder() {
    let root = crema_d();
    let data = CremaD::open(root.path()).unwrap();
    let directory = |options: &[&str], manifest: &Manifest| {
        let arguments: Clips = parse(root.path(), options);
        let options = &arguments.clips.options;
        let place = place(options);
        let session = Session::new(&PAPER, &arguments, options, &place).unwrap();
        let directory = session.directory(&session.configuration(manifest));
        let name = directory.file_name().unwrap().to_str().unwrap();
        name.to_string()
    };
    let default = directory(&[], &data);
    assert!(
        default.starts_with("mla-") && default.len() == 12,
        "{default}"
    );
    // What does not change the result changes no folder.
    let same = ["--workers", "1", "--seeds", "2", "--prepare", "--out", "x"];
    assert_eq!(directory(&same, &data), default);
    let all: [&[&str]; 6] = [
        &["--method", "ogm-ge"],
        &["--missing", "0.4"],
        &["--encoder", "small"],
        &["--lists", "a", "b"],
        &["--audio-features"],
        &["--weights", "w"],
    ];
    let mut names: BTreeSet<String> = all.map(|options| directory(options, &data)).into();
    names.insert(default);
    let pairs = |options: &[&str]| {
        let arguments: Pairs = parse(root.path(), options);
        let options = &arguments.pairs.options;
        let place = place(options);
        let session = Session::new(&PAPER, &arguments, options, &place).unwrap();
        session.directory(&session.configuration(&data))
    };
    assert_ne!(pairs(&[]), pairs(&["--tokens"]));
    // The same number of training samples, but others.
    let moved = data.hold_out(0.2, 0, None).unwrap();
    let other = data.hold_out(0.2, 1, None).unwrap();
    let n = |manifest: &Manifest| manifest.samples(Split::Train).len();
    assert_eq!(n(&moved), n(&other));
    names.extend([directory(&[], &moved), directory(&[], &other)]);
    assert_eq!(names.len(), 9, "{names:?}");
}

#[test]
fn missing_files_are_named_before_the_preparation() {
    let root = mvsa();
    let lists = |options: &[&str]| {
        let arguments: Clips = parse(root.path(), options);
        let place = place(&arguments.clips.options);
        let lists = arguments.clips.lists(&place, ["train", "test"]);
        lists.map(drop).unwrap_err().to_string()
    };
    let problem = lists(&["--paper-mode"]);
    assert!(problem.contains("--lists TRAIN TEST"), "{problem}");
    let problem = lists(&["--lists", "no-train", "no-test"]);
    assert_eq!(problem, "--lists no-train: no such file or folder");
    let problem = lists(&["--weights", "w.pt"]);
    assert_eq!(problem, "--weights w.pt: no such file or folder");
    let problem = lists(&["--audio-features", "fbank"]);
    assert_eq!(problem, "--audio-features fbank: no such file or folder");

    let texts = |options: &[&str]| {
        let arguments: Pairs = parse(root.path(), options);
        let place = place(&arguments.pairs.options);
        let model = TextImage::new(&arguments.pairs, &place);
        model.map(drop).map_err(|error| error.to_string())
    };
    assert!(texts(&[]).unwrap_err().contains("--vocabulary FILE"));
    assert!(texts(&["--prepare"]).unwrap_err().contains("give both"));
    let prepared = texts(&["--prepare", "--tokens"]).unwrap_err();
    assert!(prepared.contains("--vocabulary FILE"), "{prepared}");
    // Tokens that exist need no vocabulary.
    texts(&["--tokens"]).unwrap();
    let arguments: Clips = parse(&root.path().join("none"), &[]);
    let missing = Place::new("a set", &arguments.clips.options, None, |_, _| Ok(()));
    let missing = missing.map(drop).unwrap_err().to_string();
    assert!(
        missing.ends_with("none: no such file or folder"),
        "{missing}"
    );
}

#[test]
fn held_out_tweets_are_in_one_split_and_damaged_images_are_left_out() {
    let root = mvsa();
    // Half an image.
    let image = root.path().join("data/2.jpg");
    let bytes = fs::read(&image).unwrap();
    fs::write(&image, &bytes[..bytes.len() / 2]).unwrap();
    // A list of tweets, of which three each are the same.
    let (train, test) = (root.path().join("train.txt"), root.path().join("test.txt"));
    let both = ["my_train_mvsa.txt", "my_test_mvsa.txt"];
    let both = both.map(|name| fs::read_to_string(root.path().join(name)).unwrap());
    let lines: Vec<&str> = both.iter().flat_map(|list| list.lines()).collect();
    for (at, line) in lines.iter().enumerate() {
        let (id, _) = line.split_once(".jpg ").unwrap();
        let text = root.path().join(format!("data/{id}.txt"));
        fs::write(text, format!("tweet {}", at / 3)).unwrap();
    }
    let (last, first) = lines.split_last().unwrap();
    fs::write(&train, first.join("\n")).unwrap();
    fs::write(&test, last).unwrap();

    let vocabulary = root.path().join("vocab.txt");
    let vocabulary = vocabulary.to_str().unwrap();
    let options = ["--skip-unreadable", "0.1", "--vocabulary", vocabulary];
    let arguments: Pairs = parse(root.path(), &options);
    let options = &arguments.pairs.options;
    let place = place(options);
    let model = TextImage::new(&arguments.pairs, &place).unwrap();
    let session = Session::new(&PAPER, &arguments, options, &place).unwrap();
    let lists = SplitSource::Lists {
        train,
        valid: None,
        test,
    };
    let data = Mvsa::new().with_splits(lists).read(root.path()).unwrap();
    let samples = session.samples(&data, Some("tweet"), &model).unwrap();
    assert_eq!(samples.len(), data.len() - 1);
    assert!(samples.find("2").is_none());
    assert!(!samples.samples(Split::Valid).is_empty());
    let mut splits: BTreeMap<&str, BTreeSet<Split>> = BTreeMap::new();
    for sample in 0..samples.len() {
        let tweet = samples.text(sample, "tweet").unwrap();
        let split = samples.split(sample).unwrap();
        splits.entry(tweet).or_default().insert(split);
    }
    let both = BTreeSet::from([Split::Train, Split::Valid]);
    let divided = splits.values().find(|splits| splits.is_superset(&both));
    assert!(
        divided.is_none() && splits.len() < samples.len(),
        "{splits:?}"
    );
}

#[test]
fn features_of_sound_are_computed_once() {
    let root = crema_d();
    let config = AudioFrontEndConfig::ogm_crema_d();
    let sound = Sound::new(&config, [257, 188], "spectrogram").unwrap();
    let read = |options: &[&str]| -> Result<TensorData> {
        let arguments: Clips = parse(root.path(), options);
        let place = place(&arguments.clips.options);
        let read = |folders| CremaD::new().with_audio_features(folders).read(root.path());
        let data = arguments.clips.sound.read(&sound, &place, read)?;
        let model = arguments.clips.model(&sound, &place);
        let all = data.dataset(model.front_ends()?)?;
        let item = all.item(0)?;
        let batch = all.collate(vec![item], &Device::flex())?;
        let input = batch.inputs.into_iter().flatten().next();
        match input.map(|input| input.input) {
            Some(PaperInput::Fbank(sound)) => Ok(sound.0.into_data()),
            _ => Err("no sound".into()),
        }
    };
    let problem = read(&["--audio-features"]).unwrap_err().to_string();
    assert!(problem.contains("without --prepare"), "{problem}");
    let computed = read(&["--prepare", "--audio-features"]).unwrap();
    assert_eq!(&computed.shape()[..], [1, 257, 188]);
    let again = read(&["--audio-features"]).unwrap();
    let folder = root.path().join("prepared/spectrogram");
    let named = read(&["--audio-features", folder.to_str().unwrap()]).unwrap();
    let decoded = read(&[]).unwrap();
    for other in [again, named, decoded] {
        other.assert_eq(&computed, true);
    }
}

#[test]
fn a_copy_without_prepared_frames_is_refused_with_advice() {
    let root = crema_d();
    fs::remove_dir_all(root.path().join("prepared")).unwrap();
    let options = IncompleteSamples::LeaveOut;
    let error = CremaD::new()
        .with_incomplete(options.into())
        .read(root.path());
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("36 of 36 samples have no visual, such as "),
        "{error}"
    );
    assert!(error.contains("make frames by"), "{error}");
}
