//! Tests on a miniature.

use std::fs;

use burn::tensor::Device;

use super::*;
use crate::dataset::miniature::Miniature;
use crate::image::ImageFrontEnd;
use crate::manifest::TrainAndTest;
use crate::text::HashedTextConfig;

/// 18 agreeing pairs, then the six disagreeing ones, then one without labels.
fn miniature() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    write_miniature(root.path(), &Miniature::default()).unwrap();
    root
}

fn write(root: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn error(options: &Mvsa, root: &Path) -> String {
    let error = options.read(root).unwrap_err().to_string();
    error.replace(root.to_str().unwrap(), "ROOT")
}

fn text<'a>(pairs: &'a PublishedDataset, id: &str) -> &'a str {
    pairs.text(pairs.find(id).unwrap(), "text").unwrap()
}

#[test]
fn a_rule_joins_the_labels() {
    let root = miniature();
    for (rule, n) in [
        (MvsaRule::Agree, 18),
        (MvsaRule::Merge, 22),
        (MvsaRule::Text, 24),
        (MvsaRule::Image, 24),
    ] {
        let pairs = Mvsa::new().with_rule(rule).read(root.path()).unwrap();
        let left_out = pairs.inventory().of("by the rule of labels");
        assert_eq!((pairs.len(), left_out.len()), (n, 24 - n));
        assert_eq!(pairs.inventory().n_published, Some(rule.n_published()));
        // Pairs that the rule leaves out are not missing.
        assert!(
            pairs.inventory().reasons.is_empty(),
            "{}",
            pairs.inventory()
        );
        // 25 IDs with a gap after every fourth.
        assert_eq!(pairs.inventory().of("no label")[0].as_str(), "31");
        assert_eq!(
            pairs.classes().to_vec(),
            ["negative", "neutral", "positive"]
        );
    }
    // Line 20, after a header and 18 pairs: the first disagreeing one.
    let merged = Mvsa::new()
        .with_rule(MvsaRule::Merge)
        .read(root.path())
        .unwrap();
    let sample = merged.find("23").unwrap();
    assert_eq!(merged.place(sample).line, 20);
    assert_eq!(merged.text(sample, "text_label"), Some("negative"));
    assert_eq!(merged.text(sample, "image_label"), Some("neutral"));
    assert_eq!(merged.label(sample), Some(0));
}

#[test]
fn texts_in_latin_1_are_read() {
    let root = miniature();
    let pairs = Mvsa::open(root.path()).unwrap();
    assert!(text(&pairs, "1").ends_with(" caf\u{e9}"));
    write(root.path(), "data/2.txt", "\u{feff}na\u{ef}ve\r\n");
    let pairs = Mvsa::open(root.path()).unwrap();
    assert_eq!(text(&pairs, "2"), "na\u{ef}ve");
}

#[test]
fn a_tweet_and_its_retweet_are_in_one_split() {
    let root = miniature();
    let pairs = Mvsa::open(root.path()).unwrap();
    // IDs 3 and 7 are the third and the sixth pair.
    let (tweet, retweet) = (pairs.find("3").unwrap(), pairs.find("7").unwrap());
    assert!(text(&pairs, "7").starts_with("RT @someone: "));
    assert_eq!(pairs.text(tweet, TWEET), pairs.text(retweet, TWEET));
    let split = |sample| pairs.manifest().split(sample);
    assert_eq!(split(tweet), split(retweet));
    let parts = Split::ALL.map(|split| pairs.samples(split).len());
    assert!(parts.iter().all(|n| *n > 0), "{parts:?}");
    assert_eq!(
        super::tweet("RT @a: Hello, #World! http://t.co/x"),
        "hello world"
    );
    assert_eq!(super::tweet("http://t.co/x"), "");
}

#[test]
fn splits_are_written_and_read_back() {
    let root = miniature();
    let pairs = Mvsa::open(root.path()).unwrap();
    let path = root.path().join("splits.csv");
    pairs.save_splits(&path, |_, _| ()).unwrap();
    let again = Mvsa::new().with_splits(SplitSource::File(path));
    let again = again.read(root.path()).unwrap();
    for split in Split::ALL {
        assert_eq!(again.samples(split), pairs.samples(split));
    }
}

