//! The released layout and its traps, on a miniature and on label files with the published counts.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Iemocap, IemocapClasses, IemocapFold, write_miniature};
use crate::dataset::miniature::Miniature;
use crate::dataset::{Incomplete, PublishedDataset, SampleId, Split, SplitSource};
use crate::image::ImageReader;
use crate::manifest::{ColumnKind, Shares};
use crate::prepare::PrepareConfig;
use crate::video::Ffmpeg;

const IMPRO: &str = "IEMOCAP_full_release/Session1/dialog/EmoEvaluation/Ses01F_impro01.txt";

fn miniature() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    write_miniature(root.path(), &Miniature::default()).unwrap();
    root
}

fn edit(path: PathBuf, change: impl FnOnce(String) -> String) {
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, change(text)).unwrap();
}

fn error(options: &Iemocap, root: &TempDir) -> String {
    options.read(root).unwrap_err().to_string()
}

fn count(data: &PublishedDataset, label: usize) -> usize {
    (0..data.len())
        .filter(|&i| data.label(i) == Some(label))
        .count()
}

#[test]
fn the_released_layout_is_read() {
    let root = miniature();
    let data = Iemocap::open(&root).unwrap();
    assert_eq!(
        data.classes().to_vec(),
        ["Angry", "Happy", "Neutral", "Sad"]
    );
    assert_eq!(data.len(), 24);
    assert!((0..4).all(|label| count(&data, label) == 6));
    let columns: Vec<_> = data.modalities().collect();
    let expected = [
        ("audio", ColumnKind::Audio),
        ("image", ColumnKind::Image),
        ("text", ColumnKind::Text),
    ];
    assert_eq!(columns, expected);
    assert!(data.check(|_, _| ()).is_clean());

    // Sorted, and the release folder itself gives the same.
    let ids = |data: &PublishedDataset| (0..data.len()).map(|i| data.id(i)).collect::<Vec<_>>();
    assert!(ids(&data).is_sorted());
    let release = root.path().join("IEMOCAP_full_release");
    let there = Iemocap::new().with_prepared(root.path().join("prepared"));
    assert_eq!(ids(&there.read(&release).unwrap()), ids(&data));

    // Other labels are counted by label, raters and files of macOS are not read.
    let inventory = data.inventory();
    assert_eq!(inventory.n_published, Some(5531));
    assert!(inventory.reasons.is_empty(), "{inventory}");
    let left: Vec<_> = inventory
        .left_out
        .iter()
        .map(|(r, ids)| (r.as_str(), ids.len()))
        .collect();
    let expected = [
        ("label fru is no class", 1),
        ("label oth is no class", 1),
        ("label xxx is no class", 5),
    ];
    assert_eq!(left, expected);

    // The text is what follows the first `]:`.
    let texts: Vec<&str> = (0..data.len())
        .filter_map(|i| data.text(i, "text"))
        .collect();
    assert!(
        texts
            .iter()
            .any(|text| text.starts_with("Well: ") && text.ends_with("[LAUGHTER]"))
    );
    assert!(texts.iter().all(|text| !text.contains("]:")));
}

#[test]
fn the_speaker_is_the_last_letter() {
    let root = miniature();
    let data = Iemocap::open(&root).unwrap();
    let mut others = 0;
    for i in 0..data.len() {
        let id = data.id(i);
        let (session, letter) = (
            &id.as_str()[..5],
            &id.as_str()[id.as_str().len() - 4..][..1],
        );
        assert_eq!(data.text(i, "session"), Some(session));
        assert_eq!(
            data.text(i, "speaker"),
            Some(format!("{session}{letter}").as_str())
        );
        others += usize::from(&id.as_str()[5..6] != letter);
    }
    assert!(
        (1..24).contains(&others),
        "markers of the other speaker: {others}"
    );
}

/// Values of a column by split.
fn by_split(data: &PublishedDataset, column: &str) -> BTreeMap<Split, Vec<String>> {
    let mut found: BTreeMap<Split, Vec<String>> = BTreeMap::new();
    for i in 0..data.len() {
        let values = found.entry(data.split_of(i)).or_default();
        values.push(data.text(i, column).unwrap().to_string());
    }
    for values in found.values_mut() {
        values.sort();
        values.dedup();
    }
    found
}

