//! Tests on a miniature.

use burn_mla::modality::TokenBatch;
use std::fs;
use std::path::Path;

use burn::tensor::Device;

use super::*;
use crate::dataset::miniature::Miniature;
use crate::image::ImageFrontEnd;
use crate::manifest::{ManifestError, Shares, TrainAndTest};

/// A miniature of 3 classes with 6 samples each.
fn miniature() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let options = Miniature {
        n_classes: Some(3),
        ..Miniature::default()
    };
    write_miniature(root.path(), &options).unwrap();
    root
}

fn options() -> Food101 {
    let classes = ClassNames::new(classes::CLASSES[..3].to_vec()).unwrap();
    Food101::new().with_classes(classes)
}

fn write(root: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn append(root: &Path, name: &str, content: &str) {
    let path = root.join(name);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, text + content).unwrap();
}

/// The error of a set, from the name of a file on.
fn error(options: &Food101, root: &Path) -> String {
    let error = options.read(root).unwrap_err().to_string();
    error.replace(root.to_str().unwrap(), "ROOT")
}

fn text<'a>(food: &'a PublishedDataset, id: &str) -> &'a str {
    food.text(food.find(id).unwrap(), "text").unwrap()
}

#[test]
fn complete_pairs_are_kept_and_the_others_are_listed() {
    let root = miniature();
    let food = options().read(root.path()).unwrap();
    let parts = Split::ALL.map(|split| food.samples(split).len());
    assert_eq!((food.len(), parts), (18, [11, 1, 6]));
    let inventory = food.inventory();
    let ids = |reason| {
        inventory
            .of(reason)
            .iter()
            .map(|id| id.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids("no text"), ["apple_pie_9001", "apple_pie_9003"]);
    assert_eq!(ids("an empty title"), ["apple_pie_9003"]);
    assert_eq!(ids("no image"), ["apple_pie_9002"]);
    assert_eq!(inventory.n_published, None);
    // Titles that are empty or missing were published so; the image is what this copy lacks.
    let reasons: Vec<&str> = inventory.reasons.keys().map(String::as_str).collect();
    assert_eq!(reasons, ["no image"]);

    let all = options().with_incomplete(Incomplete::Missing);
    let all = all.with_held_out(0.0, 0).read(root.path()).unwrap();
    let parts = Split::ALL.map(|split| all.samples(split).len());
    assert_eq!(parts, [15, 0, 6]);
    let error = error(&options().with_incomplete(Incomplete::Refuse), root.path());
    assert_eq!(
        error,
        "2 of 21 samples have no text, such as apple_pie_9001: leave them out by `Incomplete::LeaveOut`"
    );
}

#[test]
fn titles_hold_quotes_commas_and_line_breaks() {
    let root = miniature();
    let food = options().read(root.path()).unwrap();
    assert!(text(&food, "apple_pie_0").ends_with(" | Cr\u{ea}pes & Co."));
    let quoted = text(&food, "apple_pie_1-2");
    assert!(
        quoted.starts_with('"') && quoted.ends_with("\", step by step"),
        "{quoted}"
    );
    assert!(text(&food, "baklava_2").ends_with("\n- My Kitchen"));
    let plain = options()
        .with_text_form(TextForm::Mmbt)
        .read(root.path())
        .unwrap();
    assert!(text(&plain, "baklava_2").ends_with(" my kitchen"));

    // Windows-1252 and CRLF.
    let path = root.path().join("texts/train_titles.csv");
    let titles = fs::read_to_string(&path).unwrap();
    let (latin, _, _) = encoding_rs::WINDOWS_1252.encode(&titles);
    fs::write(&path, latin).unwrap();
    let same = options().read(root.path()).unwrap();
    assert_eq!(text(&same, "apple_pie_0"), text(&food, "apple_pie_0"));
    fs::write(&path, format!("\u{feff}{}", titles.replace('\n', "\r\n"))).unwrap();
    let same = options().read(root.path()).unwrap();
    assert_eq!(text(&same, "apple_pie_0"), text(&food, "apple_pie_0"));
}

#[test]
fn malformed_titles_are_named_by_their_line() {
    // The second title of a class has a line break.
    let n_lines = {
        let root = miniature();
        let titles = fs::read_to_string(root.path().join("texts/train_titles.csv")).unwrap();
        titles.lines().count()
    };
    let error = |row: &str| {
        let root = miniature();
        append(root.path(), "texts/train_titles.csv", row);
        let error = error(&options(), root.path());
        let place = format!("ROOT/texts/train_titles.csv:{}: ", n_lines + 1);
        error.strip_prefix(&place).map(String::from).ok_or(error)
    };
    let is = |problem: &str| Ok(problem.to_string());
    assert_eq!(
        error("apple_pie_7.jpg,unquoted, title,apple_pie\n"),
        is("4 fields, expected 3: image, title, class")
    );
    assert_eq!(
        error("apple_pie_7.jpg,title,baklava\n"),
        is("`apple_pie_7.jpg` is not of the class `baklava`")
    );
    assert_eq!(error("soup_1.jpg,title,soup\n"), is("`soup` is no class"));
    assert_eq!(error("image,title,class\n"), is("`image` is no image"));
    assert_eq!(
        error("../x/apple_pie_7.jpg,title,apple_pie\n"),
        is("`../x/apple_pie_7.jpg` is not the name of a file in this folder")
    );
    let repeated = error("apple_pie_0.jpg,title,apple_pie\n").unwrap();
    assert!(repeated.starts_with("`apple_pie_0` is in "), "{repeated}");
    assert!(repeated.ends_with("train_titles.csv:1, too"), "{repeated}");
    // The same title in both files.
    let root = miniature();
    append(
        root.path(),
        "texts/test_titles.csv",
        "apple_pie_0.jpg,title,apple_pie\n",
    );
    let repeated = self::error(&options(), root.path());
    let place = "`apple_pie_0` is in ROOT/texts/train_titles.csv:1, too";
    assert!(
        repeated.contains("test_titles.csv:") && repeated.ends_with(place),
        "{repeated}"
    );
    let moved = error("apple_pie_5.jpg,title,apple_pie\n").unwrap();
    assert_eq!(
        moved,
        "the image `images/test/apple_pie/apple_pie_5.jpg` is of another split"
    );
}

#[test]
fn ethz_food_101_is_recognized() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    assert!(error(&Food101::new(), root).starts_with("ROOT: neither `images` nor `visual`"));
    write(root, "images/apple_pie/1005649.jpg", "x");
    let message = error(&Food101::new(), root);
    assert!(message.starts_with("ROOT: this is Food-101 of ETH Zurich, which has images only."));
    fs::remove_dir_all(root.join("images")).unwrap();
    write(root, "food-101/meta/classes.txt", "apple_pie\n");
    assert_eq!(error(&Food101::new(), root), message);
}

