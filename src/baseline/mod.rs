//! Baselines to compare MLA with, by what they do with their modalities: `joint` trains all in one
//! loss.

mod joint;

pub use joint::{
    BiGated, BiGatedConfig, Concat, ConcatConfig, Film, FilmConfig, Joint, JointConfig, JointHead,
    JointLogits, JointLoss, JointPrediction, JointSamples, LateFusion, LateFusionConfig,
    ModalityFeatures, OgmConfig, Qmf, QmfConfig, Sum, SumConfig,
};
