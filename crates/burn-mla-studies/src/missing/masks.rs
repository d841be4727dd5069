//! The modality masks of a data set at a missing rate, from a manifest that all methods share.

use std::error::Error;
use std::path::Path;

use burn_mla::modality::{MissingManifest, MissingProtocol, MissingRate, Presence};

use crate::missing::cell::Group;

/// The names of the splits in a manifest, in the order of [`Masks`] and of the sizes of data sets.
pub const SPLITS: [&str; 3] = ["train", "valid", "test"];

/// The modality mask of each split.
pub struct Masks {
    pub train: Presence,
    pub valid: Presence,
    pub test: Presence,
}

impl Masks {
    /// Reads the masks of a group from its manifest in `folder`, which is made if it does not exist.
    pub fn open(
        folder: &Path,
        group: &Group,
        protocol: MissingProtocol,
        modalities: &[&str],
        sizes: [usize; 3],
    ) -> Result<Self, Box<dyn Error>> {
        let path = folder.join(format!("{group}.json"));
        let rate = MissingRate::new(group.rate, group.seed)?.with_protocol(protocol);
        if !path.exists() {
            let splits = SPLITS.into_iter().zip(sizes);
            MissingManifest::new(rate, modalities.iter().copied(), splits)?.save(&path)?;
        }
        let manifest = MissingManifest::load(&path)?;
        manifest.check_modalities(modalities)?;
        if manifest.rate() != rate {
            let path = path.display();
            return Err(
                format!("{path}: the masks are {:?}, not {rate:?}", manifest.rate()).into(),
            );
        }
        let mut masks = vec![];
        for (split, n_samples) in SPLITS.into_iter().zip(sizes) {
            masks.push(manifest.check(split, n_samples)?.clone());
        }
        let [train, valid, test] = masks.try_into().map_err(|_| "three splits")?;
        Ok(Self { train, valid, test })
    }
}
