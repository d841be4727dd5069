//! A model in half precision: its projector stays in f32. A binary of its own, since a device's
//! precision is set once for a process.

use std::sync::OnceLock;

use burn::module::Module;
use burn::optim::{GradientsAccumulator, SgdConfig};
use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use burn_mla::baseline::{JointConfig, OgmConfig, QmfConfig};
use burn_mla::fusion::MeanFusion;
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
fn a_model_in_half_precision_keeps_its_projector_in_f32() {
    let device = device();
    let encoder = || MlpEncoderConfig::new(8, D_FEATURE).init(&device).unwrap();
    let head = LinearHeadConfig::new(D_FEATURE, 5).init(&device).unwrap();
    let rule = RlsProjectorConfig::new().init().unwrap();
    let mut model = Mla::new(
        (encoder(), encoder()),
        head,
        rule,
        MeanFusion::new(),
    )
    .unwrap();
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
