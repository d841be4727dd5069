//! One run of a rule on emoji.

use std::error::Error;
use std::sync::Arc;

use burn::tensor::Device;
use burn_mla::evaluation::{Evaluation, evaluate, fit_temperatures};
use burn_mla::mla::ProjectionConfig;
use burn_mla::prelude::*;

use crate::projectors::cell::{Accuracies, Scores};
use crate::projectors::rules::WithRule;
use crate::small_emoji::{BATCH_SIZE, Recipe};
use burn_mla_data::dataset::Split;
use burn_mla_data::dataset::emoji::{Batches, Emoji, Modality};

const LABEL_SMOOTHING: f64 = 0.1;

/// One run.
pub struct Run<'a> {
    pub emoji: &'a Arc<Emoji>,
    pub modalities: Vec<Modality>,
    pub projection: ProjectionConfig,
    pub epochs: usize,
    pub seed: u64,
    pub device: &'a Device,
}

impl WithRule for Run<'_> {
    type Output = Result<Scores, Box<dyn Error>>;

    fn with<P: OrthogonalProjector>(self, rule: P) -> Self::Output {
        let batches = Batches {
            emoji: self.emoji,
            modalities: &self.modalities,
            batch_size: BATCH_SIZE,
            presence: None,
        };
        let recipe = Recipe {
            config: MlaConfig::new()
                .with_label_smoothing(Some(LABEL_SMOOTHING))
                .with_projection(self.projection),
            epochs: self.epochs,
            seed: self.seed,
        };
        let model = recipe.run(&batches, rule, self.device)?;
        let valid = batches.in_order(self.emoji.indices(Split::Valid), self.device)?;
        let temperatures = fit_temperatures(&model, &*valid)?;
        let fusion = EntropyFusionConfig::new(self.modalities.len()).init(self.device)?;
        let fusion = fusion.with_calibration(&temperatures)?;
        let model = model.with_fusion(fusion)?;
        let test = batches.in_order(self.emoji.indices(Split::Test), self.device)?;
        Ok(Scores {
            valid: accuracies(&evaluate(&model, &*valid)?),
            test: accuracies(&evaluate(&model, &*test)?),
        })
    }
}

fn accuracies(evaluation: &Evaluation) -> Accuracies {
    Accuracies {
        modalities: [0, 1].map(|modality| evaluation.modalities[modality].accuracy()),
        fused: evaluation.fused.accuracy(),
    }
}
