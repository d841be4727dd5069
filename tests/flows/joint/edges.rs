//! Bad input: a specific error, and an unchanged model. The smallest valid input works.

use burn::module::Module;
use burn::tensor::Tensor;
use burn_mla::NonFinite;

use super::*;

#[test]
fn what_is_not_finite_names_its_modality() {
    for device in devices() {
        let device = device.autodiff();
        for (kind, modality) in ALL.into_iter().flat_map(|k| (0..3).map(move |m| (k, m))) {
            let mut model = joint(kind, 3, JointConfig::new(), &device);
            update(&mut model, &mut sgd(), 0.05, batch_of(4, 3, 0, &device));
            let before = state(&model);
            for bad in [f32::NAN, f32::INFINITY] {
                let mut batch = batch_of(4, 3, 0, &device);
                let part = batch.inputs[modality].take().unwrap();
                let mut values = values(part.input);
                values[INPUTS[modality]] = bad;
                let input = matrix(values, INPUTS[modality], &device);
                batch.inputs[modality] = Some(ModalityInput::all(input));
                assert_eq!(
                    model.try_step(batch).map(|_| ()).unwrap_err(),
                    MlaError::Sample {
                        sample: 1,
                        position: Some(1),
                        problem: Box::new(MlaError::NonFinite {
                            what: NonFinite::Features,
                            modality,
                            step: 1
                        })
                    },
                    "{kind:?}"
                );
            }
            assert_eq!(state(&model), before, "{kind:?}");
            assert_eq!(model.n_steps(), 1);
            update(&mut model, &mut sgd(), 0.05, batch_of(4, 3, 1, &device));
        }
    }
}

#[test]
fn a_loss_that_is_not_finite_is_refused() {
    for device in devices() {
        let device = device.autodiff();
        let mut model = joint(Kind::Film, 2, JointConfig::new(), &device);
        model.head = model.head.map(&mut Fill(f32::MAX));
        let before = state(&model);
        let error = model.try_step(batch_of(4, 2, 0, &device)).map(|_| ());
        assert_eq!(error, Err(MlaError::NonFiniteLoss { step: 0 }));
        assert_eq!(state(&model), before);
    }
}

/// Sets all parameters to one number.
struct Fill(f32);

impl burn::module::ModuleMapper for Fill {
    fn map_float<const D: usize>(
        &mut self,
        param: burn::module::Param<Tensor<D>>,
    ) -> burn::module::Param<Tensor<D>> {
        param.map(|old| {
            let new = old.without_autodiff() * 0.0 + self.0;
            new.autodiff().require_grad()
        })
    }
}

#[test]
fn batches_that_do_not_fit_are_refused() {
    for device in devices() {
        let device = device.autodiff();
        for kind in ALL {
            let model = joint(kind, 3, JointConfig::new(), &device);
            let before = state(&model);
            let refused = |batch: Batch| {
                let evaluated = model.valid().try_evaluate(batch.clone()).map(|_| ());
                let stepped = model.try_step(batch).map(|_| ());
                assert_eq!(stepped, evaluated, "{kind:?}");
                stepped.unwrap_err()
            };
            let mut batch = batch_of(3, 3, 0, &device);
            batch.targets = Targets::from_labels(vec![0, N_CLASSES as i64, -1], &device);
            batch.samples = None;
            assert_eq!(
                refused(batch),
                MlaError::LabelOutOfRange {
                    label: N_CLASSES as i64,
                    sample: 1,
                    n_classes: N_CLASSES
                }
            );
            assert_eq!(
                refused(batch_of(3, 2, 0, &device)).to_string(),
                "the batch has 2 modalities, expected 3"
            );
            let mut batch = batch_of(3, 3, 0, &device);
            batch.targets = Targets::new([0, 1], &device);
            batch.samples = None;
            assert!(matches!(
                refused(batch),
                MlaError::EncoderOutput {
                    modality: 0,
                    expected: [2, _],
                    found: [3, _],
                }
            ));
            let mut batch = batch_of(3, 3, 0, &device);
            batch.targets = Targets::new([], &device);
            assert!(matches!(refused(batch), MlaError::Empty { .. }));
            assert_eq!(state(&model), before, "{kind:?}");
        }
    }
}

#[test]
fn models_that_do_not_fit_are_refused() {
    let device = Device::flex();
    let encoder = |width| MlpEncoderConfig::new(3, width).init(&device).unwrap();
    for kind in ALL {
        let build = |encoders: Vec<MlpEncoder>| {
            let head = kind.head(&[4, 5], N_CLASSES, &device);
            JointConfig::new().init(encoders, head).map(|_| ())
        };
        assert_eq!(build(vec![encoder(4), encoder(5)]), Ok(()));
        let none = build(vec![]).unwrap_err();
        assert!(matches!(none, MlaError::NoModalities { .. }));
        assert_eq!(
            build(vec![encoder(4)]).unwrap_err().to_string(),
            "the set of encoders has 1 modalities, expected 2",
            "{kind:?}"
        );
        assert_eq!(
            build(vec![encoder(4), encoder(6)]).unwrap_err().to_string(),
            "the encoder of modality 1 has d_feature = 6 but the joint head expects 5",
            "{kind:?}"
        );
        let same = encoder(4);
        let head = kind.head(&[4, 4], N_CLASSES, &device);
        let cloned = JointConfig::new().init(vec![same.clone(), same], head);
        assert_eq!(
            cloned.map(|_| ()).unwrap_err().to_string(),
            "`encoders.0.layers.0.weight` and `encoders.1.layers.0.weight` are the same \
             parameter: initialize each encoder and the head separately instead of cloning one"
        );
    }
    let smoothed = JointConfig::new().with_label_smoothing(Some(1.0));
    let head = Kind::Sum.head(&[4], N_CLASSES, &device);
    let error = smoothed.init(vec![encoder(4)], head).map(|_| ());
    assert!(
        error
            .unwrap_err()
            .to_string()
            .starts_with("label_smoothing")
    );
}

