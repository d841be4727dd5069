//! Wrong weights: each file gives an error that names what is wrong, and none panics.

use std::path::{Path, PathBuf};

use burn::nn::Linear;

use super::super::{ShapeMismatch, WeightFile, WeightsError};
use super::ways::stem;
use super::{file, head, mismatch};

/// A tensor of a file: name, type and shape. Its values are ones.
type Stored<'a> = (&'a str, &'a str, &'a [usize]);

const BIAS: Stored = ("bias", "F32", &[6]);
const WEIGHT: Stored = ("weight", "F32", &[6, 32]);

/// Writes a SafeTensors file.
fn write(folder: &Path, tensors: &[Stored]) -> PathBuf {
    let mut header = serde_json::Map::new();
    let mut data = vec![];
    for (name, dtype, shape) in tensors {
        let one: &[u8] = match *dtype {
            "F32" => &[0, 0, 128, 63],
            "I64" => &[1, 0, 0, 0, 0, 0, 0, 0],
            other => panic!("{other}"),
        };
        let start = data.len();
        data.extend(one.repeat(shape.iter().product()));
        let entry = serde_json::json!({
            "dtype": dtype, "shape": shape, "data_offsets": [start, data.len()],
        });
        header.insert((*name).to_string(), entry);
    }
    let header = serde_json::to_vec(&header).unwrap();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    bytes.extend(data);
    let path = folder.join("weights.safetensors");
    std::fs::write(&path, bytes).unwrap();
    path
}

fn found(tensors: &[Stored]) -> super::super::Mismatch {
    let folder = tempfile::tempdir().unwrap();
    mismatch(&WeightFile::new(write(folder.path(), tensors)), head())
}

#[test]
fn right_weights_load() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &[BIAS, WEIGHT]);
    let loaded: Linear = WeightFile::new(path).load(head()).unwrap();
    let sum: f32 = loaded.weight.val().sum().into_scalar();
    assert_eq!(sum, 192.0);
}

#[test]
fn a_missing_key_is_named_with_its_shape() {
    let found = found(&[BIAS]);
    assert_eq!(found.missing, ["weight"]);
    let message = found.to_string();
    assert!(message.contains("missing: weight [32, 6]"), "{message}");
    assert!(message.contains("with_absent"), "{message}");
}

#[test]
fn an_extra_key_is_named_with_its_shape() {
    let found = found(&[BIAS, WEIGHT, ("scale", "F32", &[1])]);
    assert_eq!(found.unexpected, ["scale"]);
    let message = found.to_string();
    assert!(message.contains("unexpected: scale [1]"), "{message}");
    assert!(message.contains("with_ignored"), "{message}");
}

#[test]
fn other_shapes_are_named() {
    let cases: [(&[usize], &[usize]); 3] =
        [(&[32, 6], &[6, 32]), (&[6, 33], &[33, 6]), (&[192], &[192])];
    for (stored, expected) in cases {
        let found = found(&[BIAS, ("weight", "F32", stored)]);
        let shape = ShapeMismatch {
            path: "weight".into(),
            expected: vec![32, 6],
            found: expected.to_vec(),
        };
        assert_eq!(found.shapes, [shape], "{stored:?}");
        assert!(found.missing.is_empty() && found.unexpected.is_empty());
    }
}

#[test]
fn integers_in_the_place_of_floats_are_named() {
    let found = found(&[BIAS, ("weight", "I64", &[6, 32])]);
    assert_eq!(found.unreadable.len(), 1);
    assert!(found.unreadable[0].contains("weight"));
    assert!(found.unreadable[0].contains("I64"));
}

/// Loads `bytes` under each extension, and returns the messages.
fn messages(bytes: &[u8], extensions: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    extensions
        .iter()
        .map(|extension| {
            let path = folder.path().join(format!("weights.{extension}"));
            std::fs::write(&path, bytes).unwrap();
            let error = WeightFile::new(&path).load(head()).unwrap_err();
            assert!(error.to_string().starts_with(path.to_str().unwrap()));
            error.to_string()
        })
        .collect()
}

#[test]
fn truncated_files_are_refused() {
    for (name, extension) in [
        ("head.safetensors", "safetensors"),
        ("layouts/bare.pth", "pth"),
        ("layouts/legacy.pth", "pth"),
    ] {
        let bytes = std::fs::read(file(name).path).unwrap();
        for length in (0..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
            messages(&bytes[..length], &[extension]);
        }
    }
}

/// A changed weight is no error of the SafeTensors and the old pickle format; the zip format has
/// checksums. What matters is that nothing panics.
#[test]
fn damaged_files_are_refused_or_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut refused = 0;
    for (name, extension) in [
        ("head.safetensors", "safetensors"),
        ("layouts/bare.pth", "pth"),
        ("layouts/legacy.pth", "pth"),
    ] {
        let bytes = std::fs::read(file(name).path).unwrap();
        let path = folder.path().join(format!("weights.{extension}"));
        for at in (0..bytes.len()).step_by(7) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x55;
            std::fs::write(&path, &damaged).unwrap();
            let file = WeightFile::new(&path);
            let is_refused = match extension {
                "pth" => file.load(stem(3)).is_err(),
                _ => file
                    .with_renamed("fusion_module.fc_out", "")
                    .load(head())
                    .is_err(),
            };
            refused += usize::from(is_refused);
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn what_is_no_checkpoint_is_refused() {
    let extensions = ["safetensors", "pth", "pt", "bin"];
    messages(b"", &extensions);
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n";
    for message in messages(pointer, &extensions) {
        assert!(
            message.ends_with("download them by `git lfs pull`"),
            "{message}"
        );
    }
    messages(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", &extensions);
    messages(&[0xff; 64], &extensions);
    messages(&[0; 64], &extensions);
    // Pickles without a tensor.
    messages(b"\x80\x02}q\x00.", &["pth"]);
    messages(b"\x80\x02]q\x00.", &["pth"]);
}

#[test]
fn code_in_a_pickle_does_not_run() {
    let error = file("layouts/code.pth").load(head()).unwrap_err();
    assert!(matches!(error, WeightsError::File { .. }), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("code_has_run");
    let code = format!("cposix\nsystem\n(S'touch {}'\ntR.", marker.display());
    messages(code.as_bytes(), &["pth"]);
    assert!(!marker.exists() && !Path::new("code_has_run").exists());
}
