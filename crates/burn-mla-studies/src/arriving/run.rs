//! One run: a model that learns modalities in phases, scored after each of them.

use std::error::Error;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::optim::{AdamWConfig, ModuleOptimizer};
use burn::tensor::Device;
use burn_mla::evaluation::{evaluate_subsets, fit_temperatures};
use burn_mla::loader::MappedLoader;
use burn_mla::method::MultimodalMethod;
use burn_mla::mla::ProjectionConfig;
use burn_mla::modality::Presence;
use burn_mla::prelude::*;
use burn_mla::projector::{
    IdentityProjector, LeakyRlsProjectorConfig, SubspaceProjectorConfig, SubspaceRank,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::arriving::cell::{After, Key, Outcome};
use crate::arriving::heads::OwnHeads;
use crate::arriving::ways::{Rule, Way};
use crate::sets::{BATCH_SIZE, Inputs, Loader, Set};

/// The learning rate of the first phase.
const FIRST_RATE: f64 = 4e-3;

/// One of so many old samples is kept for replay.
const ONE_KEPT_OF: usize = 20;

/// Trains and scores a way. `make` opens the set with a mask of all its samples.
pub fn outcome<S: Set>(
    make: impl Fn(Option<Presence>) -> Result<S, Box<dyn Error>>,
    phases: &[Range<usize>],
    key: &Key,
    device: &Device,
) -> Result<Outcome, Box<dyn Error>> {
    let start = Instant::now();
    let unmasked = make(None)?;
    let shares = shares(&unmasked, phases.len(), key.seed);
    let presence = mask(unmasked.classes().len(), phases, &shares)?;
    device.seed(key.seed);
    let run = Run {
        set: make(Some(presence))?,
        shares,
        phases,
        key,
        device,
        training_device: device.clone().autodiff(),
    };
    let mut outcome = run.way()?;
    outcome.seconds = start.elapsed().as_secs_f64();
    Ok(outcome)
}

/// The training samples of each phase: disjoint, of equal class frequencies, in an order of the seed within
/// each class.
fn shares<S: Set>(set: &S, n_phases: usize, seed: u64) -> Vec<Vec<usize>> {
    let classes = set.classes();
    let mut samples = set.training_samples();
    samples.shuffle(&mut StdRng::seed_from_u64(seed));
    samples.sort_by_key(|&sample| classes[sample]);
    let share = |first| samples.iter().copied().skip(first).step_by(n_phases);
    (0..n_phases).map(|first| share(first).collect()).collect()
}

/// The training samples of a phase have the modalities of the phase only, all other samples have all.
fn mask(
    n_samples: usize,
    phases: &[Range<usize>],
    shares: &[Vec<usize>],
) -> burn_mla::Result<Presence> {
    let n_modalities = phases.last().map_or(0, |phase| phase.end);
    let mut mask = vec![true; n_samples * n_modalities];
    for (phase, share) in phases.iter().zip(shares) {
        for &sample in share {
            let row = &mut mask[sample * n_modalities..][..n_modalities];
            let modalities = row.iter_mut().enumerate();
            modalities.for_each(|(modality, present)| *present = phase.contains(&modality));
        }
    }
    Presence::from_mask(mask, n_modalities)
}

struct Run<'a, S> {
    set: S,
    shares: Vec<Vec<usize>>,
    phases: &'a [Range<usize>],
    key: &'a Key,
    device: &'a Device,
    training_device: Device,
}

