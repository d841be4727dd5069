//! A model in half precision: its projector stays in f32. A binary of its own, since a device's
//! precision is set once for a process.

use std::sync::OnceLock;

use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::optim::{AdamConfig, AdamWConfig, GradientsAccumulator, SgdConfig};
use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use burn_mla::baseline::{JointConfig, LateFusionConfig, OgmConfig, QmfConfig};
use burn_mla::checkpoint::{Snapshot, TrainingProgress};
use burn_mla::dataset::InMemory;
use burn_mla::evaluation::calibrate;
use burn_mla::fusion::MeanFusion;
use burn_mla::loss::BinaryCrossEntropy;
use burn_mla::method::MultimodalMethod;
use burn_mla::modality::OneOf2;
use burn_mla::prelude::*;
use burn_mla::projector::Gains;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const D_FEATURE: usize = 16;
/// More samples than f16 or bf16 can count without rounding in a sum of ones.
const N_SAMPLES: usize = 300;

fn inputs(seed: u64, device: &Device) -> Tensor<2> {
    let mut rng = StdRng::seed_from_u64(seed);
    let values: Vec<f32> = (0..N_SAMPLES * 8).map(|_| rng.random::<f32>()).collect();
    Tensor::<2>::from_data(TensorData::new(values, [N_SAMPLES, 8]), device)
}

/// Configured once, by whichever test comes first.
fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    let configured = || {
        let mut device = Device::flex();
        device.configure(FloatDType::BF16).unwrap();
        device.autodiff()
    };
    DEVICE.get_or_init(configured).clone()
}

#[test]
fn a_snapshot_in_half_precision_knows_its_optimizer() {
    let device = device();
    let encoder = || MlpEncoderConfig::new(8, D_FEATURE).init(&device).unwrap();
    let model = || {
        let head = LinearHeadConfig::new(D_FEATURE, 5).init(&device).unwrap();
        let rule = RlsProjectorConfig::new().init().unwrap();
        Mla::new((encoder(), encoder()), head, rule, MeanFusion).unwrap()
    };
    let (optimizer, scheduler) = (AdamWConfig::new().init(), ModuleLrScheduler::from(0.1));
    let progress = TrainingProgress::new(0);
    let snapshot = Snapshot::new(&model(), &optimizer, &scheduler, progress).unwrap();
    snapshot.restore_model(model()).unwrap();
    snapshot.restore_optimizer(optimizer).unwrap();
    assert!(
        snapshot
            .restore_optimizer(AdamConfig::new().init())
            .is_err()
    );
}

#[test]
fn a_model_in_half_precision_keeps_its_projector_in_f32() {
    let device = device();
    let encoder = || MlpEncoderConfig::new(8, D_FEATURE).init(&device).unwrap();
    let head = LinearHeadConfig::new(D_FEATURE, 5).init(&device).unwrap();
    let rule = RlsProjectorConfig::new().init().unwrap();
    let mut model = Mla::new((encoder(), encoder()), head, rule, MeanFusion).unwrap();
    assert_eq!(model.head.linear().weight.val().dtype(), DType::BF16);

    let targets = Targets::new((0..N_SAMPLES).map(|i| i % 5), &device);
    let mut optimizer = SgdConfig::new().init();
    let plain = device.clone().inner();
    let mut expected = rule.init(D_FEATURE, 2, &plain).unwrap();
    for t in 0..6u64 {
        let input = inputs(t, &device);
        let input = match t % 2 {
            0 => OneOf2::A(input),
            _ => OneOf2::B(input),
        };
        let features = match &input {
            OneOf2::A(x) => model.encoders.0.encode(x.clone()),
            OneOf2::B(x) => model.encoders.1.encode(x.clone()),
        };
        assert_eq!(features.dtype(), DType::BF16);
        let features = features.without_autodiff().cast(DType::F32);
        let mean = features.mean_dim(0).squeeze_dim::<1>(0);
        if t > 0 {
            expected = rule.update(mean, t as usize % 2, expected);
        }
        let output = model.try_step(Turn::new(input, targets.clone())).unwrap();
        model
            .try_optimize(&mut optimizer, 0.01, output.grads)
            .unwrap();
    }

    let state = model.projection().state(0);
    let p = state.matrix();
    assert_eq!(p.dtype(), DType::F32);
    let off = (p - expected.matrix()).abs().max().into_scalar::<f32>();
    assert!(off < 1e-5, "P is off by {off} from that of f32 sums");
    let gains = Gains::of(&rule, state, 0, D_FEATURE, &device).unwrap();
    assert!(
        gains.smallest > 0.0 && gains.largest <= 1.0 + 1e-6,
        "{gains}"
    );
    assert_eq!(model.head.linear().weight.val().dtype(), DType::BF16);
}

