//! Tests on a miniature.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use tempfile::TempDir;

use super::{ClassList, KineticsSounds, OtherFolders, TestPart, write_miniature};
use crate::audio::{AudioFrontEndConfig, Waveform};
use crate::dataset::miniature::Miniature;
use crate::dataset::{ClassNames, Incomplete, PublishedDataset, Split, SplitSource};
use crate::manifest::{Shares, TrainAndTest};
use crate::prepare::PrepareConfig;
use crate::video::{Ffmpeg, VideoFrontEnd};

const N_CLASSES: usize = 3;

fn miniature() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_miniature(folder.path(), &options()).unwrap();
    folder
}

fn options() -> Miniature {
    Miniature {
        n_per_class: 4,
        n_classes: Some(N_CLASSES),
        ..Miniature::default()
    }
}

fn three() -> ClassNames {
    let classes = ClassList::Ogm31.classes();
    ClassNames::new(classes[..N_CLASSES].iter().cloned()).unwrap()
}

/// The three classes of the miniature.
fn kinetics() -> KineticsSounds {
    KineticsSounds::new().with_classes(three())
}

fn counts(clips: &PublishedDataset) -> [usize; 3] {
    Split::ALL.map(|split| clips.samples(split).len())
}

fn of_lists(root: &Path) -> SplitSource {
    SplitSource::Lists {
        train: root.join("my_train.txt"),
        valid: None,
        test: root.join("my_test.txt"),
    }
}

#[test]
fn a_miniature_is_read_and_batched() {
    let root = miniature();
    let root = root.path();
    let clips = kinetics().read(root).unwrap();
    assert_eq!(counts(&clips), [6, 3, 3]);
    assert!(clips.inventory().is_complete(), "{}", clips.inventory());
    // Those of the miniature have 2.2 seconds.
    assert_eq!(
        clips.inventory().of("sound shorter than 10 seconds").len(),
        12
    );
    let whole = root
        .join("prepared/audio")
        .join(format!("{}.wav", clips.id(1)));
    Waveform::new(vec![0.5; 159_000], 1, 16_000)
        .unwrap()
        .save_wav(&whole)
        .unwrap();
    let noted = kinetics().read(root).unwrap();
    assert_eq!(
        noted.inventory().of("sound shorter than 10 seconds").len(),
        11
    );
    assert_eq!(clips.classes(), &three());
    let id = clips.id(0);
    assert!(id.as_str().starts_with('-'), "{id}");
    assert_eq!(clips.text(0, "video"), Some(&id.as_str()[..11]));
    assert_eq!(
        clips.text(0, "audio"),
        Some(&*format!("prepared/audio/{id}.wav"))
    );
    // Frames of 29.97 a second are named by multiples of 29.
    let frames = root.join(clips.text(0, "visual").unwrap());
    assert!(frames.join("00029.jpg").exists() && frames.join("00058.jpg").exists());
    let audio = AudioFrontEndConfig::ogm_kinetics_sounds().init().unwrap();
    let visual = TrainAndTest {
        train: VideoFrontEnd::mla_train(),
        test: VideoFrontEnd::mla(),
    };
    let data = clips.dataset((audio, visual)).unwrap();
    let batch = data
        .collate(vec![data.item(0).unwrap()], &Device::flex())
        .unwrap();
    let (audio, visual) = batch.inputs;
    let audio = audio.unwrap().input.0;
    assert_eq!(audio.dims(), [1, 1024, 128]);
    // Frames are padded before the normalization: 0 becomes 0.438.
    let last = audio.slice([0..1, 1023..1024, 0..1]).into_scalar::<f32>();
    assert!((last - 4.503877 / (2.0 * 5.141276)).abs() < 1e-6, "{last}");
    assert_eq!(visual.unwrap().input.0.dims(), [1, 3, 3, 224, 224]);
    // Other splits than the official one.
    let shares = SplitSource::Grouped(Shares::new(0.25, 0.25, 0));
    let grouped = kinetics().with_splits(shares).read(root).unwrap();
    assert_eq!(counts(&grouped), [6, 3, 3]);
    assert_ne!(grouped.samples(Split::Test), clips.samples(Split::Test));
}

