//! Two complete methods by name: the crate's default, and the paper's as printed.

use crate::encoder::Encoders;
use crate::error::Result;
use crate::fusion::{EntropyFusion, EntropyFusionConfig};
use crate::head::SharedHead;
use crate::mla::{Mla, MlaConfig};
use crate::projector::{
    DefaultProjector, LeakyRlsProjectorConfig, RlsProjector, RlsProjectorConfig,
};

/// The crate's default method: [`DefaultProjector`], and fusion by entropy with temperatures that
/// [`fit`](crate::fit::fit) or [`calibrate`](crate::evaluation::calibrate) fits to validation data.
/// [`MlaConfig::init_default`] builds it.
pub type DefaultMla<E, H> = Mla<E, H, DefaultProjector, EntropyFusion>;

/// The method of the paper as printed: the projector of Eq. 5 and fusion by entropy (Eq. 6-8) without
/// temperatures. [`MlaConfig::init_paper`] builds it; train it with
/// [`FitConfig::with_calibration(false)`](crate::fit::FitConfig::with_calibration).
pub type PaperMla<E, H> = Mla<E, H, RlsProjector, EntropyFusion>;

impl MlaConfig {
    /// Builds the crate's default method. Its temperatures are 1 until they are fitted.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use burn_mla::prelude::*;
    ///
    /// let device = Device::flex();
    /// let audio = MlpEncoderConfig::new(20, 16).init(&device)?;
    /// let text = MlpEncoderConfig::new(30, 16).init(&device)?;
    /// let head = LinearHeadConfig::new(16, 4).init(&device)?;
    /// let model: DefaultMla<_, _> = MlaConfig::new().init_default((audio, text), head)?;
    /// assert_eq!(model.n_modalities(), 2);
    /// # Ok::<(), MlaError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    pub fn init_default<E: Encoders, H: SharedHead>(
        &self,
        encoders: E,
        head: H,
    ) -> Result<DefaultMla<E, H>> {
        let projector = LeakyRlsProjectorConfig::new().init()?;
        let fusion = fusion(&encoders, &head)?;
        self.init(encoders, head, projector, fusion)
    }

    /// Builds the method of the paper as printed.
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    pub fn init_paper<E: Encoders, H: SharedHead>(
        &self,
        encoders: E,
        head: H,
    ) -> Result<PaperMla<E, H>> {
        let projector = RlsProjectorConfig::new().init()?;
        let fusion = fusion(&encoders, &head)?;
        self.init(encoders, head, projector, fusion)
    }
}

fn fusion<E: Encoders, H: SharedHead>(encoders: &E, head: &H) -> Result<EntropyFusion> {
    let device = head.devices().into_iter().next().unwrap_or_default();
    EntropyFusionConfig::new(encoders.n_modalities()).init(&device)
}