#[test]
fn a_copy_without_texts_is_refused() {
    let root = miniature();
    fs::remove_dir_all(root.path().join("texts")).unwrap();
    let message = error(&options(), root.path());
    assert!(
        message.starts_with("ROOT: neither `texts` nor `texts_txt` is here"),
        "{message}"
    );
    let missing = miniature();
    fs::remove_file(missing.path().join("texts/test_titles.csv")).unwrap();
    assert!(error(&options(), missing.path()).starts_with("ROOT/texts/test_titles.csv: "));
}

#[test]
fn labels_do_not_depend_on_what_is_on_the_disk() {
    let root = miniature();
    let message = error(&Food101::new(), root.path());
    let expected = "ROOT: no sample of beef_carpaccio, beef_tartare, ";
    assert!(message.starts_with(expected), "{message}");
    let two = ClassNames::new(["baklava", "apple_pie"]).unwrap();
    let food = Food101::new().with_classes(two).read(root.path()).unwrap();
    assert_eq!(food.label(food.find("apple_pie_0").unwrap()), Some(1));
    let unused = food.inventory().of("of a class that is not used");
    assert_eq!(unused.len(), 6);
    assert_eq!(unused[0].as_str(), "baby_back_ribs_0");
    let titles = food.inventory().of("a title of a class that is not used");
    assert_eq!(titles.len(), 6);

    write(root.path(), "images/train/Thumbs.db", "x");
    write(root.path(), "images/train/baklava/notes.txt", "x");
    let food = options().read(root.path()).unwrap();
    let inventory = food.inventory();
    assert_eq!(
        inventory.of("no folder of a class")[0].as_str(),
        "images/train/Thumbs.db"
    );
    assert_eq!(
        inventory.of("no image by its name")[0].as_str(),
        "images/train/baklava/notes.txt"
    );
    write(root.path(), "images/train/baklava/sushi_1.jpg", "x");
    assert_eq!(
        error(&options(), root.path()),
        "ROOT/images/train/baklava/sushi_1.jpg: not named `baklava_NUMBER`, as images of this folder are"
    );
    fs::remove_file(root.path().join("images/train/baklava/sushi_1.jpg")).unwrap();
    write(root.path(), "images/test/baklava/baklava_0.jpg", "x");
    assert_eq!(
        error(&options(), root.path()),
        "ROOT/images/test/baklava/baklava_0.jpg: `images/train/baklava/baklava_0.jpg` has the same name"
    );
    write(root.path(), "images/train/soup/soup_0.jpg", "x");
    assert_eq!(
        error(&options(), root.path()),
        "ROOT/images/train/soup: the folder is no class"
    );
}

