//! A file of weights, and the steps from its keys to the paths of a module.

use std::path::PathBuf;

use burn::module::Module;

use super::channels::Channels;
use super::error::WeightsError;
use super::key::{self, Key};
use super::layout::Layout;
use super::load::{self, Loaded};
use super::read::Parallel;

/// The files of weights in a directory of Hugging Face.
const FILES: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];

/// The file of weights of a directory; any other path is that of the file itself.
fn file(path: PathBuf) -> PathBuf {
    if !path.is_dir() {
        return path;
    }
    let mut files = FILES.map(|name| path.join(name)).into_iter();
    let found = files.find(|file| file.exists());
    found.unwrap_or_else(|| path.join(FILES[0]))
}

/// Weights of a PyTorch model in a SafeTensors (`.safetensors`) or PyTorch file (`.pth`, `.pt`,
/// `.bin`).
///
/// Loading is strict: each parameter of the module needs exactly one tensor of its shape, and each
/// tensor of the file a parameter. You name the exceptions. The steps apply to each key in this
/// order:
///
/// | Step | Default | Purpose |
/// |---|---|---|
/// | [`with_root`](Self::with_root) | found | selects a dictionary within a checkpoint |
/// | [`with_prefix`](Self::with_prefix) | `module.` | strips a prefix from the keys that have it |
/// | [`with_submodule`](Self::with_submodule) | none | selects the weights of one network of several |
/// | [`with_ignored`](Self::with_ignored), [`with_ignored_key`](Self::with_ignored_key) | none | leaves out keys |
/// | [`with_renamed`](Self::with_renamed) | none | renames parts of keys |
/// | [`with_stacked`](Self::with_stacked) | none | stacks tensors to one |
/// | [`with_transposed`](Self::with_transposed) | none | transposes matrices |
/// | [`with_channels`](Self::with_channels) | none | reduces input channels of a convolution to one |
/// | [`with_absent`](Self::with_absent) | none | allows a parameter without a tensor |
///
/// The same network loads alike from the ways in which PyTorch programs save it:
///
/// - a bare state dict, or one under `state_dict`, `model_state_dict` or `model`, whose other
///   entries (optimizer, scheduler, epoch) are not weights;
/// - with `module.` in front of every key, as `DataParallel` writes it;
/// - with or without `num_batches_tracked` of batch normalizations, which Burn does not count;
/// - in any float precision: floats take that of the module, so a file in bf16 loads into a module in
///   f32, and [`Loaded::converted`] says so;
/// - the zip format of `torch.save`, the older pickles before PyTorch 1.6, or SafeTensors. A pickle is
///   read as data: no code of it runs.
///
/// Tensors have PyTorch's layout in the file. Weights of linear layers are transposed, and `weight`
/// and `bias` of normalizations become Burn's `gamma` and `beta`. Names of enum variants are not
/// part of a path. Tensors are read one at a time: memory holds the module and one tensor in a few
/// copies.
///
/// ```no_run
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::Device;
/// use burn_mla_encoders::weights::WeightFile;
///
/// let head: Linear = LinearConfig::new(512, 6).init(&Device::flex());
/// let head = WeightFile::new("best_model.pth")
///     .with_submodule("fusion_module.fc_out")
///     .load(head)?;
/// # Ok::<(), burn_mla_encoders::weights::WeightsError>(())
/// ```
#[derive(Debug, Clone)]
pub struct WeightFile {
    pub(super) path: PathBuf,
    pub(super) root: Option<String>,
    prefixes: Vec<String>,
    submodule: Option<String>,
    ignored: Vec<String>,
    ignored_keys: Vec<String>,
    renamed: Vec<(String, String)>,
    pub(super) layout: Layout,
    pub(super) channels: Vec<(String, Channels)>,
    absent: Vec<String>,
}

