//! Turns with a loss on the fused prediction, in addition to the turns of the modalities.

mod display;
mod method;
mod step;
mod update;

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{DType, Tensor};

use crate::encoder::Encoders;
use crate::error::{Result, share};
use crate::fusion::UncertaintyFusion;
use crate::head::SharedHead;
use crate::loader::UnimodalThenFused;
use crate::mla::Mla;
use crate::module::{Buffer, module_around};
use crate::projector::OrthogonalProjector;

/// The fused logits whose loss a fused turn minimizes.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum FusedLogits {
    /// Those of the model's fusion, calibration included. Its weights count as constants.
    Fusion,
    /// Those of the model's fusion, with gradients through its weights.
    FusionThroughWeights,
    /// The mean of the logits of the modalities present, without calibration.
    Mean,
    /// The sum of the logits of the modalities present, without calibration.
    Sum,
}

/// Options of [`FusedTurns`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `logits` | [`Fusion`](FusedLogits::Fusion) | logits of the loss | |
/// | `encoder_share` | 1 | factor of the encoders' gradients in a fused turn; 0 trains the head alone | `[0, 1]` |
/// | `schedule` | one per round | schedule of fused turns, for [`training_loader`](crate::method::MultimodalMethod::training_loader) | |
#[derive(Config, Debug, PartialEq)]
pub struct FusedTurnConfig {
    /// Logits of the loss.
    #[config(default = "FusedLogits::Fusion")]
    pub logits: FusedLogits,
    /// Factor of the encoders' gradients in a fused turn.
    #[config(default = 1.0)]
    pub encoder_share: f64,
    /// Schedule of fused turns.
    #[config(default = "UnimodalThenFused::new()")]
    pub schedule: UnimodalThenFused,
}

impl FusedTurnConfig {
    /// Adds fused turns to a model.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`](crate::MlaError::HyperParameter) for a value outside of the ranges
    /// above.
    pub fn init<E, H, P, F>(&self, model: Mla<E, H, P, F>) -> Result<FusedTurns<E, H, P, F>>
    where
        E: Encoders,
        H: SharedHead,
        P: OrthogonalProjector,
        F: UncertaintyFusion,
    {
        share("encoder_share", self.encoder_share)?;
        self.schedule.check()?;
        let device = model.head.devices().into_iter().next().unwrap_or_default();
        let weight = Tensor::zeros([1], (&device.inner(), DType::F32));
        Ok(FusedTurns {
            model,
            config: self.clone(),
            weight: Buffer::new(weight),
        })
    }
}

/// An [`Mla`] that also trains on the fused prediction: alternating turns as in the paper, and after each
/// round of them a turn of all modalities together.
///
/// A fused turn minimizes the loss of the fused logits ([`FusedLogits`]). Samples are fused from the
/// modalities that they have. The loss reaches the head through the logits of each modality, and the
/// gradient of each of these paths is projected as in a turn of that modality:
///
/// ```text
/// D_m = d loss(fuse(l_1 .. l_M)) / d l_m,   l_m = g(h_m(x_m))
/// G   = sum_m P_m G_m,                      G_m: gradient of the head for the error D_m at l_m
/// ```
///
/// `P_m` is the projector for modality `m`. With [`ProjectionTarget::Update`], the change of the optimizer
/// is projected by the mean of all `P_m`. A fused turn updates neither the projector nor its number of
/// steps, because each feature enters in the turn of its modality. A share of the gradient
/// ([`FusedTurnConfig::encoder_share`]) trains the encoders.
///
/// The paper's method has no fused turns. As a module, this is the model itself with one more buffer:
/// paths and [groups](crate::mla::encoder_group) of parameters are those of the [`Mla`].
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::dataset::InMemory;
/// use burn_mla::mla::FusedTurnConfig;
/// use burn_mla::prelude::*;
///
/// let device = Device::flex();
/// let (audio, text) = (Tensor::<2>::ones([40, 20], &device), Tensor::<2>::ones([40, 30], &device));
/// let data = InMemory::paired((audio, text), (0..40).map(|i| i % 4))?;
/// let (train, valid) = data.stratified_split(0.2, 0)?;
///
/// let audio = MlpEncoderConfig::new(20, 16).init(&device)?;
/// let text = MlpEncoderConfig::new(30, 16).init(&device)?;
/// let head = LinearHeadConfig::new(16, 4).init(&device)?;
/// let model = MlaConfig::new().init_default((audio, text), head)?;
/// let model = FusedTurnConfig::new().with_encoder_share(0.1).init(model)?;
///
/// let config = FitConfig::new(2).with_names(["audio", "text"]);
/// let fitted = fit(model, train.shuffled(8, 0, &device)?, valid.in_order(8, &device)?, &config)?;
/// let model: DefaultMla<_, _> = fitted.model.into_model();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`ProjectionTarget::Update`]: crate::mla::ProjectionTarget::Update
#[derive(Debug)]
pub struct FusedTurns<E, H, P: OrthogonalProjector, F> {
    model: Mla<E, H, P, F>,
    config: FusedTurnConfig,
    /// Its gradient is the total weight of the samples of fused turns that the gradients are sums over.
    weight: Buffer<1>,
}

module_around! {
    impl[E: Module, H: Module, P: OrthogonalProjector, F: Module] FusedTurns[E, H, P, F]
    around: model, modules: [weight as "fused_weight"], others: [config]
}

impl<E, H, P: OrthogonalProjector, F> FusedTurns<E, H, P, F> {
    /// The model.
    pub fn model(&self) -> &Mla<E, H, P, F> {
        &self.model
    }

    /// The model without fused turns.
    pub fn into_model(self) -> Mla<E, H, P, F> {
        self.model
    }

    /// The options.
    pub fn config(&self) -> &FusedTurnConfig {
        &self.config
    }
}