#[test]
fn older_copies_have_a_file_per_text() {
    let root = miniature();
    let root = root.path();
    fs::remove_dir_all(root.join("texts")).unwrap();
    let files = options().with_incomplete(Incomplete::Missing);
    for split in ["train", "test"] {
        for class in ["apple_pie", "baby_back_ribs", "baklava"] {
            for image in file_names(root, &format!("images/{split}/{class}")) {
                let id = image.trim_end_matches(".jpg");
                write(root, &format!("texts_txt/{class}/{id}.txt"), "A title\r\n");
            }
        }
    }
    write(root, "texts_txt/baklava/baklava_2.txt", b"caf\xe9\n");
    write(root, "texts_txt/baklava/baklava_3.txt", " \n");
    write(root, "texts_txt/baklava/baklava_77.txt", "no image");
    fs::remove_file(root.join("texts_txt/apple_pie/apple_pie_0.txt")).unwrap();
    let food = files.read(root).unwrap();
    assert_eq!(text(&food, "baklava_2"), "caf\u{e9}");
    assert_eq!(text(&food, "baklava_0"), "A title");
    let ids = |reason| {
        food.inventory()
            .of(reason)
            .iter()
            .map(|id| id.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids("no text"), ["apple_pie_0"]);
    assert_eq!(ids("an empty title"), ["baklava_3"]);
    assert_eq!(ids("a text without an image"), ["baklava_77"]);
}

fn file_names(root: &Path, folder: &str) -> Vec<String> {
    crate::dataset::published::file_names(&root.join(folder)).unwrap()
}

#[test]
fn lists_of_mla_and_of_mmbt_give_their_splits() {
    let root = miniature();
    let root = root.path();
    let path = |name: &str| root.join(name);
    let lists = |valid: Option<&str>, kind: &str| SplitSource::Lists {
        train: path(&format!("train.{kind}")),
        valid: valid.map(path),
        test: path(&format!("test.{kind}")),
    };
    write(
        root,
        "train.txt",
        "baklava_0.jpg baklava\napple_pie_0.jpg apple_pie\nbaby_back_ribs_0.jpg baby_back_ribs\n",
    );
    write(
        root,
        "test.txt",
        "apple_pie_1-2.jpg apple_pie\napple_pie_77.jpg apple_pie\n",
    );
    let listed = options().with_splits(lists(None, "txt"));
    let food = listed.read(root).unwrap();
    assert_eq!((food.len(), food.inventory().n_published), (4, Some(5)));
    assert_eq!(food.id(0).as_str(), "baklava_0");
    // Of a training folder, and on the list of the test.
    assert_eq!(
        food.split(Split::Test).unwrap().id(0).as_str(),
        "apple_pie_1-2"
    );
    assert_eq!(food.inventory().of("no image")[0].as_str(), "apple_pie_77");
    // 18 pairs and 3 incomplete ones, of which 4 are listed.
    assert_eq!(food.inventory().of("on no list").len(), 17);

    let json = |id: &str, class: &str| {
        format!(
            "{{\"id\": \"x\", \"label\": \"{class}\", \"text\": \"of a list\", \"img\": \"images/train/{class}/{id}.jpg\"}}\n"
        )
    };
    let train =
        ["baklava", "baby_back_ribs", "apple_pie"].map(|class| json(&format!("{class}_0"), class));
    write(root, "train.jsonl", train.concat());
    write(root, "dev.jsonl", json("apple_pie_5", "apple_pie"));
    let without_text = json("baby_back_ribs_4", "baby_back_ribs").replace("of a list", "");
    write(
        root,
        "test.jsonl",
        json("baklava_4", "baklava") + &without_text,
    );
    fs::remove_dir_all(root.join("texts")).unwrap();
    let listed = options().with_splits(lists(Some("dev.jsonl"), "jsonl"));
    let food = listed.read(root).unwrap();
    assert_eq!(text(&food, "apple_pie_0"), "of a list");
    let parts = Split::ALL.map(|split| food.samples(split).len());
    assert_eq!(parts, [3, 1, 1]);
    assert_eq!(
        food.inventory().of("no text")[0].as_str(),
        "baby_back_ribs_4"
    );
    assert_eq!(food.inventory().n_published, Some(5));
    assert!(food.inventory().is_complete(), "{}", food.inventory());
    let order = Food101::mmbt_classes(path("train.jsonl")).unwrap();
    assert_eq!(order.to_vec(), ["baklava", "baby_back_ribs", "apple_pie"]);
    let food = listed.with_classes(order).read(root).unwrap();
    assert_eq!(food.label(food.find("apple_pie_0").unwrap()), Some(2));

    write(
        root,
        "test.txt",
        "apple_pie_1-2.jpg apple_pie\nbaklava_4.jpg sushi\n",
    );
    let message = error(&options().with_splits(lists(None, "txt")), root);
    assert!(
        message.ends_with("`texts` nor `texts_txt` is here: a copy with images only has no texts")
    );
    let prepared = options()
        .with_splits(lists(None, "txt"))
        .with_prepared(root);
    assert_eq!(
        error(&prepared, root),
        "ROOT/test.txt:2: `baklava_4` is not of the class `sushi`"
    );
}

#[test]
fn other_splits_are_seeded_or_refused() {
    let root = miniature();
    let shares = Shares::new(0.2, 0.2, 3);
    let stratified = options().with_splits(SplitSource::Stratified(shares));
    let food = stratified.read(root.path()).unwrap();
    let path = root.path().join("splits.csv");
    food.save_splits(&path, |_, _| ()).unwrap();
    let again = options()
        .with_splits(SplitSource::File(path))
        .read(root.path())
        .unwrap();
    let splits = |food: &PublishedDataset| Split::ALL.map(|split| food.samples(split));
    assert_eq!(splits(&again), splits(&food));
    let grouped = options().with_splits(SplitSource::Grouped(shares));
    assert!(error(&grouped, root.path()).starts_with("UPMC Food-101 has no groups: choose "));
}

#[test]
fn half_an_image_is_named_and_can_be_left_out() {
    let root = miniature();
    let path = root.path().join("images/train/baklava/baklava_0.jpg");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let food = options().read(root.path()).unwrap();
    let data = food.dataset((hashed(), images())).unwrap();
    let report = data.check(|_, _| ());
    let problems: Vec<String> = report
        .problems
        .iter()
        .map(|problem| problem.to_string())
        .collect();
    assert_eq!(problems.len(), 1, "{report}");
    assert!(
        problems[0].contains("(baklava_0): image: unreadable: "),
        "{report}"
    );
    let (kept, skipped) = data.skip_unreadable(0.1, |_, _| ()).unwrap();
    assert_eq!((kept.len(), skipped.len()), (17, 1));
    let Err(ManifestError::Unreadable { n: 1, .. }) = data.skip_unreadable(0.01, |_, _| ()) else {
        panic!("one of 18 is more than 1 %");
    };
    let batches = kept
        .part(Split::Train)
        .unwrap()
        .shuffled(4, 0, &Device::flex())
        .unwrap();
    let batch = batches.batches.loader.iter().next().unwrap().unwrap();
    assert_eq!(batch.inputs.1.unwrap().input.0.dims(), [4, 3, 256, 256]);
}

fn images() -> TrainAndTest<ImageFrontEnd> {
    TrainAndTest {
        train: ImageFrontEnd::m3ae_train(),
        test: ImageFrontEnd::m3ae(),
    }
}

fn hashed() -> crate::text::HashedText {
    let config = crate::text::HashedTextConfig::new(16);
    config.init::<&str>(&[]).unwrap()
}

#[cfg(feature = "text")]
#[test]
fn prepared_tokens_are_those_of_the_texts() {
    use crate::prepare::PrepareConfig;
    use crate::text::{Padding, TokenFiles, TokenizerConfig};

    let root = miniature();
    let root = root.path();
    let config = TokenizerConfig::new(12)
        .with_special_tokens(false)
        .with_padding(Padding::Fixed);
    let tokenizer = config.word_piece(root.join("vocab.txt")).unwrap();
    let prepare = || {
        let config = PrepareConfig::new();
        options()
            .prepare(root, &tokenizer, &config, |_, _| ())
            .unwrap()
    };
    // 18 pairs and a title without an image.
    assert_eq!((prepare().n_written, prepare().n_present), (19, 19));
    let prepared = options().with_prepared(root.join("prepared"));
    let (from_files, from_texts) = (prepared.read(root).unwrap(), options().read(root).unwrap());
    let device = Device::flex();
    let files = from_files.dataset((TokenFiles::new(12), images())).unwrap();
    let texts = from_texts.dataset((tokenizer.clone(), images())).unwrap();
    let files = files
        .in_order(20, &device)
        .unwrap()
        .iter()
        .next()
        .unwrap()
        .unwrap();
    let texts = texts
        .in_order(20, &device)
        .unwrap()
        .iter()
        .next()
        .unwrap()
        .unwrap();
    let (files, texts) = (files.inputs.0.unwrap().input, texts.inputs.0.unwrap().input);
    let ids = |tokens: &TokenBatch| tokens.ids().to_data();
    ids(&files).assert_eq(&ids(&texts), true);
    let mask = |tokens: &TokenBatch| tokens.mask().to_data();
    mask(&files).assert_eq(&mask(&texts), true);
    assert!(
        root.join("prepared/text_token/test_token/baklava_5_pm.npy")
            .is_file()
    );
    // Lists put samples in other splits; the tokens that are there are those of the samples.
    write(
        root,
        "list.train",
        "apple_pie_0.jpg apple_pie\nbaklava_0.jpg baklava\nbaby_back_ribs_5.jpg baby_back_ribs\n",
    );
    write(root, "list.dev", "apple_pie_5.jpg apple_pie\n");
    write(root, "list.test", "apple_pie_2.jpg apple_pie\n");
    let [train, valid, test] =
        ["train", "dev", "test"].map(|part| root.join(format!("list.{part}")));
    let valid = Some(valid);
    let listed = options().with_splits(SplitSource::Lists { train, valid, test });
    let config = PrepareConfig::new();
    let report = listed
        .prepare(root, &tokenizer, &config, |_, _| ())
        .unwrap();
    assert_eq!((report.n_written, report.n_present), (0, 5));
    let listed = listed
        .with_prepared(root.join("prepared"))
        .read(root)
        .unwrap();
    assert_eq!(
        Split::ALL.map(|split| listed.samples(split).len()),
        [3, 1, 1]
    );
    // Other texts, another tokenizer, and tokens of another program.
    let refused = |options: Food101, tokenizer: &crate::text::TextTokenizer| {
        let report = options.prepare(root, tokenizer, &config, |_, _| ());
        report.unwrap_err().to_string()
    };
    let error = refused(options().with_text_form(TextForm::Mmbt), &tokenizer);
    assert!(
        error.contains("tokenizer.json: the files of this folder were made by another"),
        "{error}"
    );
    let longer = TokenizerConfig::new(13)
        .word_piece(root.join("vocab.txt"))
        .unwrap();
    assert!(refused(options(), &longer).contains("made by another recipe"));
    fs::rename(
        root.join("prepared/text_token/tokenizer.json"),
        root.join("tokenizer.json"),
    )
    .unwrap();
    assert!(refused(options(), &tokenizer).contains("tokenizer.json: is missing, although"));
    fs::rename(
        root.join("tokenizer.json"),
        root.join("prepared/text_token/tokenizer.json"),
    )
    .unwrap();
    // A mask that is missing, and images in MLA's folders of another split.
    fs::remove_file(root.join("prepared/text_token/test_token/baklava_5_pm.npy")).unwrap();
    fs::create_dir_all(root.join("visual/dev_imgs")).unwrap();
    for split in ["train", "test"] {
        for class in ["apple_pie", "baby_back_ribs", "baklava"] {
            for image in file_names(root, &format!("images/{split}/{class}")) {
                let from = root.join(format!("images/{split}/{class}/{image}"));
                fs::rename(from, root.join("visual/dev_imgs").join(&image)).unwrap();
            }
        }
    }
    fs::remove_dir_all(root.join("images")).unwrap();
    // The original titles beside are of another split.
    let food = options().read(root).unwrap();
    assert_eq!(food.samples(Split::Valid).len(), 18);
    fs::remove_dir_all(root.join("texts")).unwrap();
    let food = prepared.read(root).unwrap();
    assert_eq!(food.samples(Split::Valid).len(), 17);
    assert_eq!(
        food.inventory().of("tokens without a padding mask")[0].as_str(),
        "baklava_5"
    );
    assert_eq!(
        food.inventory().of("tokens without an image")[0].as_str(),
        "apple_pie_9002"
    );
    // Texts are needed to write tokens.
    let error = refused(options(), &tokenizer);
    assert!(
        error.contains("a copy with images only has no texts"),
        "{error}"
    );
}

#[cfg(all(unix, feature = "text"))]
#[test]
fn folders_may_be_linked_and_relative() {
    use std::os::unix::fs::symlink;

    use crate::prepare::PrepareConfig;
    use crate::text::TokenizerConfig;

    let outer = tempfile::tempdir().unwrap();
    let outer = outer.path();
    let set = outer.join("set");
    let miniature = Miniature {
        n_classes: Some(3),
        ..Miniature::default()
    };
    write_miniature(&set, &miniature).unwrap();
    fs::create_dir(outer.join("x")).unwrap();
    fs::rename(set.join("images/train"), outer.join("scratch")).unwrap();
    symlink(outer.join("scratch"), set.join("images/train")).unwrap();
    let root = outer.join("x/../set");
    let tokenizer = TokenizerConfig::new(8)
        .word_piece(set.join("vocab.txt"))
        .unwrap();
    let report = options().prepare(&root, &tokenizer, &PrepareConfig::new(), |_, _| ());
    assert_eq!(report.unwrap().n_written, 19);
    let food = options().with_prepared(root.join("prepared"));
    let food = food.read(&root).unwrap();
    let text = food.text(0, "text").unwrap();
    assert!(
        text.starts_with("prepared/text_token/train_token/"),
        "{text}"
    );
    let report = food.check(|_, _| ()).to_string();
    assert!(
        !report.contains("no such file") && !report.contains("unreadable"),
        "{report}"
    );
}
