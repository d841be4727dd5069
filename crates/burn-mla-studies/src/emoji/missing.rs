//! The modality masks of a run, from a manifest beside its results.

use std::error::Error;
use std::path::Path;

use burn_mla::modality::{MissingManifest, MissingRate, Presence};

use burn_mla_data::dataset::Split;
use burn_mla_data::dataset::emoji::{Emoji, Modality};

/// Seed of the masks, the same for every method and training seed.
const SEED: u64 = 0;
const FILE: &str = "missing.json";

/// Reads the modality mask of all emoji, by index, from the manifest in `folder`, which is created if
/// it does not exist.
pub fn presence(
    rate: f64,
    emoji: &Emoji,
    modalities: &[Modality],
    folder: &Path,
) -> Result<Presence, Box<dyn Error>> {
    let names: Vec<&str> = modalities.iter().map(|modality| modality.name()).collect();
    let splits = [
        ("train", emoji.indices(Split::Train)),
        ("valid", emoji.indices(Split::Valid)),
        ("test", emoji.indices(Split::Test)),
    ];
    let path = folder.join(FILE);
    if !path.exists() {
        let lengths = splits.iter().map(|(name, indices)| (*name, indices.len()));
        MissingManifest::new(MissingRate::new(rate, SEED)?, names.clone(), lengths)?.save(&path)?;
    }
    let manifest = MissingManifest::load(&path)?;
    manifest.check_modalities(&names)?;
    let mut mask = vec![true; emoji.len() * modalities.len()];
    for (name, indices) in &splits {
        let presence = manifest.check(name, indices.len())?;
        for (sample, index) in indices.iter().enumerate() {
            for modality in 0..modalities.len() {
                mask[index * modalities.len() + modality] = presence.is_present(sample, modality);
            }
        }
    }
    Ok(Presence::from_mask(mask, modalities.len())?)
}
