//! Loading of a file into a module.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use burn::module::Module;
use burn::store::burn_pack::Tensor;
use burn::store::{ModuleAdapter, ModuleContext, ModuleSnapshot, PyTorchToBurnAdapter, bridge};
use burn::tensor::DType;
use burn_mla::module::unshared;

use super::channels::Channels;
use super::error::WeightsError;
use super::file::WeightFile;
use super::key::{Key, last};
use super::layout::{Tensors, transpose};
use super::parameters::parameters;
use super::read::{self, Parallel};
use super::undrawn::with_zeros;

/// A module with the weights of a file, and how the two differ.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Loaded<M> {
    /// The module.
    pub module: M,
    /// Keys of the file that were left out because the caller named them, sorted.
    pub left_out: Vec<String>,
    /// Parameters that the file lacks and the caller allowed to be absent, sorted. They keep their
    /// values.
    pub absent: Vec<String>,
    /// Precisions of the file that were converted to those of the module.
    pub converted: Vec<DType>,
}

/// The count of batches of a batch normalization, which Burn does not have.
const COUNT: &str = "num_batches_tracked";

/// Burn's name for the type of a linear layer.
const LINEAR: &str = "Struct:Linear";

/// Returns the tensors of a file by key after the steps on keys, and the keys that were left out.
pub(super) fn tensors(
    file: &WeightFile,
    parallel: Parallel,
) -> Result<(Tensors, Vec<String>), WeightsError> {
    let mut tensors = Tensors::new();
    let mut left_out = vec![];
    for mut tensor in read::tensors(file, parallel)? {
        match file.key(&tensor.name) {
            Key::LeftOut => left_out.push(tensor.name),
            Key::Used(key) => {
                tensor.name.clone_from(&key);
                tensors.entry(key).or_default().push(tensor);
            }
        }
    }
    left_out.sort();
    Ok((tensors, left_out))
}

/// Loads the weights of `file` into `module`.
pub(super) fn load<M: Module>(file: &WeightFile, module: M) -> Result<Loaded<M>, WeightsError> {
    let parameters = parameters(&module);
    let parallel = Parallel::of(&mut parameters.keys());
    let (mut found, left_out) = tensors(file, parallel)?;
    found.retain(|key, _| last(key) != COUNT || parameters.contains_key(key));
    let (found, mut mismatch) = file.layout.apply(found);
    let keys: Vec<String> = found.keys().cloned().collect();
    let mut tensors = vec![];
    for (key, mut found) in found {
        if found.len() > 1 {
            mismatch.ambiguous.push(key);
        }
        tensors.extend(found.pop());
    }

    let mut adapter = Adapter::default();
    for (path, channels) in &file.channels {
        if parameters.contains_key(path) {
            adapter.channels.insert(path.clone(), *channels);
        } else {
            mismatch.missing.push(path.clone());
        }
    }
    for tensor in &tensors {
        let shape = tensor.shape.to_vec();
        mismatch.known.insert(tensor.name.clone(), shape);
    }
    for (path, parameter) in parameters {
        let precision = &mut adapter.precision;
        precision.extend(parameter.dtype.map(|dtype| (path.clone(), dtype)));
        mismatch.known.insert(path, parameter.shape);
    }

    // A clone shares its running statistics, which loading writes in place.
    let paths = tensors.iter().map(|tensor| tensor.name.clone()).collect();
    let shared = with_zeros(module, paths);
    let mut module = unshared(&shared);
    drop(shared);
    let mut result = module.apply(tensors, None, Some(adapter.clone_box()), true);

    let nothing = result.applied.is_empty() && result.errors.is_empty();
    if nothing && mismatch.is_empty() {
        return Err(WeightsError::NoMatch {
            path: file.path.clone(),
            found: keys,
            expected: result.missing.into_iter().map(|(path, _)| path).collect(),
        });
    }
    let mut absent = vec![];
    for (path, _) in std::mem::take(&mut result.missing) {
        if file.may_be_absent(&path) {
            absent.push(path);
        } else {
            mismatch.missing.push(path);
        }
    }
    mismatch.add(result);
    if mismatch.is_empty() {
        return Ok(Loaded {
            module,
            left_out,
            absent,
            converted: adapter.converted(),
        });
    }
    Err(WeightsError::Mismatch {
        path: file.path.clone(),
        mismatch: Box::new(mismatch),
    })
}

/// Steps on a tensor when it is applied to a parameter.
#[derive(Clone, Default)]
struct Adapter {
    precision: BTreeMap<String, DType>,
    channels: BTreeMap<String, Channels>,
    converted: Arc<Mutex<Vec<DType>>>,
}

impl Adapter {
    /// The precisions that were converted.
    fn converted(&self) -> Vec<DType> {
        let converted = self.converted.lock();
        converted.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Converts the precision of a tensor when its data is read.
    fn convert(&self, tensor: Tensor, dtype: DType) -> Tensor {
        let found = tensor.dtype;
        if found == dtype || !found.is_float() {
            return tensor;
        }
        let converted = self.converted.lock();
        let mut converted = converted.unwrap_or_else(PoisonError::into_inner);
        if !converted.contains(&found) {
            converted.push(found);
        }
        let (name, shape) = (tensor.name.clone(), tensor.shape.clone());
        bridge::map_data(tensor, name, dtype, shape, move |data| {
            data.convert_dtype(dtype)
        })
    }
}

impl ModuleAdapter for Adapter {
    fn adapt(&self, tensor: Tensor, context: ModuleContext<'_>) -> Tensor {
        let is_linear = context.module_type() == Some(LINEAR);
        let tensor = if is_linear && last(&tensor.name) == "weight" {
            // As Burn's adapter, which copies numbers one by one.
            transpose(tensor)
        } else {
            PyTorchToBurnAdapter.adapt(tensor, context)
        };
        let path = tensor.name.clone();
        let tensor = match self.precision.get(&path) {
            Some(&dtype) => self.convert(tensor, dtype),
            None => tensor,
        };
        match self.channels.get(&path) {
            Some(channels) => channels.reduce(tensor),
            None => tensor,
        }
    }

    fn get_alternative_param_name(&self, parameter: &str, module: &str) -> Option<String> {
        PyTorchToBurnAdapter.get_alternative_param_name(parameter, module)
    }

    fn clone_box(&self) -> Box<dyn ModuleAdapter> {
        Box::new(self.clone())
    }
}