/// What QMF remembers are sums and counts, which bf16 would round from 256 on.
#[test]
fn a_joint_model_in_half_precision_remembers_in_f32() {
    let device = device();
    let encoder = || MlpEncoderConfig::new(8, D_FEATURE).init(&device).unwrap();
    let head = QmfConfig::new(vec![D_FEATURE; 2], 5, 2)
        .init(&device)
        .unwrap();
    let config = JointConfig::new().with_modulation(Some(OgmConfig::new(0.3)));
    let config = config.with_accumulation(true);
    let mut model = config.init((encoder(), encoder()), head).unwrap();
    let inputs = (inputs(0, &device), inputs(1, &device));
    let targets = Targets::new((0..N_SAMPLES).map(|i| i % 5), &device);
    // All are the same sample but one.
    let mut samples = vec![1; N_SAMPLES];
    samples[7] = 0;
    let batch = MultimodalBatch::paired(inputs, targets).with_samples(samples);
    let mut optimizer = SgdConfig::new().init();
    for _ in 0..2 {
        let mut sum = GradientsAccumulator::new();
        for _ in 0..2 {
            let output = model.try_step(batch.clone()).unwrap();
            assert_eq!(output.item.logits.dtype(), DType::BF16);
            sum.accumulate(&model, output.grads);
        }
        model
            .try_optimize(&mut optimizer, 0.01, sum.grads())
            .unwrap();
    }
    let found = history_of(&model);
    assert_eq!(found.dtype(), DType::F32);
    let found: Vec<f32> = found.into_data().iter().collect();
    assert_eq!(found[2..4], [4.0, 4.0], "the one sample");
    let others = 4.0 * (N_SAMPLES - 1) as f32;
    assert_eq!(found[6..8], [others, others], "the other");
    let prediction = model.valid().predict(batch).unwrap();
    assert_eq!(prediction.fused.dtype(), DType::BF16);
}

/// Counts beyond 256, which bf16 cannot hold: 300 samples of which 290 are of class 0.
#[test]
fn metrics_of_a_model_in_half_precision_count_every_sample() {
    use burn::tensor::Int;
    use burn::train::metric::{
        AccuracyMetric, Adaptor, LossMetric, Metric, MetricMetadata, Numeric,
    };
    use burn_mla::method::EvaluationOutput;
    use burn_mla::metric::{
        AveragePrecisionMetric, CalibrationErrorMetric, ImbalanceMetric, MacroF1Metric,
        MetricInput, ModalityMetric, ShapleyMetric,
    };

    fn measured<M: Metric<Input = MetricInput> + Numeric>(
        mut metric: M,
        output: &EvaluationOutput,
    ) -> f64 {
        let metadata = MetricMetadata {
            progress: burn::data::dataloader::Progress::new(1, 1, None),
            iteration: None,
            lr: None,
        };
        metric.update(&output.adapt(), &metadata).unwrap();
        metric.compute().unwrap();
        metric.final_value().current()
    }

    let device = device();
    let encoder = || MlpEncoderConfig::new(8, D_FEATURE).init(&device).unwrap();
    let head = LinearHeadConfig::new(D_FEATURE, 2).init(&device).unwrap();
    let rule = RlsProjectorConfig::new().init().unwrap();
    let model = Mla::new((encoder(), encoder()), head, rule, MeanFusion).unwrap();
    let plain = device.clone().inner();
    let labels: Vec<i64> = (0..N_SAMPLES).map(|i| i64::from(i % 30 == 0)).collect();
    let labels = TensorData::new(labels, [N_SAMPLES]);
    let labels = Tensor::<1, Int>::from_data(labels, (&plain, DType::I16));
    let targets = Targets::from_tensor(labels).unwrap();
    let inputs = (inputs(0, &plain), inputs(1, &plain));
    let batch = MultimodalBatch::paired(inputs, targets);
    let output = model.valid().try_evaluate(batch).unwrap();

    let logits: Vec<f32> = output.logits.clone().into_data().iter().collect();
    let rows: Vec<(f64, bool)> = logits
        .chunks(2)
        .zip(output.targets.labels())
        .map(|(z, &label)| (f64::from(z[1]) - f64::from(z[0]), label == 1))
        .collect();
    let count = |predicted: bool, truth: bool| {
        let rows = rows.iter();
        rows.filter(|(z, label)| (*z > 0.0, *label) == (predicted, truth))
            .count() as f64
    };
    let (hits, wrong) = (count(true, true), count(true, false) + count(false, true));
    let rejected = count(false, false);
    let near = |found: f64, expected: f64, what: &str| {
        assert!(
            (found - expected).abs() < 1e-3,
            "{what}: {found}, not {expected}"
        );
    };
    let accuracy = ModalityMetric::fused(AccuracyMetric::new());
    near(
        measured(accuracy, &output),
        100.0 * (hits + rejected) / 300.0,
        "accuracy",
    );
    let f1 = |right: f64| 2.0 * right / (2.0 * right + wrong);
    let expected = [f1(hits), f1(rejected)]
        .into_iter()
        .filter(|f1| !f1.is_nan());
    let expected: Vec<f64> = expected.collect();
    let expected = 100.0 * expected.iter().sum::<f64>() / expected.len() as f64;
    near(
        measured(MacroF1Metric::fused(), &output),
        expected,
        "macro F1",
    );
    let loss = |&(z, label): &(f64, bool)| (1.0 + (if label { -z } else { z }).exp()).ln();
    let expected = rows.iter().map(loss).sum::<f64>() / 300.0;
    near(
        measured(ModalityMetric::fused(LossMetric::new()), &output),
        expected,
        "loss",
    );
    let found: f32 = output.loss.clone().into_scalar();
    near(found.into(), expected, "loss of the output");
    let precision = |positive: bool| {
        let score = |z: f64| if positive { z } else { -z };
        let hits = rows.iter().filter(|row| row.1 == positive);
        let each: Vec<f64> = hits
            .map(|hit| {
                let above = rows.iter().filter(|row| score(row.0) >= score(hit.0));
                let (right, all) = above.fold((0.0, 0.0), |(right, all), row| {
                    (right + f64::from(u8::from(row.1 == positive)), all + 1.0)
                });
                right / all
            })
            .collect();
        each.iter().sum::<f64>() / each.len() as f64
    };
    let expected = 50.0 * (precision(true) + precision(false));
    let found = measured(AveragePrecisionMetric::fused(), &output);
    assert!((found - expected).abs() < 0.1, "{found}, not {expected}");
    for value in [
        measured(ImbalanceMetric::new(), &output),
        measured(ShapleyMetric::of_modality(0, "a"), &output),
        measured(CalibrationErrorMetric::fused(), &output),
    ] {
        assert!(value.is_finite());
    }
}