#[test]
fn lists_of_ogm_are_read_in_every_form() {
    let root = miniature();
    let root = root.path();
    let read = || kinetics().with_splits(of_lists(root)).read(root);
    let clips = read().unwrap();
    // None of the validation clips of Kinetics-400 is on the lists.
    assert_eq!(counts(&clips), [6, 0, 3]);
    assert_eq!(clips.inventory().of("on no list").len(), 3);
    let official = kinetics().read(root).unwrap();
    for sample in 0..clips.len() {
        let same = official.find(clips.id(sample).as_str()).unwrap();
        assert_eq!(clips.label(sample), official.label(same));
        assert_eq!(clips.text(sample, "audio"), official.text(same, "audio"));
    }
    let path = root.join("my_test.txt");
    let text = fs::read_to_string(&path).unwrap();
    let fields: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    type Form<'a> = &'a dyn Fn(&[&str]) -> String;
    let forms: [Form; 4] = [
        &|f| format!("{},{},{}", f[2], f[1], f[0]),
        &|f| f.join(" "),
        &|f| format!("{}.mp4 {}", f[0], three()[f[2].parse::<usize>().unwrap()]),
        &|f| {
            format!(
                "{},10,{}",
                f[0],
                three()[f[2].parse::<usize>().unwrap()].replace(' ', "_")
            )
        },
    ];
    for form in forms {
        let lines: Vec<String> = fields.iter().map(|fields| form(fields)).collect();
        fs::write(&path, lines.join("\n")).unwrap();
        let again = read().unwrap();
        assert_eq!(counts(&again), [6, 0, 3], "{}", lines[0]);
        assert_eq!(again.samples(Split::Test), clips.samples(Split::Test));
    }
    let error = |line: &str| {
        fs::write(&path, format!("{text}{line}\r\n")).unwrap();
        read().unwrap_err().to_string()
    };
    let unknown = error("abcdefghijk_1,10,31");
    assert!(
        unknown.contains("my_test.txt:4: unknown class `31`: expected a number up to 2"),
        "{unknown}"
    );
    assert!(error("abcdefghijk_1,10,abseiling").contains("unknown class `abseiling`"));
    assert!(error("../../../../x_1,10,1").contains("is neither like"));
    assert!(error("abcdefghijk_1,1").contains("my_test.txt:4: "));
    let train = fs::read_to_string(root.join("my_train.txt")).unwrap();
    let both = error(train.lines().next().unwrap());
    assert!(
        both.contains("my_test.txt:4: `") && both.ends_with("my_train.txt, in another split"),
        "{both}"
    );
    // A clip with two classes.
    let first = text.lines().next().unwrap();
    let other = format!("{}2", first.strip_suffix(char::is_numeric).unwrap());
    let two = error(&other);
    assert!(
        two.contains("my_test.txt:4: `")
            && two.contains("is `bowling`, but `blowing nose` on line 1 of "),
        "{two}"
    );
    // A deleted video, and a line that occurs twice.
    let twice = text.lines().next().unwrap();
    fs::write(&path, format!("{text}{twice}\r\nabcdefghijk_1,10,1\r\n")).unwrap();
    let clips = read().unwrap();
    assert_eq!(
        clips.inventory().of("not on the disk")[0].as_str(),
        "abcdefghijk_000001_000011"
    );
    assert_eq!(clips.inventory().of("listed twice").len(), 1);
}

#[test]
fn splits_are_written_and_read_back() {
    let root = miniature();
    let root = root.path();
    let shares = SplitSource::Grouped(Shares::new(0.25, 0.25, 7));
    let clips = kinetics().with_splits(shares).read(root).unwrap();
    let path = root.join("splits.csv");
    clips.save_splits(&path, |_, _| ()).unwrap();
    let again = kinetics()
        .with_splits(SplitSource::File(path))
        .read(root)
        .unwrap();
    for split in Split::ALL {
        assert_eq!(again.samples(split), clips.samples(split));
    }
}

