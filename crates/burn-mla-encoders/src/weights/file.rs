//! A file of weights, and the steps from its keys to the paths of a module.

use std::fmt::Display;
use std::path::PathBuf;

use burn::module::Module;
use burn::store::burn_pack::Tensor;
use burn::store::{
    ApplyError, ApplyResult, ModuleSnapshot, ModuleStore, PyTorchToBurnAdapter, PytorchStore,
    SafetensorsStore,
};

use super::error::{Mismatch, ShapeMismatch, WeightsError};
use super::key;
use super::layout::{Layout, Tensors};
use super::precision::Precision;

/// Weights of a PyTorch model in a SafeTensors (`.safetensors`) or PyTorch file (`.pth`, `.pt`,
/// `.bin`).
///
/// Loading is strict: each parameter of the module needs exactly one tensor of its shape, and each
/// tensor of the file a parameter. You name the exceptions. The steps apply to each key in this
/// order:
///
/// | Step | Default | Purpose |
/// |---|---|---|
/// | [`with_root`](Self::with_root) | none | selects a dictionary within a checkpoint |
/// | [`with_prefix`](Self::with_prefix) | none | strips a prefix from the keys that have it |
/// | [`with_ignored`](Self::with_ignored), [`with_ignored_key`](Self::with_ignored_key) | none | leaves out keys |
/// | [`with_renamed`](Self::with_renamed) | none | renames parts of keys |
/// | [`with_stacked`](Self::with_stacked) | none | stacks tensors to one |
/// | [`with_transposed`](Self::with_transposed) | none | transposes matrices |
///
/// Tensors have PyTorch's layout in the file. Weights of linear layers are transposed, and `weight`
/// and `bias` of normalizations become Burn's `gamma` and `beta`. Names of enum variants are not
/// part of a path. Floats take the precision of the module: a file in f16 loads into a module in f32.
///
/// ```no_run
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::Device;
/// use burn_mla_encoders::weights::WeightFile;
///
/// let head: Linear = LinearConfig::new(512, 6).init(&Device::flex());
/// let head = WeightFile::new("best_model.pth")
///     .with_root("model")
///     .with_prefix("module.")
///     .with_ignored("audio_net")
///     .with_ignored("visual_net")
///     .with_renamed("fusion_module.fc_out", "")
///     .load(head)?;
/// # Ok::<(), burn_mla_encoders::weights::WeightsError>(())
/// ```
#[derive(Debug, Clone)]
pub struct WeightFile {
    pub(super) path: PathBuf,
    root: Option<String>,
    prefixes: Vec<String>,
    ignored: Vec<String>,
    ignored_keys: Vec<String>,
    renamed: Vec<(String, String)>,
    layout: Layout,
}