trait SplitOf {
    fn split_of(&self, sample: usize) -> Split;
}

impl SplitOf for PublishedDataset {
    fn split_of(&self, sample: usize) -> Split {
        self.manifest().split(sample).unwrap()
    }
}

#[test]
fn sessions_are_split_not_utterances() {
    let root = miniature();
    let sessions = by_split(&Iemocap::open(&root).unwrap(), "session");
    assert_eq!(sessions[&Split::Train], ["Ses01", "Ses02", "Ses03"]);
    assert_eq!(sessions[&Split::Valid], ["Ses04"]);
    assert_eq!(sessions[&Split::Test], ["Ses05"]);

    let gcnet = Iemocap::new()
        .with_fold(IemocapFold::gcnet(2))
        .read(&root)
        .unwrap();
    let sessions = by_split(&gcnet, "session");
    assert_eq!(sessions[&Split::Test], ["Ses02"]);
    assert!(!sessions.contains_key(&Split::Valid));
    let held_out = gcnet.hold_out(0.25, 0, Some("session")).unwrap();
    assert!(!held_out.samples(Split::Valid).is_empty());

    let speaker = Iemocap::new().with_fold(IemocapFold::Speaker { test: 4 });
    let speakers = by_split(&speaker.read(&root).unwrap(), "speaker");
    assert_eq!(speakers[&Split::Test], ["Ses02M"]);
    assert_eq!(speakers[&Split::Valid], ["Ses02F"]);

    let grouped = SplitSource::Grouped(Shares::new(0.2, 0.2, 1));
    let grouped = Iemocap::new().with_splits(grouped).read(&root).unwrap();
    let speakers = by_split(&grouped, "speaker");
    let n: usize = speakers.values().map(Vec::len).sum();
    assert_eq!((speakers.len(), n), (3, 10));

    // Written and read back.
    let file = root.path().join("splits.csv");
    grouped.save_splits(&file, |_, _| ()).unwrap();
    let read = Iemocap::new()
        .with_splits(SplitSource::File(file))
        .read(&root)
        .unwrap();
    assert!((0..read.len()).all(|i| read.split_of(i) == grouped.split_of(i)));

    let wrong = Iemocap::new().with_fold(IemocapFold::session(6));
    assert_eq!(
        error(&wrong, &root),
        "the test session must be 1 to 5, got 6"
    );
}

#[test]
fn excited_is_happy_or_not_by_name() {
    let root = miniature();
    let read = |classes| Iemocap::new().with_classes(classes).read(&root).unwrap();
    let without = read(IemocapClasses::FourWithoutExcited);
    assert_eq!((without.len(), count(&without, 1)), (21, 3));
    assert_eq!(without.inventory().of("label exc is no class").len(), 3);
    let five = read(IemocapClasses::Five);
    assert_eq!(
        (five.len(), five.classes().len(), count(&five, 2)),
        (25, 5, 6)
    );
    let six = read(IemocapClasses::Six);
    assert_eq!((six.len(), six.classes().len()), (25, 6));
    assert_eq!((count(&six, 1), count(&six, 3)), (3, 3));
    let gcnet = IemocapClasses::Six.gcnet_names().unwrap();
    let order = ["Happy", "Sad", "Neutral", "Angry", "Excited", "Frustrated"];
    assert_eq!(gcnet.to_vec(), order);
    assert_eq!(
        IemocapClasses::Four.gcnet_names().unwrap().to_vec(),
        order[..4]
    );
}