#[test]
fn features_and_frames_may_lie_in_folders_of_different_splits() {
    let root = miniature();
    let root = root.path();
    let clips = kinetics().read(root).unwrap();
    let folders = ["audio/train_fbank", "audio/test_fbank"].map(|name| root.join(name));
    let audio = AudioFrontEndConfig::mla_fbank().init().unwrap();
    for (folder, samples) in folders.iter().zip([[0, 1], [10, 11]]) {
        let config = PrepareConfig::new();
        let part = clips.subset(&samples);
        config
            .save_features(&part, "audio", &audio, folder, |_, _| ())
            .unwrap();
    }
    let frames = root.join("visual/test_imgs");
    fs::create_dir_all(&frames).unwrap();
    fs::rename(
        root.join("prepared/Image-01-FPS"),
        frames.join("Image-01-FPS"),
    )
    .unwrap();
    let options = kinetics()
        .with_audio_features(&folders)
        .with_incomplete(Incomplete::LeaveOut);
    let found = options.read(root).unwrap();
    let ids: Vec<_> = (0..found.len()).map(|sample| found.id(sample)).collect();
    assert_eq!(ids, [0, 1, 10, 11].map(|sample| clips.id(sample)));
    let report = found.check(|_, _| ()).to_string();
    assert!(
        !report.contains("no such file") && !report.contains("unreadable"),
        "{report}"
    );
}

#[test]
fn annotations_are_checked() {
    let root = miniature();
    let root = root.path();
    let test = root.join("annotations/test.csv");
    let text = fs::read_to_string(&test).unwrap();
    // ActivityNet's has no labels.
    let without = text
        .lines()
        .map(|line| line.rsplit_once('"').map_or(line, |(_, rest)| rest));
    let without: Vec<&str> = without
        .map(|line| line.split_once(',').unwrap().1)
        .collect();
    fs::write(&test, without.join("\r\n")).unwrap();
    let error = kinetics().read(root).unwrap_err().to_string();
    assert!(
        error.contains("test.csv:2: no label, as in ActivityNet's"),
        "{error}"
    );
    fs::remove_file(&test).unwrap();
    let error = kinetics().read(root).unwrap_err().to_string();
    assert!(
        error.contains("test.csv: is not there; with `TestPart::Validation`"),
        "{error}"
    );
    let clips = kinetics()
        .with_test(TestPart::Validation)
        .read(root)
        .unwrap();
    assert_eq!(counts(&clips), [6, 0, 3]);
    assert_eq!(clips.inventory().of("on no list").len(), 3);

    let train = root.join("annotations/train.csv");
    let good = fs::read_to_string(&train).unwrap();
    let error = |row: &str| {
        fs::write(&train, format!("{good}{row}\n")).unwrap();
        let error = kinetics()
            .with_test(TestPart::Validation)
            .read(root)
            .unwrap_err();
        error
            .to_string()
            .rsplit_once("train.csv")
            .unwrap()
            .1
            .to_string()
    };
    let line = good.lines().count() + 1;
    assert_eq!(
        error("bowling,short,1,11,train"),
        format!(":{line}: the YouTube id is not of 11 characters")
    );
    assert_eq!(
        error("bowling,abcdefghijk,x,11,train"),
        format!(":{line}: the start `x` is no time")
    );
    assert!(error("bowling,abcdefghijk").starts_with(&format!(":{line}: ")));
    // Of a label of several words without quotes, the rest of the line is shifted.
    assert!(error("blowing nose, x,abcdefghijk,1,11,train").starts_with(&format!(":{line}: ")));
    fs::write(&train, good.replace("youtube_id", "id")).unwrap();
    let error = kinetics().read(root).unwrap_err().to_string();
    assert!(
        error.contains("train.csv:1: no column `youtube_id`"),
        "{error}"
    );
}

