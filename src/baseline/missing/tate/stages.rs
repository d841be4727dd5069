//! TATE in training: its stages, and what each of them sees.

use burn::module::{Module, Param};
use burn::optim::AdamConfig;
use burn::tensor::{Device, Distribution, Tensor};

use crate::MlaError;
use crate::baseline::missing::tate::loss::divergence;
use crate::baseline::missing::tate::network::Network;
use crate::baseline::missing::tate::{Tate, TateConfig};
use crate::baseline::{
    ImputeConfig, ImputeTarget, Joint, JointConfig, JointHead, ModalityFeatures,
};
use crate::encoder::{MlpEncoder, MlpEncoderConfig};
use crate::method::MultimodalMethod;
use crate::modality::{ModalityInput, MultimodalBatch, Presence, Targets};
use crate::module::{ParamVisitor, Visited, visit};
use crate::test_devices;

const WIDTHS: [usize; 3] = [5, 7, 4];
const N: usize = 9;

type Batch = MultimodalBatch<Vec<Option<ModalityInput<Tensor<2>>>>>;
type Model = Joint<Vec<MlpEncoder>, Tate>;

fn config(target: ImputeTarget) -> TateConfig {
    let impute = ImputeConfig::new().with_target(target);
    TateConfig::new(vec![6, 6, 6], 3, 2)
        .with_impute(impute.with_hide_probability(0.0))
        .with_d_token(8)
        .with_n_heads(2)
        .with_dropout(0.0)
}

fn model(config: &TateConfig, device: &Device) -> Model {
    let encoders = WIDTHS.map(|width| MlpEncoderConfig::new(width, 6).init(device).unwrap());
    let head = config.init(device).unwrap();
    JointConfig::new().init(encoders.to_vec(), head).unwrap()
}

/// Sample `i` lacks modality `i` modulo 4 if there is one.
fn mask() -> Presence {
    let mask = (0..3 * N).map(|at| at / 3 % 4 != at % 3);
    Presence::from_mask(mask.collect(), 3).unwrap()
}

fn inputs(device: &Device) -> Vec<Tensor<2>> {
    let values = |(m, &width): (usize, &usize)| {
        let at = Tensor::<1, burn::tensor::Int>::arange(0..(N * width) as i64, device).float();
        (at * (1.3 + m as f64)).sin().reshape([N, width])
    };
    WIDTHS.iter().enumerate().map(values).collect()
}

/// A batch that lacks what the mask removes, with `hide` as hidden inputs. Hidden inputs are `spoiled`.
fn batch(hide: bool, spoiled: Option<f32>, device: &Device) -> Batch {
    let mut inputs = inputs(device);
    if let Some(junk) = spoiled {
        let missing = mask().missing(device).unwrap();
        for (m, values) in inputs.iter_mut().enumerate() {
            let shape = values.dims();
            let of_m = missing.clone().slice([0..N, m..m + 1]).expand(shape);
            *values = values.clone().mask_fill(of_m, junk);
        }
    }
    let targets = Targets::new((0..N).map(|i| i % 3), device);
    let batch = MultimodalBatch::paired(inputs, targets).with_samples((0..N).collect());
    let masked = if hide {
        batch.with_hidden(&mask())
    } else {
        batch.with_presence(&mask())
    };
    masked.unwrap()
}

fn train(mut model: Model, batches: &[Batch]) -> Model {
    let mut optimizer = AdamConfig::new().init();
    for batch in batches {
        let output = model.try_step(batch.clone()).unwrap();
        model
            .try_optimize(&mut optimizer, 0.01, output.grads)
            .unwrap();
    }
    model
}

/// All float values of a module.
fn state<M: Module>(module: &M) -> Vec<f32> {
    #[derive(Default)]
    struct State(Vec<f32>);
    impl ParamVisitor for State {
        fn visit<const D: usize>(&mut self, _: &Visited<'_>, param: &Param<Tensor<D>>) {
            self.0.extend(param.val().into_data().iter::<f32>());
        }
    }
    let mut state = State::default();
    visit(module, &mut state);
    state.0
}