/// Label files with the counts of the release: hap + exc, sad, neu and ang by session. How hap and exc, and
/// the other labels, are shared among the sessions is made up.
#[test]
fn the_published_counts_are_5531_and_7380() {
    let by_session = [
        [278, 194, 384, 229],
        [327, 197, 362, 137],
        [286, 305, 320, 240],
        [303, 143, 258, 327],
        [442, 245, 384, 170],
    ];
    let others = [
        ("fru", 1849),
        ("xxx", 2507),
        ("sur", 107),
        ("fea", 40),
        ("oth", 3),
        ("dis", 2),
    ];
    let root = tempfile::tempdir().unwrap();
    for (at, counts) in by_session.into_iter().enumerate() {
        let share = |n: usize| n / 5 + usize::from(at < n % 5);
        let happy = share(595);
        let labels = ["exc", "sad", "neu", "ang"].into_iter().zip(counts);
        let labels = labels.map(|(label, n)| (label, if label == "exc" { n - happy } else { n }));
        let others = others.map(|(label, n)| (label, share(n)));
        let labels: Vec<_> = labels.chain([("hap", happy)]).chain(others).collect();
        let folder = root.path().join(format!("Session{}/dialog", at + 1));
        let (mut label_files, mut words) = (String::new(), String::new());
        let mut dialogs = 0;
        let mut n = 0;
        let flush = |label_files: &mut String, words: &mut String, dialogs: &mut usize| {
            let name = format!("Ses0{}F_impro{dialogs:02}.txt", at + 1);
            for (kind, text) in [("EmoEvaluation", label_files), ("transcriptions", words)] {
                let path = folder.join(kind).join(&name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, std::mem::take(text)).unwrap();
            }
            *dialogs += 1;
        };
        for (label, count) in labels {
            for _ in 0..count {
                let id = format!("Ses0{}F_impro{dialogs:02}_F{n:03}", at + 1);
                label_files += &format!("[0.0 - 1.0]\t{id}\t{label}\t[2.5, 2.5, 2.5]\n");
                words += &format!("{id} [000.0-001.0]: words\n");
                n += 1;
                if n == 100 {
                    flush(&mut label_files, &mut words, &mut dialogs);
                    n = 0;
                }
            }
        }
        flush(&mut label_files, &mut words, &mut dialogs);
    }
    let read = |classes| {
        let options = Iemocap::new()
            .with_classes(classes)
            .with_incomplete(Incomplete::Missing);
        options.read(&root).unwrap()
    };
    let four = read(IemocapClasses::Four);
    assert_eq!(four.inventory().n_published, Some(four.len()));
    assert_eq!(
        (0..4).map(|c| count(&four, c)).collect::<Vec<_>>(),
        [1103, 1636, 1708, 1084]
    );
    let sizes = Split::ALL.map(|split| four.samples(split).len());
    assert_eq!(sizes, [1085 + 1023 + 1151, 1031, 1241]);
    assert_eq!(four.inventory().of("label xxx is no class").len(), 2507);
    for (classes, n) in [
        (IemocapClasses::FourWithoutExcited, 4490),
        (IemocapClasses::Six, 7380),
        (IemocapClasses::Five, 7380),
    ] {
        let data = read(classes);
        assert_eq!((data.len(), data.inventory().n_published), (n, Some(n)));
    }
}

