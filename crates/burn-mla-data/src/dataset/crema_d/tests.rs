//! Tests on a miniature.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use burn_mla::modality::FbankBatch;
use tempfile::TempDir;

use super::{ActorFold, CremaD, CremaDLabels, write_miniature};
use crate::audio::{AudioFrontEndConfig, AudioReader, Waveform};
use crate::dataset::miniature::Miniature;
use crate::dataset::{DatasetError, Incomplete, PublishedDataset, Split, SplitSource};
use crate::manifest::{FeaturesFrontEnd, FrontEnd, Shares, TrainAndTest};
use crate::prepare::PrepareConfig;
use crate::video::{Ffmpeg, VideoFrontEnd};

fn miniature() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_miniature(folder.path(), &Miniature::default()).unwrap();
    folder
}

fn lists(root: &Path, train: impl AsRef<[u8]>, test: impl AsRef<[u8]>) -> SplitSource {
    let paths = [root.join("train.list"), root.join("test.list")];
    fs::write(&paths[0], train).unwrap();
    fs::write(&paths[1], test).unwrap();
    let [train, test] = paths;
    SplitSource::Lists {
        train,
        valid: None,
        test,
    }
}

fn of_lists(root: &Path, train: &str, test: &str) -> Result<PublishedDataset, DatasetError> {
    CremaD::new()
        .with_splits(lists(root, train, test))
        .read(root)
}

fn wav(root: &Path, clip: &str) -> std::path::PathBuf {
    root.join("AudioWAV").join(format!("{clip}.wav"))
}

/// The clips of the miniature, by class and name.
fn clips(root: &Path) -> Vec<String> {
    let clips = CremaD::open(root).unwrap();
    (0..clips.len())
        .map(|sample| clips.id(sample).to_string())
        .collect()
}

#[test]
fn a_miniature_is_read_and_batched() {
    let root = miniature();
    let root = root.path();
    // The MP3s of some clips are silent: they are not looked at.
    fs::create_dir(root.join("AudioMP3")).unwrap();
    for clip in clips(root) {
        fs::write(root.join("AudioMP3").join(format!("{clip}.mp3")), "").unwrap();
    }
    let clips = CremaD::open(root).unwrap();
    assert_eq!(clips.len(), 36);
    let inventory = clips.inventory();
    assert_eq!(inventory.n_published, Some(7442));
    assert_eq!(inventory.of("not on the disk").len(), 7442 - 36);
    assert_eq!(inventory.reasons.len(), 1, "{inventory}");
    let names = ["Anger", "Disgust", "Fear", "Happy", "Neutral", "Sad"];
    assert_eq!(clips.classes().to_vec(), names);
    for sample in 0..clips.len() {
        let id = clips.id(sample);
        let id = id.as_str();
        let code = &id[9..12];
        let label = clips.label(sample).unwrap();
        assert_eq!(names[label].to_uppercase()[..3], *code);
        assert_eq!(
            clips.text(sample, "audio"),
            Some(&*format!("AudioWAV/{id}.wav"))
        );
        let frames = format!("prepared/Image-01-FPS/{id}");
        assert_eq!(clips.text(sample, "visual"), Some(&*frames));
        assert_eq!(clips.text(sample, "actor"), Some(&id[..4]));
        assert!(["Male", "Female"].contains(&clips.text(sample, "sex").unwrap()));
    }
    // No actor is in two splits.
    for split in Split::ALL {
        let part = clips.split(split).unwrap();
        for sample in 0..part.len() {
            let actor = part.text(sample, "actor");
            for other in 0..clips.len() {
                if clips.text(other, "actor") == actor {
                    assert_eq!(clips.manifest().split(other), Some(split));
                }
            }
        }
    }
    let visual = TrainAndTest {
        train: VideoFrontEnd::mla_train(),
        test: VideoFrontEnd::mla(),
    };
    let audio = AudioFrontEndConfig::mla_fbank().init().unwrap();
    let data = clips.dataset((audio, visual)).unwrap();
    let items = vec![data.item(0).unwrap(), data.item(1).unwrap()];
    let batch = data.collate(items, &Device::flex()).unwrap();
    let (audio, visual) = batch.inputs;
    assert_eq!(audio.unwrap().input.0.dims(), [2, 1024, 128]);
    assert_eq!(visual.unwrap().input.0.dims(), [2, 3, 3, 224, 224]);
}

