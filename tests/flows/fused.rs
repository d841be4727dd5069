//! Fused turns: their gradients against those of one tape, their projection, and their update.

use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Tensor};
use burn_mla::checkpoint::CheckpointStore;
use burn_mla::dataset::InMemory;
use burn_mla::fusion::{Fused, MeanFusion, ModalityLogits};
use burn_mla::loader::UnimodalThenFused;
use burn_mla::method::{MultimodalMethod, WeightAverageConfig};
use burn_mla::mla::{FusedLogits, FusedTurnConfig, FusedTurns, ProjectionConfig, ProjectionTarget};
use burn_mla::modality::{OneOf2, Presence, ZeroRows};
use burn_mla::prelude::*;
use burn_mla::projector::{IdentityProjector, SubspaceProjectorConfig};
use rstest::rstest;

use crate::common::*;

const N: usize = 8;
/// The samples with modality B when some lack it.
const WITH_B: [usize; 4] = [1, 2, 5, 7];

type Model<P> = FusedTurns<(MlpEncoder, MlpEncoder), LinearHead, P, EntropyFusion>;

fn fused_batch(missing: bool, seed: u64, device: &Device) -> MultimodalBatch<MlpInputs> {
    let mut all = batch(N, seed, device);
    if missing {
        let b = all.inputs.1.take().unwrap().input;
        let b = burn_mla::modality::SelectRows::select_rows(b, &WITH_B).unwrap();
        all.inputs.1 = ModalityInput::rows(b, WITH_B.to_vec());
    }
    all
}

/// A model after some turns, which have filled the projector.
fn model<P: OrthogonalProjector>(
    rule: P,
    target: ProjectionTarget,
    config: &FusedTurnConfig,
    device: &Device,
) -> Model<P> {
    let projection = ProjectionConfig::new().with_target(target);
    let model = mlp_mla(MlaConfig::new().with_projection(projection), rule, device);
    let mut plain = SgdConfig::new().init();
    config.init(train(model, 4, &mut plain, device)).unwrap()
}

/// The gradient of each parameter, in the order of the module.
fn gradients<M: Module>(module: &M, gradients: &GradientsParams) -> Vec<Option<Vec<f32>>> {
    struct Collect<'a>(&'a GradientsParams, Vec<Option<Vec<f32>>>);
    impl ModuleVisitor for Collect<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.1.push(self.0.get::<D>(param.id).map(values));
        }
    }
    let mut collect = Collect(gradients, vec![]);
    module.visit(&mut collect);
    collect.1
}

/// The mean fused loss on one tape, on which only the logits of `modality` are variable.
fn loss<P: OrthogonalProjector>(
    model: &Model<P>,
    logits: FusedLogits,
    missing: bool,
    seed: u64,
    modality: usize,
    device: &Device,
) -> Tensor<1> {
    let batch = fused_batch(missing, seed, device);
    let targets = batch.targets.clone();
    let mla = model.model();
    let a = mla.forward(OneOf2::A(batch.inputs.0.unwrap().input)).logits;
    let b = mla.forward(OneOf2::B(batch.inputs.1.unwrap().input)).logits;
    let b = if missing {
        b.place_rows(&WITH_B, N).unwrap()
    } else {
        b
    };
    let (a, b) = if modality == 0 {
        (a, b.detach())
    } else {
        (a.detach(), b)
    };
    let mask = (0..N).flat_map(|i| [true, !missing || WITH_B.contains(&i)]);
    let presence = Presence::from_mask(mask.collect(), 2).unwrap();
    let all = ModalityLogits::new(vec![a.clone(), b.clone()], presence.clone()).unwrap();
    let fused = match logits {
        FusedLogits::FusionThroughWeights => mla.fusion.fuse(&all).logits,
        FusedLogits::Mean => MeanFusion.fuse(&all).logits,
        FusedLogits::Sum => a + b,
        FusedLogits::Fusion => {
            let constant = vec![a.clone().detach(), b.clone().detach()];
            let constant = ModalityLogits::new(constant, presence).unwrap();
            let Fused { weights, .. } = mla.fusion.fuse(&constant);
            let weights = weights.detach();
            let of = |m: usize| weights.clone().slice([0..N, m..m + 1]);
            a * of(0) + b * of(1)
        }
    };
    let loss = CrossEntropyLossConfig::new().init(device);
    loss.forward(fused, targets.tensor())
}

