//! A trained model alone, in the SafeTensors format.

use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Device, Tensor};
use burn_mla::baseline::{FilmConfig, Joint, JointConfig, Qmf, QmfConfig, SumConfig};
use burn_mla::fusion::{MeanFusion, Score, ScoreFusionConfig};
use burn_mla::module::{ModelFileConfig, ModelNames};
use burn_mla::prelude::*;

use crate::common::*;

fn trained(device: &Device) -> MlpMla<RlsProjector> {
    let device = device.clone().autodiff();
    let model = mlp_mla(MlaConfig::new(), rls(0.1), &device);
    let model = train(model, 6, &mut sgd(), &device);
    let fusion = model.fusion.clone().with_calibration(&[1.5, 0.7]).unwrap();
    model.with_fusion(fusion).unwrap()
}

fn fused(model: &MlpMla<RlsProjector>, device: &Device) -> Vec<f32> {
    values(model.predict(batch(9, 3, device)).unwrap().fused)
}

#[test]
fn a_model_predicts_the_same_after_a_round_trip() {
    for device in devices() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let trained = trained(&device);
        trained.save_safetensors(&path).unwrap();
        let fresh = mlp_mla(MlaConfig::new(), rls(0.1), &device);
        let loaded = fresh.load_safetensors(&path).unwrap();
        assert_eq!(fused(&loaded, &device), fused(&trained.valid(), &device));
        assert_eq!(values(loaded.fusion.calibration()), [1.5, 0.7]);
    }
}

#[test]
fn names_are_stable_and_the_projector_stays_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    trained(&Device::flex()).save_safetensors(&path).unwrap();
    // The format: length of the header, u64, then the header in JSON.
    let bytes = std::fs::read(&path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let mut names: Vec<&str> = header
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .filter(|name| *name != "__metadata__")
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "encoders.0.layers.0.bias",
            "encoders.0.layers.0.weight",
            "encoders.0.layers.1.bias",
            "encoders.0.layers.1.weight",
            "encoders.1.layers.0.bias",
            "encoders.1.layers.0.weight",
            "fusion.calibration",
            "head.linear.bias",
            "head.linear.weight",
        ]
    );
    assert_eq!(header["__metadata__"]["n_classes"], N_CLASSES.to_string());
}

#[test]
fn a_batch_norm_model_keeps_its_running_statistics() {
    let device = Device::flex().autodiff();
    let model = |device: &Device| {
        let fusion = MeanFusion;
        Mla::new(pair(device), linear_head(device), rls(0.1), fusion).unwrap()
    };
    let mut trained = model(&device);
    let image = Numbers::new(1).tensor::<4>([6, 1, 4, 4], &device);
    let targets = Targets::new([0, 1, 2, 0, 1, 2], &device);
    let input = burn_mla::modality::OneOf2::A(image);
    let output = trained.try_step(Turn::new(input, targets)).unwrap();
    let optimizer = &mut sgd();
    trained.try_optimize(optimizer, 0.1, output.grads).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    trained.save_safetensors(&path).unwrap();
    let loaded = model(&Device::flex()).load_safetensors(&path).unwrap();
    assert_eq!(state(&loaded.encoders), state(&trained.encoders));
}

/// A model of the same kind as [`trained`], with other feature widths.
fn mean_mla(d_feature: usize, bias: bool, device: &Device) -> MeanMla {
    let encoder = |d_input| {
        MlpEncoderConfig::new(d_input, d_feature)
            .init(device)
            .unwrap()
    };
    let head = LinearHeadConfig::new(d_feature, N_CLASSES).with_bias(bias);
    let head = head.init(device).unwrap();
    let encoders = (encoder(D_A), encoder(D_B));
    Mla::new(encoders, head, rls(0.1), MeanFusion).unwrap()
}

type MeanMla = Mla<(MlpEncoder, MlpEncoder), LinearHead, RlsProjector, MeanFusion>;

fn saved(folder: &tempfile::TempDir, save: impl Fn(&Path) -> burn_mla::Result<()>) -> PathBuf {
    let path = folder.path().join("model.safetensors");
    save(&path).unwrap();
    path
}

fn message<T>(refused: burn_mla::Result<T>) -> String {
    match refused {
        Err(error @ MlaError::ModelFile { .. }) => error.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("loaded"),
    }
}

