//! One run: a method trained on the frozen features of a group, and scored.

use std::error::Error;
use std::time::Instant;

use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::tensor::Device;
use burn_mla::baseline::{
    AeConfig, CcaConfig, ConcatConfig, CpmNet, CpmNetConfig, CraConfig, DccaConfig, DccaeConfig,
    IfMminConfig, ImputeConfig, ImputeTarget, JointConfig, JointHead, LateFusionConfig, MminConfig,
    QmfConfig, TateConfig, WholeSet, WholeSetHead,
};
use burn_mla::encoder::Precomputed;
use burn_mla::evaluation::calibrate;
use burn_mla::method::MultimodalMethod;
use burn_mla::modality::Presence;
use burn_mla::prelude::*;
use burn_mla::projector::LeakyRlsProjectorConfig;

use crate::missing::cell::{Key, Outcome, Score};
use crate::missing::frozen::{Frozen, Inputs};
use crate::missing::methods::{Method, Target};
use crate::training::Training;

/// Samples of a batch in training.
const BATCH_SIZE: usize = 64;
/// Samples of a batch of DCCA and DCCAE.
const CORRELATION_BATCH: usize = 256;
const EVALUATION_BATCH: usize = 512;
/// Width of the features of the methods that learn encoders on top of the frozen ones, and of their
/// hidden layer.
const D_FEATURE: usize = 64;
const HIDDEN: usize = 128;

/// One run.
pub struct Run<'a> {
    pub key: &'a Key,
    pub frozen: &'a Frozen,
    /// Missing rates of the test part and their masks.
    pub tests: &'a [(f64, Presence)],
    pub device: &'a Device,
}

/// Batches and learning rates of a training.
struct Settings {
    batch_size: usize,
    learning_rates: ModuleLrScheduler,
}

