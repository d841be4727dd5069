//! A model watches what f32 does to its projector.

use std::sync::Mutex;

use burn::module::Module;
use burn::tensor::Tensor;
use burn_mla::prelude::*;
use burn_mla::projector::Gains;

use crate::common::*;

/// A turn whose features have a squared norm of about `1e8`.
fn huge_turn(t: u64, device: &burn::tensor::Device) -> MlpTurn {
    let mut turn = turn(1, 8, t, device);
    turn.input = match turn.input {
        burn_mla::modality::OneOf2::B(input) => burn_mla::modality::OneOf2::B(input * 3e4),
        other => other,
    };
    turn
}

fn watched(remedy: IllConditionedPolicy) -> RlsProjector {
    RlsProjectorConfig::new()
        .with_alpha(0.1)
        .with_ill_conditioned(remedy)
        .init()
        .unwrap()
}

#[test]
fn a_large_feature_is_refused_where_asked_and_nothing_changes() {
    for device in devices() {
        let device = device.autodiff();
        let model = mlp_mla(
            MlaConfig::new(),
            watched(IllConditionedPolicy::Error),
            &device,
        );
        let model = train(model, 3, &mut sgd(), &device);
        let before = state(&model);
        let error = model.try_step(huge_turn(3, &device)).err().unwrap();
        let MlaError::IllConditioned {
            layer,
            modality,
            step,
            kappa,
            limit,
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!((layer, modality, step, limit), (0, 1, 3, 1e6));
        assert!(kappa > 1e6, "{kappa}");
        assert_eq!(state(&model), before);
        // The model goes on.
        train(model, 2, &mut sgd(), &device);
    }
}

#[test]
fn before_a_large_feature_the_projector_goes_on_by_its_square_root() {
    for device in devices() {
        let device = device.autodiff();
        let rule = watched(IllConditionedPolicy::SwitchToSquareRoot);
        let mut model = mlp_mla(MlaConfig::new(), rule.clone(), &device);
        let mut optimizer = sgd();
        model = train(model, 3, &mut optimizer, &device);
        let p = values(model.projection().state(0).matrix());
        assert!(!model.projection().state(0).is_square_root());

        let output = model.try_step(huge_turn(3, &device)).unwrap();
        model
            .try_optimize(&mut optimizer, 1e-9, output.grads)
            .unwrap();
        let kept = model.projection().state(0);
        assert!(kept.is_square_root());
        assert_ne!(values(kept.matrix()), p, "the feature was taken in");
        let gains = Gains::of(&rule, kept, 0, D_FEATURE, &device).unwrap();
        assert!(
            gains.smallest >= -1e-6 && gains.largest <= 1.0 + 1e-6,
            "{gains}"
        );

        // Saved and loaded, it stays what it is.
        let record = model.clone().into_record();
        let loaded = mlp_mla(MlaConfig::new(), rule, &device)
            .try_load_record(record)
            .unwrap();
        assert!(loaded.projection().state(0).is_square_root());
        assert_eq!(state(&loaded), state(&model));
    }
}

/// The switch itself changes nothing but the form.
#[test]
fn the_square_root_is_that_of_the_same_matrix() {
    for device in devices() {
        let rule = rls(0.1);
        let mut numbers = Numbers::new(1);
        let mut kept = rule.init(9, 2, &device).unwrap();
        for step in 0..20 {
            kept = rule.update(numbers.tensor([9], &device), step % 2, kept);
        }
        let before: Vec<f64> = values(kept.matrix()).into_iter().map(f64::from).collect();
        let switched = rule.stabilize(kept.clone()).unwrap();
        close(&values(switched.matrix()), &before, 1e-5, "P");
        let gradient: Tensor<2> = numbers.tensor([9, 4], &device);
        let expected: Vec<f64> = values(rule.project(gradient.clone(), 0, &kept))
            .into_iter()
            .map(f64::from)
            .collect();
        close(
            &values(rule.project(gradient, 0, &switched)),
            &expected,
            1e-5,
            "P G",
        );
        let again = rule.stabilize(switched.clone()).unwrap();
        assert_eq!(values(again.matrix()), values(switched.matrix()));
    }
}

/// Keeps what is logged.
struct Log(Mutex<Vec<String>>);

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata) -> bool {
        true
    }

    fn log(&self, record: &log::Record) {
        if record.target().starts_with("burn_mla") {
            let line = format!("{} {}", record.level(), record.args());
            self.0.lock().unwrap().push(line);
        }
    }

    fn flush(&self) {}
}

/// The only test that looks at the log, and the only one with this kappa.
#[test]
fn one_warning_says_that_kappa_comes_near_to_its_limit() {
    static LOG: Log = Log(Mutex::new(vec![]));
    log::set_logger(&LOG).unwrap();
    log::set_max_level(log::LevelFilter::Warn);
    let device = devices()[0].clone().autodiff();
    let limit = 1.23e2;
    let config = RlsProjectorConfig::new()
        .with_alpha(1e-2)
        .with_kappa_limit(limit);
    let model = mlp_mla(MlaConfig::new(), config.init().unwrap(), &device);
    train(model, 6, &mut sgd(), &device);
    let lines = LOG.0.lock().unwrap();
    let mine: Vec<&String> = lines.iter().filter(|line| line.contains("1.2e2")).collect();
    assert_eq!(mine.len(), 1, "{mine:?}");
    assert!(
        mine[0].starts_with("WARN kappa = |r|^2 / alpha = "),
        "{}",
        mine[0]
    );
}