#[test]
fn what_does_not_fit_is_refused_with_file_tensor_and_modality() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let path = saved(&folder, |path| {
        mean_mla(4, true, &device).save_safetensors(path)
    });
    let text = message(mean_mla(5, true, &device).load_safetensors(&path));
    let tensor = "tensor encoders.0.layers.0.weight of modality 0 has shape";
    let expected = format!(
        "{}: {tensor} [5, 4] in the file and [5, 5] in the model",
        path.display()
    );
    assert_eq!(text, expected);
    let text = message(mean_mla(4, false, &device).load_safetensors(&path));
    assert!(
        text.ends_with("tensor head.linear.bias is not in the model"),
        "{text}"
    );
    let path = saved(&folder, |path| {
        mean_mla(4, false, &device).save_safetensors(path)
    });
    let text = message(mean_mla(4, true, &device).load_safetensors(&path));
    assert!(
        text.ends_with("tensor head.linear.bias is not in the file"),
        "{text}"
    );

    let fresh = || mlp_mla(MlaConfig::new(), rls(0.1), &device);
    for torn in [&b"no such file format"[..], b"\x10\0\0\0\0\0\0\0{}", b""] {
        std::fs::write(&path, torn).unwrap();
        message(fresh().load_safetensors(&path));
    }
    let nowhere = folder.path().join("nowhere/model.safetensors");
    message(fresh().load_safetensors(&nowhere));
    let text = message(fresh().save_safetensors(&nowhere));
    assert!(text.starts_with(nowhere.to_str().unwrap()));
}

#[test]
fn another_number_of_modalities_is_refused() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let encoder = || MlpEncoderConfig::new(D_A, D_FEATURE).init(&device).unwrap();
    let model = |n: usize| {
        let encoders: Vec<_> = (0..n).map(|_| encoder()).collect();
        Mla::new(encoders, linear_head(&device), rls(0.1), MeanFusion).unwrap()
    };
    let path = saved(&folder, |path| model(1).save_safetensors(path));
    let text = message(model(2).load_safetensors(&path));
    assert!(
        text.ends_with("n_modalities is 1 in the file and 2 in the model"),
        "{text}"
    );
}

#[test]
fn another_fusion_is_refused() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let path = saved(&folder, |path| trained(&device).save_safetensors(path));
    let with = |score, temperature| {
        let fusion = ScoreFusionConfig::new(2, score).with_temperature(temperature);
        let fusion = fusion.init(&device).unwrap();
        let model = mlp_mla(MlaConfig::new(), rls(0.1), &device);
        model.with_fusion(fusion).unwrap().load_safetensors(&path)
    };
    assert!(with(Score::Entropy, 1.0).is_ok());
    let text = message(with(Score::Margin, 1.0));
    let expected = "fusion is ScoreFusion, Entropy, temperature 1 in the file and ScoreFusion, \
                    Margin, temperature 1 in the model";
    assert!(text.ends_with(expected), "{text}");
    message(with(Score::Entropy, 0.5));
    let model = mlp_mla(MlaConfig::new(), rls(0.1), &device);
    let mean = model.with_fusion(MeanFusion).unwrap();
    let text = message(mean.load_safetensors(&path));
    assert!(text.ends_with("and MeanFusion in the model"), "{text}");
}

#[test]
fn names_come_with_the_file_and_their_order_is_checked() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let classes = ["cat", "dog", "owl"];
    let fresh = || mean_mla(4, true, &device);
    let named = |modalities: [&str; 2]| fresh().with_names(ModelNames::new(modalities, classes));
    let model = named(["image", "text"]).unwrap();
    let path = saved(&folder, |path| model.save_safetensors(path));
    let loaded = fresh().load_safetensors(&path).unwrap();
    assert_eq!(loaded.names(), &ModelNames::new(["image", "text"], classes));
    assert!(
        named(["image", "text"])
            .unwrap()
            .load_safetensors(&path)
            .is_ok()
    );
    let text = message(named(["text", "image"]).unwrap().load_safetensors(&path));
    let expected =
        r#"modalities are ["image", "text"] in the file and ["text", "image"] in the model"#;
    assert!(text.ends_with(expected), "{text}");
    let others = ModelNames::new(Vec::<String>::new(), ["dog", "cat", "owl"]);
    message(fresh().with_names(others).unwrap().load_safetensors(&path));
    // A file without names fits any.
    let path = saved(&folder, |path| fresh().save_safetensors(path));
    let loaded = named(["image", "text"])
        .unwrap()
        .load_safetensors(&path)
        .unwrap();
    assert_eq!(loaded.names().modalities(), ["image", "text"]);

    let error = fresh()
        .with_names(ModelNames::new(["image"], classes))
        .unwrap_err();
    assert!(matches!(
        error,
        MlaError::ModalityCount {
            expected: 2,
            got: 1,
            ..
        }
    ));
    let error = named(["text", "text"]).unwrap_err();
    assert_eq!(error.to_string(), "two modalities have the name `text`");
    let two = ModelNames::new(["image", "text"], ["cat", "dog"]);
    assert!(matches!(
        fresh().with_names(two).unwrap_err(),
        MlaError::Size { .. }
    ));
}

