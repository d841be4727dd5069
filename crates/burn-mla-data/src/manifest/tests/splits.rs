//! Splits partition the samples, are stratified or grouped, and survive a file.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn table(rows: &[(usize, usize)]) -> (Folder, Manifest) {
    let row =
        |(id, (class, group)): (usize, &(usize, usize))| format!("s{id},c{class},g{group},x\n");
    let rows: String = rows.iter().enumerate().map(row).collect();
    let folder = Folder::new(&[("data.csv", &format!("id,label,group,text\n{rows}"))]);
    let config = ManifestConfig::new().with_extra(["group"]);
    let manifest = config.open(folder.path("data.csv")).unwrap();
    (folder, manifest)
}

fn splits(manifest: &Manifest) -> Vec<Split> {
    (0..manifest.len())
        .map(|sample| manifest.split(sample).unwrap())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn stratified_splits_are_within_one_of_their_shares(
        sizes in prop::collection::vec(1_usize..40, 1..6),
        valid in 0.0..0.45_f64,
        test in 0.0..0.45_f64,
        seed in 0..1000_u64,
    ) {
        let rows: Vec<(usize, usize)> = sizes
            .iter()
            .enumerate()
            .flat_map(|(class, &n)| vec![(class, 0); n])
            .collect();
        let (_folder, manifest) = table(&rows);
        let split = match manifest.split_stratified(&Shares::new(valid, test, seed)) {
            Ok(split) => split,
            Err(error) => {
                let empty = matches!(error, ManifestError::EmptySplit { .. });
                prop_assert!(empty, "{error}");
                return Ok(());
            }
        };
        let found = splits(&split);
        for (class, &n) in sizes.iter().enumerate() {
            let of_class = |wanted: Split| {
                let pairs = rows.iter().zip(&found);
                pairs.filter(|(row, split)| row.0 == class && **split == wanted).count()
            };
            let counts = Split::ALL.map(of_class);
            prop_assert_eq!(counts.iter().sum::<usize>(), n);
            prop_assert!(counts[0] > 0);
            for (count, share) in counts.into_iter().zip([1.0 - valid - test, valid, test]) {
                let exact = share * n as f64;
                prop_assert!((count as f64 - exact).abs() < 1.0 + 1e-6, "{count} of {exact}");
            }
        }
    }

    #[test]
    fn groups_never_straddle(
        groups in prop::collection::vec(0_usize..12, 3..80),
        seed in 0..1000_u64,
    ) {
        let rows: Vec<(usize, usize)> = groups.iter().map(|&group| (0, group)).collect();
        let (_folder, manifest) = table(&rows);
        let Ok(split) = manifest.split_grouped(&Shares::new(0.2, 0.3, seed), "group") else {
            // Too few groups.
            let distinct: std::collections::HashSet<_> = groups.iter().collect();
            prop_assert!(distinct.len() < 12);
            return Ok(());
        };
        let mut of_group = HashMap::new();
        for (group, split) in groups.iter().zip(splits(&split)) {
            prop_assert_eq!(*of_group.entry(group).or_insert(split), split);
        }
    }
}

#[test]
fn a_split_depends_on_seed_and_identities_only() {
    let rows: Vec<(usize, usize)> = (0..40).map(|i| (i % 3, i % 7)).collect();
    let (folder, manifest) = table(&rows);
    let shares = Shares::new(0.2, 0.2, 5);
    let first = manifest.split_stratified(&shares).unwrap();
    assert_ne!(
        splits(&first),
        splits(
            &manifest
                .split_stratified(&Shares::new(0.2, 0.2, 6))
                .unwrap()
        )
    );
    // The lines in another order.
    let text = fs::read_to_string(folder.path("data.csv")).unwrap();
    let (header, lines) = text.split_once('\n').unwrap();
    let reversed: Vec<&str> = lines.lines().rev().collect();
    folder.write(
        "reversed.csv",
        format!("{header}\n{}\n", reversed.join("\n")),
    );
    let config = ManifestConfig::new().with_extra(["group"]);
    let reversed = config.open(folder.path("reversed.csv")).unwrap();
    for (split, again) in [
        (first, reversed.split_stratified(&shares).unwrap()),
        (
            manifest.split_grouped(&shares, "group").unwrap(),
            reversed.split_grouped(&shares, "group").unwrap(),
        ),
    ] {
        for sample in 0..split.len() {
            let other = again.find(split.id(sample).as_str()).unwrap();
            assert_eq!(split.split(sample), again.split(other));
        }
    }
}