#[test]
fn lists_of_mla_split_and_what_is_on_none_is_left_out() {
    let root = miniature();
    let all = Iemocap::open(&root).unwrap();
    let line = |i: usize| {
        let class = &all.classes()[all.label(i).unwrap()];
        format!(
            "{}.mp4 [split|sign] other words [split|sign] {class}",
            all.id(i)
        )
    };
    let write = |name: &str, lines: Vec<String>| {
        let path = root.path().join(name);
        fs::write(&path, lines.join("\r\n")).unwrap();
        path
    };
    let absent = "Ses01F_impro09_F000.mp4 [split|sign] words [split|sign] Sad".to_string();
    let lists = |train: PathBuf, test: PathBuf| SplitSource::Lists {
        train,
        valid: None,
        test,
    };
    let train = write(
        "my_train_iemo.txt",
        (0..14).rev().map(line).chain([absent]).collect(),
    );
    let test = write("my_test_iemo.txt", (14..20).map(line).collect());
    let options = Iemocap::new().with_splits(lists(train.clone(), test.clone()));
    let data = options.read(&root).unwrap();
    assert_eq!(
        Split::ALL.map(|split| data.samples(split).len()),
        [14, 0, 6]
    );
    assert_eq!(data.inventory().n_published, Some(21));
    assert_eq!(data.inventory().of("on no list").len(), 4);
    let absent = data.inventory().of("on a list, but not in the corpus");
    assert_eq!(absent, [SampleId::from("Ses01F_impro09_F000")]);
    assert!(!data.text(0, "text").unwrap().contains("other words"));

    let rest = options
        .clone()
        .with_unlisted_valid(true)
        .read(&root)
        .unwrap();
    assert_eq!(
        Split::ALL.map(|split| rest.samples(split).len()),
        [14, 4, 6]
    );

    let both = Iemocap::new().with_splits(lists(train.clone(), train.clone()));
    assert!(error(&both, &root).contains("my_train_iemo.txt too"));
    let swapped = line(14).replace("Angry", "Joy").replace("Happy", "Joy");
    let swapped = swapped.replace("Neutral", "Joy").replace("Sad", "Joy");
    let wrong = write("wrong.txt", vec![line(15), swapped]);
    let wrong = Iemocap::new().with_splits(lists(train.clone(), wrong));
    let message = error(&wrong, &root);
    assert!(
        message.contains("wrong.txt:2: ") && message.contains("is `Joy`, but"),
        "{message}"
    );
    let outside = "../../Ses01F_impro01_F000.mp4 [split|sign] a [split|sign] Sad".to_string();
    let outside = write("outside.txt", vec![outside]);
    let message = error(&Iemocap::new().with_splits(lists(train, outside)), &root);
    assert!(message.contains("outside.txt:1: "), "{message}");
}

#[test]
fn what_is_not_there_is_named() {
    let options = Iemocap::new();
    let nowhere = tempfile::tempdir().unwrap();
    assert!(error(&options, &nowhere).contains("Session1: is not there"));

    let root = miniature();
    let release = root.path().join("IEMOCAP_full_release");
    let wav = release.join("Session1/sentences/wav/Ses01F_impro01");
    let sounds = crate::dataset::published::file_names(&wav).unwrap();
    let first = wav.join(&sounds[0]);
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
    for (content, reason) in [
        (
            pointer,
            "the sound is a git-lfs pointer, whose content was not downloaded",
        ),
        ("", "the sound is an empty file"),
        ("RIFF\0\0\0\0WAVEfmt ", "the sound has no samples"),
    ] {
        fs::write(&first, content).unwrap();
        let message = error(&options, &root);
        assert!(
            message.contains("1 of 24 samples have no audio"),
            "{message}"
        );
        let missing = options.clone().with_incomplete(Incomplete::Missing);
        let data = missing.read(&root).unwrap();
        assert_eq!(
            (data.len(), data.inventory().of(reason).len()),
            (24, 1),
            "{reason}"
        );
        assert_eq!(data.inventory().of("no audio").len(), 1);
    }
    let left = options.clone().with_incomplete(Incomplete::LeaveOut);
    assert_eq!(left.read(&root).unwrap().len(), 23);

    // A dialog without a transcription, and one without a label file.
    fs::remove_file(release.join("Session2/dialog/transcriptions/Ses02F_impro01.txt")).unwrap();
    fs::create_dir(release.join("Session3/sentences/wav/Ses03M_impro05a")).unwrap();
    let data = options
        .clone()
        .with_incomplete(Incomplete::Missing)
        .read(&root)
        .unwrap();
    let named = |reason: &str| data.inventory().of(reason).to_vec();
    assert_eq!(
        named("dialog without transcription"),
        [SampleId::from("Ses02F_impro01")]
    );
    assert_eq!(
        named("dialog without label file"),
        [SampleId::from("Ses03M_impro05a")]
    );
    assert!(named("no text").len() >= 2);

    fs::rename(release.join("Session3"), release.join("Session3x")).unwrap();
    assert!(error(&options, &root).contains("Session3: is not there"));
}