#[test]
fn lists_of_mla_and_ogm_are_told_apart() {
    let root = miniature();
    let root = root.path();
    let mla = CremaD::new().with_splits(SplitSource::Lists {
        train: root.join("my_train_cre.txt"),
        valid: None,
        test: root.join("my_test_cre.txt"),
    });
    let mla = mla.read(root).unwrap();
    assert_eq!(
        (
            mla.samples(Split::Train).len(),
            mla.samples(Split::Test).len()
        ),
        (28, 8)
    );
    assert!(mla.inventory().is_complete(), "{}", mla.inventory());

    // OGM-GE: CRLF, a byte-order mark, codes; Diagnosing-Relearning: a header in some.
    let all = clips(root);
    let ogm = |clips: &[String]| -> String {
        clips
            .iter()
            .map(|clip| format!("{clip},{}\r\n", &clip[9..12]))
            .collect()
    };
    let train = format!("\u{feff}{}1002_DFA_ANG_XX,ANG\r\n", ogm(&all[..20]));
    let splits = lists(root, train, format!("name,label\n{}", ogm(&all[20..30])));
    let options = CremaD::new()
        .with_splits(splits)
        .with_classes(CremaD::ogm_classes());
    let found = options.read(root).unwrap();
    assert_eq!(
        (
            found.samples(Split::Train).len(),
            found.samples(Split::Test).len()
        ),
        (20, 10)
    );
    assert_eq!(found.inventory().n_published, Some(31));
    assert_eq!(
        found.inventory().of("not on the disk")[0].as_str(),
        "1002_DFA_ANG_XX"
    );
    assert_eq!(found.inventory().of("on no list").len(), 6);
    let labels = |code: &str| {
        let mut samples = 0..found.len();
        samples
            .find(|&sample| &found.id(sample).as_str()[9..12] == code)
            .and_then(|s| found.label(s))
    };
    assert_eq!(
        (labels("ANG"), labels("SAD"), labels("DIS")),
        (Some(5), Some(2), Some(4))
    );
    // Without a validation list, a share of the training clips is held out by actors.
    let held = found.hold_out(0.2, 0, Some("actor")).unwrap();
    assert!(!held.samples(Split::Valid).is_empty());
}

#[test]
fn malformed_lists_are_refused_with_a_line() {
    let root = miniature();
    let root = root.path();
    let good = "1001_DFA_ANG_XX.flv Anger\n";
    let error = |train: &str, test: &str| {
        let error = of_lists(root, train, test).unwrap_err().to_string();
        error.split_once(".list").unwrap().1.to_string()
    };
    let unknown = "1001_DFA_HAP_XX,HAP\n1001_DFA_SAD_XX,SUR\n";
    assert_eq!(
        error(unknown, good),
        ":2: unknown label `SUR`: expected one of Anger (ANG), Disgust (DIS), Fear (FEA), Happy (HAP), \
         Neutral (NEU), Sad (SAD)"
    );
    assert_eq!(
        error(good, "1001_DFA_SAD_XX,HAP"),
        ":1: `1001_DFA_SAD_XX` is not of the class `HAP`"
    );
    let twice = error(good, good);
    assert!(
        twice.starts_with(":1: `1001_DFA_ANG_XX` is also on line 1 of "),
        "{twice}"
    );
    assert!(error("../../etc/passwd,ANG", good).contains("is not the name of a published clip"));
    assert!(error("1008_WSI_ANG_XX,ANG", good).contains("is not the name of a published clip"));
    assert!(error("1001_DFA_ANG_XX", good).contains("is neither like"));
    assert_eq!(error("name,label\n", good), ": the list has no clip");
    let missing = CremaD::new().with_splits(SplitSource::Lists {
        train: root.join("none.txt"),
        valid: None,
        test: root.join("none.txt"),
    });
    assert!(
        missing
            .read(root)
            .unwrap_err()
            .to_string()
            .contains("none.txt")
    );
}

