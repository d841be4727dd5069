//! Samples are paired by their identity, whatever the order of the lines.

use super::*;

#[test]
fn tables_are_joined_by_identity() {
    let folder = Folder::new(&[
        (
            "photos/a.csv",
            "id,label,photo\n1,cat,1.png\n2,dog,2.png\n3,cat,3.png\n",
        ),
        ("photos/3.png", "three"),
        (
            "texts/b.csv",
            "id,label,words\n4,fox,only text\n3,cat,third\n1,,first\n",
        ),
    ]);
    let (first, second) = (
        folder.open("photos/a.csv").unwrap(),
        folder.open("texts/b.csv").unwrap(),
    );
    let (both, counts) = first.join(&second, Partners::Optional).unwrap();
    assert_eq!(
        counts,
        JoinCounts {
            both: 2,
            only_first: 1,
            only_second: 1
        }
    );
    let text = |id: &str, column: &str| both.text(both.find(id).unwrap(), column).unwrap_or("-");
    let rows = ["1", "2", "3", "4"].map(|id| [text(id, "photo"), text(id, "words")]);
    assert_eq!(
        rows,
        [
            ["1.png", "first"],
            ["2.png", "-"],
            ["3.png", "third"],
            ["-", "only text"]
        ]
    );
    assert_eq!(both.classes().to_vec(), ["cat", "dog", "fox"]);
    let labels: Vec<_> = (0..4).map(|sample| both.label(sample)).collect();
    assert_eq!(labels, [Some(0), Some(1), Some(0), Some(2)]);
    // Paths begin at the folder of their own table, and places name it.
    assert!(matches!(both.cell(2, 0), Ok(Some(Cell::File(_)))));
    assert_eq!(message(&folder, both.place(3)), "texts/b.csv:2 (4)");
    assert_eq!(message(&folder, both.place(2)), "photos/a.csv:4 (3)");
    let presence = both.presence(&[0, 1, 3]).unwrap();
    assert_eq!(
        (presence.rows(0), presence.rows(1)),
        (vec![0, 1], vec![0, 2])
    );

    let error = first.join(&second, Partners::Required).unwrap_err();
    assert_eq!(
        message(&folder, error),
        "1 ids of photos/a.csv have no partner in texts/b.csv, such as 2"
    );
}

#[test]
fn three_tables_keep_their_places() {
    let folder = Folder::new(&[
        ("a.csv", "id,a\n1,x\n"),
        ("b.csv", "id,b\n2,x\n"),
        ("c.csv", "id,c\n3,x\n1,y\n"),
    ]);
    let open = |name| folder.open(name).unwrap();
    let (later, _) = open("b.csv")
        .join(&open("c.csv"), Partners::Optional)
        .unwrap();
    let (all, _) = open("a.csv").join(&later, Partners::Optional).unwrap();
    let places: Vec<String> = (0..3).map(|s| message(&folder, all.place(s))).collect();
    assert_eq!(places, ["a.csv:2 (1)", "b.csv:2 (2)", "c.csv:2 (3)"]);
    assert_eq!(all.text(0, "c"), Some("y"));
    let (all, _) = later.join(&open("a.csv"), Partners::Optional).unwrap();
    assert_eq!(all.text(all.find("1").unwrap(), "a"), Some("x"));
}

#[test]
fn contradictions_are_named() {
    let folder = Folder::new(&[
        ("a.csv", "id,label,split,a\n1,cat,train,x\n2,cat,train,x\n"),
        ("label.csv", "id,label,b\n1,dog,x\n"),
        ("split.csv", "id,split,b\n1,test,x\n"),
        ("column.csv", "id,a\n1,x\n"),
        ("more.csv", "id,b\n3,x\n"),
        ("twice.csv", "id,b\n3,x\n3,y\n"),
    ]);
    let first = folder.open("a.csv").unwrap();
    let error = |name: &str| {
        let other = folder.open(name).unwrap();
        message(&folder, first.join(&other, Partners::Optional).unwrap_err())
    };
    assert_eq!(
        error("label.csv"),
        "a.csv:2 (1): the label is `cat`, but `dog` in label.csv"
    );
    assert_eq!(
        error("split.csv"),
        "a.csv:2 (1): the split is `train`, but `test` in split.csv"
    );
    assert_eq!(
        error("column.csv"),
        "a.csv: column `a` is in column.csv, too"
    );
    assert_eq!(
        error("more.csv"),
        "a.csv: column `split` is missing for the sample 3"
    );
    assert!(error("twice.csv").starts_with("twice.csv:3 (3): the same id"));
}