/// The gradients of a fused turn are, modality by modality, those of the fused loss, with the head's
/// projected as in a turn of the modality and the encoder's times its share.
fn check<P: OrthogonalProjector>(rule: P, config: &FusedTurnConfig, missing: bool, on: &Device) {
    let model = model(rule, ProjectionTarget::Gradient, config, on);
    let batch = fused_batch(missing, 9, on);
    let got = model.try_fused_step(batch).unwrap().grads;
    let projection = model.model().projection();
    let (rule, state) = (projection.rule(), projection.state(0));
    let linear = model.model().head.linear();
    let mut head = Tensor::<2>::zeros([D_FEATURE, N_CLASSES], &on.clone().inner());
    let mut encoders = vec![];
    for modality in 0..2 {
        let loss = loss(&model, config.logits, missing, 9, modality, on);
        let mut tape = GradientsParams::from_grads(loss.backward(), &model);
        let weight = tape.remove::<2>(linear.weight.id).unwrap();
        head = head + rule.project(weight, modality, state);
        let each = match modality {
            0 => gradients(&model.model().encoders.0, &tape),
            _ => gradients(&model.model().encoders.1, &tape),
        };
        encoders.extend(each);
    }
    let n = N as f32;
    let weight = got.get::<2>(linear.weight.id).unwrap() / n;
    let expected: Vec<f64> = values(head).into_iter().map(f64::from).collect();
    close(&values(weight), &expected, 1e-5, "the head");
    let got = gradients(&model.model().encoders, &got);
    assert_eq!(got.len(), encoders.len());
    for (got, expected) in got.into_iter().zip(encoders) {
        let share = config.encoder_share;
        let Some(expected) = expected.filter(|_| share > 0.0) else {
            assert!(got.is_none());
            continue;
        };
        let expected: Vec<f64> = expected.iter().map(|&x| share * f64::from(x)).collect();
        let got: Vec<f32> = got.unwrap().iter().map(|x| x / n).collect();
        close(&got, &expected, 1e-5, "an encoder");
    }
}

#[rstest]
fn gradients_are_those_of_the_fused_loss(
    #[values(
        FusedLogits::Fusion,
        FusedLogits::FusionThroughWeights,
        FusedLogits::Mean,
        FusedLogits::Sum
    )]
    logits: FusedLogits,
    #[values(false, true)] missing: bool,
) {
    for device in devices() {
        let device = device.autodiff();
        for share in [0.0, 0.25, 1.0] {
            let config = FusedTurnConfig::new()
                .with_logits(logits)
                .with_encoder_share(share);
            check(IdentityProjector, &config, missing, &device);
            check(rls(0.1), &config, missing, &device);
        }
    }
}

/// This rule projects by the modality.
#[test]
fn each_modality_is_projected_by_its_own_projector() {
    for device in devices() {
        let rule = SubspaceProjectorConfig::new().with_refresh_every(1);
        let config = FusedTurnConfig::new();
        check(rule.init().unwrap(), &config, false, &device.autodiff());
    }
}

fn update<P: OrthogonalProjector>(model: &mut Model<P>, parts: &[usize], device: &Device) {
    let mut sum = GradientsAccumulator::new();
    let mut from = 0;
    let whole = fused_batch(false, 9, device);
    for &n in parts {
        let rows = from..from + n;
        let part =
            |x: &ModalityInput<Tensor<2>>, d: usize| x.input.clone().slice([rows.clone(), 0..d]);
        let inputs = (
            part(whole.inputs.0.as_ref().unwrap(), D_A),
            part(whole.inputs.1.as_ref().unwrap(), D_B),
        );
        let targets = whole.targets.select(&rows.clone().collect::<Vec<_>>());
        let batch = MultimodalBatch::paired(inputs, targets);
        let output = model.try_fused_step(batch).unwrap();
        sum.accumulate(model, output.grads);
        from += n;
    }
    let mut plain: ModuleOptimizer = SgdConfig::new().init();
    model.try_optimize(&mut plain, 0.5, sum.grads()).unwrap();
}

