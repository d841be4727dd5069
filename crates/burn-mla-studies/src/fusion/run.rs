//! One run: a trained model, scored with every rule on every case.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::tensor::{Device, Tensor};
use burn_mla::fusion::{ModalityLogits, fit_temperature};
use burn_mla::modality::Targets;
use burn_mla::prelude::*;

use crate::fusion::case::Case;
use crate::fusion::cell::{CaseScores, Cell, Key, Reliability, Temperatures};
use crate::fusion::rule::{Calibration, GRID, Rule, WeightTemperature};
use crate::fusion::score::score;
use crate::small_emoji::{BATCH_SIZE, Model, Recipe};
use burn_mla_data::dataset::Split;
use burn_mla_data::dataset::emoji::{Batches, Emoji, Modality};

/// Predictions of a model for a split.
struct Predictions {
    /// Logits of the head, and those of each modality divided by its temperature.
    logits: [ModalityLogits; 2],
    labels: Vec<i64>,
}

/// Trains a model and scores every rule on every case.
pub fn run(
    key: Key,
    pair: [Modality; 2],
    emoji: &Arc<Emoji>,
    device: &Device,
) -> Result<Cell, Box<dyn Error>> {
    let batches = Batches {
        emoji,
        modalities: &pair,
        batch_size: BATCH_SIZE,
        presence: None,
    };
    let recipe = Recipe {
        config: MlaConfig::new().with_label_smoothing(Some(key.label_smoothing)),
        epochs: key.epochs,
        seed: key.seed,
    };
    let model = recipe.run(&batches, DefaultProjector::default(), device)?;
    let labels = |split| -> Vec<i64> {
        let indices = emoji.indices(split).into_iter();
        indices.map(|index| emoji.label(index) as i64).collect()
    };
    let predict = |split, case: Case| -> Result<[Tensor<2>; 2], Box<dyn Error>> {
        let indices = emoji.indices(split);
        let loader = match case.corruption(key.seed) {
            None => batches.in_order(indices, device)?,
            Some(corruption) => batches.corrupted(indices, corruption, device)?,
        };
        logits(&model, &*loader)
    };

    let valid = predict(Split::Valid, Case::Clean)?;
    let targets = Targets::from_labels(labels(Split::Valid), device);
    let [first, second] = valid.clone();
    let calibration = [
        fit_temperature(first, &targets)?,
        fit_temperature(second, &targets)?,
    ];
    let predictions = |split, logits: [Tensor<2>; 2]| -> burn_mla::Result<Predictions> {
        let [a, b] = logits.clone();
        let calibrated = vec![a / calibration[0], b / calibration[1]];
        Ok(Predictions {
            logits: [
                ModalityLogits::complete(logits.to_vec())?,
                ModalityLogits::complete(calibrated)?,
            ],
            labels: labels(split),
        })
    };
    let temperatures = fit(&predictions(Split::Valid, valid)?)?;

    let mut cases = vec![];
    let mut reliability = Reliability::default();
    for split in [Split::Valid, Split::Test] {
        for case in Case::of_pair(pair) {
            let predictions = predictions(split, predict(split, case)?)?;
            cases.push(score_case(case, pair, split, &predictions, &temperatures)?);
            if split == Split::Test && case == Case::Clean {
                reliability = confidences(&predictions, &temperatures)?;
            }
        }
    }
    Ok(Cell {
        key,
        calibration,
        temperatures,
        cases,
        reliability,
    })
}

/// Computes the logits of both modalities for all samples of a loader.
fn logits(
    model: &Model<DefaultProjector>,
    loader: &dyn DataLoader<burn_mla_data::dataset::emoji::EmojiBatch>,
) -> Result<[Tensor<2>; 2], Box<dyn Error>> {
    let mut logits = [vec![], vec![]];
    for batch in loader.iter() {
        let prediction = model.predict(batch?)?;
        for (modality, logits) in logits.iter_mut().enumerate() {
            logits.push(prediction.modalities.modality(modality));
        }
    }
    Ok(logits.map(|logits| Tensor::cat(logits, 0)))
}

/// Fits the weight temperature and the temperature of the fused logits for each rule.
fn fit(valid: &Predictions) -> Result<BTreeMap<String, Temperatures>, Box<dyn Error>> {
    let one = Temperatures {
        weight: 1.0,
        fused: 1.0,
    };
    let mut all = BTreeMap::new();
    for rule in Rule::all() {
        let mut fitted = one;
        if rule.temperature == WeightTemperature::Chosen {
            let mut lowest = f64::INFINITY;
            for weight in GRID {
                let fused = valid.fuse(rule, Temperatures { weight, ..one })?;
                let nll = score(fused, &valid.labels)?.0.nll;
                if nll < lowest {
                    (lowest, fitted.weight) = (nll, weight);
                }
            }
        }
        if rule.calibration == Calibration::ModalitiesAndFused {
            let fused = valid.fuse(rule, fitted)?;
            let targets = Targets::from_labels(valid.labels.clone(), &fused.device());
            fitted.fused = fit_temperature(fused, &targets)?;
        }
        all.insert(rule.to_string(), fitted);
    }
    Ok(all)
}

fn score_case(
    case: Case,
    pair: [Modality; 2],
    split: Split,
    predictions: &Predictions,
    temperatures: &BTreeMap<String, Temperatures>,
) -> Result<CaseScores, Box<dyn Error>> {
    let labels = &predictions.labels;
    let alone = |modality: usize, calibrated: usize| {
        let logits = predictions.logits[calibrated].modality(modality);
        score(logits, labels).map(|(score, _)| score)
    };
    let mut fused = BTreeMap::new();
    for rule in Rule::all() {
        let name = rule.to_string();
        let logits = predictions.fuse(rule, temperatures[&name])?;
        fused.insert(name, score(logits, labels)?.0);
    }
    Ok(CaseScores {
        case: case.name(),
        corrupted: case.corrupted(pair),
        test: split == Split::Test,
        modalities: [[alone(0, 0)?, alone(0, 1)?], [alone(1, 0)?, alone(1, 1)?]],
        fused,
    })
}

fn confidences(
    test: &Predictions,
    temperatures: &BTreeMap<String, Temperatures>,
) -> Result<Reliability, Box<dyn Error>> {
    let alone = |modality: usize, calibrated: usize| {
        let logits = test.logits[calibrated].modality(modality);
        score(logits, &test.labels).map(|(_, confidences)| confidences)
    };
    let fused = |calibration| -> Result<_, Box<dyn Error>> {
        let rule = Rule {
            calibration,
            ..Rule::PAPER
        };
        let logits = test.fuse(rule, temperatures[&rule.to_string()])?;
        Ok(score(logits, &test.labels)?.1)
    };
    Ok(Reliability {
        modalities: [[alone(0, 0)?, alone(0, 1)?], [alone(1, 0)?, alone(1, 1)?]],
        fused: [
            fused(Calibration::Nothing)?,
            fused(Calibration::Modalities)?,
        ],
    })
}

impl Predictions {
    fn fuse(&self, rule: Rule, temperatures: Temperatures) -> burn_mla::Result<Tensor<2>> {
        // Divided beforehand for every rule, because the mean has no calibration temperatures.
        let calibrated = usize::from(rule.calibration != Calibration::Nothing);
        let fused = rule
            .weighting
            .fuse(&self.logits[calibrated], temperatures.weight)?;
        Ok(fused / temperatures.fused)
    }
}
