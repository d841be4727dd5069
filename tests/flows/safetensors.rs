//! A trained model alone, in the SafeTensors format.

use burn::module::Module;
use burn::tensor::Device;
use burn_mla::fusion::MeanFusion;
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
        let fusion = MeanFusion::new();
        Mla::new(pair(device), linear_head(device), rls(0.1), fusion).unwrap()
    };
    let trained = model(&device);
    let image = Numbers::new(1).tensor::<4>([6, 1, 4, 4], &device);
    let targets = Targets::new([0, 1, 2, 0, 1, 2], &device);
    let input = burn_mla::modality::OneOf2::A(image);
    trained.try_step(Turn::new(input, targets)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    trained.save_safetensors(&path).unwrap();
    let loaded = model(&Device::flex()).load_safetensors(&path).unwrap();
    assert_eq!(state(&loaded.encoders), state(&trained.encoders));
}

#[test]
fn what_does_not_fit_is_refused_with_the_file_and_the_tensor() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    trained(&device).save_safetensors(&path).unwrap();
    let model = |d: usize| {
        let encoder = |d_input| MlpEncoderConfig::new(d_input, d).init(&device).unwrap();
        let head = LinearHeadConfig::new(d, N_CLASSES).init(&device).unwrap();
        Mla::new(
            (encoder(D_A), encoder(D_B)),
            head,
            rls(0.1),
            MeanFusion::new(),
        )
        .unwrap()
    };
    let error = model(D_FEATURE).load_safetensors(&path).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with(path.to_str().unwrap()), "{text}");
    assert!(text.contains("encoders.0.layers"), "{text}");
    let fresh = || mlp_mla(MlaConfig::new(), rls(0.1), &device);
    std::fs::write(&path, "no such file format").unwrap();
    assert!(fresh().load_safetensors(&path).is_err());
    let nowhere = folder.path().join("nowhere/model.safetensors");
    assert!(fresh().load_safetensors(&nowhere).is_err());
    let error = fresh().save_safetensors(&nowhere).unwrap_err();
    assert!(error.to_string().starts_with(nowhere.to_str().unwrap()));
}

#[test]
fn a_file_without_all_tensors_is_refused() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let one = vec![MlpEncoderConfig::new(D_A, D_FEATURE).init(&device).unwrap()];
    let model = |encoders| Mla::new(encoders, linear_head(&device), rls(0.1), MeanFusion::new());
    model(one).unwrap().save_safetensors(&path).unwrap();
    let encoder = || MlpEncoderConfig::new(D_A, D_FEATURE).init(&device).unwrap();
    let two = model(vec![encoder(), encoder()]).unwrap();
    let error = two.load_safetensors(&path).unwrap_err();
    assert!(
        error.to_string().contains("has no tensor encoders.1"),
        "{error}"
    );
}
