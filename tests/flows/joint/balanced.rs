//! Methods that balance modalities: training, missing modalities, records, sums of gradients.

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::InMemDataset;
use burn::module::Module;
use burn::optim::GradientsAccumulator;
use burn_mla::evaluation::{calibrate, evaluate, evaluate_subsets};
use burn_mla::method::MultimodalMethod;

use super::*;

type Inputs = Vec<Option<ModalityInput<Tensor<2>>>>;

fn concat(widths: &[usize], n_classes: usize, device: &Device) -> Concat {
    let config = ConcatConfig::new(widths.to_vec(), n_classes);
    set_parameters(config.init(device).unwrap(), 2)
}

fn assisted(widths: &[usize], n_classes: usize, device: &Device) -> Assisted<Concat> {
    let head = concat(widths, n_classes, device);
    let head = AssistedConfig::new(widths.to_vec()).init(head).unwrap();
    set_parameters(head, 3)
}

fn model<H: JointHead>(head: H, n_modalities: usize, device: &Device) -> Joint<Vec<MlpEncoder>, H> {
    let encoders = set_parameters(encoders(n_modalities, device), 1);
    JointConfig::new().init(encoders, head).unwrap()
}

/// Calls a generic function with a model of each method.
macro_rules! for_each_method {
    ($n_modalities:expr, $n_classes:expr, $device:expr, $call:ident $(, $arg:expr)*) => {{
        let (n, n_classes, device) = ($n_modalities, $n_classes, $device);
        let widths = &FEATURES[..n];
        let head = || concat(widths, n_classes, device);
        let opm = OpmConfig::new().with_batch_rate(1.0).init(head()).unwrap();
        $call("OPM", model(opm, n, device) $(, $arg)*);
        let agm = AgmConfig::new(n, 0.5).init(head()).unwrap();
        $call("AGM", model(agm, n, device) $(, $arg)*);
        let pmr = PmrConfig::new(widths.to_vec(), 1).with_entropy_steps(2);
        let pmr = pmr.init(head()).unwrap();
        $call("PMR", model(pmr, n, device) $(, $arg)*);
        let boost = ReconBoostConfig::new(widths.to_vec(), n_classes, 1).init(device).unwrap();
        $call("ReconBoost", model(boost, n, device) $(, $arg)*);
        let uniform = assisted(widths, n_classes, device);
        $call("uniform", model(uniform, n, device) $(, $arg)*);
        let pareto = model(assisted(widths, n_classes, device), n, device);
        $call("MMPareto", MmParetoConfig::new().init(pareto).unwrap() $(, $arg)*);
        let data = diagnosis(n, n_classes, device);
        let relearning = RelearningConfig::new(2).init(model(head(), n, device), data);
        $call("Relearning", relearning.unwrap() $(, $arg)*);
    }};
}

/// Batches of six samples with the number of the item, some with a modality missing.
struct Numbered {
    n_modalities: usize,
    n_classes: usize,
}

impl Batcher<u64, Batch> for Numbered {
    fn batch(&self, items: Vec<u64>, device: &Device) -> Batch {
        let mut batch = batch_of(6, self.n_modalities, items[0], device);
        let labels = batch.targets.labels().iter();
        let labels: Vec<i64> = labels.map(|label| label % self.n_classes as i64).collect();
        batch.targets = Targets::from_labels(labels, device);
        if self.n_modalities == 1 {
            return batch;
        }
        batch.with_presence(&gaps(self.n_modalities)).unwrap()
    }
}

fn loader(
    numbers: std::ops::Range<u64>,
    n_modalities: usize,
    n_classes: usize,
    device: &Device,
) -> Arc<dyn DataLoader<Batch>> {
    let batcher = Numbered {
        n_modalities,
        n_classes,
    };
    DataLoaderBuilder::new(batcher)
        .batch_size(1)
        .set_device(device.clone())
        .build(InMemDataset::new(numbers.collect()))
}

fn diagnosis(n_modalities: usize, n_classes: usize, device: &Device) -> DiagnosisData<Inputs> {
    let device = device.clone().inner();
    let loader = |numbers| loader(numbers, n_modalities, n_classes, &device);
    DiagnosisData {
        train: loader(0..4),
        validation: loader(4..6),
    }
}

