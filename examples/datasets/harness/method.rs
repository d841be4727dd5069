//! The methods of Table 1.

use burn_mla::baseline::{
    BiGatedConfig, ConcatConfig, FilmConfig, JointConfig, LateFusionConfig, OgmConfig, QmfConfig,
    SumConfig,
};
use burn_mla::encoder::Encoders;
use burn_mla::evaluation::Evaluation;
use burn_mla::prelude::*;
use clap::ValueEnum;
use serde::Serialize;

use crate::training::Training;
use crate::{PaperEncoder, Result};

/// A method of Table 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
pub enum Method {
    /// MLA as printed (Eq. 5).
    Mla,
    /// MLA with this crate's default projector, which keeps learning.
    MlaLeaky,
    /// Sum of the logits.
    Sum,
    /// Concatenated features.
    Concat,
    /// One head for each modality, averaged.
    LateFusion,
    /// FiLM.
    Film,
    /// Gates.
    BiGated,
    /// Concatenated features with OGM.
    Ogm,
    /// Concatenated features with OGM-GE.
    OgmGe,
    /// QMF.
    Qmf,
}

/// Strength of OGM and the epochs in which it modulates, in the authors' code.
const OGM: (f64, u64) = (0.3, 50);

impl Method {
    /// Trains the method on freshly initialized encoders and scores it.
    pub(crate) fn run(
        self,
        training: &Training<'_>,
        encoders: Vec<PaperEncoder>,
    ) -> Result<Evaluation> {
        let device = &training.device;
        let (widths, n_classes) = (encoders.d_features(), training.n_classes);
        let joint = JointConfig::new();
        let ogm = |generalization| {
            let steps = training.n_batches();
            let ogm = OgmConfig::new(OGM.0).with_generalization(generalization);
            let ogm = ogm.between_epochs(0..OGM.1, steps as u64);
            JointConfig::new().with_modulation(Some(ogm))
        };
        let concat = || ConcatConfig::new(widths.clone(), n_classes).init(device);
        match self {
            Self::Mla | Self::MlaLeaky => {
                let width = common_width(&widths)?;
                let head = LinearHeadConfig::new(width, n_classes).init(device)?;
                let config = MlaConfig::new();
                if self == Self::Mla {
                    training.fit(config.init_paper(encoders, head)?)
                } else {
                    training.fit(config.init_default(encoders, head)?)
                }
            }
            Self::Sum => {
                let head = SumConfig::new(widths, n_classes).init(device)?;
                training.fit(joint.init(encoders, head)?)
            }
            Self::Concat => training.fit(joint.init(encoders, concat()?)?),
            Self::LateFusion => {
                let head = LateFusionConfig::new(widths, n_classes).init(device)?;
                training.fit(joint.init(encoders, head)?)
            }
            Self::Film => {
                let head = FilmConfig::new(widths, n_classes).init(device)?;
                training.fit(joint.init(encoders, head)?)
            }
            Self::BiGated => {
                let head = BiGatedConfig::new(widths, n_classes).init(device)?;
                training.fit(joint.init(encoders, head)?)
            }
            Self::Ogm => training.fit(ogm(false).init(encoders, concat()?)?),
            Self::OgmGe => training.fit(ogm(true).init(encoders, concat()?)?),
            Self::Qmf => {
                let n_train = training.parts.n_train();
                let head = QmfConfig::new(widths, n_classes, n_train).init(device)?;
                training.fit(joint.init(encoders, head)?)
            }
        }
    }
}

/// The width of all features: a shared head has one.
fn common_width(widths: &[usize]) -> Result<usize> {
    match widths {
        [first, rest @ ..] if rest.iter().all(|width| width == first) => Ok(*first),
        _ => Err(format!("a shared head needs features of one width, got {widths:?}").into()),
    }
}