impl WeightFile {
    /// Creates the description of a file, which [`load`](Self::load) and [`keys`](Self::keys) read.
    ///
    /// The path of a directory stands for the `model.safetensors` in it, or else the
    /// `pytorch_model.bin`, as in directories of Hugging Face.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: file(path.into()),
            root: None,
            prefixes: vec![],
            submodule: None,
            ignored: vec![],
            ignored_keys: vec![],
            renamed: vec![],
            layout: Layout::default(),
            channels: vec![],
            absent: vec![],
        }
    }

    /// Selects the dictionary under `key` of a PyTorch checkpoint. Without it, that under
    /// `state_dict`, `model_state_dict` or `model` is found, and else the whole file is read.
    pub fn with_root(mut self, key: impl Into<String>) -> Self {
        self.root = Some(key.into());
        self
    }

    /// Strips `prefix`, such as `bert.`, from the keys that start with it. Several prefixes are
    /// stripped in the order given. A `module.` in front of every key is always stripped first.
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefixes.push(prefix.into());
        self
    }

    /// Selects the keys that start with the dot-separated parts `name`, such as `audio_net`, and
    /// strips these. All other keys are left out.
    pub fn with_submodule(mut self, name: impl Into<String>) -> Self {
        self.submodule = Some(name.into());
        self
    }

    /// Leaves out the keys whose first or last dot-separated parts are `name`, such as `fc`.
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

    /// Reduces the input channels of a convolution to one: the weights of RGB images,
    /// `[out, 3, height, width]`, then fit a module for one channel, `[out, 1, height, width]`.
    /// `path` is that of the parameter in the module, such as `conv1.weight`.
    pub fn with_channels(mut self, path: impl Into<String>, channels: Channels) -> Self {
        self.channels.push((path.into(), channels));
        self
    }

    /// Allows that the file lacks the parameters whose first or last dot-separated parts are `name`.
    /// These keep their values, and [`Loaded::absent`] names them.
    pub fn with_absent(mut self, name: impl Into<String>) -> Self {
        self.absent.push(name.into());
        self
    }

    /// Returns the keys of the file after all steps, sorted.
    ///
    /// # Errors
    ///
    /// [`WeightsError::File`] and [`WeightsError::Extension`], as [`load`](Self::load).
    pub fn keys(&self) -> Result<Vec<String>, WeightsError> {
        let (tensors, _) = load::tensors(self, Parallel::Strip)?;
        let (tensors, _) = self.layout.apply(tensors);
        Ok(tensors.into_keys().collect())
    }

    /// Returns `module` with the weights of the file, on the device of each parameter.
    ///
    /// The module shares nothing with its clones afterwards, running statistics included.
    ///
    /// # Errors
    ///
    /// - [`WeightsError::File`] for a file that cannot be read, or that lacks the dictionary of
    ///   [`with_root`](Self::with_root);
    /// - [`WeightsError::Extension`] for a name without a known extension;
    /// - [`WeightsError::NoMatch`] if no key of the file is a parameter of the module;
    /// - [`WeightsError::Mismatch`] with every key that is missing, unexpected, ambiguous or of
    ///   another shape.
    pub fn load<M: Module>(&self, module: M) -> Result<M, WeightsError> {
        Ok(self.load_with_report(module)?.module)
    }

    /// Returns `module` with the weights of the file, and what was left out, absent or converted.
    ///
    /// ```no_run
    /// use burn::tensor::Device;
    /// use burn_mla::modality::ImageBatch;
    /// use burn_mla_encoders::resnet::ResNetConfig;
    /// use burn_mla_encoders::weights::WeightFile;
    ///
    /// let encoder = ResNetConfig::resnet18().init::<ImageBatch>(&Device::flex())?;
    /// let loaded = WeightFile::new("resnet18-f37072fd.pth")
    ///     .with_ignored("fc")
    ///     .load_with_report(encoder)?;
    /// assert_eq!(loaded.left_out, ["fc.bias", "fc.weight"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn load_with_report<M: Module>(&self, module: M) -> Result<Loaded<M>, WeightsError> {
        load::load(self, module)
    }

    /// Returns a key after all steps.
    pub(super) fn key(&self, key: &str) -> Key {
        let mut key = self
            .prefixes
            .iter()
            .fold(key, |key, prefix| key::strip(key, prefix));
        if let Some(name) = &self.submodule {
            let Some(rest) = key::within(key, name) else {
                return Key::LeftOut;
            };
            key = rest;
        }
        let is_ignored = self.ignored.iter().any(|name| key::matches(key, name))
            || self.ignored_keys.iter().any(|name| key == name);
        if is_ignored {
            return Key::LeftOut;
        }
        let renamed = self.renamed.iter();
        Key::Used(renamed.fold(key.to_string(), |key, (from, to)| {
            key::rename(&key, from, to)
        }))
    }

    /// Whether the file may lack the parameter at `path`.
    pub(super) fn may_be_absent(&self, path: &str) -> bool {
        self.absent.iter().any(|name| key::matches(path, name))
    }
}
