//! One run: a method trained on a set, and scored with every fusion.

use std::error::Error;
use std::time::Instant;

use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::tensor::Device;
use burn_mla::baseline::{
    AgmConfig, Assisted, AssistedConfig, Concat, ConcatConfig, DiagnosisData, Joint, JointConfig,
    JointHead, LateFusionConfig, MmParetoConfig, OpmConfig, PmrConfig, QmfConfig, ReconBoostConfig,
    RelearningConfig,
};
use burn_mla::encoder::Encoders;
use burn_mla::head::AdapterConfig;
use burn_mla::loader::LossRanking;
use burn_mla::method::{MultimodalMethod, WeightAverageConfig};
use burn_mla::mla::FusedTurnConfig;
use burn_mla::prelude::*;
use burn_mla::projector::LeakyRlsProjectorConfig;

use crate::ahead::cell::{Key, Outcome, Row};
use crate::ahead::methods::{Adapters, Method, Parts, RANK};
use crate::ahead::score::{Reading, Score};
use crate::sets::{Inputs, Set};
use crate::training::Training;

/// Trains and scores a method.
pub fn outcome<S: Set>(set: &S, key: &Key, device: &Device) -> Result<Outcome, Box<dyn Error>> {
    device.seed(key.group.seed);
    let start = Instant::now();
    let run = Run {
        set,
        key,
        device,
        training_device: device.clone().autodiff(),
    };
    let mut outcome = run.method()?;
    outcome.seconds = start.elapsed().as_secs_f64();
    Ok(outcome)
}

struct Run<'a, S> {
    set: &'a S,
    key: &'a Key,
    device: &'a Device,
    training_device: Device,
}