#[cfg(all(unix, feature = "text"))]
#[test]
fn folders_may_be_linked_and_relative() {
    use crate::prepare::PrepareConfig;
    use crate::text::TokenizerConfig;

    let outer = tempfile::tempdir().unwrap();
    let outer = outer.path();
    let set = outer.join("set");
    write_miniature(&set, &Miniature::default()).unwrap();
    fs::create_dir(outer.join("x")).unwrap();
    fs::rename(set.join("data"), outer.join("scratch")).unwrap();
    std::os::unix::fs::symlink(outer.join("scratch"), set.join("data")).unwrap();
    let root = outer.join("x/../set");
    let tokenizer = TokenizerConfig::new(8)
        .word_piece(set.join("vocab.txt"))
        .unwrap();
    let mvsa = Mvsa::new().with_prepared(outer.join("x/../tokens"));
    let report = mvsa.prepare(&root, &tokenizer, &PrepareConfig::new(), |_, _| ());
    assert_eq!(report.unwrap().n_written, 18);
    let report = mvsa.read(&root).unwrap().check(|_, _| ()).to_string();
    assert!(
        !report.contains("no such file") && !report.contains("unreadable"),
        "{report}"
    );
}

#[test]
fn missing_files_are_named() {
    let root = miniature();
    let root = root.path();
    fs::remove_file(root.join("data/2.jpg")).unwrap();
    write(root, "data/4.txt", " \n");
    write(root, "data/notes.md", "x");
    assert_eq!(
        error(&Mvsa::new(), root),
        "1 of 18 samples have no text, such as 4: leave them out by `Incomplete::LeaveOut`"
    );
    let pairs = Mvsa::new()
        .with_incomplete(Incomplete::LeaveOut)
        .read(root)
        .unwrap();
    assert_eq!(
        (pairs.len(), pairs.inventory().of("no image")[0].as_str()),
        (16, "2")
    );
    let other = pairs.inventory().of("no image or text by its name");
    assert_eq!(other[0].as_str(), "data/notes.md");
    write(root, "data/6.png", "x");
    let twice = error(&Mvsa::new(), root);
    assert_eq!(twice, "ROOT/data/6.png: `data/6.jpg` is of the same pair");
    fs::rename(root.join("data"), root.join("other")).unwrap();
    let missing = error(&Mvsa::new(), root);
    assert_eq!(
        missing,
        "ROOT/data: the folder of images and texts is missing"
    );
    fs::create_dir(root.join("MVSA_Single")).unwrap();
    fs::rename(root.join(LABELS), root.join("MVSA_Single").join(LABELS)).unwrap();
    assert!(error(&Mvsa::new(), root).ends_with("is its folder `MVSA_Single`"));
    let official = Mvsa::new().with_splits(SplitSource::Official);
    assert!(error(&official, miniature().path()).starts_with("MVSA-Single has no official split"));
}

#[test]
fn mvsa_multiple_is_refused() {
    let root = miniature();
    let header = "ID\ttext,image\ttext,image\ttext,image\n1\tneutral,positive\tneutral,neutral\tneutral,neutral\n";
    write(root.path(), LABELS, header);
    let message = error(&Mvsa::new(), root.path());
    assert!(
        message.contains(
            "labelResultAll.txt:1: three pairs of labels in a row: this is MVSA-Multiple"
        )
    );
}

#[test]
fn lists_bring_their_labels() {
    let root = miniature();
    let root = root.path();
    let lists = || SplitSource::Lists {
        train: root.join("train"),
        valid: None,
        test: root.join("test"),
    };
    write(
        root,
        "train",
        "3.jpg positive\n2.jpg neutral\n1.jpg negative\n",
    );
    write(
        root,
        "test",
        "{\"id\": 6, \"img\": \"data/6.jpg\", \"label\": \"neutral\", \"text\": \"of a list \"}\n{\"id\": 5000, \"img\": \"data/5000.jpg\", \"label\": \"neutral\", \"text\": \"gone\"}\n",
    );
    let listed = Mvsa::new()
        .with_splits(lists())
        .with_incomplete(Incomplete::LeaveOut);
    let pairs = listed.read(root).unwrap();
    assert_eq!((pairs.len(), pairs.inventory().n_published), (4, Some(5)));
    assert_eq!(text(&pairs, "6"), "of a list");
    assert_eq!(pairs.inventory().of("no image")[0].as_str(), "5000");
    assert_eq!(pairs.inventory().of("on no list").len(), 21);
    let valid = pairs.hold_out(0.4, 0, Some(TWEET)).unwrap();
    assert_eq!(valid.samples(Split::Valid).len(), 1);

    let order = Mvsa::mmbt_classes(root.join("train")).unwrap();
    let reordered = listed.clone().with_classes(order).read(root).unwrap();
    assert_eq!(reordered.label(reordered.find("3").unwrap()), Some(0));
    let wrong = ClassNames::new(["neutral", "positive"]).unwrap();
    assert!(
        error(&listed.clone().with_classes(wrong), root)
            .contains("the classes are neutral, positive")
    );

    write(root, "train", "3.jpg positive\n2.jpg negative\n");
    assert_eq!(
        error(&listed, root),
        "ROOT/train:2: `2` is negative, but neutral by line 3 of labelResultAll.txt and the rule `Agree`"
    );
    // A pair of another rule: 23 is the first whose labels disagree.
    write(root, "train", "3.jpg positive\n23.jpg negative\n");
    assert_eq!(
        error(&listed, root),
        "ROOT/train:2: `23` is negative, but left out by line 20 of labelResultAll.txt and the rule `Agree`"
    );
    let merged = listed
        .clone()
        .with_rule(MvsaRule::Merge)
        .read(root)
        .unwrap();
    assert_eq!(merged.len(), 3);
    write(root, "train", "3.jpg positive\n2.jpg negative\n");
    fs::remove_file(root.join(LABELS)).unwrap();
    assert_eq!(listed.read(root).unwrap().len(), 3);
    write(root, "train", "3.jpg happy\n");
    assert!(error(&listed, root).starts_with("ROOT/train:1: unknown label `happy`"));
}