impl Run<'_> {
    /// Trains and scores the method.
    pub fn outcome(&self) -> Result<Outcome, Box<dyn Error>> {
        self.device.seed(self.key.group.seed);
        let start = Instant::now();
        let device = &self.device.clone().autodiff();
        let (n_modalities, n_classes) = (self.frozen.widths.len(), self.frozen.n_classes);
        let widths = vec![D_FEATURE; n_modalities];
        let d_features = || self.frozen.widths.clone();
        let impute = |target| impute(target, self.key.group.seed);
        let own = self.key.trial.own;
        let own = || own.ok_or("the trial lacks the hyper-parameter of the method");
        let mut outcome = match self.key.method {
            Method::LateFusion => {
                let head = LateFusionConfig::new(widths, n_classes);
                self.joint(head.with_unimodal_losses(true).init(device)?)
            }
            Method::Concat => self.joint(ConcatConfig::new(widths, n_classes).init(device)?),
            Method::Qmf => {
                let head = QmfConfig::new(widths, n_classes, self.frozen.sizes()[0]);
                self.joint(head.with_ranking_weight(own()?).init(device)?)
            }
            Method::Cca => {
                let head = CcaConfig::new(d_features(), n_classes);
                let head = head.with_n_components(components(own()?)).init(device)?;
                self.whole_set(head, self.settings())
            }
            Method::Dcca => {
                let head = self.dcca(components(own()?)).init(device)?;
                self.whole_set(head, self.large_batches())
            }
            Method::Dccae => {
                let head = DccaeConfig::new(self.dcca(components(own()?))).init(device)?;
                self.whole_set(head, self.large_batches())
            }
            Method::CpmNet => {
                let n_data = self.frozen.sizes()[0];
                let head = CpmNetConfig::new(d_features(), n_classes, n_data);
                let head = head.with_clustering_weight(own()?).init(device)?;
                let rate = self.key.trial.learning_rate;
                // As published, ten times as fast.
                let learning_rates =
                    ModuleLrScheduler::from(rate).with_group(CpmNet::latent_group(), 10.0 * rate);
                self.whole_set(
                    head,
                    Settings {
                        learning_rates,
                        ..self.settings()
                    },
                )
            }
            Method::Ae(target) => {
                let head = AeConfig::new(d_features(), n_classes).with_impute(impute(target));
                self.imputing(head.with_reconstruction_weight(own()?).init(device)?)
            }
            Method::Cra(target) => {
                let ae = AeConfig::new(d_features(), n_classes).with_impute(impute(target));
                let head = CraConfig::new(ae.with_reconstruction_weight(own()?));
                self.imputing(head.init(device)?)
            }
            Method::Mmin(target) => {
                let head = MminConfig::new(d_features(), n_classes, self.teacher_steps());
                let head = head.with_impute(impute(target));
                self.imputing(head.with_imagination_weight(own()?).init(device)?)
            }
            Method::IfMmin(target) => {
                let head = IfMminConfig::new(d_features(), n_classes, self.teacher_steps());
                let head = head.with_d_embedding(D_FEATURE).with_impute(impute(target));
                self.imputing(head.with_invariance_weight(own()?).init(device)?)
            }
            Method::Tate(target) => {
                // (M - 1) must divide the width of a token.
                let d_token = 60_usize.next_multiple_of(n_modalities - 1);
                let head = TateConfig::new(d_features(), n_classes, self.teacher_steps())
                    .with_d_token(d_token)
                    .with_impute(impute(target).with_hide_probability(0.0))
                    .with_forward_weight(own()?);
                self.imputing(head.init(device)?)
            }
            Method::Mla => self.mla(RlsProjectorConfig::new().with_alpha(own()?).init()?),
            Method::MlaDefault => {
                self.mla(LeakyRlsProjectorConfig::new().with_leak(own()?).init()?)
            }
        }?;
        outcome.seconds = start.elapsed().as_secs_f64();
        Ok(outcome)
    }

    fn mla<P: OrthogonalProjector + 'static>(
        &self,
        projector: P,
    ) -> Result<Outcome, Box<dyn Error>> {
        let device = self.device.clone().autodiff();
        let fusion = EntropyFusionConfig::new(self.frozen.widths.len()).init(&device)?;
        let head = LinearHeadConfig::new(D_FEATURE, self.frozen.n_classes).init(&device)?;
        let encoders = self.encoders(&device)?;
        let model = MlaConfig::new().init(encoders, head, projector, fusion)?;
        self.fit(model, self.settings())
    }

    /// A joint head on encoders that train, one per modality.
    fn joint<H: JointHead>(&self, head: H) -> Result<Outcome, Box<dyn Error>> {
        let encoders = self.encoders(&self.device.clone().autodiff())?;
        let model = JointConfig::new().init(encoders, head)?;
        self.fit(model, self.settings())
    }

    /// A joint head on the frozen features themselves. It has encoders of its own.
    fn imputing<H: JointHead>(&self, head: H) -> Result<Outcome, Box<dyn Error>> {
        let model = JointConfig::new().init(self.precomputed()?, head)?;
        self.fit(model, self.settings())
    }

    /// A head that is fitted to the whole training part of the frozen features.
    fn whole_set<H: WholeSetHead>(
        &self,
        head: H,
        settings: Settings,
    ) -> Result<Outcome, Box<dyn Error>> {
        let joint = JointConfig::new().init(self.precomputed()?, head)?;
        self.fit(WholeSet::new(joint), settings)
    }

    fn dcca(&self, n_components: usize) -> DccaConfig {
        let config = DccaConfig::new(self.frozen.widths.clone(), self.frozen.n_classes);
        config.with_n_components(n_components)
    }

    /// The covariances of a batch need many samples.
    fn large_batches(&self) -> Settings {
        Settings {
            batch_size: CORRELATION_BATCH,
            ..self.settings()
        }
    }

    fn encoders(&self, device: &Device) -> burn_mla::Result<Vec<MlpEncoder>> {
        let encoder = |&width: &usize| {
            let config = MlpEncoderConfig::new(width, D_FEATURE).with_hidden(vec![HIDDEN]);
            config.with_dropout(0.1).init(device)
        };
        self.frozen.widths.iter().map(encoder).collect()
    }

    fn precomputed(&self) -> burn_mla::Result<Vec<Precomputed>> {
        let widths = self.frozen.widths.iter();
        widths.map(|&width| Precomputed::new(width)).collect()
    }

    /// A fifth of the updates of the longest training: those of a teacher.
    fn teacher_steps(&self) -> u64 {
        let per_epoch = self.frozen.sizes()[0].div_ceil(BATCH_SIZE);
        (per_epoch * self.key.budget.epochs).div_ceil(5) as u64
    }

    fn settings(&self) -> Settings {
        Settings {
            batch_size: BATCH_SIZE,
            learning_rates: self.key.trial.learning_rate.into(),
        }
    }

    fn fit<M: MultimodalMethod<Inputs = Inputs>>(
        &self,
        model: M,
        settings: Settings,
    ) -> Result<Outcome, Box<dyn Error>> {
        let Key {
            group,
            method,
            budget,
            ..
        } = *self.key;
        // CCA has a closed form, which another pass would repeat.
        let epochs = if method == Method::Cca {
            1
        } else {
            budget.epochs
        };
        let train = self.frozen.train(method.is_oracle())?;
        let device = self.device.clone().autodiff();
        let train = train.shuffled(settings.batch_size, group.seed, &device)?;
        let valid = self
            .frozen
            .valid()?
            .in_order(EVALUATION_BATCH, self.device)?;
        let mut training = Training::new(model, train, settings.learning_rates)?;
        let mut best: Option<(Score, usize, M)> = None;
        // Validations since the best one.
        let mut since = 0;
        for epoch in 1..=epochs {
            training
                .pass()
                .map_err(|error| format!("{}, epoch {epoch}: {error}", self.key))?;
            if !MultimodalMethod::is_selectable(&training.model) {
                continue;
            }
            let model = training.model.valid();
            let score = Score::from(&evaluate(&model, &*valid)?);
            if best
                .as_ref()
                .is_none_or(|(so_far, ..)| score.accuracy > so_far.accuracy)
            {
                (best, since) = (Some((score, epoch, model)), 0);
            } else {
                since += 1;
            }
            if since == budget.patience {
                break;
            }
        }
        let (valid_score, epoch, model) = best.ok_or("no epoch can be selected")?;
        let model = if method == Method::MlaDefault {
            calibrate(model, &*valid)?.0
        } else {
            model
        };
        let mut tests = vec![];
        for (rate, mask) in self.tests {
            let test = self.frozen.test(mask)?;
            let test = test.in_order(EVALUATION_BATCH, self.device)?;
            tests.push((*rate, Score::from(&evaluate(&model, &*test)?)));
        }
        Ok(Outcome {
            valid: valid_score,
            tests,
            epoch,
            seconds: 0.0,
        })
    }
}

/// A number of components, which trials hold as a float.
fn components(own: f64) -> usize {
    own as usize
}

fn impute(target: Target, seed: u64) -> ImputeConfig {
    ImputeConfig::new()
        .with_seed(seed)
        .with_target(match target {
            Target::ObservedOnly => ImputeTarget::ObservedOnly,
            Target::Oracle => ImputeTarget::Oracle,
        })
}
