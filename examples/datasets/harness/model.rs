//! What a data set needs besides its samples.

use burn::tensor::Device;

use crate::{PaperEncoder, PaperFrontEnd, Result};

/// Front ends and encoders of a data set, in the order of its modalities.
pub trait Model {
    /// Front ends, one per modality.
    ///
    /// # Errors
    ///
    /// An option outside of its range.
    fn front_ends(&self) -> Result<Vec<PaperFrontEnd>>;

    /// Encoders, one per modality, with pretrained weights where the options name some.
    ///
    /// # Errors
    ///
    /// Weights that cannot be read or do not fit.
    fn encoders(&self, device: &Device) -> Result<Vec<PaperEncoder>>;

    /// Configurations and weight files of the encoders, which cached features are of.
    fn description(&self) -> String;

    /// The option of pretrained weights that is missing, if one is.
    fn missing_weights(&self) -> Option<&'static str>;
}
