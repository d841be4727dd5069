//! Files of what a model needs to predict, in the SafeTensors format: writing, and strict loading.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::config::Config;
use burn::module::{Module, Param, ParamId};
use burn::store::{ApplyError, ModuleSnapshot, ModuleStore, SafetensorsStore, bridge};
use burn::tensor::{DType, Tensor, TensorData};
use serde_json::Value;

use crate::atomic_file;
use crate::error::{MlaError, Result};
use crate::module::names::ModelNames;
use crate::module::{ParamVisitor, Visited, tensor_paths, visit};

/// Options of loading a model file.
///
/// | Name | Default | Purpose |
/// |---|---|---|
/// | `allow_nan` | false | loads a file with NaN in a tensor instead of returning an error |
#[derive(Config, Debug)]
pub struct ModelFileConfig {
    /// Whether NaN is allowed.
    #[config(default = false)]
    pub allow_nan: bool,
}

/// What a file says of its model besides weights and names.
pub(crate) type About = BTreeMap<&'static str, String>;

/// A file of a module that holds what predictions need.
pub(crate) struct ModelFile<'a> {
    pub(crate) path: &'a Path,
    /// What the file says of the model.
    pub(crate) about: About,
    pub(crate) names: &'a ModelNames,
    /// Parameters that only training uses.
    pub(crate) left_out: Vec<ParamId>,
}

/// Key of the version of this crate that wrote a file; files of any version may be loaded.
const VERSION: &str = "burn-mla";

impl ModelFile<'_> {
    pub(crate) fn save<M: Module>(&self, module: &M) -> Result<()> {
        let module = module.valid();
        let mut store = SafetensorsStore::from_bytes(None)
            .with_full_paths(self.kept(&module))
            .skip_enum_variants(false)
            .metadata(VERSION, env!("CARGO_PKG_VERSION"));
        for (key, value) in &self.about {
            store = store.metadata(*key, value);
        }
        for (key, names) in [
            (MODALITIES, self.names.modalities()),
            (CLASSES, self.names.classes()),
        ] {
            if !names.is_empty() {
                store = store.metadata(key, Value::from(names).to_string());
            }
        }
        store.collect_from(&module).map_err(|e| self.failed(e))?;
        let bytes = store.get_bytes().map_err(|e| self.failed(e))?;
        let bytes = with_sorted_header(&bytes).ok_or_else(|| self.failed("no header"))?;
        atomic_file::write(self.path, &bytes).map_err(|error| self.failed(error))
    }

    /// Loads the file into a module, in the precision of the module's parameters, with the names that
    /// the file or the model has.
    pub(crate) fn load<M: Module>(
        &self,
        mut module: M,
        config: &ModelFileConfig,
    ) -> Result<(M, ModelNames)> {
        let bytes = std::fs::read(self.path).map_err(|error| self.failed(error))?;
        let said = said(&bytes).ok_or_else(|| self.failed("not a file in SafeTensors format"))?;
        self.check_about(&said)?;
        let names = self.names_with(&said)?;

        let dtypes = dtypes(&module);
        let mut store = SafetensorsStore::from_bytes(Some(bytes));
        let found = store.get_all_tensors().map_err(|e| self.failed(e))?;
        let mut tensors = Vec::with_capacity(found.len());
        for tensor in found.values() {
            let mut data = bridge::to_data(tensor).map_err(|e| self.failed(e))?;
            if let Some(&dtype) = dtypes.get(&tensor.name).filter(|_| data.dtype().is_float()) {
                check_values(&data, dtype, config.allow_nan)
                    .map_err(|problem| self.tensor(&tensor.name, problem))?;
                // On the host: a backend may lack the precision of the file.
                data = data.try_cast(dtype).map_err(|e| self.failed(e))?;
            }
            tensors.push(bridge::from_data(data, tensor.name.clone(), None));
        }

        let applied = module.apply(tensors, None, None, false);
        if let Some(error) = applied.errors.first() {
            return Err(self.refused(error));
        }
        let kept = self.kept(&module);
        let missing = applied.missing.iter().map(|(path, _)| path);
        if let Some(path) = missing.into_iter().find(|path| kept.contains(path)) {
            return Err(self.tensor(path, "is not in the file".to_string()));
        }
        if let Some(path) = applied.unused.first() {
            return Err(self.tensor(path, "is not in the model".to_string()));
        }
        Ok((module, names))
    }

    /// Paths of the tensors that are in the file.
    fn kept<M: Module>(&self, module: &M) -> Vec<String> {
        let kept = tensor_paths(module).into_iter();
        let kept = kept.filter(|(id, _)| !self.left_out.contains(id));
        kept.map(|(_, path)| path).collect()
    }

    fn check_about(&self, said: &HashMap<String, String>) -> Result<()> {
        for (&key, ours) in &self.about {
            if let Some(theirs) = said.get(key).filter(|theirs| *theirs != ours) {
                let message = format!("{key} is {theirs} in the file and {ours} in the model");
                return Err(self.failed(message));
            }
        }
        Ok(())
    }

    /// The names of the model, or those of the file where the model has none.
    fn names_with(&self, said: &HashMap<String, String>) -> Result<ModelNames> {
        let one = |key, ours: &[String]| {
            let theirs = said.get(key).map(String::as_str).map_or(vec![], list);
            if theirs.is_empty() || theirs == ours {
                return Ok(ours.to_vec());
            }
            if ours.is_empty() {
                return Ok(theirs);
            }
            let message = format!("{key} are {theirs:?} in the file and {ours:?} in the model");
            Err(self.failed(message))
        };
        let modalities = one(MODALITIES, self.names.modalities())?;
        Ok(ModelNames::new(
            modalities,
            one(CLASSES, self.names.classes())?,
        ))
    }

    fn refused(&self, error: &ApplyError) -> MlaError {
        match error {
            ApplyError::ShapeMismatch {
                path,
                expected,
                found,
            } => {
                let (found, expected) = (found.to_vec(), expected.to_vec());
                let problem =
                    format!("has shape {found:?} in the file and {expected:?} in the model");
                self.tensor(path, problem)
            }
            ApplyError::DTypeMismatch { path, found, .. } => self.tensor(
                path,
                format!("has values of type {found:?}, expected floats"),
            ),
            ApplyError::AdapterError { path, message }
            | ApplyError::LoadError { path, message } => {
                self.tensor(path, format!("cannot be read: {message}"))
            }
        }
    }

    /// An error about a tensor, with the modality that it belongs to.
    fn tensor(&self, path: &str, problem: String) -> MlaError {
        let mut message = format!("tensor {path}");
        let modality = path.strip_prefix("encoders.").and_then(|rest| {
            let modality = rest.split('.').next()?;
            modality.parse::<usize>().ok()
        });
        if let Some(modality) = modality {
            message += &match self.names.modalities().get(modality) {
                Some(name) => format!(" of modality {modality} ({name})"),
                None => format!(" of modality {modality}"),
            };
        }
        self.failed(format!("{message} {problem}"))
    }

    fn failed(&self, message: impl ToString) -> MlaError {
        MlaError::ModelFile {
            path: self.path.display().to_string(),
            message: message.to_string(),
        }
    }
}

