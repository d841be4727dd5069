//! Golden values of the tests, read from `tests/media_data`.

use std::fs;
use std::path::PathBuf;

use safetensors::SafeTensors;

pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/media_data")
        .join(name)
}

/// The content of a file.
pub(crate) fn bytes(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap()
}

/// A file of tensors.
pub(crate) struct Golden(Vec<u8>);

impl Golden {
    pub(crate) fn open(folder: &str) -> Self {
        Self(bytes(&format!("{folder}/outputs.safetensors")))
    }

    pub(crate) fn bytes(&self, key: &str) -> (Vec<usize>, Vec<u8>) {
        let tensors = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = tensors.tensor(key).unwrap();
        (tensor.shape().to_vec(), tensor.data().to_vec())
    }

    pub(crate) fn floats(&self, key: &str) -> (Vec<usize>, Vec<f32>) {
        let (shape, bytes) = self.bytes(key);
        let (values, _) = bytes.as_chunks::<4>();
        let values = values.iter().map(|value| f32::from_le_bytes(*value));
        (shape, values.collect())
    }
}

/// Asserts that values are close: `|found - expected| <= atol + rtol |expected|`.
#[track_caller]
pub(crate) fn assert_close(found: &[f32], expected: &[f32], rtol: f32, atol: f32) {
    assert_eq!(found.len(), expected.len());
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let limit = atol + rtol * expected.abs();
        assert!(
            (found - expected).abs() <= limit,
            "value {index}: {found}, expected {expected}"
        );
    }
}