#[test]
fn classes_are_those_of_the_list_not_of_the_disk() {
    let root = miniature();
    let root = root.path();
    // The miniature has 3 of 31 classes.
    let error = KineticsSounds::open(root).unwrap_err().to_string();
    assert!(
        error.contains("no clip of 28 of the 31 classes is on the disk: `chopping wood`, "),
        "{error}"
    );

    // Folders of classes, as CVDF's script arranges them.
    let annotated = kinetics().read(root).unwrap();
    fs::rename(root.join("annotations"), root.join("old")).unwrap();
    let error = kinetics().read(root).unwrap_err().to_string();
    assert!(
        error.contains("has neither `annotations/train.csv`"),
        "{error}"
    );
    for sample in 0..annotated.len() {
        let part = match annotated.manifest().split(sample) {
            Some(Split::Valid) => "val",
            split => split.unwrap().name(),
        };
        let class = annotated.classes()[annotated.label(sample).unwrap()].replace(' ', "_");
        let folder = root.join("videos").join(part).join(class);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{}.mp4", annotated.id(sample))), "x").unwrap();
    }
    fs::write(root.join("videos/val/bowling/notes.txt"), "x").unwrap();
    let clips = kinetics().read(root).unwrap();
    assert_eq!(counts(&clips), [6, 3, 3]);
    let unnamed = clips
        .inventory()
        .of("the name is not that of a published clip");
    assert_eq!(
        (unnamed.len(), unnamed[0].as_str()),
        (1, "bowling/notes.txt")
    );
    for sample in 0..clips.len() {
        let same = annotated.find(clips.id(sample).as_str()).unwrap();
        assert_eq!(clips.label(sample), annotated.label(same));
    }
    // A name that has changed.
    let train = root.join("videos/train");
    fs::create_dir(train.join("blowing_out")).unwrap();
    let error = kinetics().read(root).unwrap_err().to_string();
    assert!(
        error.contains("the folders `blowing_out` are not of the 3 classes"),
        "{error}"
    );
    let left_out = kinetics()
        .with_other_folders(OtherFolders::LeaveOut)
        .read(root)
        .unwrap();
    assert_eq!(
        left_out.inventory().of("a folder of another class")[0].as_str(),
        "blowing_out"
    );
    // A class without a clip on the disk keeps the numbers of the others.
    for part in ["train", "val", "test"] {
        fs::remove_dir_all(root.join("videos").join(part).join("blowing_nose")).unwrap();
    }
    let error = kinetics()
        .with_other_folders(OtherFolders::LeaveOut)
        .read(root);
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("no clip of 1 of the 3 classes is on the disk: `blowing nose`"),
        "{error}"
    );
}

#[test]
fn clips_without_sound_or_frames_are_named() {
    let root = miniature();
    let root = root.path();
    let clips = kinetics().read(root).unwrap();
    let [first, second] = [0, 1].map(|sample| clips.id(sample).to_string());
    let sounds = root.join("prepared/audio");
    fs::remove_file(sounds.join(format!("{first}.wav"))).unwrap();
    fs::write(sounds.join(format!("{first}.no-audio")), "").unwrap();
    fs::remove_dir_all(root.join("prepared/Image-01-FPS").join(&second)).unwrap();
    fs::create_dir(root.join("prepared/Image-01-FPS").join(&second)).unwrap();
    let error = kinetics().read(root).unwrap_err().to_string();
    assert!(
        error.starts_with("1 of 12 samples have no audio, such as -"),
        "{error}"
    );
    let missing = kinetics()
        .with_incomplete(Incomplete::Missing)
        .read(root)
        .unwrap();
    let inventory = missing.inventory();
    assert_eq!(inventory.of("a video without sound")[0].as_str(), first);
    assert_eq!(inventory.of("a folder without frames")[0].as_str(), second);
    assert_eq!(
        (
            missing.len(),
            missing.text(0, "audio"),
            missing.text(1, "visual")
        ),
        (12, None, None)
    );
    let left = kinetics()
        .with_incomplete(Incomplete::LeaveOut)
        .read(root)
        .unwrap();
    assert_eq!(left.len(), 10);
    // Prepared files may lie elsewhere.
    let elsewhere = tempfile::tempdir().unwrap();
    let prepared = elsewhere.path().join("k");
    fs::rename(root.join("prepared"), &prepared).unwrap();
    let options = kinetics()
        .with_prepared(&prepared)
        .with_incomplete(Incomplete::LeaveOut);
    let moved = options.read(root).unwrap();
    assert_eq!(moved.len(), 10);
    let report = moved.check(|_, _| ()).to_string();
    assert!(!report.contains("no such file"), "{report}");
    assert!(!report.contains("unreadable"), "{report}");
}