/// Key of the names of the modalities, a JSON list.
const MODALITIES: &str = "modalities";
/// Key of the names of the classes, a JSON list.
const CLASSES: &str = "classes";

/// The texts of a JSON list; empty for any other text.
fn list(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_default()
}

/// The problem with values that must not be loaded, if there is one.
fn check_values(data: &TensorData, target: DType, allow_nan: bool) -> Result<(), String> {
    let narrow = target == DType::F16;
    for (at, value) in data.iter::<f32>().enumerate() {
        if value.is_nan() && !allow_nan {
            return Err(format!(
                "has NaN at position {at}; ModelFileConfig::allow_nan loads it anyway"
            ));
        }
        if narrow && value.is_finite() && value.abs() >= F16_LIMIT {
            return Err(format!(
                "has {value:e} at position {at}, too large for the model's f16"
            ));
        }
    }
    Ok(())
}

/// Smallest magnitude that rounds to infinity in f16.
const F16_LIMIT: f32 = 65520.0;

/// The precision of each float parameter, by path.
fn dtypes<M: Module>(module: &M) -> HashMap<String, DType> {
    struct Read(HashMap<String, DType>);
    impl ParamVisitor for Read {
        fn visit<const D: usize>(&mut self, described: &Visited<'_>, param: &Param<Tensor<D>>) {
            let path = described.path.join(".");
            self.0.insert(path, param.val().dtype());
        }
    }
    let mut read = Read(HashMap::new());
    visit(module, &mut read);
    read.0
}

/// Length of the header, u64 little-endian; the header in JSON; the data.
fn header(bytes: &[u8]) -> Option<(BTreeMap<String, Value>, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let (header, data) = rest.split_at_checked(length)?;
    Some((serde_json::from_slice(header).ok()?, data))
}

fn said(bytes: &[u8]) -> Option<HashMap<String, String>> {
    let (header, _) = header(bytes)?;
    let Some(said) = header.get("__metadata__") else {
        return Some(HashMap::new());
    };
    serde_json::from_value(said.clone()).ok()
}

/// The same file with the keys of its header in alphabetical order: the writer's order of metadata
/// differs from run to run.
fn with_sorted_header(bytes: &[u8]) -> Option<Vec<u8>> {
    let (mut header, data) = header(bytes)?;
    for value in header.values_mut() {
        let Value::Object(object) = value else {
            continue;
        };
        let sorted: BTreeMap<String, Value> = std::mem::take(object).into_iter().collect();
        *object = sorted.into_iter().collect();
    }
    let mut text = serde_json::to_vec(&header).ok()?;
    // Tensors stay aligned to 8 bytes.
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut sorted = (text.len() as u64).to_le_bytes().to_vec();
    sorted.extend(text);
    sorted.extend(data);
    Some(sorted)
}
