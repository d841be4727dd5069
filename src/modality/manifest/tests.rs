use super::layout::FORMAT;
use super::*;
use crate::error::MlaError;
use crate::modality::MissingProtocol;
use serde_json::{Value, json};

const SPLITS: [(&str, usize); 3] = [("train", 40), ("valid", 9), ("test", 0)];

fn manifest(rate: f64) -> MissingManifest {
    let rate = MissingRate::new(rate, 17).unwrap();
    MissingManifest::new(rate, ["audio", "video", "text"], SPLITS).unwrap()
}

#[test]
fn what_is_saved_is_read_back_at_any_rate() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing.json");
    for tenths in 0..=7 {
        let saved = manifest(f64::from(tenths) / 10.0);
        saved.save(&path).unwrap();
        assert_eq!(MissingManifest::load(&path).unwrap(), saved);
    }
    let files: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(files.len(), 1, "nothing temporary stays: {files:?}");
}

#[test]
fn a_protocol_is_kept_and_older_versions_refuse_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing.json");
    let version = |path| {
        let file: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        (file["version"].clone(), file["protocol"].clone())
    };
    manifest(0.5).save(&path).unwrap();
    assert_eq!(version(&path), (json!(1), Value::Null));
    let rate = manifest(0.5).rate().with_protocol(MissingProtocol::CpmNets);
    let saved = MissingManifest::new(rate, ["audio", "video", "text"], SPLITS).unwrap();
    assert_ne!(saved.presence("train"), manifest(0.5).presence("train"));
    saved.save(&path).unwrap();
    assert_eq!(version(&path), (json!(2), json!("CpmNets")));
    assert_eq!(MissingManifest::load(&path).unwrap(), saved);
}

#[test]
fn a_split_is_the_one_drawn_and_of_the_number_asked_for() {
    let manifest = manifest(0.5);
    let train = manifest.rate().presence("train", 40, 3).unwrap();
    assert_eq!(manifest.presence("train"), Ok(&train));
    assert_eq!(manifest.check("train", 40), Ok(&train));
    let names: Vec<&str> = manifest.splits().map(|(name, _)| name).collect();
    assert_eq!(names, ["train", "valid", "test"]);
    let error = manifest.check("train", 41).unwrap_err();
    assert_eq!(
        error.to_string(),
        "manifest of modality masks: the mask of split `train` has 40 samples, expected 41"
    );
    let error = MlaError::from(manifest.presence("extra").unwrap_err());
    assert!(
        error
            .to_string()
            .ends_with("unknown split `extra`, the splits are train, valid, test")
    );
    manifest
        .check_modalities(&["audio", "video", "text"])
        .unwrap();
    let error = manifest.check_modalities(&["video", "audio", "text"]);
    assert!(matches!(
        error.unwrap_err().problem,
        ManifestProblem::Modalities { .. }
    ));
}

#[test]
fn names_are_checked() {
    let rate = MissingRate::new(0.5, 0).unwrap();
    let none = MissingManifest::new(rate, [] as [&str; 0], SPLITS).unwrap_err();
    assert_eq!(none.problem, ManifestProblem::NoModalities);
    let no_split = [] as [(&str, usize); 0];
    let none = MissingManifest::new(rate, [] as [&str; 0], no_split).unwrap_err();
    assert_eq!(none.problem, ManifestProblem::NoModalities);
    let twice = MissingManifest::new(rate, ["a", "b", "a"], SPLITS).unwrap_err();
    assert_eq!(
        twice.to_string(),
        "manifest of modality masks: two modalities have the name `a`"
    );
    let twice = MissingManifest::new(rate, ["a"], [("train", 1), ("train", 2)]).unwrap_err();
    assert!(matches!(
        twice.problem,
        ManifestProblem::Twice { what: "splits", .. }
    ));
}