#[test]
fn nan_is_refused_unless_asked_for() {
    for device in devices() {
        let folder = tempfile::tempdir().unwrap();
        let mut model = mean_mla(4, true, &device);
        let mut linear = model.head.linear().clone();
        linear.bias = linear.bias.map(|bias| bias.map(|bias| bias * f32::NAN));
        model.head = LinearHead::from(linear);
        let path = saved(&folder, |path| model.save_safetensors(path));
        let text = message(mean_mla(4, true, &device).load_safetensors(&path));
        assert!(
            text.contains("tensor head.linear.bias has NaN at position 0"),
            "{text}"
        );
        let allowed = ModelFileConfig::new().with_allow_nan(true);
        let loaded = mean_mla(4, true, &device).load_safetensors_with(&path, &allowed);
        let bias = loaded.unwrap().head.linear().bias.as_ref().unwrap().val();
        assert!(values(bias).iter().all(|value| value.is_nan()));
    }
}

#[test]
fn equal_weights_give_equal_bytes() {
    for device in devices() {
        let folder = tempfile::tempdir().unwrap();
        let names = ModelNames::new(["image", "text"], ["cat", "dog", "owl"]);
        let model = trained(&device).with_names(names).unwrap();
        let bytes = |model: &MlpMla<RlsProjector>| {
            let path = saved(&folder, |path| model.save_safetensors(path));
            std::fs::read(path).unwrap()
        };
        let first = bytes(&model);
        for _ in 0..8 {
            assert!(bytes(&model) == first, "saved again");
        }
        let path = folder.path().join("model.safetensors");
        let fresh = mlp_mla(MlaConfig::new(), rls(0.1), &device);
        assert!(
            bytes(&fresh.load_safetensors(&path).unwrap()) == first,
            "loaded"
        );
        let length = u64::from_le_bytes(first[..8].try_into().unwrap());
        assert_eq!(length % 8, 0, "data is aligned");
    }
}

/// A module with all float parameters in another precision.
fn cast<M: Module>(module: M, dtype: DType) -> M {
    struct Cast(DType);
    impl ModuleMapper for Cast {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|value| value.cast(self.0))
        }
    }
    module.map(&mut Cast(dtype))
}

#[test]
fn files_in_half_precision_load_into_f32() {
    for device in devices() {
        for dtype in [DType::F16, DType::BF16] {
            let folder = tempfile::tempdir().unwrap();
            // Made on flex: ndarray has no half precision.
            let half = cast(mean_mla(4, true, &Device::flex()), dtype);
            let path = saved(&folder, |path| half.save_safetensors(path));
            let loaded = mean_mla(4, true, &device).load_safetensors(&path).unwrap();
            let weight = |model: &MeanMla| model.head.linear().weight.val();
            assert_eq!(weight(&loaded).dtype(), DType::F32);
            assert_eq!(
                values(weight(&loaded)),
                values(weight(&half).cast(DType::F32))
            );
            let prediction = loaded.predict(batch(3, 1, &device)).unwrap();
            assert_eq!(prediction.fused.dtype(), DType::F32);

            let record = half.clone().into_record();
            let loaded = mean_mla(4, true, &device).try_load_record(record).unwrap();
            assert!(loaded.predict(batch(3, 1, &device)).is_ok(), "a record");
        }
    }
}

