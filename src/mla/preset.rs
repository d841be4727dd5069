//! Complete methods by name: the crate's default, the same with turns on the fused prediction, and the paper's as
//! printed.

use crate::encoder::Encoders;
use crate::error::Result;
use crate::fusion::{EntropyFusion, EntropyFusionConfig};
use crate::head::SharedHead;
#[cfg(feature = "train")]
use crate::mla::{FusedLogits, FusedTurnConfig, FusedTurns};
use crate::mla::{Mla, MlaConfig};
use crate::projector::{
    DefaultProjector, LeakyRlsProjectorConfig, RlsProjector, RlsProjectorConfig,
};

/// The crate's default method: [`DefaultProjector`], and fusion by entropy with temperatures that
/// [`fit`](crate::fit::fit) or [`calibrate`](crate::evaluation::calibrate) fits to validation data.
/// [`MlaConfig::init_default`] builds it.
pub type DefaultMla<E, H> = Mla<E, H, DefaultProjector, EntropyFusion>;

/// [`DefaultMla`] with a turn on the loss of the mean of the logits after each round of turns. With
/// [`StackingConfig`](crate::evaluation::StackingConfig) its fused prediction was the best one on validation data
/// of 20 methods (`docs/results.md`). [`MlaConfig::init_fused`] builds it.
#[cfg(feature = "train")]
pub type FusedMla<E, H> = FusedTurns<E, H, DefaultProjector, EntropyFusion>;

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

    /// Builds the crate's default method with turns on the fused prediction.
    ///
    /// A fused turn passes all modalities, which makes an epoch about twice as long. Fit a
    /// [`StackingConfig`](crate::evaluation::StackingConfig) to validation data afterwards.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use burn_mla::dataset::InMemory;
    /// use burn_mla::evaluation::StackingConfig;
    /// use burn_mla::prelude::*;
    ///
    /// let device = Device::flex();
    /// let inputs = (Tensor::<2>::ones([40, 20], &device), Tensor::<2>::ones([40, 30], &device));
    /// let data = InMemory::paired(inputs, (0..40).map(|i| i % 4))?;
    /// let (train, valid) = data.stratified_split(0.2, 0)?;
    /// let (train, valid) = (train.shuffled(8, 0, &device)?, valid.in_order(8, &device)?);
    ///
    /// let audio = MlpEncoderConfig::new(20, 16).init(&device)?;
    /// let text = MlpEncoderConfig::new(30, 16).init(&device)?;
    /// let head = LinearHeadConfig::new(16, 4).init(&device)?;
    /// let model: FusedMla<_, _> = MlaConfig::new().init_fused((audio, text), head)?;
    ///
    /// let config = FitConfig::new(2).with_names(["audio", "text"]);
    /// let model = fit(model, train, valid.clone(), &config)?.model;
    /// let stacking = StackingConfig::new().fit(&model, &*valid)?;
    /// println!("{:.2}", stacking.evaluate(&model, &*valid)?.fused.accuracy());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    #[cfg(feature = "train")]
    pub fn init_fused<E: Encoders, H: SharedHead>(
        &self,
        encoders: E,
        head: H,
    ) -> Result<FusedMla<E, H>> {
        let config = FusedTurnConfig::new().with_logits(FusedLogits::Mean);
        config.init(self.init_default(encoders, head)?)
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

#[cfg(all(test, feature = "train"))]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::encoder::MlpEncoderConfig;
    use crate::head::LinearHeadConfig;
    use crate::loader::UnimodalThenFused;

    /// Those of the study whose results the preset has.
    #[test]
    fn fused_turns_are_on_the_mean_and_train_everything() {
        let device = Device::flex();
        let encoder = || MlpEncoderConfig::new(3, 4).init(&device).unwrap();
        let head = LinearHeadConfig::new(4, 2).init(&device).unwrap();
        let model = MlaConfig::new().init_fused((encoder(), encoder()), head);
        let model = model.unwrap();
        let expected = FusedTurnConfig {
            logits: FusedLogits::Mean,
            encoder_share: 1.0,
            schedule: UnimodalThenFused::new(),
        };
        assert_eq!(model.config(), &expected);
        let rule = LeakyRlsProjectorConfig::new().init().unwrap();
        assert_eq!(model.model().projection().rule(), &rule);
    }
}