/// Parts of 299 and 1 samples, counts that bf16 cannot hold.
#[test]
fn unequal_parts_in_half_precision_make_the_update_of_the_whole_batch() {
    let device = device();
    let encoder = || MlpEncoderConfig::new(8, D_FEATURE).init(&device).unwrap();
    let head = LinearHeadConfig::new(D_FEATURE, 5).init(&device).unwrap();
    let rule = RlsProjectorConfig::new().init().unwrap();
    let start = Mla::new((encoder(), encoder()), head, rule, MeanFusion).unwrap();
    let input = inputs(3, &device);
    let targets = Targets::new((0..N_SAMPLES).map(|i| i % 5), &device);
    let trained = |parts: &[std::ops::Range<usize>]| -> Vec<f32> {
        let mut model = start.clone();
        let mut sum = GradientsAccumulator::new();
        for rows in parts {
            let input = OneOf2::A(input.clone().slice([rows.clone()]));
            let rows: Vec<usize> = rows.clone().collect();
            let output = model.try_step(Turn::new(input, targets.select(&rows)));
            sum.accumulate(&model, output.unwrap().grads);
        }
        let mut optimizer = SgdConfig::new().init();
        model
            .try_optimize(&mut optimizer, 1.0, sum.grads())
            .unwrap();
        let change = model.head.linear().weight.val() - start.head.linear().weight.val();
        change.cast(DType::F32).into_data().iter().collect()
    };
    let (whole, parts) = (trained(&[0..N_SAMPLES]), trained(&[0..299, 299..N_SAMPLES]));
    let largest = whole.iter().fold(0.0, |a: f32, b| a.max(b.abs()));
    // A step of bf16 at weights from 0.25 to 0.5: the changed weights are rounded to it.
    let rounding = 1.0 / 512.0;
    for (whole, part) in whole.iter().zip(&parts) {
        let most = 0.05 * largest + rounding;
        assert!((whole - part).abs() <= most, "{part}, not {whole}");
    }
}

