//! Tables as people write them.

use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn rows(manifest: &Manifest) -> Vec<Vec<String>> {
    let text = |sample: usize, name: &str| manifest.text(sample, name).unwrap_or("-").to_string();
    (0..manifest.len())
        .map(|sample| {
            let label = manifest.label(sample);
            let label = label.map_or("-".to_string(), |label| manifest.classes()[label].clone());
            let split = manifest.split(sample).map_or("-", Split::name).to_string();
            let cells = manifest.modalities().map(|(name, _)| text(sample, name));
            [manifest.id(sample).to_string(), label, split]
                .into_iter()
                .chain(cells)
                .collect()
        })
        .collect()
}

#[rstest]
#[case::plain(
    "data.csv",
    "id,label,split,text\n1,b,train,\"x, \"\"y\"\"\"\n2,a,train,\n"
)]
#[case::windows(
    "data.csv",
    "\u{feff}id,label,split,text\r\n1,b,train,\"x, \"\"y\"\"\"\r\n2,a,train,\r\n"
)]
#[case::no_last_newline(
    "data.csv",
    "id,label,split,text\n1,b,train,\"x, \"\"y\"\"\"\n2,a,train,"
)]
#[case::blanks(
    "data.csv",
    "id, label, split, text\n 1 , b, train,\"x, \"\"y\"\"\"\n\n2,a , train , \n"
)]
#[case::tabs(
    "data.tsv",
    "text\tid\tlabel\tsplit\nx, \"y\"\t1\tb\ttrain\n\t2\ta\ttrain\n"
)]
#[case::json(
    "data.jsonl",
    "{\"id\": 1, \"label\": \"b\", \"split\": \"train\", \"text\": \"x, \\\"y\\\"\"}\n{\"id\": \"2\", \"label\": \"a\", \"split\": \"train\", \"text\": null}\n"
)]
#[case::json_windows(
    "data.jsonl",
    "\u{feff}{\"split\": \"train\", \"id\": 1, \"label\": \"b\", \"text\": \"\\u0078, \\\"y\\\"\"}\r\n\r\n{\"id\": 2, \"label\": \"a\", \"split\": \"train\"}\r\n"
)]
fn the_same_table_is_read_from_every_format(#[case] name: &str, #[case] text: &str) {
    let folder = Folder::new(&[(name, text)]);
    let manifest = folder.open(name).unwrap();
    assert_eq!(
        rows(&manifest),
        [["1", "b", "train", "x, \"y\""], ["2", "a", "train", "-"]]
    );
    assert_eq!(manifest.classes().to_vec(), ["a", "b"]);
    assert_eq!(
        manifest.modalities().collect::<Vec<_>>(),
        [("text", ColumnKind::Text)]
    );
}

#[test]
fn columns_of_json_are_in_the_order_of_the_file() {
    let lines = "{\"words\": \"x\", \"id\": 1, \"body\": true}\n{\"id\": 2, \"first\": -1.50, \"body\": null}\n";
    let folder = Folder::new(&[("data.jsonl", lines)]);
    let manifest = folder.open("data.jsonl").unwrap();
    let names: Vec<&str> = manifest.modalities().map(|(name, _)| name).collect();
    assert_eq!(names, ["words", "body", "first"]);
    let found = rows(&manifest);
    assert_eq!(found[0][3..], ["x", "true", "-"]);
    assert_eq!(found[1][3..], ["-", "-", "-1.5"]);
}

#[rstest]
#[case("\n")]
#[case("\r\n")]
fn lines_are_those_of_the_file(#[case] end: &str) {
    let text = "id,text\n1,\"two\nlines\"\n2,b\n1,c\n".replace('\n', end);
    let folder = Folder::new(&[("data.csv", &text)]);
    let manifest = folder.open("data.csv").unwrap();
    let lines: Vec<u64> = (0..3).map(|sample| manifest.place(sample).line).collect();
    assert_eq!(lines, [2, 4, 5]);
    let error = manifest.check_ids().unwrap_err();
    assert_eq!(
        message(&folder, error),
        "data.csv:5 (1): the same id as on line 2; 1 lines have the id of an earlier line"
    );
}

