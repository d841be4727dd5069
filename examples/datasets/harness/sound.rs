//! Sound: from files of sound, or from filter banks and spectrograms in NumPy files.

use std::path::PathBuf;

use burn_mla::modality::FbankBatch;
use burn_mla_data::audio::{AudioFrontEnd, AudioFrontEndConfig};
use burn_mla_data::dataset::{DatasetError, PublishedDataset};
use burn_mla_data::manifest::{FeaturesFrontEnd, FrontEnd};
use clap::Args;
use serde::Serialize;

use crate::{PaperFrontEnd, Place, Result, exist};

/// Options of the sound.
#[derive(Debug, Clone, Args, Serialize)]
pub struct SoundOptions {
    /// Reads features NAME.npy instead of sound: of the folders DIR, such as MLA's audio/train_fbank and
    /// audio/test_fbank; without DIR those that --prepare computes
    #[arg(long, num_args = 0.., value_name = "DIR")]
    pub audio_features: Option<Vec<PathBuf>>,
}

/// The front end of sound, and the shape of what it computes.
pub struct Sound {
    front_end: AudioFrontEnd,
    shape: [usize; 2],
    /// Folder of the features within that of prepared files.
    folder: &'static str,
}

impl Sound {
    /// A front end whose features have a shape, and the name of their prepared folder.
    ///
    /// # Errors
    ///
    /// An option outside of its range.
    pub fn new(
        config: &AudioFrontEndConfig,
        shape: [usize; 2],
        folder: &'static str,
    ) -> Result<Self> {
        Ok(Self {
            front_end: config.init()?,
            shape,
            folder,
        })
    }
}

impl SoundOptions {
    /// Checks the folders.
    ///
    /// # Errors
    ///
    /// A folder that is not there.
    pub fn check(&self) -> Result<()> {
        exist("--audio-features", self.audio_features.iter().flatten())
    }

    /// Reads a data set by `read`, which gets the folders of features. They are computed before if they are to be
    /// prepared.
    ///
    /// # Errors
    ///
    /// Those of `read` and of the preparation.
    pub fn read(
        &self,
        sound: &Sound,
        place: &Place,
        read: impl Fn(Vec<PathBuf>) -> Result<PublishedDataset, DatasetError>,
    ) -> Result<PublishedDataset> {
        let folders = match &self.audio_features {
            Some(folders) if folders.is_empty() => {
                let folder = place.prepared.join(sound.folder);
                place.prepare("features", |config, progress| {
                    let data = read(vec![])?;
                    config.save_features(&data, "audio", &sound.front_end, &folder, progress)
                })?;
                exist("--audio-features without --prepare:", [&folder])?;
                vec![folder]
            }
            Some(folders) => folders.clone(),
            None => vec![],
        };
        Ok(read(folders)?)
    }

    /// The front end of the files that are read.
    pub fn front_end(&self, sound: &Sound) -> PaperFrontEnd {
        match self.audio_features {
            Some(_) => {
                let features = FeaturesFrontEnd::<3>::new(sound.shape);
                PaperFrontEnd::new(features.map(FbankBatch))
            }
            None => PaperFrontEnd::new(sound.front_end.clone()),
        }
    }
}