#[test]
fn parts_of_a_batch_make_the_update_of_the_whole() {
    for device in devices() {
        let device = device.autodiff();
        for target in [ProjectionTarget::Gradient, ProjectionTarget::Update] {
            let config = FusedTurnConfig::new();
            let start = model(rls(0.1), target, &config, &device);
            let (mut whole, mut parts) = (start.clone(), start.clone());
            update(&mut whole, &[N], &device);
            update(&mut parts, &[3, 5], &device);
            for ((path, got), (_, expected)) in state(&parts).iter().zip(&state(&whole)) {
                let expected: Vec<f64> = expected.iter().map(|&x| f64::from(x)).collect();
                close(got, &expected, 1e-5, path);
            }
            // Neither the projector nor its number of steps belongs to a fused turn.
            let projection = |model: &Model<RlsProjector>| state(model.model().projection());
            assert_eq!(projection(&whole), projection(&start));
            assert_eq!(whole.model().projection().n_steps(), 4);
            assert_ne!(state(&whole.model().head), state(&start.model().head));
        }
    }
}

/// Without momentum and weight decay, the projected change is that of the projected gradient.
#[test]
fn plain_descent_makes_the_same_update_for_both_targets() {
    for device in devices() {
        let device = device.autodiff();
        let updated = |target| {
            let mut model = model(rls(0.1), target, &FusedTurnConfig::new(), &device);
            update(&mut model, &[N], &device);
            values(model.model().head.linear().weight.val())
        };
        let expected = updated(ProjectionTarget::Gradient);
        let expected: Vec<f64> = expected.into_iter().map(f64::from).collect();
        close(
            &updated(ProjectionTarget::Update),
            &expected,
            1e-5,
            "the head",
        );
    }
}

#[test]
fn unimodal_turns_are_those_of_the_model() {
    for device in devices() {
        let device = device.autodiff();
        let mut with = model(
            rls(0.1),
            ProjectionTarget::Gradient,
            &FusedTurnConfig::new(),
            &device,
        );
        let mut without = with.model().clone();
        let (mut one, mut two) = (sgd(), sgd());
        for t in 0..3 {
            let turn = || turn(t % 2, N, 20 + t as u64, &device);
            let output = with.model().try_step(turn()).unwrap();
            with.try_optimize(&mut one, 0.1, output.grads).unwrap();
            let output = without.try_step(turn()).unwrap();
            without.try_optimize(&mut two, 0.1, output.grads).unwrap();
        }
        assert_eq!(state(with.model()), state(&without));
        // The path of a parameter does not depend on the wrapper.
        let mut paths = state(&with).into_iter().map(|(path, _)| path);
        assert!(paths.all(|path| path == "fused_weight" || !path.contains("fused_weight")));
        assert_eq!(state(&with)[0].0, state(&without)[0].0);
    }
}

#[test]
fn gradients_of_both_kinds_are_not_mixed() {
    for device in devices() {
        let device = device.autodiff();
        let config = FusedTurnConfig::new();
        let mut model = model(rls(0.1), ProjectionTarget::Gradient, &config, &device);
        let before = state(&model);
        let mut sum = GradientsAccumulator::new();
        let unimodal = model.model().try_step(turn(0, N, 1, &device)).unwrap();
        sum.accumulate(&model, unimodal.grads);
        let fused = model
            .try_fused_step(fused_batch(false, 9, &device))
            .unwrap();
        sum.accumulate(&model, fused.grads);
        let error = model.try_optimize(&mut sgd(), 0.1, sum.grads());
        assert_eq!(error, Err(MlaError::MixedTurns));
        assert_eq!(state(&model), before);
    }
}

/// Three batches, 44 samples in batches of 16.
fn batches(device: &Device) -> InMemory<MlpInputs> {
    let (labels, a, b) = samples(44, 3);
    InMemory::paired((matrix(a, D_A, device), matrix(b, D_B, device)), labels).unwrap()
}