#[test]
fn what_is_missing_is_named() {
    let root = miniature();
    let root = root.path();
    let all = clips(root);
    fs::remove_file(wav(root, &all[0])).unwrap();
    fs::write(wav(root, &all[1]), "").unwrap();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 80000\n";
    fs::write(wav(root, &all[2]), pointer).unwrap();
    fs::remove_dir_all(root.join("prepared/Image-01-FPS").join(&all[3])).unwrap();
    fs::write(wav(root, "Thumbs"), "x").unwrap();
    let error = CremaD::open(root).unwrap_err().to_string();
    let expected = format!(
        "3 of 36 samples have no audio, such as {}: their files are git-lfs pointers, run `git lfs pull`; \
         or choose another `Incomplete`",
        all[0]
    );
    assert_eq!(error, expected);
    let missing = CremaD::new()
        .with_incomplete(Incomplete::Missing)
        .read(root)
        .unwrap();
    assert_eq!(missing.len(), 36);
    let inventory = missing.inventory();
    let named = |reason: &str| {
        inventory
            .of(reason)
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(named("no audio"), all[..3]);
    assert_eq!(named("no visual"), all[3..4]);
    assert_eq!(named("an empty file"), all[1..2]);
    assert_eq!(
        named("a git-lfs pointer, whose content was not downloaded"),
        all[2..3]
    );
    assert_eq!(
        named("the name is not that of a published clip"),
        ["Thumbs.wav"]
    );
    // It is no clip that is missing.
    assert_eq!(inventory.left_out.len(), 1, "{inventory}");
    let presence = missing.presence(&[0, 3]).unwrap();
    assert_eq!(
        [presence.is_present(0, 0), presence.is_present(1, 1)],
        [false, false]
    );
    let complete = CremaD::new()
        .with_incomplete(Incomplete::LeaveOut)
        .read(root)
        .unwrap();
    assert_eq!(complete.len(), 32);
    // Frames are what a preparation makes.
    fs::remove_dir_all(root.join("prepared")).unwrap();
    fs::remove_file(wav(root, &all[2])).unwrap();
    fs::remove_file(wav(root, &all[1])).unwrap();
    let error = CremaD::open(root).unwrap_err().to_string();
    assert!(error.contains("no visual, such as"), "{error}");
    assert!(
        error.contains("make frames by `CremaD::prepare`"),
        "{error}"
    );
    let error = CremaD::open(root.join("none")).unwrap_err().to_string();
    assert!(error.contains("AudioWAV: no clip was found"), "{error}");
}

#[test]
fn known_defects_are_noted_and_the_misnamed_clip_is_found() {
    let root = miniature();
    let root = root.path();
    let all = clips(root);
    for clip in ["1040_ITH_SAD_X", "1076_MTI_SAD_XX", "1006_TIE_HAP_XX"] {
        fs::copy(wav(root, &all[0]), wav(root, clip)).unwrap();
        let frames = root
            .join("prepared/Image-01-FPS")
            .join(clip.replace("_X", "_XX").replace("XXX", "XX"));
        fs::create_dir_all(&frames).unwrap();
        let source = root
            .join("prepared/Image-01-FPS")
            .join(&all[0])
            .join("00000.jpg");
        fs::copy(source, frames.join("00000.jpg")).unwrap();
    }
    let clips = CremaD::open(root).unwrap();
    let misnamed = clips.find("1040_ITH_SAD_XX").unwrap();
    assert_eq!(
        clips.text(misnamed, "audio"),
        Some("AudioWAV/1040_ITH_SAD_X.wav")
    );
    let notes = &clips.inventory().notes;
    let noted = notes
        .values()
        .map(|ids| ids[0].as_str())
        .collect::<Vec<_>>();
    assert_eq!(noted, ["1076_MTI_SAD_XX", "1006_TIE_HAP_XX"]);
    // One frame stands for three.
    let visual = TrainAndTest {
        train: VideoFrontEnd::mla(),
        test: VideoFrontEnd::mla(),
    };
    let audio = AudioFrontEndConfig::ogm_crema_d().init().unwrap();
    let data = clips.dataset((audio, visual)).unwrap();
    let batch = data
        .collate(vec![data.item(misnamed).unwrap()], &Device::flex())
        .unwrap();
    let (audio, visual) = batch.inputs;
    assert_eq!(audio.unwrap().input.0.dims(), [1, 257, 188]);
    let frames = visual.unwrap().input.0;
    assert_eq!(frames.dims(), [1, 3, 3, 224, 224]);
    let frame = |at: usize| frames.clone().narrow(2, at, 1);
    assert_eq!(frame(0).into_data(), frame(2).into_data());
}

#[test]
fn silence_is_found_by_listening_and_copies_by_their_content() {
    let root = miniature();
    let root = root.path();
    let all = clips(root);
    // As long as another clip, but silent.
    let sound = AudioReader::new().read(&wav(root, &all[3])).unwrap();
    let silence = Waveform::new(vec![0.0; sound.samples().len()], 1, 16_000).unwrap();
    silence.save_wav(&wav(root, &all[3])).unwrap();
    // Of another class.
    fs::copy(wav(root, &all[0]), wav(root, &all[35])).unwrap();
    let found = CremaD::open(root).unwrap();
    let silent = found.silent_samples("audio", &AudioReader::new(), 1e-3, |_, _| ());
    assert_eq!(silent.unwrap(), [found.id(3)]);
    assert!(
        found
            .silent_samples("visual", &AudioReader::new(), 1e-3, |_, _| ())
            .is_err()
    );
    let report = found.check(|_, _| ()).to_string();
    let expected = format!(
        "({}): audio: the same content as in {} ({})",
        all[35],
        root.display(),
        all[0]
    );
    assert!(report.contains(&expected), "{report}");
}

#[test]
fn features_and_frames_may_lie_in_folders_of_different_splits() {
    let root = miniature();
    let root = root.path();
    let all = clips(root);
    let [train, test] = ["audio/train_fbank", "audio/test_fbank"].map(|folder| root.join(folder));
    let clips = CremaD::open(root).unwrap();
    let front_end = AudioFrontEndConfig::mla_fbank().init().unwrap();
    let config = PrepareConfig::new();
    let half = clips.subset(&[0, 1]);
    let report = config
        .save_features(&half, "audio", &front_end, &train, |_, _| ())
        .unwrap();
    assert_eq!((report.n_written, report.n_present), (2, 0));
    let rest = clips.subset(&[34, 35]);
    config
        .save_features(&rest, "audio", &front_end, &test, |_, _| ())
        .unwrap();
    let report = config
        .save_features(&half, "audio", &front_end, &train, |_, _| ())
        .unwrap();
    assert_eq!((report.n_written, report.n_present), (0, 2));
    let other = AudioFrontEndConfig::ogm_crema_d().init().unwrap();
    let error = config
        .save_features(&half, "audio", &other, &train, |_, _| ())
        .unwrap_err();
    assert!(
        error.to_string().contains("were made by another recipe"),
        "{error}"
    );
    // MLA's script writes no recipe.
    fs::remove_file(train.join("front_end.json")).unwrap();
    let error = config
        .save_features(&half, "audio", &front_end, &train, |_, _| ())
        .unwrap_err();
    assert!(
        error.to_string().contains("front_end.json: is missing"),
        "{error}"
    );
    assert!(
        config
            .save_features(&half, "sound", &front_end, &train, |_, _| ())
            .is_err()
    );

    // Frames of all clips in MLA's folder for testing.
    let frames = root.join("visual/test_imgs");
    fs::create_dir_all(&frames).unwrap();
    fs::rename(
        root.join("prepared/Image-01-FPS"),
        frames.join("Image-01-FPS"),
    )
    .unwrap();
    let found = CremaD::new()
        .with_audio_features([&train, &test])
        .with_incomplete(Incomplete::LeaveOut)
        .with_splits(SplitSource::Grouped(Shares::new(0.0, 0.4, 0)))
        .read(root)
        .unwrap();
    assert_eq!(found.len(), 4);
    let expected = format!("audio/train_fbank/{}.npy", all[0]);
    assert_eq!(found.text(0, "audio"), Some(&*expected));
    let features = FeaturesFrontEnd::<3>::new([1024, 128]).map(FbankBatch);
    let visual = TrainAndTest {
        train: VideoFrontEnd::mla(),
        test: VideoFrontEnd::mla(),
    };
    let raw = clips.dataset((front_end, visual.clone()));
    let raw = raw.unwrap();
    let found = found.dataset((features, visual)).unwrap();
    let audio = |sample| found.item(sample).unwrap().items.0.unwrap();
    // The sound that the features are of.
    let sound = AudioFrontEndConfig::mla_fbank().init().unwrap();
    let expected = sound.read(&wav(root, &all[34])).unwrap();
    assert_eq!(audio(2), expected.values());
    assert!(raw.item(0).is_err(), "the frames have moved");
}

#[test]
fn votes_are_labels_without_ties() {
    let root = miniature();
    let root = root.path();
    let voice = CremaD::new().with_labels(CremaDLabels::VoiceVote);
    let voice = voice.read(root).unwrap();
    // Every fifth of the miniature is a tie.
    assert_eq!(
        (voice.len(), voice.inventory().of("a tie of votes").len()),
        (28, 8)
    );
    assert_eq!(voice.inventory().n_published, Some(7442 - 8));
    let both = CremaD::new()
        .with_labels(CremaDLabels::MultimodalVote)
        .read(root)
        .unwrap();
    assert_eq!(both.len(), 36);
    let path = root.join("processedResults/summaryTable.csv");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"S\"", "\"X\"", 1)).unwrap();
    let options = CremaD::new().with_labels(CremaDLabels::FaceVote);
    let error = options.read(root).unwrap_err().to_string();
    assert!(
        error.contains("summaryTable.csv:") && error.contains("unknown vote `X`"),
        "{error}"
    );
    fs::remove_file(&path).unwrap();
    assert!(
        options
            .read(root)
            .unwrap_err()
            .to_string()
            .contains("summaryTable.csv")
    );
}