/// Files, records and checkpoints in f32 load onto a device in half precision.
#[test]
fn weights_in_f32_load_into_a_model_in_half_precision() {
    let device = device().inner();
    let model = |device: &Device| {
        let encoder = || MlpEncoderConfig::new(8, D_FEATURE).init(device).unwrap();
        let head = LinearHeadConfig::new(D_FEATURE, 5).init(device).unwrap();
        let rule = RlsProjectorConfig::new().init().unwrap();
        let fusion = EntropyFusionConfig::new(2).init(device).unwrap();
        Mla::new((encoder(), encoder()), head, rule, fusion).unwrap()
    };
    let single = {
        struct Single;
        impl burn::module::ModuleMapper for Single {
            fn map_float<const D: usize>(
                &mut self,
                param: burn::module::Param<Tensor<D>>,
            ) -> burn::module::Param<Tensor<D>> {
                param.map(|value| value.cast(DType::F32) / 3.0)
            }
        }
        model(&device).map(&mut Single)
    };
    assert_eq!(single.head.linear().weight.val().dtype(), DType::F32);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    single.save_safetensors(&path).unwrap();
    let record = single.clone().into_record();
    for loaded in [
        model(&device).load_safetensors(&path).unwrap(),
        model(&device).try_load_record(record).unwrap(),
    ] {
        assert_eq!(loaded.head.linear().weight.val().dtype(), DType::BF16);
        assert_eq!(loaded.projection().state(0).matrix().dtype(), DType::F32);
        let inputs = (inputs(0, &device), inputs(1, &device));
        let targets = Targets::new((0..N_SAMPLES).map(|i| i % 5), &device);
        let prediction = loaded
            .predict(MultimodalBatch::paired(inputs, targets))
            .unwrap();
        assert_eq!(prediction.fused.dtype(), DType::BF16);
    }
}

fn history_of<M: Module>(model: &M) -> Tensor<2> {
    use burn::module::{ModuleVisitor, Param};
    struct Find(Option<Tensor<2>>);
    impl ModuleVisitor for Find {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.val().dims()[..] == [2, 4] {
                self.0 = Some(param.val().reshape([2, 4]));
            }
        }
    }
    let mut find = Find(None);
    model.visit(&mut find);
    find.0.expect("the head has a history")
}

#[test]
fn data_losses_and_temperatures_have_the_precision_of_the_device() {
    let device = device();
    let single = |width: usize| {
        let values = vec![0.5_f32; 6 * width];
        let options = (&Device::flex(), DType::F32);
        Tensor::<2>::from_data(TensorData::new(values, [6, width]), options)
    };
    let data = InMemory::paired((single(8), single(8)), [0, 1, 2, 3, 4, 0]).unwrap();
    let batch = |device: &Device| data.batch(&[5, 0, 2], device).unwrap();
    let input = batch(&device).inputs.0.unwrap().input;
    assert_eq!(input.dtype(), DType::BF16);

    let encoder = || MlpEncoderConfig::new(8, D_FEATURE).init(&device).unwrap();
    let head = LateFusionConfig::new(vec![D_FEATURE; 2], 5).init(&device);
    let config = JointConfig::new().with_class_weights(Some(vec![1.0, 2.0, 3.0, 4.0, 5.0]));
    let model = config.init((encoder(), encoder()), head.unwrap()).unwrap();
    let loss = model.try_step(batch(&device)).unwrap().item.loss;
    assert_eq!(loss.dtype(), DType::BF16);
    let several = model.clone().with_loss(BinaryCrossEntropy).unwrap();
    let mut sets = batch(&device);
    sets.targets = Targets::several(vec![vec![0, 1], vec![], vec![4]], &device);
    assert_eq!(
        several.try_step(sets).unwrap().item.loss.dtype(),
        DType::BF16
    );

    let mut model = model.valid();
    let plain = model.predict(batch(&Device::flex())).unwrap().fused;
    assert!(model.set_temperatures(&[0.5, 0.5]).unwrap());
    let sharp = model.predict(batch(&Device::flex())).unwrap().fused;
    assert_eq!(sharp.dtype(), DType::BF16);
    let values =
        |tensor: Tensor<2>| -> Vec<f32> { tensor.cast(DType::F32).into_data().iter().collect() };
    for (sharp, plain) in values(sharp).into_iter().zip(values(plain)) {
        assert!(
            (sharp - 2.0 * plain).abs() <= 0.02 * plain.abs() + 1e-3,
            "{sharp}, {plain}"
        );
    }
    let valid = data.in_order(4, &Device::flex()).unwrap();
    let (_, calibration) = calibrate(model, &*valid).unwrap();
    assert!(calibration.fused.is_some_and(f64::is_finite));
}