#[test]
fn pictures_that_are_not_prepared_are_asked_for() {
    let root = miniature();
    fs::remove_dir_all(root.path().join("prepared")).unwrap();
    let message = error(&Iemocap::new(), &root);
    assert!(
        message.contains("24 of 24 samples have no image"),
        "{message}"
    );
    assert!(message.contains("Iemocap::prepare"), "{message}");
}

#[test]
fn bad_labels_are_named_by_file_and_line() {
    let cases: [(&str, &str); 3] = [
        ("\tang\t", "unknown label `anger`"),
        ("Ses01F_impro01_F", "is no utterance of this dialog"),
        ("[0.0000 - ", "is no time"),
    ];
    for (at, (from, expected)) in cases.into_iter().enumerate() {
        let root = miniature();
        let to = ["\tanger\t", "Ses01F_impro02_F", "[x - "][at];
        edit(root.path().join(IMPRO), |text| text.replace(from, to));
        let message = error(&Iemocap::new(), &root);
        assert!(
            message.contains("Ses01F_impro01.txt:") && message.contains(expected),
            "{message}"
        );
    }
    let root = miniature();
    let labels = root
        .path()
        .join("IEMOCAP_full_release/Session1/dialog/EmoEvaluation");
    fs::write(labels.join("Ses01F_impro01 copy.txt"), "").unwrap();
    assert!(error(&Iemocap::new(), &root).contains("is not the label file of a dialog"));
}

#[test]
fn line_ends_marks_and_encodings_do_not_matter() {
    let root = miniature();
    let before = Iemocap::open(&root).unwrap();
    edit(root.path().join(IMPRO), |text| {
        format!("\u{feff}{}", text.replace('\n', "\r\n"))
    });
    let words = root
        .path()
        .join(IMPRO.replace("EmoEvaluation", "transcriptions"));
    let mut bytes = fs::read(&words).unwrap();
    let at = bytes.windows(2).position(|pair| pair == b": ").unwrap();
    bytes.splice(at + 2..at + 2, *b"caf\xe9 ");
    fs::write(&words, bytes).unwrap();
    let after = Iemocap::open(&root).unwrap();
    assert_eq!(after.len(), before.len());
    let changed = (0..after.len()).filter(|&i| after.text(i, "text") != before.text(i, "text"));
    let changed: Vec<_> = changed.collect();
    assert_eq!(changed.len(), 1);
    assert!(
        after
            .text(changed[0], "text")
            .unwrap()
            .starts_with("caf\u{fffd} ")
    );
}

#[test]
fn filter_banks_and_face_crops_of_others_are_used() {
    let root = miniature();
    let all = Iemocap::open(&root).unwrap();
    let (fbank, crops) = (root.path().join("fbank"), root.path().join("faces"));
    fs::create_dir(&fbank).unwrap();
    for i in 0..all.len() {
        let id = all.id(i);
        fs::write(fbank.join(format!("{id}.npy")), "features").unwrap();
        let folder = crops.join(id.as_str());
        fs::create_dir_all(&folder).unwrap();
        for frame in [12, 9, 10, 11, 13] {
            for person in ["F", "M"] {
                fs::write(folder.join(format!("{frame:06}_{person}.jpg")), person).unwrap();
            }
        }
    }
    let options = Iemocap::new()
        .with_audio_features([&fbank])
        .with_face_crops(&crops);
    let data = options.read(&root).unwrap();
    assert!(
        data.modalities()
            .any(|column| column == ("audio", ColumnKind::Features))
    );
    for i in 0..data.len() {
        let speaker = data.text(i, "speaker").unwrap().chars().last().unwrap();
        let image = data.text(i, "image").unwrap();
        assert!(image.ends_with(&format!("000011_{speaker}.jpg")), "{image}");
        assert!(
            data.text(i, "audio")
                .unwrap()
                .ends_with(&format!("{}.npy", data.id(i)))
        );
    }
    let nowhere = Iemocap::new().with_audio_features(["no/such"]);
    assert!(error(&nowhere, &root).contains("no/such"));
}