#[test]
fn half_an_image_is_named_and_can_be_left_out() {
    let root = miniature();
    let path = root.path().join("data/3.jpg");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let pairs = Mvsa::open(root.path()).unwrap();
    let hashed = HashedTextConfig::new(16).init::<&str>(&[]).unwrap();
    let images = TrainAndTest {
        train: ImageFrontEnd::m3ae_train(),
        test: ImageFrontEnd::m3ae(),
    };
    let data = pairs.dataset((hashed, images)).unwrap();
    let report = data.check(|_, _| ()).to_string();
    assert!(
        report.contains("labelResultAll.txt:4 (3): image: unreadable: "),
        "{report}"
    );
    let (kept, skipped) = data.skip_unreadable(0.1, |_, _| ()).unwrap();
    assert_eq!((kept.len(), skipped.len()), (17, 1));
    assert!(
        kept.in_order(17, &Device::flex())
            .unwrap()
            .iter()
            .all(|batch| batch.is_ok())
    );
}

#[cfg(feature = "text")]
#[test]
fn tokens_of_another_split_folder_are_found() {
    use crate::prepare::PrepareConfig;
    use crate::text::{TokenFiles, TokenizerConfig};

    let root = miniature();
    let root = root.path();
    let config = TokenizerConfig::new(8).with_special_tokens(false);
    let tokenizer = config.word_piece(root.join("vocab.txt")).unwrap();
    let prepare = |options: Mvsa| {
        let report = options.prepare(root, &tokenizer, &PrepareConfig::new(), |_, _| ());
        let report = report.unwrap();
        (report.n_written, report.n_present)
    };
    assert_eq!(prepare(Mvsa::new()), (18, 0));
    // Of samples in other splits, and with one that has no tokens yet.
    write(root, "train.txt", "1.jpg negative\n2.jpg neutral\n");
    write(root, "test.txt", "3.jpg positive\n29.jpg positive\n");
    let lists = || SplitSource::Lists {
        train: root.join("train.txt"),
        valid: None,
        test: root.join("test.txt"),
    };
    let merged = || Mvsa::new().with_rule(MvsaRule::Merge).with_splits(lists());
    assert_eq!(prepare(merged()), (1, 3));
    let path = root.join("prepared/text_token/test_token/29_pm.npy");
    assert!(path.is_file());
    // The mask of a text is lost: both files are written again.
    fs::remove_file(&path).unwrap();
    assert_eq!(prepare(merged()), (1, 3));
    let pairs = merged()
        .with_prepared(root.join("prepared"))
        .read(root)
        .unwrap();
    assert_eq!(pairs.len(), 4);
    fs::remove_dir_all(root.join("prepared/text_token/test_token")).unwrap();
    // As MLA's folders: a sample of its test list whose files are those of the validation part.
    let prepared = root.join("prepared");
    fs::rename(
        prepared.join("text_token/all_token"),
        prepared.join("text_token/dev_token"),
    )
    .unwrap();
    fs::rename(root.join("data"), root.join("data.bak")).unwrap();
    fs::create_dir_all(root.join("visual")).unwrap();
    fs::rename(root.join("data.bak"), root.join("visual/dev_imgs")).unwrap();
    write(root, "train.txt", "1.jpg negative\n2.jpg neutral\n");
    write(root, "test.txt", "3.jpg positive\n");
    let pairs = Mvsa::new()
        .with_splits(lists())
        .with_prepared(prepared)
        .read(root)
        .unwrap();
    let test = pairs.split(Split::Test).unwrap();
    assert_eq!(test.text(0, "image"), Some("visual/dev_imgs/3.jpg"));
    let images = TrainAndTest {
        train: ImageFrontEnd::m3ae_train(),
        test: ImageFrontEnd::m3ae(),
    };
    let data = pairs.dataset((TokenFiles::new(8), images)).unwrap();
    let batch = data
        .in_order(4, &Device::flex())
        .unwrap()
        .iter()
        .next()
        .unwrap();
    assert_eq!(batch.unwrap().inputs.0.unwrap().input.ids().dims(), [3, 8]);
}