/// The problem of a small good file after `change`.
fn problem(change: impl FnOnce(&mut Value)) -> ManifestProblem {
    let mut file = json!({
        "format": FORMAT, "version": 1, "rate": 0.5, "seed": 3, "modalities": ["a", "b"],
        "splits": [{ "name": "train", "n_samples": 3, "mask": ["11", "01", "10"] }],
    });
    assert!(MissingManifest::parse(file.to_string().as_bytes()).is_ok());
    change(&mut file);
    MissingManifest::parse(file.to_string().as_bytes()).unwrap_err()
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    let row = |row: &str| {
        let row = row.to_string();
        problem(|file| file["splits"][0]["mask"][1] = json!(row)).to_string()
    };
    assert_eq!(
        row("012"),
        "row 1 of split `train` is `012`: expected 2 digits 0 or 1"
    );
    assert_eq!(
        row("0é"),
        "row 1 of split `train` is `0é`: expected 2 digits 0 or 1"
    );
    assert_eq!(
        row("é"),
        "row 1 of split `train` is `é`: expected 2 digits 0 or 1"
    );
    assert_eq!(
        row("00"),
        "sample 1 of split `train` has no modality present"
    );
    assert_eq!(
        problem(|file| file["splits"][0]["n_samples"] = json!(4)),
        ManifestProblem::Samples {
            split: "train".to_string(),
            masked: 3,
            n_samples: 4
        }
    );
    assert!(matches!(
        problem(|file| file["modalities"] = json!(["a"])),
        ManifestProblem::Row { sample: 0, .. }
    ));
    assert_eq!(
        problem(|file| file["modalities"] = json!([])),
        ManifestProblem::NoModalities
    );
    assert_eq!(
        problem(|file| file["modalities"] = json!(["a", "a"])),
        ManifestProblem::Twice {
            what: "modalities",
            name: "a".to_string()
        }
    );
    assert_eq!(
        problem(|file| file["rate"] = json!(1.0)),
        ManifestProblem::Rate { rate: 1.0 }
    );
    assert_eq!(
        problem(|file| file["version"] = json!(3)),
        ManifestProblem::Version {
            version: 3,
            known: 2
        }
    );
    assert!(matches!(
        problem(|file| file["protocol"] = json!("Other")),
        ManifestProblem::Field { message } if message.contains("CpmNets")
    ));
    assert!(matches!(
        problem(|file| file["seed"] = json!(-1)),
        ManifestProblem::Field { .. }
    ));
    assert!(matches!(
        problem(|file| file["more"] = json!(1)),
        ManifestProblem::Field { message } if message.contains("more")
    ));
    assert!(matches!(
        problem(|file| file["format"] = json!("something else")),
        ManifestProblem::Foreign { message } if message.contains("something else")
    ));
}

#[test]
fn foreign_truncated_and_absent_files_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing.json");
    let load = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = MissingManifest::load(&path).unwrap_err();
        assert!(
            error.to_string().starts_with(path.to_str().unwrap()),
            "{error}"
        );
        error.problem
    };
    let foreign = |problem| matches!(problem, ManifestProblem::Foreign { .. });
    let truncated = |problem| matches!(problem, ManifestProblem::Truncated { .. });
    for other in [
        &b"\x89PNG\r\n"[..],
        b"{}",
        b"[1, 2]",
        b"{\"format\": 3}",
        b"a,b\n1,2",
    ] {
        assert!(foreign(load(other)), "{other:?}");
    }
    manifest(0.3).save(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    for end in [0, 1, 30, whole.len() / 2, whole.len() - 3] {
        assert!(truncated(load(&whole[..end])), "{end} bytes");
    }
    fs::remove_file(&path).unwrap();
    let error = MissingManifest::load(&path).unwrap_err();
    assert!(matches!(error.problem, ManifestProblem::Io { .. }));
    assert_eq!(error.path, Some(path));
}

#[test]
fn a_byte_order_mark_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing.json");
    let saved = manifest(0.3);
    saved.save(&path).unwrap();
    let marked = [b"\xef\xbb\xbf".to_vec(), fs::read(&path).unwrap()].concat();
    fs::write(&path, marked).unwrap();
    assert_eq!(MissingManifest::load(&path).unwrap(), saved);
}

#[test]
fn writers_of_one_file_do_not_tear_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing.json");
    let manifests: Vec<_> = (0..4)
        .map(|tenths| manifest(f64::from(tenths) / 10.0))
        .collect();
    std::thread::scope(|scope| {
        for manifest in &manifests {
            scope.spawn(|| {
                for _ in 0..20 {
                    manifest.save(&path).unwrap();
                    assert!(manifests.contains(&MissingManifest::load(&path).unwrap()));
                }
            });
        }
    });
}

#[test]
fn saving_that_fails_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let occupied = folder.path().join("missing.json");
    fs::create_dir_all(occupied.join("inside")).unwrap();
    let error = manifest(0.3).save(&occupied).unwrap_err();
    assert_eq!(error.path.as_deref(), Some(occupied.as_path()));
    let files: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(files.len(), 1, "{files:?}");
    assert!(
        manifest(0.3)
            .save(folder.path().join("no/such/folder.json"))
            .is_err()
    );
    assert!(manifest(0.3).save("/").is_err());
}

#[test]
fn masks_are_drawn_within_natural_gaps() {
    let rate = MissingRate::new(0.6, 2).unwrap();
    let natural = Presence::from_mask([true, false].repeat(50), 2).unwrap();
    let splits = [("train", natural.clone()), ("test", Presence::all(50, 2))];
    let manifest = MissingManifest::within(rate, ["audio", "video"], splits).unwrap();
    assert_eq!(manifest.presence("train").unwrap(), &natural);
    let complete = rate.presence("test", 50, 2).unwrap();
    assert_eq!(manifest.presence("test").unwrap(), &complete);
    let error = MissingManifest::within(rate, ["audio"], [("train", natural)]).unwrap_err();
    assert_eq!(
        error.problem.to_string(),
        "the mask of split `train` has 2 modalities, expected 1"
    );
}