#[rstest]
#[case("data.csv", "", "data.csv: column `id` is missing; there are ")]
#[case(
    "data.csv",
    "a,b\n",
    "data.csv: column `id` is missing; there are a, b"
)]
#[case("data.csv", "id,a,a\n", "data.csv: column `a` occurs twice")]
#[case("data.csv", "id,a\n1,x\n2\n", "data.csv:3: 1 fields, expected 2")]
#[case("data.csv", "id,a\n1,x\n ,y\n", "data.csv:3: the id is empty")]
#[case(
    "data.csv",
    "id,split,a\n1,train,x\n2,tset,y\n",
    "data.csv:3: unknown split `tset`: expected train, valid or test"
)]
#[case(
    "data.csv",
    "id,a\n1,\n",
    "data.csv: column `a` has no values; declare its kind by `with_kind`"
)]
#[case(
    "data.csv",
    "id,a\n1,\n2,x.png\n3,y\n",
    "data.csv: column `a` has cells of different kinds: `x.png` on line 3 and `y` on line 4; declare the kind by `with_kind`"
)]
#[case(
    "data.csv",
    "id,a\n1,x.png\n2,../y.png\n",
    "data.csv:3: a: the path `../y.png` has `..`"
)]
#[case(
    "data.csv",
    "id,a\n1,/etc/x.png\n",
    "data.csv:2: a: the path `/etc/x.png` is absolute; allow its folder by `with_folder`"
)]
#[case(
    "data.csv",
    "id,label,split,a\n1,cat,train,x\n2,dog,test,y\n",
    "data.csv:3 (2): unknown class `dog`: expected one of cat"
)]
#[case(
    "data.txt",
    "id\n",
    "data.txt: a manifest ends in .csv, .tsv, .jsonl or .ndjson"
)]
#[case(
    "data.jsonl",
    "{\"id\": 1}\n{\"id\": [1]}\n",
    "data.jsonl:2: `id` is no text or number"
)]
#[case(
    "data.jsonl",
    "{\"id\": 1}\n\n[]\n",
    "data.jsonl:3: invalid type: sequence, expected a map at line 1 column 0"
)]
#[case(
    "data.jsonl",
    "{\"id\": 1, \"a\": \"x\", \" a \": 2}\n",
    "data.jsonl:1: `a` occurs twice"
)]
#[case(
    "data.jsonl",
    "{\"id\": 1} {}\n",
    "data.jsonl:1: trailing characters at line 1 column 11"
)]
fn malformed_tables_are_refused_with_the_line(
    #[case] name: &str,
    #[case] text: &str,
    #[case] expected: &str,
) {
    let folder = Folder::new(&[(name, text)]);
    assert_eq!(message(&folder, folder.open(name).unwrap_err()), expected);
}

#[test]
fn texts_in_another_encoding_are_refused_with_the_line() {
    let folder = Folder::new(&[]);
    folder.write("data.csv", b"id,a\n1,x\n2,caf\xe9\n");
    let error = folder.open("data.csv").unwrap_err();
    assert_eq!(message(&folder, error), "data.csv:3: not in UTF-8");
}

#[test]
fn kinds_are_inferred_and_can_be_declared() {
    let text = "id,speaker,photo,sound,clip,vector,words\n\
                1,ann,p/1.JPG,1.wav,clips/1,1.npy,a b\n2,bob,,2.flac,clips/2,2.safetensors,c\n";
    let folder = Folder::new(&[("data.csv", text), ("clips/1/0.jpg", "x")]);
    let config = ManifestConfig::new().with_extra(["speaker"]);
    let manifest = config.open(folder.path("data.csv")).unwrap();
    let kinds = [
        ("photo", ColumnKind::Image),
        ("sound", ColumnKind::Audio),
        ("clip", ColumnKind::Frames),
        ("vector", ColumnKind::Features),
        ("words", ColumnKind::Text),
    ];
    assert_eq!(manifest.modalities().collect::<Vec<_>>(), kinds);
    assert_eq!(manifest.text(1, "speaker"), Some("bob"));
    assert_eq!(manifest.text(1, "photo"), None);
    // Chosen, in another order, of another kind.
    let config = config
        .with_modalities(["words", "photo"])
        .with_kind("photo", ColumnKind::Text);
    let manifest = config.open(folder.path("data.csv")).unwrap();
    let kinds = [("words", ColumnKind::Text), ("photo", ColumnKind::Text)];
    assert_eq!(manifest.modalities().collect::<Vec<_>>(), kinds);
    let config = config.with_modalities(["word"]);
    assert!(config.open(folder.path("data.csv")).is_err());
}

