//! Malformed tables are errors, and never panic.

use super::*;

/// Files that people and broken programs write.
const TABLES: &[&[u8]] = &[
    b"",
    b"\xef\xbb\xbf",
    b"\n",
    b"\r\n\r\n",
    b"id",
    b"id\n",
    b"id,a\n",
    b"id,a\n1,\"x",
    b"id,a\n1,\"x\"y\n",
    b"id,a\n1,x,\n",
    b"\"id\n,a\n1,x\n",
    b"id,a\n\"\",x\n",
    b"id,a\n1,\0\n",
    b"id,a\n\xff\xfe1,x\n",
    b"\xff\xfei\0d\0\n\0",
    b"id,id\n1,2\n",
    b",,\n,,\n",
    b"id;a\n1;x\n",
    b"id,split,label,a\n1,,,x\n",
    b"id,split,label,a\n1,train,,x.png\n",
    b"id,a\n1,a\0b.png\n",
    b"id,a\n1,C:\\x.png\n2,\\\\x\\y.png\n",
    b"id,a\n1,.\n2,/\n3,~\n",
    b"{\"id\": 1, \"a\": \"x\"}",
    b"{\"id\": 1, \"a\": \"x\"}{\"id\": 2}",
    b"{\"id\": 1, \"a\": \"\\ud800\"}",
    b"{\"id\": 1e999, \"a\": \"x\"}",
    b"{\"id\": {\"b\": []}}",
    b"{\"id\": \"1\", \"id\": \"2\", \"a\": \"x\"}",
    b"{\"\": \"\", \"id\": \"x\"}",
    b"null\n",
    b"\"id\"\n",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    b"PK\x03\x04",
];

fn open(folder: &Folder, bytes: &[u8]) {
    for name in ["data.csv", "data.tsv", "data.jsonl"] {
        folder.write(name, bytes);
        if let Ok(manifest) = folder.open(name) {
            let _ = manifest.check(|_, _| ());
            let _ = manifest.summary();
            let _ = manifest.split_stratified(&Shares::new(0.1, 0.1, 0));
            let _ = manifest.dataset(Vec::<crate::text::HashedText>::new());
        }
    }
}

#[test]
fn malformed_tables_never_panic() {
    let folder = Folder::new(&[]);
    TABLES.iter().for_each(|bytes| open(&folder, bytes));
    // Deeper than a recursive parser's stack.
    open(
        &folder,
        &[b"{\"id\":".repeat(100_000), b"1".to_vec()].concat(),
    );
}

#[test]
fn a_pointer_of_git_lfs_is_named() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
    let folder = Folder::new(&[("data.csv", pointer)]);
    assert_eq!(
        message(&folder, folder.open("data.csv").unwrap_err()),
        "data.csv: a git-lfs pointer, whose content was not downloaded; run `git lfs pull`"
    );
}

#[test]
fn no_change_of_a_table_panics() {
    let folder = Folder::new(&[("1.png", "x")]);
    let tables: [&[u8]; 2] = [
        b"id,label,split,a,b\n1,x,train,1.png,\"t, \"\"u\"\n2,y,test,,v\n",
        b"{\"id\": 1, \"label\": \"x\", \"a\": \"1.png\"}\n{\"id\": 2, \"b\": null}\n",
    ];
    for table in tables {
        for length in 0..table.len() {
            open(&folder, &table[..length]);
        }
        for at in 0..table.len() {
            for value in [0, b'"', b',', b'\n', b'/', b'{', 0xff] {
                let mut changed = table.to_vec();
                changed[at] = value;
                open(&folder, &changed);
            }
        }
    }
}