fn train<M>(model: &mut M, batch: Batch) -> f32
where
    M: MultimodalMethod<Inputs = Inputs, TrainingInput = Batch>,
{
    let output = model.try_train_step(batch).unwrap();
    let loss = values(output.item.loss)[0];
    let rate = 0.02.into();
    model.try_update(&mut sgd(), rate, output.grads).unwrap();
    loss
}

/// Six samples; the last modality of three is absent, others are missing here and there.
fn gaps(n_modalities: usize) -> Presence {
    let rows = [[true, false], [true, true], [false, true]].repeat(2);
    let rows = rows.into_iter().flat_map(|[a, b]| match n_modalities {
        2 => vec![a, true],
        _ => vec![a, b, false],
    });
    Presence::from_mask(rows.collect(), n_modalities).unwrap()
}

fn trains<M>(name: &str, mut model: M, device: &Device)
where
    M: MultimodalMethod<Inputs = Inputs, TrainingInput = Batch>,
{
    let n_modalities = model.n_modalities();
    let absent = |path: &str| path.starts_with("encoders.2.");
    let before = state(&model);
    device.seed(1);
    let mut losses = vec![];
    for _ in 0..6 {
        let batch = batch_of(6, n_modalities, 1, device);
        let batch = batch.with_presence(&gaps(n_modalities)).unwrap();
        losses.push(train(&mut model, batch));
    }
    assert!(
        losses.iter().all(|loss| loss.is_finite()),
        "{name}: {losses:?}"
    );
    let after = state(&model);
    for ((path, before), (_, after)) in before.iter().zip(&after) {
        assert!(after.iter().all(|x| x.is_finite()), "{name}, {path}");
        if path.starts_with("encoders.") {
            assert_eq!(before == after, absent(path), "{name}, {path}");
        }
    }
    let evaluated = model.valid();
    let batch = batch_of(6, n_modalities, 1, &device.clone().inner());
    let batch = batch.with_presence(&gaps(n_modalities)).unwrap();
    let output = evaluated.try_inference_step(batch).unwrap();
    assert!(
        values(output.logits).iter().all(|x| x.is_finite()),
        "{name}"
    );
}

#[test]
fn every_method_trains_with_missing_and_absent_modalities() {
    for device in devices() {
        let device = device.autodiff();
        for_each_method!(2, N_CLASSES, &device, trains, &device);
        for_each_method!(3, N_CLASSES, &device, trains, &device);
    }
}

fn degenerates<M>(name: &str, mut model: M, n_samples: usize, device: &Device)
where
    M: MultimodalMethod<Inputs = Inputs, TrainingInput = Batch>,
{
    for t in 0..4 {
        let mut batch = batch_of(n_samples, model.n_modalities(), t, device);
        batch.targets = Targets::new(vec![0; n_samples], device);
        assert!(train(&mut model, batch).is_finite(), "{name}");
    }
    let finite = |(_, values): &(String, Vec<f32>)| values.iter().all(|x| x.is_finite());
    assert!(state(&model).iter().all(finite), "{name}");
}

#[test]
fn one_class_one_modality_and_one_sample_train() {
    for device in devices() {
        let device = device.autodiff();
        for_each_method!(2, 1, &device, degenerates, 4, &device);
        for_each_method!(1, N_CLASSES, &device, degenerates, 4, &device);
        for_each_method!(2, N_CLASSES, &device, degenerates, 1, &device);
    }
}

fn is_evaluated<M>(name: &str, model: M)
where
    M: MultimodalMethod<Inputs = Inputs, TrainingInput = Batch>,
{
    let model = model.valid();
    let device = model.devices().remove(0);
    let loader = || loader(0..2, 2, N_CLASSES, &device);
    let before = evaluate(&model, &*loader()).unwrap();
    let subsets = evaluate_subsets(&model, &*loader()).unwrap();
    assert_eq!(subsets.values().len(), 4, "{name}");
    let (model, _) = calibrate(model, &*loader()).unwrap();
    let after = evaluate(&model, &*loader()).unwrap();
    assert!(after.loss <= before.loss + 1e-6, "{name}");
    assert_eq!(after.fused.accuracy(), before.fused.accuracy(), "{name}");
}

#[test]
fn every_method_is_evaluated_and_calibrated() {
    for device in devices() {
        let device = device.autodiff();
        for_each_method!(2, N_CLASSES, &device, is_evaluated);
    }
}