impl<S: Set> Run<'_, S> {
    fn way(&self) -> Result<Outcome, Box<dyn Error>> {
        let head = LinearHeadConfig::new(self.set.d_feature(), self.set.n_classes());
        let device = &self.training_device;
        let Way::Projector(rule, _) = self.key.way else {
            return match self.key.way {
                Way::OwnHeads => {
                    let head = OwnHeads::new(&head, self.phases[0].len(), device)?;
                    self.train(head, IdentityProjector)
                }
                _ => self.train(head.init(device)?, IdentityProjector),
            };
        };
        let (head, own) = (head.init(device)?, self.own()?);
        match rule {
            Rule::Leaky => self.train(head, LeakyRlsProjectorConfig::new().with_leak(own).init()?),
            Rule::Rls => self.train(head, RlsProjectorConfig::new().with_alpha(own).init()?),
            Rule::Subspace => {
                let config = SubspaceProjectorConfig::new();
                let config = config.with_rank(SubspaceRank::Energy(own));
                self.train(head, config.init()?)
            }
        }
    }

    fn own(&self) -> Result<f64, &'static str> {
        let own = self.key.trial.own;
        own.ok_or("the trial lacks the hyper-parameter of the way")
    }

    fn train<H, P>(&self, head: H, rule: P) -> Result<Outcome, Box<dyn Error>>
    where
        H: SharedHead + 'static,
        P: OrthogonalProjector + 'static,
    {
        let [_, _, valid, test] = self.set.held_out(self.device)?;
        let test = (!self.key.is_search()).then_some(test);
        let mut encoders = self.set.encoders(&self.training_device)?.into_iter();
        let first: Vec<S::Encoder> = encoders.by_ref().take(self.phases[0].len()).collect();
        let fusion = EntropyFusionConfig::new(first.len()).init(&self.training_device)?;
        let mut projection = ProjectionConfig::new();
        if let Way::Projector(_, target) = self.key.way {
            projection = projection.with_target(target);
        }
        let config = MlaConfig::new()
            .with_label_smoothing(self.set.label_smoothing())
            .with_projection(projection);
        let mut model = config.init(first, head, rule, fusion)?;
        let optimizer = AdamWConfig::new().with_weight_decay(self.set.weight_decay());
        let mut optimizer: ModuleOptimizer = optimizer.init();
        let mut temperatures = vec![];
        let mut outcome = Outcome {
            valid: vec![],
            test: vec![],
            seconds: 0.0,
        };
        for phase in 0..self.phases.len() {
            let mut rate = FIRST_RATE;
            if phase > 0 {
                let new = encoders.next().ok_or("a phase without an encoder")?;
                let fusion = model.fusion.with_modality();
                let add = |mut all: Vec<S::Encoder>| {
                    all.push(new);
                    all
                };
                model = model.with_modality(add, fusion)?;
                match self.key.way {
                    Way::FrozenHead => model.head = model.head.freeze(),
                    // An encoder would overfit the few samples that are kept.
                    Way::Replay => freeze_old(&mut model.encoders),
                    _ => {}
                }
                rate = self.key.trial.learning_rate;
            }
            let (batches, mut rates) = self.data(phase, rate)?;
            for _ in 0..self.n_passes() {
                for batch in batches.iter() {
                    for turn in batch?.into_turns()?.into_iter().flatten() {
                        let output = model.try_step(turn)?;
                        model.try_optimize(&mut optimizer, rates.step(), output.grads)?;
                    }
                }
            }
            // Only data of the modalities of this phase count.
            let fitted = fit_temperatures(&model.valid(), &*self.known(&valid, phase))?;
            temperatures.extend_from_slice(&fitted[temperatures.len()..]);
            model.set_temperatures(&temperatures)?;
            let trained = model.valid();
            outcome.valid.push(self.score(&trained, &valid, phase)?);
            if let Some(test) = &test {
                outcome.test.push(self.score(&trained, test, phase)?);
            }
        }
        Ok(outcome)
    }

    fn n_passes(&self) -> usize {
        self.key.scenario.n_passes(self.key.epochs)
    }

    /// The turns of a phase: of its modalities, and in replay of all earlier ones on what was kept.
    fn data(
        &self,
        phase: usize,
        learning_rate: f64,
    ) -> Result<(Loader<S>, ModuleLrScheduler), Box<dyn Error>> {
        let mut samples = self.shares[phase].clone();
        let (mut batch_size, mut n_modalities) = (BATCH_SIZE, self.phases[phase].len());
        if self.key.way == Way::Replay && phase > 0 {
            // A batch has as many new rows as without replay.
            let ratio = self.own()?;
            let repeats = (ratio * ONE_KEPT_OF as f64).round() as usize;
            for share in &self.shares[..phase] {
                let kept = share.iter().copied().step_by(ONE_KEPT_OF);
                samples.extend((0..repeats).flat_map(|_| kept.clone()));
            }
            batch_size += (ratio * (BATCH_SIZE * phase) as f64).round() as usize;
            n_modalities = self.phases[phase].end;
        }
        let data = self
            .set
            .shuffled(samples, batch_size, &self.training_device)?;
        let n_turns = data.n_batches * n_modalities * self.n_passes();
        let rates = CosineAnnealingLrSchedulerConfig::new(learning_rate, n_turns).init()?;
        Ok((self.known(&data.batches.loader, phase), rates))
    }

    /// Batches with the modalities that the model knows after a phase.
    fn known(&self, loader: &Loader<S>, phase: usize) -> Loader<S> {
        let n_modalities = self.phases[phase].end;
        let truncate = move |mut batch: MultimodalBatch<Inputs<S>>| {
            batch.inputs.truncate(n_modalities);
            Ok(batch)
        };
        Arc::new(MappedLoader::new(loader.clone(), truncate))
    }

    fn score<M: MultimodalMethod<Inputs = Inputs<S>>>(
        &self,
        model: &M,
        loader: &Loader<S>,
        phase: usize,
    ) -> Result<After, Box<dyn Error>> {
        let scores = evaluate_subsets(model, &*self.known(loader, phase))?;
        let accuracy = |modalities: Range<usize>| {
            let modalities: Vec<usize> = modalities.collect();
            let score = scores.subset(&modalities);
            score.map(|score| score.confusion.accuracy())
        };
        let known = self.phases[phase].end;
        let each = (0..known).map(|modality| accuracy(modality..modality + 1));
        Ok(After {
            modalities: each
                .collect::<Option<_>>()
                .ok_or("a modality is not scored")?,
            fused: accuracy(0..known).ok_or("the fused prediction is not scored")?,
            old: (phase > 0)
                .then(|| accuracy(0..self.phases[phase].start))
                .flatten(),
        })
    }
}

/// Freezes all encoders but the last one.
fn freeze_old<E: Encoder>(encoders: &mut Vec<E>) {
    let last = encoders.pop();
    let old = encoders.drain(..).map(|encoder| encoder.freeze());
    *encoders = old.chain(last).collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sets::small::Small;

    #[test]
    fn phases_share_no_sample_and_have_their_own_modalities() {
        let (set, phases) = (Small::new(3, None), [0..2, 2..3]);
        let shares = shares(&set, 2, 1);
        let classes = set.classes();
        for share in &shares {
            let first = share.iter().filter(|&&sample| classes[sample] == 0);
            assert_eq!((share.len(), first.count()), (8, 4));
        }
        let mut all = shares.concat();
        all.sort_unstable();
        assert_eq!(all, set.training_samples());
        assert_ne!(shares, self::shares(&set, 2, 2));

        let presence = mask(classes.len(), &phases, &shares).unwrap();
        let row = |sample| [0, 1, 2].map(|modality| presence.is_present(sample, modality));
        assert_eq!(row(shares[0][0]), [true, true, false]);
        assert_eq!(row(shares[1][0]), [false, false, true]);
        assert_eq!(row(31), [true, true, true]);
    }
}
