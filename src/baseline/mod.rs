//! Methods to compare MLA with.

mod joint;

pub use joint::{
    BiGated, BiGatedConfig, Concat, ConcatConfig, Film, FilmConfig, Joint, JointConfig, JointHead,
    JointLogits, JointLoss, JointPrediction, JointSamples, LateFusion, LateFusionConfig,
    ModalityFeatures, OgmConfig, Qmf, QmfConfig, Sum, SumConfig,
};