/// MLA's folders: filter banks and tokens of an utterance may be those of another split than its list's.
#[cfg(feature = "text")]
#[test]
fn filter_banks_and_tokens_of_mla_are_in_folders_of_their_splits() {
    use crate::text::TokenizerConfig;

    let root = miniature();
    let all = Iemocap::open(&root).unwrap();
    let folders = ["audio/train_fbank", "audio/test_fbank"].map(|name| root.path().join(name));
    for (i, folder) in [0, 1].into_iter().zip(&folders) {
        fs::create_dir_all(folder).unwrap();
        for sample in (i..all.len()).step_by(2) {
            fs::write(folder.join(format!("{}.npy", all.id(sample))), "features").unwrap();
        }
    }
    let words: String = (0..all.len())
        .map(|i| all.text(i, "text").unwrap().to_lowercase() + "\n")
        .collect();
    let mut words: Vec<&str> = words.split(|c: char| !c.is_alphanumeric()).collect();
    words.sort_unstable();
    words.dedup();
    let vocabulary = root.path().join("vocab.txt");
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    fs::write(
        &vocabulary,
        format!("[PAD]\n[UNK]\n[CLS]\n[SEP]\n{}\n", words.join("\n")),
    )
    .unwrap();
    let tokenizer = TokenizerConfig::new(8).with_special_tokens(false);
    let tokenizer = tokenizer.word_piece(&vocabulary).unwrap();
    let config = PrepareConfig::new();
    let lists = SplitSource::Lists {
        train: root.path().join("my_train_iemo.txt"),
        valid: None,
        test: root.path().join("my_test_iemo.txt"),
    };
    let options = Iemocap::new().with_audio_features(&folders);
    let listed = options
        .clone()
        .with_splits(lists)
        .with_tokens(root.path().join("mla"));
    let report = listed
        .prepare_tokens(&root, &tokenizer, &config, |_, _| ())
        .unwrap();
    assert_eq!(report.n_written, 24);
    let tokens = root.path().join("mla/text_token");
    for split in ["train", "test", "all"] {
        assert!(tokens.join(format!("{split}_token")).is_dir(), "{split}");
    }
    // Read by other splits than those that they were written for.
    let data = options
        .with_tokens(root.path().join("mla"))
        .read(&root)
        .unwrap();
    let columns: Vec<_> = data.modalities().map(|(_, kind)| kind).collect();
    assert_eq!(
        columns,
        [
            ColumnKind::Features,
            ColumnKind::Image,
            ColumnKind::Features
        ]
    );
    assert_eq!(data.len(), 24);
    let report = data.check(|_, _| ()).to_string();
    assert!(
        !report.contains("no such file") && !report.contains("unreadable"),
        "{report}"
    );
    assert_eq!(
        data.text(0, "audio").unwrap(),
        format!("audio/train_fbank/{}.npy", data.id(0))
    );
    let report = listed
        .prepare_tokens(&root, &tokenizer, &config, |_, _| ())
        .unwrap();
    assert_eq!((report.n_written, report.n_present), (0, 24));
    fs::remove_file(folders[0].join(format!("{}.npy", data.id(0)))).unwrap();
    let message = error(&listed, &root);
    assert!(
        message.contains("compute the features by `PrepareConfig::save_features`"),
        "{message}"
    );
}

#[test]
fn classes_are_in_the_order_of_gcnet() {
    let root = miniature();
    let classes = IemocapClasses::Four.gcnet_names().unwrap();
    let ours = Iemocap::open(&root).unwrap();
    let data = Iemocap::new()
        .with_class_order(classes)
        .read(&root)
        .unwrap();
    let names = |data: &PublishedDataset, i: usize| data.classes()[data.label(i).unwrap()].clone();
    for i in 0..data.len() {
        assert_eq!(names(&data, i), names(&ours, i));
    }
    assert_eq!(data.classes().label("Sad").unwrap(), 1);
    let six = IemocapClasses::Six.gcnet_names().unwrap();
    let message = error(&Iemocap::new().with_class_order(six), &root);
    assert!(
        message.ends_with("expected Angry, Happy, Neutral, Sad in any order"),
        "{message}"
    );
}

