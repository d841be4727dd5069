//! Parameters are drawn when a model is initialized, in the order of its parts.

use std::sync::{Arc, Mutex};

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_mla::baseline::{
    BiGatedConfig, ConcatConfig, FilmConfig, JointConfig, LateFusionConfig, QmfConfig, SumConfig,
};
use burn_mla::fusion::MeanFusion;
use burn_mla::head::MlpHeadConfig;
use burn_mla::prelude::*;

use crate::common::*;

/// Whether all float parameters are drawn.
fn is_drawn<M: Module>(module: &M) -> bool {
    struct Drawn(bool);
    impl ModuleVisitor for Drawn {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0 &= param.is_initialized();
        }
    }
    let mut drawn = Drawn(true);
    module.visit(&mut drawn);
    drawn.0
}

#[test]
fn encoders_and_heads_draw_their_parameters_at_init() {
    for device in devices() {
        assert!(!is_drawn(&LinearConfig::new(3, 2).init(&device)));
        assert!(is_drawn(&pair(&device)) && is_drawn(&mlps(&device)));
        assert!(is_drawn(&linear_head(&device)));
        let mlp = MlpHeadConfig::new(D_FEATURE, N_CLASSES).with_hidden(vec![5]);
        assert!(is_drawn(&mlp.init(&device).unwrap()));
        let widths = || vec![4, 3];
        assert!(is_drawn(
            &SumConfig::new(widths(), 2).init(&device).unwrap()
        ));
        assert!(is_drawn(
            &ConcatConfig::new(widths(), 2).init(&device).unwrap()
        ));
        assert!(is_drawn(
            &LateFusionConfig::new(widths(), 2).init(&device).unwrap()
        ));
        assert!(is_drawn(
            &FilmConfig::new(widths(), 2).init(&device).unwrap()
        ));
        assert!(is_drawn(
            &BiGatedConfig::new(widths(), 2).init(&device).unwrap()
        ));
        assert!(is_drawn(
            &QmfConfig::new(widths(), 2, 9).init(&device).unwrap()
        ));
    }
}

/// An encoder of a user, whose parameters note when they are drawn.
#[derive(Module, Debug)]
struct Own {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

type Log = Arc<Mutex<Vec<String>>>;

fn noting<const D: usize>(
    name: String,
    shape: [usize; D],
    log: &Log,
    device: &Device,
) -> Param<Tensor<D>> {
    let log = log.clone();
    Param::uninitialized(
        ParamId::new(),
        move |device, _| {
            log.lock().unwrap().push(name);
            Tensor::ones(shape, device)
        },
        device.clone(),
        true,
        shape.into(),
    )
}

impl Own {
    fn new(name: &str, [d_input, d_output]: [usize; 2], log: &Log, device: &Device) -> Self {
        Self {
            weight: noting(format!("{name} weight"), [d_input, d_output], log, device),
            bias: noting(format!("{name} bias"), [d_output], log, device),
        }
    }
}

impl Encoder for Own {
    type Input = Tensor<2>;

    fn encode(&self, input: Tensor<2>) -> Tensor<2> {
        input.matmul(self.weight.val()) + self.bias.val().unsqueeze_dim::<2>(0)
    }

    fn d_feature(&self) -> usize {
        self.weight.lazy_shape()[1]
    }
}

#[test]
fn parameters_of_a_user_are_drawn_encoder_after_encoder_and_then_the_head() {
    let expected = [
        "audio weight",
        "audio bias",
        "text weight",
        "text bias",
        "head weight",
        "head bias",
    ];
    for device in devices() {
        let device = device.autodiff();
        for joint in [false, true] {
            let log = Log::default();
            let own = |name: &str, shape| Own::new(name, shape, &log, &device);
            let Own { weight, bias } = own("head", [3, 2]);
            let head = Linear {
                weight,
                bias: Some(bias),
            };
            // Made in another order than that of the model.
            let text = own("text", [5, 3]);
            let encoders = (own("audio", [4, 3]), text);
            let before = log.lock().unwrap().clone();
            assert_eq!(before, [""; 0]);
            if joint {
                // The head draws its own parameters earlier.
                let head = SumConfig::new(vec![3, 3], 2).init(&device).unwrap();
                JointConfig::new().init(encoders, head).unwrap();
                assert_eq!(log.lock().unwrap()[..], expected[..4]);
            } else {
                let head = LinearHead::from(head);
                let model = Mla::new(encoders, head, rls(0.1), MeanFusion).unwrap();
                assert_eq!(log.lock().unwrap()[..], expected);
                assert!(is_drawn(&model));
            }
        }
    }
}
