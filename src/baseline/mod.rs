//! Baselines to compare MLA with, by what they do with their modalities: `joint` trains all in one
//! loss, `balanced` balances the modalities of such a training, `missing` holds methods for missing
//! modalities.

mod balanced;
mod joint;
mod missing;

pub use balanced::{
    Agm, AgmConfig, Assisted, AssistedConfig, MmPareto, MmParetoConfig, Opm, OpmConfig, Pmr,
    PmrConfig, ReconBoost, ReconBoostConfig,
};
#[cfg(feature = "train")]
pub use balanced::{DiagnosisData, Relearning, RelearningConfig};
pub use joint::{
    BiGated, BiGatedConfig, Concat, ConcatConfig, Film, FilmConfig, Joint, JointConfig, JointHead,
    JointLogits, JointLoss, JointPrediction, JointSamples, LateFusion, LateFusionConfig,
    ModalityFeatures, OgmConfig, Qmf, QmfConfig, Sum, SumConfig,
};
pub use missing::{
    Ae, AeConfig, Cca, CcaConfig, ClusteringMargin, Completion, CpmNet, CpmNetConfig, Cra,
    CraConfig, Dcca, DccaConfig, Dccae, DccaeConfig, DescentStart, Fit, FitValues, IfMmin,
    IfMminBlock, IfMminConfig, ImputeConfig, ImputeTarget, LinearClassifier, MissingToken, Mmin,
    MminConfig, Moment, PairRows, PassPlan, ReconstructedRows, Tate, TateConfig, Taught,
    TestLatents, WeightInit, WholeSamples, WholeSet, WholeSetHead, teacher_group,
};
#[cfg(feature = "train")]
pub use missing::{WholePass, WholeSetInput};
