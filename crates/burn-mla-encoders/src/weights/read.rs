//! Reading of the two formats, and of the ways in which a checkpoint holds its weights.

use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use burn::store::burn_pack::Tensor;
use burn::store::{ModuleStore, PytorchStore};

use super::error::WeightsError;
use super::file::WeightFile;
use super::safetensors;
use crate::FileError;

/// Entries of a checkpoint under which programs save the weights of the network.
const ROOTS: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// In front of all keys of a network in `DataParallel` or `DistributedDataParallel`.
const PARALLEL: &str = "module.";

/// What happens to a `module.` in front of all keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Parallel {
    Strip,
    /// The module has it, too.
    Keep,
}

impl Parallel {
    /// The choice for a module with parameters at `paths`.
    pub(super) fn of<'a>(paths: &mut impl Iterator<Item = &'a String>) -> Self {
        if paths.any(|path| path.starts_with(PARALLEL)) {
            Self::Keep
        } else {
            Self::Strip
        }
    }
}

/// Returns the tensors of a file by the keys of its state dict. Their data is read on demand.
pub(super) fn tensors(file: &WeightFile, parallel: Parallel) -> Result<Vec<Tensor>, WeightsError> {
    if is_lfs_pointer(&file.path) {
        let message = "a Git LFS pointer in place of the weights: download them by `git lfs pull`";
        return Err(unread(file, message));
    }
    let extension = file.path.extension().and_then(|name| name.to_str());
    let mut tensors = match extension {
        Some("safetensors") if file.root.is_some() => Err(unread(
            file,
            "a SafeTensors file has no dictionary to select",
        )),
        Some("safetensors") => {
            safetensors::tensors(&file.path).map_err(|error| unread(file, error))
        }
        Some("pth" | "pt" | "bin") => match &file.root {
            Some(root) => pickle(file, Some(root)),
            None => state_dict(file),
        },
        _ => Err(WeightsError::Extension {
            path: file.path.clone(),
        }),
    }?;
    let mut names = tensors.iter().map(|tensor| &tensor.name);
    if parallel == Parallel::Strip && names.all(|name| name.starts_with(PARALLEL)) {
        for tensor in &mut tensors {
            tensor.name.drain(..PARALLEL.len());
        }
    }
    Ok(tensors)
}

/// Whether a file is what Git leaves of a large file that was not downloaded.
fn is_lfs_pointer(path: &Path) -> bool {
    const START: &[u8] = b"version https://git-lfs";
    let mut start = [0; START.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start == START
}

/// Reads the state dict of a checkpoint, which is its only dictionary with a name of [`ROOTS`], or
/// the whole file.
fn state_dict(file: &WeightFile) -> Result<Vec<Tensor>, WeightsError> {
    let whole = pickle(file, None)?;
    let mut found = vec![];
    for root in ROOTS {
        let holds = |tensor: &Tensor| {
            let rest = tensor.name.strip_prefix(root);
            rest.is_some_and(|rest| rest.starts_with('.'))
        };
        if !whole.iter().any(holds) {
            continue;
        }
        // A key with dots, such as `model.conv1.weight` of a bare state dict, is no dictionary.
        if let Ok(tensors) = pickle(file, Some(root)) {
            found.push((root, tensors));
        }
    }
    if found.len() > 1 {
        let roots: Vec<&str> = found.into_iter().map(|(root, _)| root).collect();
        let roots = roots.join(", ");
        let message = format!("several dictionaries may hold the weights: {roots}; select one");
        return Err(unread(file, message));
    }
    Ok(found.pop().map_or(whole, |(_, tensors)| tensors))
}

fn pickle(file: &WeightFile, root: Option<&str>) -> Result<Vec<Tensor>, WeightsError> {
    let store = PytorchStore::from_file(&file.path).map_indices_contiguous(false);
    let mut store = match root {
        Some(root) => store.with_top_level_key(root),
        None => store,
    };
    let tensors = store.get_all_tensors();
    let tensors = tensors.map_err(|error| unread(file, error))?;
    Ok(tensors.values().cloned().collect())
}

fn unread(file: &WeightFile, error: impl Display) -> WeightsError {
    WeightsError::File(FileError {
        path: file.path.clone(),
        message: error.to_string(),
    })
}