fn survives<M>(name: &str, mut model: M, device: &Device)
where
    M: MultimodalMethod<Inputs = Inputs, TrainingInput = Batch>,
{
    let fresh = model.clone();
    for t in 0..3 {
        train(&mut model, batch_of(6, 2, t, device));
    }
    let (expected, path) = (state(&model), name);
    let mut loaded = fresh.load_record(model.clone().into_record());
    assert_eq!(state(&loaded), expected, "{path}");
    // OPM draws random numbers, which other tests draw from, too.
    if name == "OPM" {
        return;
    }
    // What the record holds is all that the next step needs.
    train(&mut model, batch_of(6, 2, 9, device));
    train(&mut loaded, batch_of(6, 2, 9, device));
    assert_eq!(state(&loaded), state(&model), "{name}");
}

#[test]
fn the_state_of_every_method_is_in_its_record() {
    for device in devices() {
        let device = device.autodiff();
        for_each_method!(2, N_CLASSES, &device, survives, &device);
    }
}

/// Eight samples, of which one has class 0.
fn eight(t: u64, device: &Device) -> Batch {
    let mut batch = batch_of(8, 2, t, device);
    let labels = (0..8).map(|i| if i == 5 { 0 } else { 1 + i % (N_CLASSES - 1) });
    batch.targets = Targets::new(labels, device);
    batch
}

/// Parts of equal size of these samples.
fn parts_of_eight(n_parts: usize, t: u64, device: &Device) -> Vec<Batch> {
    let (whole, size) = (eight(t, device), 8 / n_parts);
    let part = |part: usize| {
        let range = part * size..(part + 1) * size;
        let inputs = whole.inputs.iter().map(|part| {
            let part = part.as_ref().unwrap();
            part.input.clone().slice([range.clone()])
        });
        let rows: Vec<usize> = range.clone().collect();
        let labels = whole.targets.select(&rows).labels().to_vec();
        let targets = Targets::from_labels(labels, device);
        MultimodalBatch::paired(inputs.collect::<Vec<_>>(), targets)
    };
    (0..n_parts).map(part).collect()
}

/// Running means and prototypes are those of the whole batch.
#[test]
fn a_sum_of_gradients_carries_the_state() {
    for device in devices() {
        let device = device.autodiff();
        let agm = || {
            let head = concat(&FEATURES[..2], N_CLASSES, &device);
            // No modulation, whose coefficients are those of each part.
            let config = AgmConfig::new(2, 0.5).with_first_step(9);
            config.init(head).unwrap()
        };
        let pmr = || {
            let head = concat(&FEATURES[..2], N_CLASSES, &device);
            let config = PmrConfig::new(FEATURES[..2].to_vec(), 2).with_first_step(9);
            config.init(head).unwrap()
        };
        for n_parts in [2, 4] {
            sums_like_a_whole("AGM", &agm, n_parts, &device);
            // Of four parts, the count of class 0 is below 1 at the renewal.
            sums_like_a_whole("PMR", &pmr, n_parts, &device);
        }
    }
}

fn sums_like_a_whole<H: JointHead>(
    name: &str,
    head: &dyn Fn() -> H,
    n_parts: usize,
    device: &Device,
) {
    let (mut whole, mut parts) = (model(head(), 2, device), model(head(), 2, device));
    for t in 0..4 {
        train(&mut whole, eight(t, device));
        let mut sum = GradientsAccumulator::new();
        for part in parts_of_eight(n_parts, t, device) {
            sum.accumulate(&parts, parts.try_step(part).unwrap().grads);
        }
        parts.try_optimize(&mut sgd(), 0.02, sum.grads()).unwrap();
    }
    let pairs = state(&parts).into_iter().zip(state(&whole));
    for ((path, found), (_, expected)) in pairs {
        // Parts hold the mean of their sums, whose ratios are those of the whole.
        if path.starts_with("head.sums") {
            continue;
        }
        let expected: Vec<f64> = expected.iter().map(|&x| f64::from(x)).collect();
        close(&found, &expected, 1e-5, &format!("{name}, {path}"));
    }
}

fn by_path<M: Module>(module: &M, grads: &GradientsParams) -> BTreeMap<String, Vec<f64>> {
    let found = gradients(module, grads).into_iter();
    let numbers = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
    found
        .map(|(path, values)| (path, numbers(values)))
        .collect()
}