/// A schedule ends with the training, also around a method that averages weights.
#[rstest]
#[case(1, 1, 9)]
#[case(2, 1, 7)]
#[case(1, 2, 8)]
#[case(1, 3, 9)]
fn turns_are_those_of_modalities_and_fused_ones(
    #[case] every: usize,
    #[case] block: usize,
    #[case] per_epoch: usize,
) {
    fn turns<M: MultimodalMethod<Inputs = MlpInputs>>(method: M, per_epoch: usize) {
        let device = Device::flex();
        let folder = tempfile::tempdir().unwrap();
        let config = FitConfig::new(2)
            .with_progress(false)
            .with_directory(folder.path())
            .with_schedule(move |turns| {
                assert_eq!((turns.per_epoch, turns.total), (per_epoch, 2 * per_epoch));
                CosineAnnealingLrSchedulerConfig::new(0.02, turns.total).init()
            });
        let train = batches(&device).shuffled(16, 5, &device.clone().autodiff());
        let valid = batches(&device).in_order(16, &device).unwrap();
        fit(method, train.unwrap(), valid, &config).unwrap();
        let store = CheckpointStore::open(folder.path()).unwrap();
        let latest = store.latest().unwrap().unwrap();
        assert_eq!(latest.progress.turns, 2 * per_epoch as u64);
    }
    let device = Device::flex().autodiff();
    let mla = || mlp_mla(MlaConfig::new(), rls(0.1), &device);
    let schedule = UnimodalThenFused { every, block };
    let config = FusedTurnConfig::new().with_schedule(schedule);
    let average = WeightAverageConfig::new();
    turns(config.init(mla()).unwrap(), per_epoch);
    turns(
        average.init(config.init(mla()).unwrap()).unwrap(),
        per_epoch,
    );
    turns(average.init(mla()).unwrap(), 6);
}

/// Three batches are fewer than four.
#[test]
fn a_schedule_without_a_fused_turn_stops_the_training() {
    let device = Device::flex();
    let schedule = UnimodalThenFused::new().with_every(4);
    let config = FusedTurnConfig::new().with_schedule(schedule);
    let model = mlp_mla(MlaConfig::new(), rls(0.1), &device.clone().autodiff());
    let model = config.init(model).unwrap();
    let train = batches(&device).shuffled(16, 5, &device.clone().autodiff());
    let valid = batches(&device).in_order(16, &device).unwrap();
    let config = FitConfig::new(1).with_progress(false);
    let error = fit(model, train.unwrap(), valid, &config).err().unwrap();
    let (turns, needed) = (6, 8);
    let expected = MlaError::NoFusedTurn { turns, needed }.to_string();
    let mut found = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        found += &error.to_string();
        source = error.source();
    }
    assert!(found.contains(&expected), "{found}");
}

#[test]
fn bad_batches_and_options_are_refused() {
    for device in devices() {
        let device = device.autodiff();
        let config = FusedTurnConfig::new();
        let model = model(rls(0.1), ProjectionTarget::Gradient, &config, &device);
        let mut unlabelled = fused_batch(false, 9, &device);
        unlabelled.targets = Targets::new([0, 1, 2, 9, 0, 1, 2, 0], &device);
        let unlabelled = unlabelled.with_samples((10..18).collect());
        let error = model.try_fused_step(unlabelled).err().unwrap().to_string();
        assert!(error.contains("13") && error.contains('9'), "{error}");

        let mut infinite = fused_batch(false, 9, &device);
        let b = infinite.inputs.1.take().unwrap().input;
        let row = b.clone().slice([2..3, 0..D_B]) * f32::INFINITY;
        let b = b.slice_assign([2..3, 0..D_B], row);
        infinite.inputs.1 = Some(ModalityInput::all(b));
        let error = model.try_fused_step(infinite).err().unwrap().to_string();
        assert!(error.contains("modality 1"), "{error}");

        let mla = model.into_model();
        for share in [-0.1, 1.1, f64::NAN] {
            let config = FusedTurnConfig::new().with_encoder_share(share);
            let error = config.init(mla.clone()).err().unwrap().to_string();
            assert!(
                error.starts_with("encoder_share must be in [0, 1]"),
                "{error}"
            );
        }
        let never = UnimodalThenFused::new().with_every(0);
        let config = FusedTurnConfig::new().with_schedule(never);
        assert!(config.init(mla.clone()).is_err());
    }
}