#[test]
fn values_beyond_f16_are_refused() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let mut model = mean_mla(4, true, &device);
    let mut linear = model.head.linear().clone();
    linear.bias = linear
        .bias
        .map(|bias| bias.map(|bias| bias.zeros_like() + 1e5));
    model.head = LinearHead::from(linear);
    let path = saved(&folder, |path| model.save_safetensors(path));
    let half = cast(mean_mla(4, true, &device), DType::F16);
    let text = message(half.load_safetensors(&path));
    assert!(
        text.contains("tensor head.linear.bias has 1e5 at position 0"),
        "{text}"
    );
    let wide = cast(mean_mla(4, true, &device), DType::BF16);
    assert!(wide.load_safetensors(&path).is_ok());
}

/// Batch normalization shares its statistics between clones of Burn's own modules.
#[test]
fn loading_into_a_clone_leaves_the_original() {
    let device = Device::flex().autodiff();
    let folder = tempfile::tempdir().unwrap();
    let model = |device: &Device| {
        let fusion = MeanFusion;
        Mla::new(pair(device), linear_head(device), rls(0.1), fusion).unwrap()
    };
    let mut best = model(&device);
    let image = Numbers::new(1).tensor::<4>([6, 1, 4, 4], &device);
    let targets = Targets::new([0, 1, 2, 0, 1, 2], &device);
    let turn = Turn::new(burn_mla::modality::OneOf2::A(image), targets);
    let output = best.try_step(turn).unwrap();
    best.try_optimize(&mut sgd(), 0.1, output.grads).unwrap();
    let path = saved(&folder, |path| best.save_safetensors(path));
    let latest = model(&device);
    let before = state(&latest);
    let loaded = latest.clone().load_safetensors(&path).unwrap();
    assert_eq!(state(&latest), before);
    assert_eq!(state(&loaded.encoders), state(&best.encoders));
    assert_ne!(state(&loaded.encoders), state(&latest.encoders));
}

fn qmf(n_data: usize, device: &Device) -> Joint<(MlpEncoder, MlpEncoder), Qmf> {
    let head = QmfConfig::new(vec![D_FEATURE; 2], N_CLASSES, n_data);
    let head = head.init(device).unwrap();
    JointConfig::new().init(mlps(device), head).unwrap()
}

#[test]
fn a_joint_model_predicts_the_same_after_a_round_trip() {
    for device in devices() {
        let folder = tempfile::tempdir().unwrap();
        let train = device.clone().autodiff();
        let names = ModelNames::new(["image", "text"], ["cat", "dog", "owl"]);
        let mut model = qmf(8, &train).with_names(names.clone()).unwrap();
        let samples = batch(8, 1, &train).with_samples((0..8).collect::<Vec<_>>());
        let output = model.try_step(samples).unwrap();
        model.try_optimize(&mut sgd(), 0.1, output.grads).unwrap();
        let path = saved(&folder, |path| model.save_safetensors(path));
        // The memory of the training is not in the file.
        let loaded = qmf(1, &device).load_safetensors(&path).unwrap();
        assert_eq!(loaded.names(), &names);
        let predict =
            |model: &Joint<_, _>| values(model.predict(batch(5, 2, &device)).unwrap().fused);
        assert_eq!(predict(&loaded), predict(&model.valid()));

        // Another head with the same tensors, and another method.
        let head = SumConfig::new(vec![D_FEATURE; 2], N_CLASSES);
        let sum = JointConfig::new().init(mlps(&device), head.init(&device).unwrap());
        let text = message(sum.unwrap().load_safetensors(&path));
        assert!(
            text.ends_with("head is Qmf in the file and Sum in the model"),
            "{text}"
        );
        let film = |base| {
            let head = FilmConfig::new(vec![D_FEATURE; 2], N_CLASSES).with_base(base);
            JointConfig::new()
                .init(mlps(&device), head.init(&device).unwrap())
                .unwrap()
        };
        let path = saved(&folder, |path| film(0).save_safetensors(path));
        assert!(film(0).load_safetensors(&path).is_ok());
        let text = message(film(1).load_safetensors(&path));
        assert!(text.ends_with("head is Film, base 0 in the file and Film, base 1 in the model"));
        let mla = mlp_mla(MlaConfig::new(), rls(0.1), &device);
        let text = message(mla.load_safetensors(&path));
        assert!(
            text.ends_with("method is Joint in the file and Mla in the model"),
            "{text}"
        );
    }
}