/// The gradients of MMPareto from those of the fused loss and of the sum of all losses, by loops.
#[test]
fn encoders_get_the_combined_gradient() {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for device in devices() {
        let device = device.autodiff();
        let mut conflicts = [0, 0];
        for seed in 0..6 {
            let head = assisted(&FEATURES, N_CLASSES, &device);
            let uniform = model(head, 3, &device);
            let inner = concat(&FEATURES, N_CLASSES, &device);
            // The same values as within the assisted head.
            let source: BTreeMap<String, Vec<f32>> = state(&uniform).into_iter().collect();
            let inner = with_values(inner, |path| source[&format!("head.inner.{path}")].clone());
            let mut fused = model(inner, 3, &device);
            fused.encoders = uniform.encoders.clone();
            let pareto = MmParetoConfig::new().with_gamma(1.3);
            let pareto = pareto.init(uniform.clone()).unwrap();
            let batch = || batch_of(5, 3, seed, &device);

            let all = by_path(&uniform, &uniform.try_step(batch()).unwrap().grads);
            let of_fused = by_path(&fused, &fused.try_step(batch()).unwrap().grads);
            let output = pareto.try_train_step(batch()).unwrap();
            let found = by_path(&pareto, &output.grads);
            assert_eq!(
                found.keys().collect::<Vec<_>>(),
                all.keys().collect::<Vec<_>>()
            );
            for modality in 0..3 {
                let prefix = format!("encoders.{modality}.");
                let flat = |of: &BTreeMap<String, Vec<f64>>| -> Vec<f64> {
                    let of = of.iter().filter(|(path, _)| path.starts_with(&prefix));
                    of.flat_map(|(_, values)| values.clone()).collect()
                };
                let (sum, f, found) = (flat(&all), flat(&of_fused), flat(&found));
                let u: Vec<f64> = sum.iter().zip(&f).map(|(sum, f)| sum - f).collect();
                let conflict = dot(&f, &u) < 0.0;
                conflicts[usize::from(conflict)] += 1;
                let a = if conflict {
                    let difference: Vec<f64> = u.iter().zip(&f).map(|(u, f)| u - f).collect();
                    dot(&difference, &u) / dot(&difference, &difference)
                } else {
                    0.5
                };
                let h: Vec<f64> = f
                    .iter()
                    .zip(&u)
                    .map(|(f, u)| 2.0 * a * f + 2.0 * (1.0 - a) * u)
                    .collect();
                let stretch = (dot(&sum, &sum) / dot(&h, &h)).sqrt().max(1.0);
                let expected: Vec<f64> = h.iter().map(|h| 1.3 * stretch * h).collect();
                let found: Vec<f32> = found.iter().map(|&x| x as f32).collect();
                close(&found, &expected, 1e-4, &prefix);
            }
            for (path, found) in found.iter().filter(|(path, _)| path.starts_with("head.")) {
                let found: Vec<f32> = found.iter().map(|&x| x as f32).collect();
                close(&found, &all[path], 1e-5, path);
            }
        }
        assert!(conflicts.iter().all(|&n| n > 0), "{conflicts:?}");
    }
}

/// A module with other values, by path.
fn with_values<M: Module>(module: M, values: impl Fn(&str) -> Vec<f32>) -> M {
    struct Set<F> {
        path: Vec<String>,
        values: F,
    }
    impl<F: Fn(&str) -> Vec<f32>> burn::module::ModuleMapper for Set<F> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_string());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let new = (self.values)(&self.path.join("."));
            param.map(|old| {
                let data = burn::tensor::TensorData::new(new, old.dims());
                let new = Tensor::from_data(data, &old.device());
                new.without_autodiff().autodiff().require_grad()
            })
        }
    }
    let path = vec![];
    module.map(&mut Set { path, values })
}

/// A head that needs one label per sample says so, and another number of modalities is refused.
#[test]
fn what_a_method_cannot_use_is_refused() {
    let device = Device::flex().autodiff();
    let head = || concat(&FEATURES[..2], N_CLASSES, &device);
    let agm = AgmConfig::new(3, 0.5).init(head()).unwrap();
    let refused = JointConfig::new().init(encoders(2, &device), agm);
    assert!(matches!(
        refused.map(|_| ()),
        Err(MlaError::ModalityCount {
            what: "AGM",
            expected: 3,
            got: 2
        })
    ));
    let opm = model(OpmConfig::new().init(head()).unwrap(), 2, &device);
    let mut batch = batch_of(4, 2, 0, &device);
    batch.targets = Targets::several(vec![vec![0], vec![1, 2], vec![], vec![1]], &device);
    assert!(matches!(
        opm.try_step(batch).map(|_| ()),
        Err(MlaError::SeveralLabels { what: "OPM" })
    ));
    let wrong = AssistedConfig::new(FEATURES.to_vec()).init(head());
    assert!(wrong.is_err());
    let joint = model(assisted(&FEATURES[..2], N_CLASSES, &device), 2, &device);
    assert!(MmParetoConfig::new().with_gamma(0.0).init(joint).is_err());
}