#[test]
fn classes_of_a_model_decide() {
    let text = "id,label,split,a\n1,dog,test,x\n2,,test,y\n3,cat,test,z\n";
    let folder = Folder::new(&[("data.csv", text)]);
    // Without training lines and other classes, those of all lines.
    let manifest = folder.open("data.csv").unwrap();
    assert_eq!(manifest.classes().to_vec(), ["cat", "dog"]);
    let labels: Vec<_> = (0..3).map(|sample| manifest.label(sample)).collect();
    assert_eq!(labels, [Some(1), None, Some(0)]);
    let open = |names: &[&str]| {
        let classes = crate::dataset::ClassNames::new(names.to_vec()).unwrap();
        let config = ManifestConfig::new().with_classes(classes);
        config.open(folder.path("data.csv"))
    };
    assert_eq!(open(&["fox", "dog", "cat"]).unwrap().label(2), Some(2));
    assert_eq!(
        message(&folder, open(&["dog"]).unwrap_err()),
        "data.csv:4 (3): unknown class `cat`: expected one of dog"
    );
}

#[test]
fn a_summary_counts_samples_and_bytes() {
    let text = "id,label,split,photo,words\n1,a,train,1.png,abc\n2,b,train,,de\n3,a,test,no.png,\n";
    let folder = Folder::new(&[("data.csv", text), ("1.png", "12345")]);
    let summary = folder.open("data.csv").unwrap().summary();
    assert_eq!(summary.n_samples(None), 3);
    assert_eq!(summary.n_of_class(0, Some(Split::Train)), 1);
    assert_eq!(summary.n_with_modality(0, None), 2);
    assert_eq!((summary.n_bytes(0), summary.n_bytes(1)), (5, 5));
}

#[cfg(feature = "audio")]
#[test]
fn a_summary_has_the_durations_of_sound() {
    use crate::fixtures;
    use std::time::Duration;
    let text = "id,sound,words\n1,1.wav,a\n2,2.wav,b\n3,3.wav,c\n4,,d\n5,no.wav,e\n6,bad.wav,f\n";
    let folder = Folder::new(&[("data.csv", text), ("bad.wav", "RIFF")]);
    let wave = |name: &str| fixtures::bytes(&format!("fbank/{name}"));
    folder.write("1.wav", wave("mono16k.wav"));
    folder.write("2.wav", wave("stereo16k.wav"));
    folder.write("3.wav", wave("long16k.wav"));
    let summary = folder.open("data.csv").unwrap().summary();
    let seconds = |name: &str| {
        let path = fixtures::path(&format!("fbank/{name}"));
        Duration::from_secs_f64(
            crate::audio::AudioReader::new()
                .read(&path)
                .unwrap()
                .seconds(),
        )
    };
    let known = ["mono16k.wav", "stereo16k.wav", "long16k.wav"].map(seconds);
    let durations = summary.durations(0).unwrap();
    assert_eq!(durations.n, 3);
    assert_eq!(durations.total, known.iter().sum::<Duration>());
    assert_eq!(Some(durations.max), known.into_iter().max());
    assert!(summary.durations(1).is_none());
    let printed = summary.to_string();
    assert!(printed.contains("of 3; 2 unknown"), "{printed}");
}

/// Texts with everything that quoting and line ends make difficult.
fn cell() -> impl Strategy<Value = String> {
    "[a-c ,\"'\n\r\t\\\\{}é日😀]{0,8}".prop_map(|text| text.trim().to_string())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(cells in prop::collection::vec((cell(), cell()), 1..20)) {
        let folder = Folder::new(&[]);
        let mut csv = csv::Writer::from_path(folder.path("data.csv")).unwrap();
        csv.write_record(["id", "a", "b"]).unwrap();
        let mut json = String::new();
        for (id, (a, b)) in cells.iter().enumerate() {
            csv.write_record([&id.to_string(), a, b]).unwrap();
            json += &format!("{}\n", serde_json::json!({"id": id, "a": a, "b": b}));
        }
        csv.flush().unwrap();
        folder.write("data.jsonl", &json);
        let config = ManifestConfig::new()
            .with_kind("a", ColumnKind::Text)
            .with_kind("b", ColumnKind::Text);
        for name in ["data.csv", "data.jsonl"] {
            let manifest = config.open(folder.path(name)).unwrap();
            prop_assert_eq!(manifest.len(), cells.len());
            for (sample, (a, b)) in cells.iter().enumerate() {
                prop_assert_eq!(manifest.id(sample).to_string(), sample.to_string());
                prop_assert_eq!(manifest.text(sample, "a").unwrap_or_default(), a);
                prop_assert_eq!(manifest.text(sample, "b").unwrap_or_default(), b);
            }
        }
    }
}