#[cfg(unix)]
#[test]
fn folders_may_be_linked_and_relative() {
    use std::os::unix::fs::symlink;

    let outer = tempfile::tempdir().unwrap();
    let outer = outer.path();
    let set = outer.join("set");
    write_miniature(&set, &options()).unwrap();
    fs::create_dir(outer.join("x")).unwrap();
    fs::rename(set.join("prepared"), outer.join("p")).unwrap();
    let relative = kinetics().with_prepared(outer.join("x/../p"));
    let relative = relative.read(outer.join("x/../set")).unwrap();
    symlink(outer.join("p"), set.join("prepared")).unwrap();
    for clips in [relative, kinetics().read(&set).unwrap()] {
        let report = clips.check(|_, _| ()).to_string();
        assert!(
            !report.contains("no such file") && !report.contains("unreadable"),
            "{report}"
        );
    }
}

#[test]
#[ignore = "needs ffmpeg"]
fn videos_are_prepared_with_replacements_and_without_sound() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let with_videos = Miniature {
        n_per_class: 3,
        ffmpeg: Some(Ffmpeg::new()),
        ..options()
    };
    write_miniature(root, &with_videos).unwrap();
    let error = kinetics().read(root).unwrap_err().to_string();
    assert!(error.contains("9 of 9 samples have no audio"), "{error}");
    // A video without sound: the second clip of the first class.
    let all = kinetics()
        .entries(root, &three(), &mut super::Inventory::new("Test"))
        .unwrap();
    let silent = all
        .iter()
        .find(|entry| entry.split == Some(Split::Valid))
        .unwrap()
        .name();
    let video = root.join("val").join(format!("{silent}.mp4"));
    let arguments = [
        "-nostdin",
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        "testsrc=d=2:s=64x48:r=30000/1001",
    ];
    let mut command = std::process::Command::new("ffmpeg");
    let made = command
        .args(arguments)
        .args(["-c:v", "mpeg4", "-y"])
        .arg(&video);
    assert!(made.status().unwrap().success());
    let prepare = || kinetics().prepare(root, &Ffmpeg::new(), &PrepareConfig::new(), |_, _| ());
    let report = prepare().unwrap();
    assert_eq!(
        (report.n_written, report.failures.len()),
        (18, 0),
        "{report}"
    );
    let report = prepare().unwrap();
    assert_eq!((report.n_written, report.n_present), (0, 17), "{report}");
    let clips = kinetics()
        .with_incomplete(Incomplete::LeaveOut)
        .read(root)
        .unwrap();
    assert_eq!(counts(&clips), [3, 2, 3]);
    assert_eq!(
        clips.inventory().of("a video without sound")[0].as_str(),
        silent
    );
    // A copy of the video that has sound: it is prepared, and no longer named.
    let whole = clips.id(0);
    fs::copy(
        root.join("replacement/replacement_for_corrupted_k400")
            .join(format!("{whole}.mp4")),
        &video,
    )
    .or_else(|_| fs::copy(root.join("train").join(format!("{whole}.mp4")), &video))
    .unwrap();
    let report = prepare().unwrap();
    assert_eq!((report.n_written, report.n_present), (1, 17), "{report}");
    let mark = root
        .join("prepared/audio")
        .join(format!("{silent}.no-audio"));
    assert!(!mark.exists());
    let again = kinetics().read(root).unwrap();
    assert!(again.inventory().of("a video without sound").is_empty());
    // An empty folder of frames is no preparation.
    let frames = root.join("prepared/Image-01-FPS").join(whole.as_str());
    fs::remove_dir_all(&frames).unwrap();
    fs::create_dir(&frames).unwrap();
    fs::write(root.join("train/notes.txt"), "x").unwrap();
    let report = prepare().unwrap();
    assert_eq!((report.n_written, report.n_present), (1, 17), "{report}");
    assert_eq!(report.ignored, ["train/notes.txt"]);
    // int(29.97) is 29.
    let frames = root.join("prepared/Image-01-FPS").join(&silent);
    assert!(frames.join("00029.jpg").exists() && frames.join("00058.jpg").exists());
    let audio = AudioFrontEndConfig::mla_fbank().init().unwrap();
    let sound = root.join(clips.text(0, "audio").unwrap());
    assert_eq!(audio.read(&sound).unwrap().shape(), [1024, 128]);
}