/// Of a due update, the parameters of each encoder move back to their initial values by its share.
#[test]
fn encoders_relearn_by_the_gap_of_their_purities() {
    for device in devices() {
        let device = device.autodiff();
        let plain = || model(concat(&FEATURES, N_CLASSES, &device), 3, &device);
        let config = RelearningConfig::new(2).with_max_times(1).with_lambda(1.5);
        let data = || diagnosis(3, N_CLASSES, &device);
        let (mut joint, mut relearning) = (plain(), config.init(plain(), data()).unwrap());
        let initial = state(&joint.encoders);
        let mut optimizers = [sgd(), sgd()];
        let mut shares = vec![];
        for t in 0..4 {
            let batch = || batch_of(6, 3, t, &device);
            if t == 1 {
                shares = relearning.diagnose().unwrap();
            }
            let output = relearning.try_step(batch()).unwrap();
            let [first, second] = &mut optimizers;
            relearning.try_optimize(second, 0.1, output.grads).unwrap();
            if t < 2 {
                let output = joint.try_step(batch()).unwrap();
                joint.try_optimize(first, 0.1, output.grads).unwrap();
            }
            if t == 1 {
                // The third modality is absent in the data of the diagnosis.
                assert!(shares[..2].iter().any(|&share| share > 0.01), "{shares:?}");
                assert_eq!(shares[2], 0.0);
                let stepped = state(&joint.encoders).into_iter().zip(&initial);
                let found = state(&relearning.joint.encoders);
                for (((path, stepped), (_, initial)), (_, found)) in stepped.zip(&found) {
                    let share = shares[path[..1].parse::<usize>().unwrap()];
                    let mix = |(new, old): (&f32, &f32)| {
                        (1.0 - share) * f64::from(*new) + share * f64::from(*old)
                    };
                    let expected: Vec<f64> = stepped.iter().zip(initial).map(mix).collect();
                    close(found, &expected, 1e-5, &path);
                }
            }
        }
        // Once only: from there on a plain training goes on from the same parameters.
        let mut resumed = relearning.joint.clone();
        let batch = || batch_of(6, 3, 7, &device);
        train(&mut resumed, batch());
        train(&mut relearning, batch());
        assert_eq!(state(&relearning.joint.encoders), state(&resumed.encoders));
        assert!(RelearningConfig::new(0).init(plain(), data()).is_err());
        assert!(
            RelearningConfig::new(1)
                .with_lambda(-1.0)
                .init(plain(), data())
                .is_err()
        );
    }
}

/// Six samples with the same features, of which training samples have one class and validation samples several.
struct Blank {
    n_classes: usize,
}

impl Batcher<u64, Batch> for Blank {
    fn batch(&self, items: Vec<u64>, device: &Device) -> Batch {
        let batch = batch_of(6, 2, items[0], device);
        let labels = batch.targets.labels().iter();
        let labels = labels.map(|label| label % self.n_classes as i64).collect();
        let inputs = batch.inputs.into_iter().flatten();
        let inputs = inputs.map(|part| part.input * 0.0).collect::<Vec<_>>();
        MultimodalBatch::paired(inputs, Targets::from_labels(labels, device))
    }
}

/// Data on which each encoder of two has a gap.
fn gap(device: &Device) -> DiagnosisData<Inputs> {
    let loader = |n_classes| {
        DataLoaderBuilder::new(Blank { n_classes })
            .batch_size(1)
            .set_device(device.clone())
            .build(InMemDataset::new(vec![0]))
    };
    DiagnosisData {
        train: loader(1),
        validation: loader(N_CLASSES),
    }
}

