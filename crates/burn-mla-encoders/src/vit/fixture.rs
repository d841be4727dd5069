//! Small references of the PyTorch originals, for tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::store::{ModuleStore, SafetensorsStore, bridge};
use burn::tensor::{DType, Device, Int, Tensor, TensorData, Tolerance};

/// A folder of `tests/data`.
pub(crate) struct Fixture {
    folder: PathBuf,
}

impl Fixture {
    pub(crate) fn new(name: &str) -> Self {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        Self {
            folder: data.join(name),
        }
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    pub(crate) fn data(&self, file: &str, name: &str) -> TensorData {
        let mut store = SafetensorsStore::from_file(self.path(file)).map_indices_contiguous(false);
        let stored = store.get_tensor(name).unwrap().expect(name);
        bridge::to_data(stored).unwrap()
    }

    pub(crate) fn input<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        Tensor::from_data(self.data("inputs.safetensors", name), device)
    }

    pub(crate) fn ids<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D, Int> {
        let data = self.data("inputs.safetensors", name);
        assert_eq!(data.dtype(), DType::I64);
        Tensor::from_data(data, device)
    }

    /// A tensor of the outputs that is the input of a part.
    pub(crate) fn input_of_outputs<const D: usize>(
        &self,
        name: &str,
        device: &Device,
    ) -> Tensor<D> {
        Tensor::from_data(self.data("outputs.safetensors", name), device)
    }

    /// Writes a file with changed tensors to `folder`.
    pub(crate) fn changed(
        &self,
        file: &str,
        folder: &Path,
        change: impl FnOnce(&mut Stored),
    ) -> PathBuf {
        let bytes = std::fs::read(self.path(file)).unwrap();
        let (length, rest) = bytes.split_at(8);
        let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
        let (header, data) = rest.split_at(length);
        let header: BTreeMap<String, serde_json::Value> = serde_json::from_slice(header).unwrap();
        let tensors = header
            .into_iter()
            .filter(|(name, _)| name != "__metadata__");
        let stored = tensors.map(|(name, entry)| {
            let at = |i: usize| entry["data_offsets"][i].as_u64().unwrap() as usize;
            let tensor = StoredTensor {
                dtype: entry["dtype"].as_str().unwrap().into(),
                shape: serde_json::from_value(entry["shape"].clone()).unwrap(),
                bytes: data[at(0)..at(1)].to_vec(),
            };
            (name, tensor)
        });
        let mut stored: Stored = stored.collect();
        change(&mut stored);
        write(&folder.join(file), &stored)
    }

    /// Compares a tensor with that of the original within the tolerance of the fixtures: 1e-5,
    /// relative and absolute.
    pub(crate) fn assert_output<const D: usize>(&self, name: &str, found: Tensor<D>) {
        let difference = self.difference(name, found);
        assert!(
            difference <= 1.0,
            "{name} differs by {difference} tolerances"
        );
    }

    /// The largest difference from a tensor of the original, in tolerances.
    pub(crate) fn difference<const D: usize>(&self, name: &str, found: Tensor<D>) -> f64 {
        let expected = self.data("outputs.safetensors", name);
        assert_eq!(expected.shape().to_vec(), found.dims().to_vec(), "{name}");
        let pairs = expected
            .iter::<f64>()
            .zip(found.into_data().iter::<f64>().collect::<Vec<_>>());
        let differences = pairs
            .map(|(expected, found)| (found - expected).abs() / (1e-5 + 1e-5 * expected.abs()));
        // A NaN must not disappear in a maximum.
        differences.fold(0.0, |largest: f64, difference| {
            if difference > largest || difference.is_nan() {
                difference
            } else {
                largest
            }
        })
    }
}

/// The tensors of a file by name.
pub(crate) type Stored = BTreeMap<String, StoredTensor>;

/// A tensor in a SafeTensors file.
#[derive(Clone)]
pub(crate) struct StoredTensor {
    pub dtype: String,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

fn write(path: &Path, tensors: &Stored) -> PathBuf {
    let (mut header, mut data) = (serde_json::Map::new(), vec![]);
    for (name, tensor) in tensors {
        let offsets = [data.len(), data.len() + tensor.bytes.len()];
        let entry = serde_json::json!({
            "dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": offsets,
        });
        header.insert(name.clone(), entry);
        data.extend_from_slice(&tensor.bytes);
    }
    let header = serde_json::to_vec(&header).unwrap();
    let length = (header.len() as u64).to_le_bytes();
    std::fs::write(path, [&length[..], &header, &data].concat()).unwrap();
    path.into()
}

/// Compares two tensors bit by bit.
pub(crate) fn assert_same<const D: usize>(found: Tensor<D>, expected: Tensor<D>) {
    found.into_data().assert_eq(&expected.into_data(), true);
}

/// Compares two tensors within 1e-5, relative and absolute.
pub(crate) fn assert_close<const D: usize>(found: Tensor<D>, expected: Tensor<D>) {
    let tolerance = Tolerance::<f32>::rel_abs(1e-5, 1e-5);
    found
        .into_data()
        .assert_approx_eq(&expected.into_data(), tolerance);
}