#[cfg(unix)]
#[test]
fn folders_may_be_linked_and_relative() {
    use std::os::unix::fs::symlink;

    let root = miniature();
    let outer = root.path();
    let release = outer.join("IEMOCAP_full_release");
    fs::create_dir(outer.join("x")).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    for (folder, name) in [("Session2", "2"), ("Session3/sentences/wav", "3")] {
        fs::rename(release.join(folder), elsewhere.path().join(name)).unwrap();
        symlink(elsewhere.path().join(name), release.join(folder)).unwrap();
    }
    fs::rename(outer.join("prepared"), elsewhere.path().join("p")).unwrap();
    let prepared = elsewhere
        .path()
        .join("../")
        .join(elsewhere.path().file_name().unwrap())
        .join("p");
    let data = Iemocap::new().with_prepared(prepared);
    let data = data.read(outer.join("x/../IEMOCAP_full_release")).unwrap();
    assert!(
        data.check(|_, _| ()).is_clean(),
        "{}",
        data.check(|_, _| ())
    );
}

fn mean(path: &Path) -> [f64; 3] {
    let image = ImageReader::new().read(path).unwrap();
    let n = (image.width() * image.height()) as f64;
    let mut mean = [0.0; 3];
    for pixel in image.pixels().chunks_exact(3) {
        for (mean, &value) in mean.iter_mut().zip(pixel) {
            *mean += f64::from(value) / n;
        }
    }
    mean
}

/// The frames of the two miniatures, one by ffmpeg and one without, are of the same class.
#[test]
#[ignore = "needs ffmpeg"]
fn frames_are_those_of_the_speaker() {
    let root = tempfile::tempdir().unwrap();
    let ffmpeg = Ffmpeg::new();
    let options = Miniature {
        ffmpeg: Some(ffmpeg.clone()),
        ..Miniature::default()
    };
    write_miniature(root.path(), &options).unwrap();
    let expected = miniature();
    let iemocap = Iemocap::new().with_prepared(root.path().join("frames"));
    let config = PrepareConfig::new();
    let mut calls = 0;
    let report = iemocap
        .prepare(&root, &ffmpeg, &config, |_, _| calls += 1)
        .unwrap();
    assert_eq!((report.n_written, calls), (24, 24));
    let (data, expected) = (
        iemocap.read(&root).unwrap(),
        Iemocap::open(&expected).unwrap(),
    );
    let image = |data: &PublishedDataset, i: usize| {
        data.path()
            .parent()
            .unwrap()
            .join(data.text(i, "image").unwrap())
    };
    for i in 0..data.len() {
        let (found, expected) = (mean(&image(&data, i)), mean(&image(&expected, i)));
        let distance = found
            .iter()
            .zip(expected)
            .map(|(a, b)| (a - b).abs())
            .sum::<f64>();
        assert!(distance < 40.0, "{}: {found:?}, {expected:?}", data.id(i));
    }

    // What is there stays; what is missing is made, and a video that is damaged is reported.
    fs::write(image(&data, 0), "kept").unwrap();
    fs::remove_file(image(&data, 1)).unwrap();
    let report = iemocap.prepare(&root, &ffmpeg, &config, |_, _| ()).unwrap();
    assert_eq!((report.n_written, report.n_present), (1, 23));
    fs::remove_file(image(&data, 0)).unwrap();
    let video = "IEMOCAP_full_release/Session1/dialog/avi/DivX/Ses01F_impro01.avi";
    fs::write(root.path().join(video), "no video").unwrap();
    let error = iemocap
        .prepare(&root, &ffmpeg, &config, |_, _| ())
        .unwrap_err()
        .to_string();
    assert!(error.contains("1 of 24 files could not be made"), "{error}");
    assert!(error.contains("Ses01F_impro01.avi: "), "{error}");
    let lenient = config.with_max_failures(0.1);
    let report = iemocap
        .prepare(&root, &ffmpeg, &lenient, |_, _| ())
        .unwrap();
    assert_eq!((report.failures.len(), report.n_present), (1, 23));
}