/// A model that is wrapped off autodiff re-learns, and parameters that are frozen by then or later stay.
#[test]
fn a_model_that_is_wrapped_on_a_plain_device_relearns() {
    for device in devices() {
        let training = device.clone().autodiff();
        let plain = model(concat(&FEATURES[..2], N_CLASSES, &training), 2, &training).valid();
        let config = RelearningConfig::new(1).with_lambda(0.5);
        for is_frozen_before in [true, false] {
            let mut plain = plain.clone();
            if is_frozen_before {
                plain.encoders[0] = plain.encoders[0].clone().freeze();
            }
            let mut relearning = config.init(plain, gap(&device)).unwrap().train();
            if !is_frozen_before {
                let first = &mut relearning.joint.encoders[0];
                *first = first.clone().freeze();
            }
            let initial = state(&relearning.joint.encoders);
            let mut joint = relearning.joint.clone();
            let shares = relearning.diagnose().unwrap();
            assert!(shares.iter().all(|&share| share > 0.1), "{shares:?}");
            let batch = || batch_of(6, 2, 0, &training);
            train(&mut joint, batch());
            train(&mut relearning, batch());
            let stepped = state(&joint.encoders);
            let found = state(&relearning.joint.encoders);
            for (((path, initial), (_, stepped)), (_, found)) in
                initial.iter().zip(&stepped).zip(&found)
            {
                if path.starts_with("0.") {
                    assert_eq!(found, initial, "{path}");
                    continue;
                }
                assert_ne!(stepped, initial, "{path}");
                let mix = |(new, old): (&f32, &f32)| {
                    (1.0 - shares[1]) * f64::from(*new) + shares[1] * f64::from(*old)
                };
                let expected: Vec<f64> = stepped.iter().zip(initial).map(mix).collect();
                close(found, &expected, 1e-5, path);
            }
        }
    }
}

/// A diagnosis names the sample of its set.
#[test]
fn a_diagnosis_refuses_features_that_are_not_finite() {
    let device = Device::flex().autodiff();
    let broken = model(concat(&FEATURES[..2], N_CLASSES, &device), 2, &device);
    let broken = with_nan(broken);
    let data = diagnosis(2, N_CLASSES, &device);
    let relearning = RelearningConfig::new(1).init(broken, data).unwrap();
    assert!(matches!(
        relearning.diagnose(),
        Err(MlaError::NonFiniteFeatures {
            modality: Some(0),
            sample: 0
        })
    ));
}

fn with_nan(mut model: Joint<Vec<MlpEncoder>, Concat>) -> Joint<Vec<MlpEncoder>, Concat> {
    let values: BTreeMap<String, Vec<f32>> = state(&model.encoders).into_iter().collect();
    let broken = |path: &str| {
        let scale = if path.starts_with("0.") {
            f32::NAN
        } else {
            1.0
        };
        values[path].iter().map(|x| x * scale).collect()
    };
    model.encoders = with_values(model.encoders, broken);
    model
}

/// A model file holds what predictions need, and no state of the training.
#[test]
fn model_files_predict_the_same() {
    let device = Device::flex().autodiff();
    let head = || concat(&FEATURES[..2], N_CLASSES, &device);
    let agm = || AgmConfig::new(2, 0.5).init(head()).unwrap();
    is_filed(&agm, &device);
    let pmr = || {
        PmrConfig::new(FEATURES[..2].to_vec(), 1)
            .init(head())
            .unwrap()
    };
    is_filed(&pmr, &device);
    is_filed(&|| assisted(&FEATURES[..2], N_CLASSES, &device), &device);
    is_filed(&|| OpmConfig::new().init(head()).unwrap(), &device);
}

fn is_filed<H: JointHead>(head: &dyn Fn() -> H, device: &Device) {
    let mut trained = model(head(), 2, device);
    train(&mut trained, batch_of(6, 2, 0, device));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    trained.save_safetensors(&path).unwrap();
    let loaded = model(head(), 2, device).load_safetensors(&path).unwrap();
    let (trained, loaded) = (trained.valid(), loaded.valid());
    let batch = || batch_of(6, 2, 1, &device.clone().inner());
    let predict = |model: &Joint<Vec<MlpEncoder>, H>| values(model.predict(batch()).unwrap().fused);
    assert_eq!(predict(&loaded), predict(&trained));
    let bytes = std::fs::read(&path).unwrap();
    let header = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]).to_string();
    for state in ["means", "sums", "prototypes"] {
        assert!(!header.contains(state), "{header}");
    }
}