#[test]
fn the_teacher_trains_first_and_is_fixed_then() {
    for device in test_devices() {
        let device = device.autodiff();
        for target in [ImputeTarget::ObservedOnly, ImputeTarget::Oracle] {
            let start = model(&config(target), &device);
            assert!(!start.head.is_student() && !MultimodalMethod::is_selectable(&start));
            let batch = batch(true, None, &device);
            let one = train(start.clone(), std::slice::from_ref(&batch));
            assert!(!one.head.is_student());
            assert!(state(&one.head.teacher) != state(&start.head.teacher));
            assert!(state(&one.head.student) == state(&start.head.student));
            let two = train(start.clone(), &[batch.clone(), batch.clone()]);
            assert!(two.head.is_student() && MultimodalMethod::is_selectable(&two));
            let three = train(two.clone(), &[batch.clone(), batch]);
            assert!(state(&three.head.teacher) == state(&two.head.teacher));
            assert!(state(&three.head.student.network) != state(&two.head.student.network));
            assert!(state(&three.head.student.decoder) != state(&two.head.student.decoder));
        }
    }
}

#[test]
fn predictions_are_those_of_the_network_that_trains() {
    let device = Device::flex();
    let mut model = model(&config(ImputeTarget::ObservedOnly), &device);
    let features = model.features(batch(false, None, &device)).unwrap();
    let logits = |network: &Network| network.forward(&features).logits.into_data();
    let fused = |model: &Model| model.head.fuse(&features).logits.into_data();
    fused(&model).assert_eq(&logits(&model.head.teacher), true);
    model.head.begin_student();
    fused(&model).assert_eq(&logits(&model.head.student.network), true);
}

#[test]
fn a_student_like_its_teacher_has_no_distance_on_complete_input() {
    for device in test_devices() {
        let device = device.autodiff();
        let tate = model(&config(ImputeTarget::Oracle), &device).head;
        let features =
            WIDTHS.map(|_| Tensor::random([N, 6], Distribution::Normal(0.0, 1.0), &device));
        let features = ModalityFeatures::complete(features.to_vec()).unwrap();
        let student = tate.student.network.forward(&features).encoded;
        let teacher = tate.student.network.clone().encode(&features);
        let distance = divergence(student, teacher).into_scalar::<f32>();
        assert_eq!(distance, 0.0);
    }
}

/// `model` with other options.
fn with(model: &Model, change: impl Fn(&mut Tate)) -> Model {
    let mut model = model.clone();
    change(&mut model.head);
    model
}

/// With the weight of the teacher 0, hidden features reach nothing but the teacher.
#[test]
fn an_oracle_sees_hidden_features_only_through_its_teacher() {
    use ImputeTarget::{ObservedOnly, Oracle};
    for device in test_devices() {
        let device = device.autodiff();
        let mut start = model(&config(Oracle), &device);
        start.head.begin_student();
        let train = |target, hide, forward_weight| {
            let model = with(&start, |head| {
                head.impute.target = target;
                head.student.config.forward_weight = forward_weight;
            });
            let batch = batch(hide, None, &device);
            state(&train(model, &[batch.clone(), batch.clone(), batch]))
        };
        assert!(train(Oracle, true, 0.0) == train(ObservedOnly, false, 0.0));
        assert!(train(Oracle, true, 0.1) != train(ObservedOnly, false, 0.1));
    }
}

#[test]
fn observed_only_reads_no_hidden_feature() {
    for device in test_devices() {
        let device = device.autodiff();
        let start = model(&config(ImputeTarget::ObservedOnly), &device);
        for hide_probability in [0.0, 1.0] {
            let train = |hide, spoiled| {
                let model = with(&start, |head| {
                    head.impute.hide_probability = hide_probability;
                });
                let batch = batch(hide, spoiled, &device);
                let batches = [batch.clone(), batch.clone(), batch.clone(), batch];
                state(&train(model, &batches))
            };
            let without = train(false, None);
            assert!(without.iter().all(|value| value.is_finite()));
            for junk in [1e3, f32::NAN] {
                assert!(train(true, Some(junk)) == without);
            }
        }
    }
}

/// The student sees less than its teacher with a probability of hiding above 0.
#[test]
fn what_is_hidden_from_the_student_changes_it() {
    let device = Device::flex().autodiff();
    let mut start = model(&config(ImputeTarget::ObservedOnly), &device);
    start.head.begin_student();
    let train = |hide_probability| {
        let model = with(&start, |head| {
            head.impute.hide_probability = hide_probability;
        });
        state(&train(model, &[batch(false, None, &device)]))
    };
    assert!(train(0.0) != train(1.0));
    assert!(train(1.0) == train(1.0));
}

#[test]
fn an_oracle_needs_what_is_hidden() {
    let device = Device::flex().autodiff();
    let mut model = model(&config(ImputeTarget::Oracle), &device);
    let refused = |model: &Model| {
        let error = model.try_step(batch(false, None, &device)).err().unwrap();
        assert_eq!(error, MlaError::NothingHidden);
    };
    refused(&model);
    model.head.begin_student();
    refused(&model);
}
