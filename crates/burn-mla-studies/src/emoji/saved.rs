//! The model of a run on disk, with the settings that it is built from.

use std::error::Error;
use std::path::Path;

use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::Device;

use crate::emoji::train::{EmojiMla, Settings};

const MODEL: &str = "model.bpk";
/// Written last: its presence marks a complete model.
pub const SETTINGS: &str = "model.json";

/// Saves a model and the settings that it is built from.
pub fn save(model: EmojiMla, settings: &Settings, folder: &Path) -> Result<(), Box<dyn Error>> {
    let path = folder.join(MODEL);
    let record = model.valid().into_record();
    record
        .save(&path)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    std::fs::write(
        folder.join(SETTINGS),
        serde_json::to_string_pretty(settings)?,
    )?;
    Ok(())
}

/// Loads the settings of a saved model.
pub fn settings(folder: &Path) -> Result<Settings, Box<dyn Error>> {
    let path = folder.join(SETTINGS);
    let text = std::fs::read_to_string(&path)
        .map_err(|error| format!("no saved model: {}: {error}", path.display()))?;
    let settings = serde_json::from_str(&text);
    Ok(settings.map_err(|error| format!("{}: {error}", path.display()))?)
}

/// Loads a saved model for inference.
pub fn load(
    folder: &Path,
    settings: &Settings,
    n_classes: usize,
    device: &Device,
) -> Result<EmojiMla, Box<dyn Error>> {
    let path = folder.join(MODEL);
    let place = |error: &dyn Error| format!("{}: {error}", path.display());
    let record = ModuleRecord::load(&path).map_err(|error| place(&error))?;
    let model = settings.model(n_classes, device)?;
    Ok(model
        .try_load_record(record)
        .map_err(|error| place(&error))?
        .valid())
}
