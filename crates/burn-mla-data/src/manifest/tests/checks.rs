//! Problems are found, each with its line, and samples are skipped on demand only.

use super::*;

/// Reads the bytes of images; those that begin with `!` are no images.
fn images() -> impl FrontEnd<Item = Vec<u8>, Input = usize> {
    FileFrontEnd::new(
        |path| match std::fs::read(path)? {
            bytes if bytes.starts_with(b"!") => Err("no image".into()),
            bytes => Ok(bytes),
        },
        |items: Vec<Vec<u8>>, _: &_| Ok(items.len()),
    )
}

fn problems(folder: &Folder, report: &CheckReport) -> Vec<String> {
    report
        .problems
        .iter()
        .map(|problem| message(folder, problem))
        .collect()
}

#[test]
fn everything_that_is_wrong_is_listed_by_line() {
    let text = "id,label,split,photo,words\n\
        1,a,train,1.png,one\n\
        2,a,train,lost.png,two\n\
        1,a,test,,again\n\
        3,b,train,empty.png,three\n\
        4,a,test,copy.png,four\n\
        5,b,train,copy2.png,five\n\
        2,a,train,,again\n\
        6,c,train,,\n";
    let folder = Folder::new(&[
        ("data.csv", text),
        ("1.png", "same"),
        ("copy.png", "same"),
        ("copy2.png", "same"),
        ("empty.png", ""),
    ]);
    let manifest = folder.open("data.csv").unwrap();
    let mut n_calls = 0;
    let report = manifest.check(|_, _| n_calls += 1);
    assert_eq!(
        (n_calls, report.n_samples, report.is_clean()),
        (8, 8, false)
    );
    assert_eq!(
        problems(&folder, &report),
        [
            "data.csv:3 (2): photo: no such file: `lost.png`: No such file or directory (os error 2)",
            "data.csv:4 (1): the same id as on line 2, which is in another split",
            "data.csv:5 (3): photo: the file is empty",
            "data.csv:6 (4): photo: the same content as in data.csv:2 (1), which is in another split",
            "data.csv:7 (5): photo: the same content as in data.csv:2 (1), which has another label",
            "data.csv:8 (2): the same id as on line 3",
            "data.csv:9 (6): the sample has no modality",
            "the class `c` has one sample",
        ]
    );
    assert!(report.to_string().ends_with("8 samples, 8 problems"));
}

#[test]
fn classes_that_are_too_small_are_listed() {
    let rows: String = (0..24)
        .map(|i| format!("{i},{},x\n", if i < 22 { "a" } else { "b" }))
        .collect();
    let folder = Folder::new(&[("data.csv", &format!("id,label,text\n{rows}"))]);
    let manifest = folder.open("data.csv").unwrap();
    let report = manifest.check(|_, _| ());
    assert_eq!(
        problems(&folder, &report),
        ["`a` has 22 samples but `b` has 2"]
    );
    let text = "id,label,split,text\n1,a,train,x\n2,a,train,y\n3,b,test,z\n4,b,test,z\n";
    let folder = Folder::new(&[("data.csv", text)]);
    let classes = crate::dataset::ClassNames::new(["a", "b", "c"]).unwrap();
    let manifest = ManifestConfig::new()
        .with_classes(classes)
        .open(folder.path("data.csv"));
    assert_eq!(
        problems(&folder, &manifest.unwrap().check(|_, _| ())),
        [
            "the class `b` has no training sample",
            "the class `c` has no training sample"
        ]
    );
}

#[test]
fn a_data_set_is_strict() {
    let folder = Folder::new(&[
        ("a.csv", "id,x,y\n1,a,b\n1,c,d\n"),
        ("b.csv", "id,x,y\n1,a,b\n2,,\n"),
    ]);
    let data = |name: &str, n: usize| {
        let text = crate::text::HashedTextConfig::new(4)
            .init::<&str>(&[])
            .unwrap();
        let data = folder.open(name).unwrap().dataset(vec![text; n]);
        message(&folder, data.err().unwrap())
    };
    assert!(data("a.csv", 2).starts_with("a.csv:3 (1): the same id as on line 2"));
    assert_eq!(data("b.csv", 2), "b.csv:3 (2): the sample has no modality");
    assert_eq!(data("b.csv", 1), "1 front ends for the 2 columns x, y");
    let files = folder
        .open("b.csv")
        .unwrap()
        .dataset(vec![images(), images()]);
    let error = files.err().unwrap().to_string();
    assert_eq!(
        error,
        "column `x` has text cells, which its front end does not read"
    );
}

#[test]
fn unreadable_samples_are_skipped_by_name_up_to_a_share() {
    let text = "id,photo,copy\n1,1.png,\n2,bad.png,1.png\n3,,3.png\n4,lost.png,\n5,3.png,\n";
    let files = [
        ("data.csv", text),
        ("1.png", "1"),
        ("bad.png", "!"),
        ("3.png", "3"),
    ];
    let folder = Folder::new(&files);
    let data = folder
        .open("data.csv")
        .unwrap()
        .dataset(vec![images(), images()])
        .unwrap();
    let lost = "data.csv:5 (4): photo: `lost.png`: No such file or directory (os error 2)";
    let bad = "data.csv:3 (2): photo: no image";
    assert_eq!(message(&folder, data.item(1).unwrap_err()), bad);
    assert_eq!(message(&folder, data.item(3).unwrap_err()), lost);

    let (rest, skipped) = data.skip_unreadable(0.4, |_, _| ()).unwrap();
    assert_eq!(rest.samples(), [0, 2, 4]);
    let skipped: Vec<String> = skipped
        .iter()
        .map(|error| message(&folder, error))
        .collect();
    assert_eq!(skipped, [bad, lost]);
    let error = data.skip_unreadable(0.3, |_, _| ()).err().unwrap();
    assert_eq!(
        message(&folder, error),
        format!("2 of 5 samples are unreadable, more than a share of 0.3; first {bad}")
    );
    assert!(data.skip_unreadable(f64::NAN, |_, _| ()).is_err());
    // The check decodes, too.
    let report = data.check(|_, _| ());
    let found = problems(&folder, &report);
    assert_eq!(found[0], "data.csv:3 (2): photo: unreadable: no image");
    assert_eq!(found.len(), 2);
}