/// A change of this split would change the data of published numbers. The expected one was computed by
/// SHA-256 in Python.
#[test]
fn a_split_never_changes() {
    let (_folder, manifest) = table(&[(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (0, 5)]);
    let split = manifest
        .split_stratified(&Shares::new(0.2, 0.4, 1))
        .unwrap();
    let names: Vec<&str> = splits(&split).into_iter().map(Split::name).collect();
    assert_eq!(names.join(" "), "valid valid train train test test");
}

#[test]
fn impossible_splits_are_refused() {
    let (_folder, manifest) = table(&[(0, 0), (0, 0), (1, 0)]);
    let error = |valid, test| {
        let shares = Shares::new(valid, test, 0);
        manifest.split_stratified(&shares).unwrap_err().to_string()
    };
    assert_eq!(error(0.1, 0.1), "the split test has no sample");
    let range = "the share of valid must be in [0, 1) and leave some for the others, got ";
    assert_eq!(error(-0.1, 0.1), format!("{range}-0.1"));
    assert_eq!(error(0.5, 0.5), format!("{range}0.5"));
    assert_eq!(error(f64::NAN, 0.5), format!("{range}NaN"));
    let shares = Shares::new(0.0, 0.3, 0);
    assert!(manifest.split_grouped(&shares, "group").is_err());
    assert!(manifest.split_grouped(&shares, "speaker").is_err());
}

#[test]
fn a_file_of_splits_is_read_and_verified() {
    let text = "id,label,photo,words\na,x,a.png,one\nb,y,b.png,two\n\"c,d\",x,,three\n";
    let folder = Folder::new(&[("data.csv", text), ("a.png", "A"), ("b.png", "B")]);
    let manifest = folder.open("data.csv").unwrap();
    let split = manifest
        .split_stratified(&Shares::new(0.0, 0.4, 0))
        .unwrap();
    let path = folder.path("splits.csv");
    let mut calls = vec![];
    split
        .save_splits(&path, |done, all| calls.push((done, all)))
        .unwrap();
    assert_eq!(calls, [(1, 3), (2, 3), (3, 3)]);
    let again = manifest.with_splits(&path, true).unwrap();
    assert_eq!(splits(&again), splits(&split));
    assert!(manifest.save_splits(&path, |_, _| ()).is_err());

    // A file, a text or a label that has changed.
    let error = |name: &str, verify| {
        let manifest = folder.open(name).unwrap();
        message(&folder, manifest.with_splits(&path, verify).unwrap_err())
    };
    folder.write("b.png", "C");
    assert_eq!(
        error("data.csv", true),
        "splits.csv: 1 samples have changed, such as b"
    );
    assert!(manifest.with_splits(&path, false).is_ok());
    folder.write("b.png", "B");
    folder.write(
        "other.csv",
        text.replace("three", "3").replace("a,x", "a,y"),
    );
    assert_eq!(
        error("other.csv", true),
        "splits.csv: 2 samples have changed, such as a"
    );
    folder.write("more.csv", format!("{text}e,x,,five\n"));
    assert_eq!(
        error("more.csv", false),
        "splits.csv: 1 ids of the manifest have no split, such as e"
    );
    folder.write("less.csv", "id,label,words\na,x,one\n");
    assert_eq!(
        error("less.csv", false),
        "splits.csv: 2 ids are not in the manifest, such as b"
    );
    let splits = fs::read_to_string(&path).unwrap();
    folder.write("splits.csv", splits.replacen("train", "trian", 1));
    assert!(error("data.csv", false).starts_with("splits.csv:"));
    folder.write("splits.csv", "id,split,sha256\na,train,\na,test,\n");
    assert_eq!(
        error("data.csv", false),
        "splits.csv:3: the id `a` occurs twice"
    );
}

#[test]
fn a_validation_part_is_held_out_of_the_training_samples() {
    let rows: String = (0..60)
        .map(|i| {
            let split = if i < 40 { "train" } else { "test" };
            format!("s{i},c{},g{},{split},x\n", i % 2, i % 8)
        })
        .collect();
    let folder = Folder::new(&[("data.csv", &format!("id,label,group,split,text\n{rows}"))]);
    let config = ManifestConfig::new().with_extra(["group"]);
    let manifest = config.open(folder.path("data.csv")).unwrap();
    for column in [None, Some("group")] {
        let held = manifest.hold_out(0.25, 3, column).unwrap();
        assert_eq!(held.samples(Split::Test), manifest.samples(Split::Test));
        let valid = held.samples(Split::Valid);
        assert_eq!(valid.len(), 10);
        assert_eq!(held.samples(Split::Train).len(), 30);
        // Of the part alone, with its places and all classes.
        let part = held.part(Split::Valid).unwrap();
        assert_eq!((part.len(), part.classes().len()), (10, 2));
        for (row, &sample) in valid.iter().enumerate() {
            assert_eq!(part.place(row), held.place(sample));
            assert_eq!(part.label(row), held.label(sample));
            assert_eq!(part.text(row, "group"), held.text(sample, "group"));
        }
        if column.is_some() {
            let groups = |samples: &[usize]| -> Vec<String> {
                let texts = samples.iter().filter_map(|&s| held.text(s, "group"));
                texts.map(str::to_string).collect()
            };
            let train = groups(&held.samples(Split::Train));
            assert!(groups(&valid).iter().all(|group| !train.contains(group)));
        }
    }
    let (_folder, unsplit) = table(&[(0, 0), (1, 1)]);
    assert!(matches!(
        unsplit.hold_out(0.5, 0, None),
        Err(ManifestError::Column { .. })
    ));
}