#[test]
fn ratings_are_columns_and_minus_one_is_no_response() {
    let root = miniature();
    let root = root.path();
    let clips = CremaD::open(root).unwrap();
    let mut n_empty = 0;
    for sample in 0..clips.len() {
        let text = |column: &str| clips.text(sample, column);
        assert_eq!(
            (text("voice_agreement"), text("face_agreement")),
            (Some("1"), Some("1"))
        );
        assert_eq!(
            (text("face_rating"), text("multimodal_rating")),
            (Some("62.5"), Some("62.5"))
        );
        match text("voice_rating") {
            Some(rating) => assert_eq!(rating, "62.5"),
            None => n_empty += 1,
        }
    }
    // Every fifth sound of the miniature was taken for another emotion.
    assert_eq!(n_empty, 8);
    fs::remove_file(root.join("processedResults/tabulatedVotes.csv")).unwrap();
    let clips = CremaD::open(root).unwrap();
    assert_eq!((clips.len(), clips.text(0, "face_rating")), (36, None));
}

#[cfg(unix)]
#[test]
fn folders_may_be_linked_and_relative() {
    use std::os::unix::fs::symlink;

    let outer = tempfile::tempdir().unwrap();
    let outer = outer.path();
    let set = outer.join("set");
    write_miniature(&set, &Miniature::default()).unwrap();
    fs::create_dir(outer.join("x")).unwrap();
    fs::rename(set.join("prepared"), outer.join("p")).unwrap();
    fs::rename(set.join("AudioWAV"), outer.join("scratch")).unwrap();
    symlink(outer.join("scratch"), set.join("AudioWAV")).unwrap();
    let options = CremaD::new().with_prepared(outer.join("x/../p"));
    let clips = options.read(outer.join("x/../set")).unwrap();
    assert_eq!(
        clips.text(0, "audio").unwrap(),
        format!("AudioWAV/{}.wav", clips.id(0))
    );
    let check = |clips: PublishedDataset| {
        let report = clips.check(|_, _| ()).to_string();
        assert!(
            !report.contains("no such file") && !report.contains("unreadable"),
            "{report}"
        );
    };
    check(clips);
    symlink(outer.join("p"), set.join("prepared")).unwrap();
    check(CremaD::open(&set).unwrap());
}