#[test]
fn heads_out_of_range_are_refused() {
    let device = Device::flex();
    for kind in [Kind::Sum, Kind::Concat, Kind::LateFusion, Kind::Film] {
        let far = (vec![usize::MAX, 4], 2);
        for (widths, n_classes) in [(vec![], 2), (vec![3, 0], 2), (vec![3, 4], 0), far] {
            let error = match kind {
                Kind::Sum => SumConfig::new(widths, n_classes).init(&device).map(|_| ()),
                Kind::Concat => ConcatConfig::new(widths, n_classes)
                    .init(&device)
                    .map(|_| ()),
                Kind::Film => FilmConfig::new(widths, n_classes).init(&device).map(|_| ()),
                _ => LateFusionConfig::new(widths, n_classes)
                    .init(&device)
                    .map(|_| ()),
            };
            assert!(error.is_err(), "{kind:?}");
        }
    }
    let outside = MlaError::ModalityOutOfRange {
        modality: 2,
        n_modalities: 2,
    };
    let film = FilmConfig::new(vec![3, 4], 2).with_base(2).init(&device);
    assert_eq!(film.map(|_| ()), Err(outside.clone()));
    let gated = BiGatedConfig::new(vec![3, 4], 2);
    let error = gated.clone().with_base(2).init(&device);
    assert_eq!(error.map(|_| ()), Err(outside));
    assert!(gated.with_d_fused(Some(0)).init(&device).is_err());
}

#[test]
fn one_sample_trains() {
    for device in devices() {
        let device = device.autodiff();
        for kind in ALL {
            let config = JointConfig::new().with_modulation(Some(OgmConfig::new(0.3)));
            let mut model = joint(kind, 2, config, &device);
            for t in 0..3 {
                let loss = update(&mut model, &mut sgd(), 0.05, batch_of(1, 2, t, &device));
                assert!(loss.is_finite(), "{kind:?}");
            }
            let fused = model
                .valid()
                .predict(batch_of(1, 2, 9, &device))
                .unwrap()
                .fused;
            assert!(values(fused).iter().all(|x| x.is_finite()), "{kind:?}");
        }
    }
}

#[test]
fn one_class_and_one_modality_train() {
    for device in devices() {
        let device = device.autodiff();
        for kind in ALL.into_iter().filter(|kind| *kind != Kind::Film) {
            let head = kind.head(&FEATURES[..1], 1, &device);
            let config = JointConfig::new().with_modulation(Some(OgmConfig::new(0.3)));
            let mut model = config.init(encoders(1, &device), head).unwrap();
            for t in 0..2 {
                let mut batch = batch_of(4, 1, t, &device);
                batch.targets = Targets::new([0; 4], &device);
                let loss = update(&mut model, &mut sgd(), 0.05, batch);
                assert_eq!(loss, 0.0, "{kind:?}");
            }
        }
        // A FiLM layer with only these values.
        let head = FilmConfig::new(vec![FEATURES[0]], N_CLASSES);
        let head = AnyHead::Film(head.init(&device).unwrap());
        let mut model = JointConfig::new().init(encoders(1, &device), head).unwrap();
        update(&mut model, &mut sgd(), 0.05, batch_of(4, 1, 0, &device));
    }
}

/// The energy of logits whose exponentials overflow f32.
#[test]
fn the_energy_of_extreme_logits_is_finite() {
    for device in devices() {
        let head = QmfConfig::new(vec![1], 2, 3).init(&device).unwrap();
        let layer = set_parameters(head, 1);
        let weights = |h: f32| {
            let h = Tensor::<2>::from_floats([[h]], &device);
            let features = ModalityFeatures::complete(vec![h]).unwrap();
            values(layer.fuse(&features).weights.unwrap())[0]
        };
        let host = Layer::of(&layer, "layers.0");
        for h in [1e30, -1e30, 1e3, -1e3, 0.0] {
            let expected = logsumexp(&host.forward(&[f64::from(h)])) / 10.0;
            close(&[weights(h)], &[expected], 1e-5, &format!("energy at {h}"));
        }
    }
}

/// The logits of each modality are finite, but their weighted sum is not.
#[test]
fn a_fused_prediction_that_overflows_names_the_sample() {
    for device in devices() {
        let model = joint(Kind::Qmf, 2, JointConfig::new(), &device);
        let rows = |width: usize| {
            let values = (0..3 * width).map(|i| if i / width == 1 { 1e25 } else { 0.5 });
            matrix(values.collect(), width, &device)
        };
        let batch = || {
            let inputs = vec![rows(INPUTS[0]), rows(INPUTS[1])];
            MultimodalBatch::paired(inputs, Targets::new([0, 1, 2], &device))
        };
        let error = model.predict(batch()).unwrap_err();
        assert_eq!(error, MlaError::NonFiniteLogits { sample: 1 });
        let unchecked = JointConfig::new().with_finite_check(false);
        let model = joint(Kind::Qmf, 2, unchecked, &device);
        let fused = values(model.predict(batch()).unwrap().fused);
        assert!(fused[..N_CLASSES].iter().all(|value| value.is_finite()));
    }
}