impl<S: Set> Run<'_, S> {
    fn method(&self) -> Result<Outcome, Box<dyn Error>> {
        let device = &self.training_device;
        let n_classes = self.set.n_classes();
        let encoders = self.set.encoders(device)?;
        let n_modalities = encoders.n_modalities();
        let widths = || vec![self.set.d_feature(); n_modalities];
        let own = self.key.trial.own;
        let own = || own.ok_or("the trial lacks the hyper-parameter of the method");
        let head = || LinearHeadConfig::new(self.set.d_feature(), n_classes).init(device);
        let fusion = || EntropyFusionConfig::new(n_modalities).init(device);
        let config = MlaConfig::new().with_label_smoothing(self.set.label_smoothing());
        match self.key.method {
            Method::Concat => self.joint(encoders, self.concat(n_modalities)?),
            Method::Ensemble => {
                let head = LateFusionConfig::new(widths(), n_classes);
                self.joint(encoders, head.with_unimodal_losses(true).init(device)?)
            }
            Method::Qmf => {
                let head = QmfConfig::new(widths(), n_classes, self.set.n_data());
                self.joint(encoders, head.with_ranking_weight(own()?).init(device)?)
            }
            Method::Assisted => self.joint(encoders, self.assisted(n_modalities)?),
            Method::MmPareto => {
                let joint = self.model(encoders, self.assisted(n_modalities)?)?;
                self.fit(MmParetoConfig::new().with_gamma(own()?).init(joint)?)
            }
            Method::Opm => {
                // The first epoch is the warm-up.
                let config = OpmConfig::new().with_base_rate(own()?);
                let config = config.with_first_step(self.n_batches()?);
                self.joint(encoders, config.init(self.concat(n_modalities)?)?)
            }
            Method::Agm => {
                let config = AgmConfig::new(n_modalities, own()?);
                self.joint(encoders, config.init(self.concat(n_modalities)?)?)
            }
            Method::Pmr => {
                // The first epoch has no prototypes.
                let epoch = self.n_batches()?;
                let config = PmrConfig::new(widths(), epoch).with_alpha(own()?);
                let config = config.with_entropy_steps(3 * epoch);
                self.joint(encoders, config.init(self.concat(n_modalities)?)?)
            }
            Method::ReconBoost => {
                // Every modality has a stage and a rectification.
                let steps = self.n_batches()? * self.key.epochs as u64;
                let stage = (steps / (2 * n_modalities as u64)).max(1);
                let config = ReconBoostConfig::new(widths(), n_classes, stage);
                let config = config.with_reconcilement(own()?);
                self.joint(encoders, config.init(device)?)
            }
            Method::Relearning => {
                // A diagnosis after each quarter but the last one.
                let steps = self.n_batches()? * self.key.epochs as u64;
                let config = RelearningConfig::new((steps / 4).max(1)).with_lambda(own()?);
                let joint = self.model(encoders, self.concat(n_modalities)?)?;
                self.fit(config.init(joint, self.diagnosis_data()?)?)
            }
            Method::Mla => {
                let rule = RlsProjectorConfig::new().with_alpha(own()?).init()?;
                self.fit(config.init(encoders, head()?, rule, fusion()?)?)
            }
            Method::MlaDefault => {
                let rule = LeakyRlsProjectorConfig::new().with_leak(own()?).init()?;
                self.fit(config.init(encoders, head()?, rule, fusion()?)?)
            }
            Method::MlaWith(parts) => {
                let ranking = parts.weakest_first.then_some(LossRanking::WeakestFirst);
                let config = config.with_ranking(ranking);
                let leak = match (parts.fused, parts.adapters) {
                    (None, Some(Adapters::ScaleAndBias) | None) => own()?,
                    _ => LeakyRlsProjectorConfig::new().leak,
                };
                let rule = LeakyRlsProjectorConfig::new().with_leak(leak).init()?;
                match parts.adapters {
                    None => {
                        let model = config.init(encoders, head()?, rule, fusion()?)?;
                        self.with_fused_turns(model, parts)
                    }
                    Some(adapters) => {
                        let rank = match (adapters, parts.fused) {
                            (Adapters::ScaleAndBias, _) => None,
                            (Adapters::LowRank, None) => Some(own()? as usize),
                            (Adapters::LowRank, Some(_)) => Some(RANK),
                        };
                        let adapters = AdapterConfig::new(n_modalities).with_rank(rank);
                        let head = adapters.init(head()?, device)?;
                        let model = config.init(encoders, head, rule, fusion()?)?;
                        self.with_fused_turns(model, parts)
                    }
                }
            }
        }
    }

    fn with_fused_turns<H, P, F>(
        &self,
        model: Mla<Vec<S::Encoder>, H, P, F>,
        parts: Parts,
    ) -> Result<Outcome, Box<dyn Error>>
    where
        H: SharedHead + 'static,
        P: OrthogonalProjector + 'static,
        F: UncertaintyFusion + 'static,
    {
        let Some(fused) = parts.fused else {
            return self.fit(model);
        };
        let share = self.key.trial.own.ok_or("the trial lacks the share")?;
        let config = FusedTurnConfig::new().with_logits(fused.logits());
        self.fit(config.with_encoder_share(share).init(model)?)
    }

    fn concat(&self, n_modalities: usize) -> burn_mla::Result<Concat> {
        let widths = vec![self.set.d_feature(); n_modalities];
        ConcatConfig::new(widths, self.set.n_classes()).init(&self.training_device)
    }

    fn assisted(&self, n_modalities: usize) -> burn_mla::Result<Assisted<Concat>> {
        let widths = vec![self.set.d_feature(); n_modalities];
        AssistedConfig::new(widths).init(self.concat(n_modalities)?)
    }

    fn diagnosis_data(&self) -> burn_mla::Result<DiagnosisData<Inputs<S>>> {
        let part = |samples| self.set.in_order(samples, self.device);
        Ok(DiagnosisData {
            train: part(self.set.training_samples())?,
            validation: part(self.set.validation_samples())?,
        })
    }

    fn n_batches(&self) -> burn_mla::Result<u64> {
        Ok(self.set.train(self.device)?.n_batches as u64)
    }

    fn model<H: JointHead>(
        &self,
        encoders: Vec<S::Encoder>,
        head: H,
    ) -> burn_mla::Result<Joint<Vec<S::Encoder>, H>> {
        let config = JointConfig::new().with_label_smoothing(self.set.label_smoothing());
        config.init(encoders, head)
    }

    fn joint<H: JointHead>(
        &self,
        encoders: Vec<S::Encoder>,
        head: H,
    ) -> Result<Outcome, Box<dyn Error>> {
        self.fit(self.model(encoders, head)?)
    }

    /// Trains for all epochs, without selecting one.
    fn fit<M: MultimodalMethod<Inputs = Inputs<S>>>(
        &self,
        model: M,
    ) -> Result<Outcome, Box<dyn Error>> {
        let train = self.set.train(&self.training_device)?;
        let (n_batches, n_samples) = (train.n_batches, train.batches.loader.num_items());
        // The same span for all methods: about one pass.
        let decay = 1.0 - 1.0 / model.n_turns(n_batches).max(2) as f64;
        let model = WeightAverageConfig::new().with_decay(decay).init(model)?;
        let rate = self.key.trial.learning_rate;
        let mut training = Training::new(model, train, rate)?;
        let per_epoch = n_batches * training.n_items() / n_samples;
        let schedule: ModuleLrScheduler =
            CosineAnnealingLrSchedulerConfig::new(rate, per_epoch * self.key.epochs).init()?;
        training = training
            .with_learning_rates(schedule)
            .with_weight_decay(self.set.weight_decay());
        for epoch in 1..=self.key.epochs {
            training
                .pass()
                .map_err(|error| format!("{}, epoch {epoch}: {error}", self.key))?;
        }
        let model = training.model.valid();
        self.score(model.model(), &model.averaged())
    }

    fn score<M: MultimodalMethod<Inputs = Inputs<S>>>(
        &self,
        last: &M,
        averaged: &M,
    ) -> Result<Outcome, Box<dyn Error>> {
        let [a, b, valid, test] = self.set.held_out(self.device)?;
        let tested = Some(&test).filter(|_| !self.key.group.is_search());
        let rows = Reading::ALL.map(|reading| -> Result<Row, Box<dyn Error>> {
            let (model, scoring) = (
                if reading.averaged { averaged } else { last },
                reading.scoring,
            );
            let on_a = scoring.score(model, &*b, &*a)?;
            let on_b = scoring.score(model, &*a, &*b)?;
            Ok(Row {
                reading,
                valid: Score::mean(on_a, on_b),
                test: tested
                    .map(|test| scoring.score(model, &*valid, &**test))
                    .transpose()?,
            })
        });
        let mut modalities = vec![];
        if let Some(test) = tested {
            for model in [last, averaged] {
                let each = evaluate(model, &**test)?.modalities;
                modalities.push(each.iter().map(|confusion| confusion.accuracy()).collect());
            }
        }
        Ok(Outcome {
            rows: rows.into_iter().collect::<Result<_, _>>()?,
            modalities,
            seconds: 0.0,
        })
    }
}