#[test]
fn other_splits_are_made_from_the_options() {
    let root = miniature();
    let root = root.path();
    let fold = |fold| ActorFold {
        fold,
        n_folds: 3,
        seed: 0,
    };
    let mut tested = vec![];
    for at in 0..3 {
        let clips = CremaD::new().with_actor_fold(fold(at)).read(root).unwrap();
        assert_eq!(clips.len(), 36);
        let ids = clips
            .samples(Split::Test)
            .into_iter()
            .map(|sample| clips.id(sample).to_string());
        tested.extend(ids);
    }
    tested.sort();
    let mut all = clips(root);
    all.sort();
    assert_eq!(tested, all);
    let error = CremaD::new()
        .with_splits(SplitSource::Official)
        .read(root)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("CREMA-D has no official split"),
        "{error}"
    );
    // A split that was saved is read back, whatever the seed is.
    let stratified = SplitSource::Stratified(Shares::new(0.2, 0.2, 7));
    let clips = CremaD::new().with_splits(stratified).read(root).unwrap();
    let path = root.join("splits.csv");
    clips.save_splits(&path, |_, _| ()).unwrap();
    let again = CremaD::new()
        .with_splits(SplitSource::File(path))
        .read(root)
        .unwrap();
    for sample in 0..clips.len() {
        assert_eq!(
            again.manifest().split(sample),
            clips.manifest().split(sample)
        );
    }
    let demographics = root.join("VideoDemographics.csv");
    fs::write(
        &demographics,
        "ActorID,Age,Sex\r\n1001,30,Male\r\nx,1,Male\r\n",
    )
    .unwrap();
    let error = CremaD::open(root).unwrap_err().to_string();
    assert!(
        error.ends_with("VideoDemographics.csv:3: the actor `x` is no number"),
        "{error}"
    );
}