impl WeightFile {
    /// Creates the description of a file, which [`load`](Self::load) and [`keys`](Self::keys) read.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            root: None,
            prefixes: vec![],
            ignored: vec![],
            ignored_keys: vec![],
            renamed: vec![],
            layout: Layout::default(),
        }
    }

    /// Selects the dictionary under `key` of a PyTorch checkpoint, such as `state_dict`.
    pub fn with_root(mut self, key: impl Into<String>) -> Self {
        self.root = Some(key.into());
        self
    }

    /// Strips `prefix`, such as `module.`, from the keys that start with it. Several prefixes are
    /// stripped in the order given.
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefixes.push(prefix.into());
        self
    }

    /// Leaves out the keys whose first or last dot-separated parts are `name`, such as `fc` or
    /// `num_batches_tracked`.
    pub fn with_ignored(mut self, name: impl Into<String>) -> Self {
        self.ignored.push(name.into());
        self
    }

    /// Leaves out the key that is `key` as a whole.
    pub fn with_ignored_key(mut self, key: impl Into<String>) -> Self {
        self.ignored_keys.push(key.into());
        self
    }

    /// Renames the dot-separated parts `from` of the keys to `to`, wherever they occur. An empty `to`
    /// removes them. Several pairs are applied in the order given.
    pub fn with_renamed(mut self, from: impl Into<String>, to: impl Into<String>) -> Self {
        self.renamed.push((from.into(), to.into()));
        self
    }

    /// Stacks the tensors whose keys differ only by the dot-separated parts `parts` along their first
    /// axis, in the order of `parts`. The key of the result has `to` in their place: the parts
    /// `q_proj`, `k_proj` and `v_proj` become the rows of one `qkv`.
    pub fn with_stacked(
        mut self,
        parts: impl IntoIterator<Item = impl Into<String>>,
        to: impl Into<String>,
    ) -> Self {
        let parts = parts.into_iter().map(Into::into).collect();
        self.layout.stack(parts, to.into());
        self
    }

    /// Transposes the matrices whose keys have `name` as their first or last dot-separated parts. A
    /// file needs it where a weight of a linear layer is `[in, out]`, not PyTorch's `[out, in]`.
    pub fn with_transposed(mut self, name: impl Into<String>) -> Self {
        self.layout.transpose(name.into());
        self
    }

    /// Returns the keys of the file after all steps, sorted.
    ///
    /// # Errors
    ///
    /// [`WeightsError::File`] and [`WeightsError::Extension`], as [`load`](Self::load).
    pub fn keys(&self) -> Result<Vec<String>, WeightsError> {
        Ok(self.tensors()?.0.into_keys().collect())
    }

    /// Returns `module` with the weights of the file, on the device of each parameter.
    ///
    /// # Errors
    ///
    /// - [`WeightsError::File`] for a file that cannot be read, or that lacks the dictionary of
    ///   [`with_root`](Self::with_root);
    /// - [`WeightsError::Extension`] for a name without a known extension;
    /// - [`WeightsError::Mismatch`] with every key that is missing, unexpected, ambiguous or of
    ///   another shape.
    pub fn load<M: Module>(&self, mut module: M) -> Result<M, WeightsError> {
        let mut tensors = vec![];
        let (found, problems) = self.tensors()?;
        let mut ambiguous = problems.ambiguous;
        for (key, mut found) in found {
            if found.len() > 1 {
                ambiguous.push(key);
            }
            tensors.extend(found.pop());
        }
        let adapter = Box::new(PyTorchToBurnAdapter);
        let mut precision = Precision::default();
        module.visit(&mut precision);
        let result = module.apply(tensors, None, Some(adapter), true);
        let module = module.map(&mut precision);
        let mut mismatch = Mismatch {
            ambiguous,
            ..mismatch(result)
        };
        mismatch.missing.extend(problems.missing);
        mismatch.shapes.extend(problems.shapes);
        mismatch.unreadable.extend(problems.unreadable);
        mismatch.sort();
        if mismatch.is_empty() {
            Ok(module)
        } else {
            Err(WeightsError::Mismatch {
                path: self.path.clone(),
                mismatch: Box::new(mismatch),
            })
        }
    }

    /// Returns the tensors of the file by key after all steps, and the stacks that do not fit. More
    /// than one tensor per key is an error in the steps.
    fn tensors(&self) -> Result<(Tensors, Mismatch), WeightsError> {
        let mut tensors = Tensors::new();
        for mut tensor in self.read()? {
            if let Some(key) = self.key(&tensor.name) {
                tensor.name.clone_from(&key);
                tensors.entry(key).or_default().push(tensor);
            }
        }
        Ok(self.layout.apply(tensors))
    }

    /// Returns a key after all steps; `None` if it is ignored.
    fn key(&self, key: &str) -> Option<String> {
        let key = self
            .prefixes
            .iter()
            .fold(key, |key, prefix| key::strip(key, prefix));
        let is_ignored = self.ignored.iter().any(|name| key::matches(key, name))
            || self.ignored_keys.iter().any(|name| key == name);
        if is_ignored {
            return None;
        }
        let renamed = self.renamed.iter();
        Some(renamed.fold(key.to_string(), |key, (from, to)| {
            key::rename(&key, from, to)
        }))
    }

    /// Returns the tensors of the file by their own keys. Their data is read on demand.
    fn read(&self) -> Result<Vec<Tensor>, WeightsError> {
        let extension = self.path.extension().and_then(|name| name.to_str());
        match extension {
            Some("safetensors") if self.root.is_some() => {
                Err(self.unread("a SafeTensors file has no dictionary to select"))
            }
            Some("safetensors") => {
                let store = SafetensorsStore::from_file(&self.path);
                self.all(store.map_indices_contiguous(false))
            }
            Some("pth" | "pt" | "bin") => {
                let store = PytorchStore::from_file(&self.path).map_indices_contiguous(false);
                self.all(match &self.root {
                    Some(root) => store.with_top_level_key(root),
                    None => store,
                })
            }
            _ => Err(WeightsError::Extension {
                path: self.path.clone(),
            }),
        }
    }

    fn all<S: ModuleStore>(&self, mut store: S) -> Result<Vec<Tensor>, WeightsError> {
        let tensors = store.get_all_tensors();
        Ok(tensors
            .map_err(|error| self.unread(error))?
            .values()
            .cloned()
            .collect())
    }

    fn unread(&self, error: impl Display) -> WeightsError {
        WeightsError::File {
            path: self.path.clone(),
            message: error.to_string(),
        }
    }
}

/// Collects the differences that applying tensors to a module found.
fn mismatch(result: ApplyResult) -> Mismatch {
    let mut mismatch = Mismatch {
        missing: result.missing.into_iter().map(|(path, _)| path).collect(),
        unexpected: result.unused,
        ..Mismatch::default()
    };
    for error in result.errors {
        match error {
            ApplyError::ShapeMismatch {
                path,
                expected,
                found,
            } => mismatch.shapes.push(ShapeMismatch {
                path,
                expected: expected.to_vec(),
                found: found.to_vec(),
            }),
            other => mismatch.unreadable.push(other.to_string()),
        }
    }
    mismatch
}
