//! Heads that learn to impute: AE, CRA, MMIN, IF-MMIN, with both targets and in both stages.

use burn_mla::dataset::InMemory;
use burn_mla::modality::{MissingRate, Rows, SelectRows};
use rstest::rstest;

use super::*;

/// A head chosen at run time.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)]
pub(super) enum Imputer {
    Ae(Ae),
    Cra(Cra),
    Mmin(Mmin),
    IfMmin(IfMmin),
    Tate(Tate),
}

macro_rules! delegate {
    ($self:ident, $head:ident => $call:expr) => {
        match $self {
            Imputer::Ae($head) => $call,
            Imputer::Cra($head) => $call,
            Imputer::Mmin($head) => $call,
            Imputer::IfMmin($head) => $call,
            Imputer::Tate($head) => $call,
        }
    };
}

impl JointHead for Imputer {
    fn fuse(&self, features: &ModalityFeatures) -> JointLogits {
        delegate!(self, head => head.fuse(features))
    }
    fn loss(&self, samples: &JointSamples) -> Result<JointLoss> {
        delegate!(self, head => head.loss(samples))
    }
    fn uses_hidden(&self) -> bool {
        delegate!(self, head => head.uses_hidden())
    }
    fn after_update(&mut self, n_updates: u64) {
        delegate!(self, head => head.after_update(n_updates))
    }
    fn is_selectable(&self) -> bool {
        delegate!(self, head => head.is_selectable())
    }
    fn n_classes(&self) -> usize {
        delegate!(self, head => head.n_classes())
    }
    fn check(&self, d_features: &[usize]) -> Result<()> {
        delegate!(self, head => head.check(d_features))
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Method {
    Ae,
    Cra,
    Mmin,
    IfMmin,
}

const METHODS: [Method; 4] = [Method::Ae, Method::Cra, Method::Mmin, Method::IfMmin];
const TARGETS: [ImputeTarget; 2] = [ImputeTarget::Oracle, ImputeTarget::ObservedOnly];

/// A method with small networks. `weighs` is whether its loss has targets.
#[derive(Debug, Clone, Copy)]
struct Setup {
    method: Method,
    target: ImputeTarget,
    teacher_steps: u64,
    weighs: bool,
    dropout: f64,
}

impl Setup {
    fn new(method: Method, target: ImputeTarget) -> Self {
        Self {
            method,
            target,
            teacher_steps: 1,
            weighs: true,
            dropout: 0.0,
        }
    }

    fn head(self, widths: &[usize], device: &Device) -> Imputer {
        let (d, n_classes) = (widths.to_vec(), N_CLASSES);
        let impute = ImputeConfig::new().with_target(self.target);
        let (hidden, layers) = (vec![16], vec![12, 8]);
        let weight = |usual: f64| if self.weighs { usual } else { 0.0 };
        let ae = AeConfig::new(d.clone(), n_classes)
            .with_hidden(hidden.clone())
            .with_layers(layers.clone())
            .with_dropout(self.dropout)
            .with_reconstruction_weight(weight(1.0))
            .with_impute(impute.clone());
        let head = match self.method {
            Method::Ae => ae.init(device).map(Imputer::Ae),
            Method::Cra => CraConfig::new(ae).init(device).map(Imputer::Cra),
            Method::Mmin => MminConfig::new(d, n_classes, self.teacher_steps)
                .with_hidden(hidden)
                .with_layers(layers)
                .with_blocks(2)
                .with_teacher_dropout(self.dropout)
                .with_dropout(self.dropout)
                .with_imagination_weight(weight(4.0))
                .with_impute(impute)
                .init(device)
                .map(Imputer::Mmin),
            Method::IfMmin => IfMminConfig::new(d, n_classes, self.teacher_steps)
                .with_d_embedding(6)
                .with_hidden(hidden)
                .with_layers(layers)
                .with_blocks(2)
                .with_teacher_dropout(self.dropout)
                .with_dropout(self.dropout)
                .with_imagination_weight(weight(1.0))
                .with_invariance_weight(weight(10.0))
                .with_impute(impute)
                .init(device)
                .map(Imputer::IfMmin),
        };
        head.unwrap()
    }

    /// A model with the same parameters on every backend.
    fn model(self, n_modalities: usize, device: &Device) -> Model {
        let head = self.head(&FEATURES[..n_modalities], device);
        let encoders = encoders(n_modalities, device);
        let mut model = JointConfig::new().init(encoders, head).unwrap();
        model.encoders = set_parameters(model.encoders, 1);
        model.head = set_parameters(model.head, 2);
        model
    }

    fn has_stages(self) -> bool {
        matches!(self.method, Method::Mmin | Method::IfMmin)
    }
}

type Model = Joint<Vec<MlpEncoder>, Imputer>;

/// All methods with both targets.
fn setups() -> impl Iterator<Item = Setup> {
    let pairs = METHODS.into_iter().flat_map(|m| TARGETS.map(|t| (m, t)));
    pairs.map(|(method, target)| Setup::new(method, target))
}

fn begin_student(model: &mut Model) {
    match &mut model.head {
        Imputer::Mmin(head) => head.begin_student(),
        Imputer::IfMmin(head) => head.begin_student(),
        _ => {}
    }
}

fn step(model: &mut Model, optimizer: &mut ModuleOptimizer, batch: Batch) -> f32 {
    let output = model.try_step(batch).unwrap();
    let loss = values(output.item.loss)[0];
    model.try_optimize(optimizer, 0.01, output.grads).unwrap();
    loss
}

fn two_of_three() -> Presence {
    presence(&[
        [true, false, true],
        [true, true, true],
        [false, true, false],
        [true, true, false],
        [false, false, true],
        [true, false, true],
    ])
}

fn two() -> Presence {
    presence(&[
        [true, false],
        [true, true],
        [false, true],
        [true, true],
        [false, true],
        [true, false],
    ])
}

/// Puts NaN into all hidden inputs.
fn spoil(mut batch: Batch) -> Batch {
    for part in batch.hidden.iter_mut().flatten().flatten() {
        part.input = part.input.full_like(f32::NAN);
    }
    batch
}

#[test]
fn every_method_trains_in_each_stage_and_predicts() {
    for device in devices() {
        let device = device.autodiff();
        for setup in setups() {
            let n_modalities = if setup.target == ImputeTarget::Oracle {
                3
            } else {
                2
            };
            let mask = if n_modalities == 2 {
                two()
            } else {
                two_of_three()
            };
            let mut model = setup.model(n_modalities, &device);
            let mut optimizer = adamw();
            let batch = |step: u64| {
                let batch = batch_of(6, n_modalities, step, &device);
                batch.with_hidden(&mask).unwrap()
            };
            for n in 0..3 {
                let is_student = !setup.has_stages() || n >= setup.teacher_steps;
                assert_eq!(model.head.is_selectable(), is_student, "{setup:?}, {n}");
                let loss = step(&mut model, &mut optimizer, batch(n));
                assert!(loss.is_finite(), "{setup:?}, {n}");
            }
            // All modalities, one in the whole batch, one sample.
            let model = model.valid();
            let complete = batch_of(6, n_modalities, 9, &device);
            let alone = vec![[true, false, false][..n_modalities].to_vec(); 6].concat();
            let alone = Presence::from_mask(alone, n_modalities).unwrap();
            let lonely = complete.clone().with_presence(&alone).unwrap();
            for batch in [complete, lonely, batch_of(1, n_modalities, 9, &device)] {
                let fused = values(model.predict(batch).unwrap().fused);
                assert!(fused.iter().all(|x| x.is_finite()), "{setup:?}");
            }
        }
    }
}

/// Training on a batch in which one modality is absent, and on complete batches.
#[test]
fn training_takes_batches_with_nothing_and_with_everything_missing() {
    for device in devices() {
        let device = device.autodiff();
        let absent = presence(&[[false, true, true]; 6]);
        for setup in setups() {
            let mut model = setup.model(3, &device);
            let mut optimizer = adamw();
            for n in 0..2 {
                let complete = batch_of(6, 3, n, &device);
                let lacking = complete.clone().with_hidden(&absent).unwrap();
                assert!(
                    step(&mut model, &mut optimizer, lacking).is_finite(),
                    "{setup:?}"
                );
                assert!(
                    step(&mut model, &mut optimizer, complete).is_finite(),
                    "{setup:?}"
                );
            }
            let one = batch_of(1, 3, 5, &device);
            assert!(
                step(&mut model, &mut optimizer, one).is_finite(),
                "{setup:?}"
            );
        }
    }
}

/// A step ignores hidden inputs: that of other heads always, that of a head with targets if they are
/// observed or weigh nothing.
#[test]
fn hidden_inputs_are_targets_only() {
    for device in devices() {
        let device = device.autodiff();
        let batch = |hidden: bool| {
            let batch = batch_of(6, 3, 1, &device);
            if hidden {
                spoil(batch.with_hidden(&two_of_three()).unwrap())
            } else {
                batch.with_presence(&two_of_three()).unwrap()
            }
        };
        for kind in ALL {
            let step = |hidden| {
                let mut model = joint(kind, 3, JointConfig::new(), &device);
                update(&mut model, &mut adamw(), 0.01, batch(hidden));
                state(&model)
            };
            assert_eq!(step(true), step(false), "{kind:?}");
        }
        for setup in setups() {
            let weighs = setup.target == ImputeTarget::ObservedOnly;
            let setup = Setup { weighs, ..setup };
            let train = |hidden| {
                let mut model = setup.model(3, &device);
                if !weighs {
                    // A teacher of an oracle takes all modalities.
                    begin_student(&mut model);
                }
                let mut optimizer = adamw();
                for _ in 0..2 {
                    step(&mut model, &mut optimizer, batch(hidden));
                }
                let prediction = model.valid().predict(batch(hidden)).unwrap();
                (state(&model), values(prediction.fused))
            };
            assert!(train(true) == train(false), "{setup:?}");
        }
        for method in METHODS {
            let model = Setup::new(method, ImputeTarget::Oracle).model(3, &device);
            assert!(
                model.try_step(batch(true)).is_err(),
                "{method:?} takes targets"
            );
            let error = model.try_step(batch(false)).err();
            assert_eq!(error, Some(MlaError::NothingHidden), "{method:?}");
        }
    }
}

#[rstest]
#[case(Method::Mmin, ImputeTarget::Oracle)]
#[case(Method::Mmin, ImputeTarget::ObservedOnly)]
#[case(Method::IfMmin, ImputeTarget::Oracle)]
#[case(Method::IfMmin, ImputeTarget::ObservedOnly)]
fn the_student_starts_from_a_teacher_that_stays(
    #[case] method: Method,
    #[case] target: ImputeTarget,
) {
    for device in devices() {
        let device = device.autodiff();
        let setup = Setup {
            teacher_steps: 2,
            ..Setup::new(method, target)
        };
        let mut model = setup.model(3, &device);
        let part = |model: &Model, name: &str| -> Vec<Vec<f32>> {
            let state = state(&model.head).into_iter();
            let part = state.filter(|(path, _)| path.contains(name));
            part.map(|(_, values)| values).collect()
        };
        let batch = |n| {
            batch_of(6, 3, n, &device)
                .with_hidden(&two_of_three())
                .unwrap()
        };
        let mut optimizer = adamw();
        let untrained = part(&model, ".teacher.");
        step(&mut model, &mut optimizer, batch(0));
        assert!(!part(&model, ".student.encoders").is_empty());
        step(&mut model, &mut optimizer, batch(1));
        let teacher = part(&model, ".teacher.");
        assert_ne!(teacher, untrained);
        assert_eq!(
            part(&model, ".student.encoders"),
            part(&model, ".teacher.encoders")
        );
        assert_eq!(
            part(&model, ".student.invariant"),
            part(&model, ".teacher.invariant")
        );
        for n in 2..5 {
            step(&mut model, &mut optimizer, batch(n));
            assert_eq!(part(&model, ".teacher."), teacher, "step {n}");
            assert_ne!(
                part(&model, ".student.encoders"),
                part(&model, ".teacher.encoders")
            );
        }
        // A second call changes nothing.
        let before = state(&model);
        begin_student(&mut model);
        assert_eq!(state(&model), before);
    }
}

#[test]
fn predictions_are_functions_of_the_sample() {
    for device in devices() {
        for setup in setups() {
            let mut model = setup.model(3, &device);
            begin_student(&mut model);
            let mask = two_of_three();
            let batch = batch_of(6, 3, 1, &device);
            let all = rows(
                model
                    .predict(batch.clone().with_presence(&mask).unwrap())
                    .unwrap()
                    .fused,
            );
            let order = [4, 2, 5, 0, 1, 3];
            let permuted = batch.inputs.iter().map(|part| {
                let input = part.as_ref().unwrap().input.clone();
                Some(ModalityInput::all(input.select_rows(&order).unwrap()))
            });
            let targets = Targets::new([0; 6], &device);
            let permuted = MultimodalBatch::new(permuted.collect::<Vec<_>>(), targets);
            let permuted = permuted
                .with_presence(&mask.select(&order).unwrap())
                .unwrap();
            let permuted = rows(model.predict(permuted).unwrap().fused);
            for (found, sample) in permuted.iter().zip(order) {
                for (found, expected) in found.iter().zip(&all[sample]) {
                    assert!((found - expected).abs() < 1e-5, "{setup:?}, {sample}");
                }
            }
            let alone = batch.inputs.iter().enumerate().map(|(m, part)| {
                let input = part
                    .as_ref()
                    .unwrap()
                    .input
                    .clone()
                    .select_rows(&[3])
                    .unwrap();
                mask.is_present(3, m).then_some(ModalityInput::all(input))
            });
            let targets = Targets::new([0], &device);
            let alone = MultimodalBatch::new(alone.collect::<Vec<_>>(), targets);
            let alone = rows(model.predict(alone).unwrap().fused);
            for (found, expected) in alone[0].iter().zip(&all[3]) {
                assert!((found - expected).abs() < 1e-5, "{setup:?}");
            }
        }
    }
}

fn data(n: usize, seed: u64) -> InMemory<Vec<Option<ModalityInput<Tensor<2>>>>> {
    let (labels, inputs) = inputs(n, 3, seed);
    let inputs = inputs.into_iter().zip(INPUTS);
    let inputs = inputs.map(|(values, width)| matrix(values, width, &Device::flex()));
    InMemory::paired(inputs.collect::<Vec<_>>(), labels).unwrap()
}

/// Whole trainings by `fit`, which selects an epoch of the second stage.
#[rstest]
#[case(Method::Mmin, ImputeTarget::ObservedOnly)]
#[case(Method::IfMmin, ImputeTarget::Oracle)]
fn fit_selects_a_student(#[case] method: Method, #[case] target: ImputeTarget) {
    let device = Device::flex();
    // Six batches per epoch.
    let setup = Setup {
        teacher_steps: 15,
        ..Setup::new(method, target)
    };
    let mask = |split, n| {
        let rate = MissingRate::new(0.5, 1).unwrap();
        rate.presence(split, n, 3).unwrap()
    };
    let train = data(90, 1).with_hidden(&mask("train", 90)).unwrap();
    let valid = data(60, 2).with_presence(&mask("valid", 60)).unwrap();
    let train = train.shuffled(16, 3, &device).unwrap();
    let valid = valid.in_order(60, &device).unwrap();
    let config = FitConfig::new(8)
        .with_progress(false)
        .with_calibration(false)
        .with_optimizer(burn::optim::AdamConfig::new().init())
        .with_learning_rate(0.02);
    let model = setup.model(3, &device.clone().autodiff());
    let fitted = fit(model, train, valid.clone(), &config).unwrap();
    let epochs = fitted.history.epochs.iter();
    let early: Vec<bool> = epochs.map(|epoch| epoch.is_early_stage).collect();
    let expected: Vec<bool> = (0..8).map(|epoch| epoch < 2).collect();
    assert_eq!(early, expected);
    assert!(fitted.epoch.unwrap() > 2);
    let accuracy = evaluate(&fitted.model, &*valid).unwrap().fused.accuracy();
    assert!(accuracy > 0.6, "{accuracy}");
}

#[test]
fn batches_of_a_data_set_hold_what_is_hidden() {
    let device = Device::flex();
    let data = data(6, 1).with_hidden(&two_of_three()).unwrap();
    let batch = data.batch(&[2, 4, 1], &device).unwrap();
    let rows = |part: &Option<ModalityInput<Tensor<2>>>| part.as_ref().map(|p| p.rows.clone());
    let some = |rows: &[usize]| Some(Rows::Some(rows.to_vec()));
    let hidden = batch.hidden.unwrap();
    let found: Vec<_> = hidden.iter().map(rows).collect();
    assert_eq!(found, [some(&[0, 1]), some(&[1]), some(&[0])]);
    let found: Vec<_> = batch.inputs.iter().map(rows).collect();
    assert_eq!(found, [some(&[2]), some(&[0, 2]), some(&[1, 2])]);
    // A mask removes more, and hides nothing.
    let masked = data.with_presence(&presence(&[
        [true, false, true],
        [true, true, false],
        [false, true, false],
        [true, true, false],
        [false, false, true],
        [true, false, true],
    ]));
    let batch = masked.unwrap().batch(&[1], &device).unwrap();
    assert!(batch.hidden.unwrap().iter().all(Option::is_none));
}

#[cfg(feature = "safetensors")]
#[test]
fn a_model_file_holds_the_stage() {
    for device in devices() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let setup = Setup::new(Method::Mmin, ImputeTarget::ObservedOnly);
        let mut model = setup.model(3, &device);
        begin_student(&mut model);
        model.save_safetensors(&path).unwrap();
        let loaded = setup.model(3, &device).load_safetensors(&path).unwrap();
        assert!(loaded.head.is_selectable());
        let fused =
            |model: &Model| values(model.predict(batch_of(6, 3, 1, &device)).unwrap().fused);
        assert_eq!(fused(&loaded), fused(&model));
    }
}
