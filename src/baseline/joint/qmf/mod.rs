//! QMF: late fusion weighted by energies, which a ranking loss ties to the loss of each sample.

mod history;
mod ranking;

use burn::config::Config;
use burn::module::{Module, ParamId};
use burn::tensor::{DType, Device, Int, Tensor};

use crate::baseline::joint::heads::{Heads, masked, sum_of};
use crate::baseline::joint::late_fusion::unimodal_losses;
use crate::baseline::joint::qmf::history::{Means, add, unseen_ranges, update_level};
use crate::baseline::joint::qmf::ranking::{observed, ranking_loss};
use crate::baseline::{JointHead, JointLogits, JointLoss, JointSamples, ModalityFeatures};
use crate::error::{MlaError, Result, at_least_one, not_negative, same_size};
use crate::modality::SelectRows;
use crate::module::Buffer;

/// Configuration of [`Qmf`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `d_features` | required | feature width of each modality | each >= 1 |
/// | `n_classes` | required | number of classes | >= 1 |
/// | `n_data` | required | number of samples of the training data, whose losses are recorded | >= 1, `8 M` bytes each |
/// | `ranking_weight` | 1 | weight of the ranking losses; 0 records no losses | `[0, inf)` |
#[derive(Config, Debug)]
pub struct QmfConfig {
    /// Feature width of each modality.
    pub d_features: Vec<usize>,
    /// Number of classes.
    pub n_classes: usize,
    /// Number of samples of the training data.
    pub n_data: usize,
    /// Weight of the ranking losses.
    #[config(default = 1.0)]
    pub ranking_weight: f64,
}

/// Quality-aware multimodal fusion (Zhang et al., "Provable Dynamic Fusion for Low-Quality
/// Multimodal Data", ICML 2023).
///
/// ```text
/// conf_m = logsumexp_c(logits_m) / 10          fused = sum_m conf_m logits_m
/// loss   = CE(fused) + sum_m CE(logits_m) + ranking_weight * sum_m rank_m
/// rank_m = mean over neighbours i, j of the batch of
///          max(0, g(k_i, k_j) (conf_i - conf_j) + |k_i - k_j|)
/// ```
///
/// where `k` is the mean loss of a sample in the modality so far, scaled to the range from 0 to 1
/// over the training data, and `g` is the sign of `k_i - k_j`. The ranking loss makes the model less
/// confident about samples that are hard to learn. As in the authors' code, no gradient flows
/// through the confidence where it weights logits. Their code has the opposite sign of the margin
/// `|k_i - k_j|`; the sign here is the paper's.
///
/// The history of losses is part of the model's record, in f32 whatever the precision of the model.
/// Batches must have the positions of their [samples](crate::modality::MultimodalBatch::samples).
///
/// Memory and record grow with `n_data`, `8 M` bytes per sample. The time of a step and an update does
/// not, except with [`accumulation`](crate::baseline::JointConfig::accumulation), and for the first
/// update after the model was cloned, which copies the history.
///
/// A missing modality has no term in the fused logits, no loss, and no place among neighbours. The
/// unimodal prediction is the output of the modality's head.
#[derive(Module, Debug)]
pub struct Qmf {
    heads: Heads,
    history: Buffer<2>,
    /// Ranges of the mean losses, from blocks of samples to all of them.
    ranges: Vec<Buffer<2>>,
    ranking_weight: f64,
}

/// Divisor of the energy.
const ENERGY_SCALE: f64 = 10.0;

impl QmfConfig {
    /// Initializes the head on `device`.
    ///
    /// # Errors
    ///
    /// [`MlaError`] for a value outside of the ranges above, or no modality.
    pub fn init(&self, device: &Device) -> Result<Qmf> {
        at_least_one("n_data", self.n_data)?;
        let n_modalities = self.d_features.len();
        let row = n_modalities.saturating_mul(2 * size_of::<f32>()).max(1);
        if self.n_data > isize::MAX as usize / row {
            return Err(MlaError::HyperParameter {
                name: "n_data",
                requirement: "small enough for the memory of the device",
                value: self.n_data as f64,
            });
        }
        let heads = Heads::init(&self.d_features, self.n_classes, device)?;
        let shape = [self.n_data, 2 * n_modalities];
        let ranges = unseen_ranges(self.n_data, n_modalities, device);
        Ok(Qmf {
            heads,
            history: Buffer::new(Tensor::zeros(shape, (device, DType::F32))),
            ranges: ranges.into_iter().map(Buffer::new).collect(),
            ranking_weight: not_negative("ranking_weight", self.ranking_weight)?,
        })
    }
}