#[test]
#[ignore = "needs ffmpeg"]
fn videos_are_prepared_once_and_broken_ones_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let options = Miniature {
        n_per_class: 2,
        n_classes: Some(3),
        ffmpeg: Some(Ffmpeg::new()),
        ..Miniature::default()
    };
    write_miniature(root, &options).unwrap();
    let videos = root.join("VideoFlash");
    let mut names: Vec<_> = fs::read_dir(&videos)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    names.sort();
    fs::write(
        videos.join(&names[0]),
        "version https://git-lfs.github.com/spec/v1\n",
    )
    .unwrap();
    // An extension in upper case, and a file of another name.
    let upper = videos.join(&names[1]).with_extension("FLV");
    fs::rename(videos.join(&names[1]), upper).unwrap();
    fs::write(videos.join("notes.txt"), "x").unwrap();
    let options = CremaD::new().with_incomplete(Incomplete::LeaveOut);
    let config = PrepareConfig::new().with_max_failures(0.2);
    let prepare = || options.prepare(root, &Ffmpeg::new(), &config, |_, _| ());
    let report = prepare().unwrap();
    assert_eq!(
        (report.n_written, report.failures.len()),
        (5, 1),
        "{report}"
    );
    assert!(report.to_string().contains("git-lfs pointer"), "{report}");
    assert_eq!(report.ignored, ["VideoFlash/notes.txt"]);
    assert!(
        report.to_string().contains("notes.txt: ignored"),
        "{report}"
    );
    assert_eq!(prepare().unwrap().n_present, 5);
    let clips = options
        .with_splits(SplitSource::Stratified(Shares::new(0.0, 0.4, 0)))
        .read(root)
        .unwrap();
    assert_eq!(clips.len(), 5);
    // 10 frames a second: one of 10 is kept.
    let frames = root.join(clips.text(0, "visual").unwrap());
    assert!(frames.join("00000.jpg").exists() && frames.join("00010.jpg").exists());
}