impl Qmf {
    /// Energies divided by 10, `[n_samples, 1]`.
    fn confidence(logits: &Tensor<2>) -> Tensor<2> {
        let largest = logits.clone().max_dim(1);
        let shifted = logits.clone() - largest.clone();
        (shifted.exp().sum_dim(1).log() + largest) / ENERGY_SCALE
    }

    fn fuse_logits(&self, each: &[Tensor<2>], features: &ModalityFeatures) -> JointLogits {
        let weights = each.iter().map(|z| Self::confidence(z).detach()).collect();
        let weights = masked(weights, features);
        let terms = each.iter().zip(&weights);
        let terms = terms.map(|(logits, weight)| logits.clone() * weight.clone());
        JointLogits {
            logits: sum_of(terms.collect()),
            weights: Some(Tensor::cat(weights, 1)),
        }
    }

    fn ranking_losses(
        &self,
        each: &[Tensor<2>],
        batch: &JointSamples,
        at: &[usize],
        added: Tensor<2>,
    ) -> Result<Option<Tensor<1>>> {
        let ranges: Vec<Tensor<2>> = self.ranges.iter().map(Buffer::get).collect();
        let history = Means::after(&self.history.get(), &ranges, at, added);
        let mut sum: Option<Tensor<1>> = None;
        for (modality, logits) in each.iter().enumerate() {
            let rows = batch.features.presence().rows(modality);
            if rows.is_empty() {
                continue;
            }
            let confidence = Self::confidence(logits).squeeze_dim::<1>(1);
            let confidence = confidence.select_rows(&rows)?;
            let at: Vec<usize> = rows.iter().map(|&row| at[row]).collect();
            let difficulty = history.difficulty(modality, &at);
            let difficulty = Tensor::from_inner(difficulty).cast(confidence.dtype());
            let loss = ranking_loss(confidence, difficulty);
            sum = Some(match sum {
                None => loss,
                Some(sum) => sum + loss,
            });
        }
        Ok(sum)
    }

    /// The positions of the samples in the data set.
    fn places<'a>(&self, batch: &JointSamples<'a>) -> Result<&'a [usize]> {
        let at = batch.samples.ok_or(MlaError::UnknownSamples)?;
        same_size(
            "positions of samples (one per label)",
            batch.targets.len(),
            at.len(),
        )?;
        let n_data = self.history.dims()[0];
        match at.iter().find(|&&at| at >= n_data) {
            None => Ok(at),
            Some(&row) => Err(MlaError::RowOutOfRange {
                row,
                n_rows: n_data,
            }),
        }
    }
}

impl JointHead for Qmf {
    fn fuse(&self, features: &ModalityFeatures) -> JointLogits {
        self.fuse_logits(&self.heads.each(features), features)
    }

    fn unimodal(&self, features: &ModalityFeatures, modality: usize) -> Tensor<2> {
        self.heads.of(modality, features)
    }

    /// # Errors
    ///
    /// With a ranking loss, [`MlaError::UnknownSamples`] for a batch without the positions of its
    /// samples, [`MlaError::RowOutOfRange`] for a position beyond `n_data`.
    fn loss(&self, batch: &JointSamples) -> Result<JointLoss> {
        let each = self.heads.each(&batch.features);
        let logits = self.fuse_logits(&each, &batch.features).logits;
        let fused = batch.loss(logits.clone(), batch.targets)?;
        let mut loss = fused + unimodal_losses(&each, batch)?;
        let mut seen = None;
        if self.ranking_weight > 0.0 {
            batch.targets.check_single("the ranking loss of QMF")?;
            let at = self.places(batch)?;
            let added = observed(&each, batch);
            if let Some(ranks) = self.ranking_losses(&each, batch, at, added.clone())? {
                loss = loss + ranks * self.ranking_weight;
            }
            seen = Some(added);
        }
        Ok(JointLoss {
            loss,
            logits,
            observed: seen,
        })
    }

    fn n_classes(&self) -> usize {
        self.heads.n_outputs()
    }

    fn check(&self, d_features: &[usize]) -> Result<()> {
        self.heads.check(d_features)
    }

    fn memory(&self) -> Option<&Buffer<2>> {
        (self.ranking_weight > 0.0).then_some(&self.history)
    }

    fn training_only(&self) -> Vec<ParamId> {
        let ranges = self.ranges.iter();
        [&self.history]
            .into_iter()
            .chain(ranges)
            .map(Buffer::id)
            .collect()
    }

    fn remember(&mut self, at: Tensor<1, Int>, observed: Tensor<2>) {
        self.history
            .update(|history| add(history, at.clone(), observed));
        let mut below = self.history.get();
        let mut at = at;
        for (i, level) in self.ranges.iter_mut().enumerate() {
            level.update(|old| {
                let (new, changed) = update_level(&below, i == 0, old, at.clone());
                at = changed;
                new
            });
            below = level.get();
        }
    }
}
