//! ResNet encoders of audio and video in a model: training, missing rows, files, freezing and learning
//! rates per block.

use burn::lr_scheduler::module_lr_scheduler::{ModuleLrScheduler, ModuleLrSchedulerConfig};
use burn::module::Module;
use burn::optim::SgdConfig;
use burn::tensor::{Device, Tensor, TensorData};
use burn_mla::modality::{FbankBatch, VideoBatch};
use burn_mla::prelude::*;
use burn_mla_encoders::blocks::{
    Blocks, block_groups, freeze, freeze_first, layer_decay, unfreeze,
};
use burn_mla_encoders::resnet::{ResNetConfig, ResNetEncoder};

use crate::{alone, devices, state};

type Networks = (ResNetEncoder<FbankBatch>, ResNetEncoder<VideoBatch>);
type Inputs = (
    Option<ModalityInput<FbankBatch>>,
    Option<ModalityInput<VideoBatch>>,
);

const N_CLASSES: usize = 3;

fn config() -> ResNetConfig {
    ResNetConfig::resnet18().with_widths([4, 4, 8, 8])
}

fn networks(device: &Device) -> Networks {
    device.seed(11);
    (
        config().init(device).unwrap(),
        config().init(device).unwrap(),
    )
}

fn model(networks: Networks, device: &Device) -> DefaultMla<Networks, LinearHead> {
    let head = LinearHeadConfig::new(8, N_CLASSES).init(device).unwrap();
    MlaConfig::new().init_default(networks, head).unwrap()
}

/// Numbers in which the label of each row shows.
fn rows<const D: usize>(shape: [usize; D], labels: &[usize], device: &Device) -> Tensor<D> {
    let n: usize = shape[1..].iter().product();
    let values: Vec<f32> = labels
        .iter()
        .enumerate()
        .flat_map(|(row, &label)| {
            (0..n).map(move |i| {
                let noise = ((row * n + i) as f32 * 1.618).sin() * 0.3;
                noise + ((i * (label + 1)) as f32 * 0.4).cos()
            })
        })
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn labels() -> Vec<usize> {
    (0..6).map(|row| row % N_CLASSES).collect()
}

fn audio(labels: &[usize], device: &Device) -> FbankBatch {
    FbankBatch(rows([labels.len(), 24, 16], labels, device))
}

fn video(labels: &[usize], device: &Device) -> VideoBatch {
    VideoBatch(rows([labels.len(), 3, 2, 20, 18], labels, device))
}

/// Six samples, of which two have no video.
fn batch(device: &Device) -> MultimodalBatch<Inputs> {
    let labels = labels();
    let with_video = vec![0, 1, 3, 5];
    let seen: Vec<usize> = with_video.iter().map(|&row| labels[row]).collect();
    let inputs = (
        Some(ModalityInput::all(audio(&labels, device))),
        ModalityInput::rows(video(&seen, device), with_video),
    );
    MultimodalBatch::new(inputs, Targets::new(labels, device))
}

/// Trains turns of all modalities, and returns the loss of each.
fn train(
    model: &mut DefaultMla<Networks, LinearHead>,
    learning_rate: &mut ModuleLrScheduler,
    n_batches: usize,
    device: &Device,
) -> Vec<f32> {
    let mut optimizer = SgdConfig::new().init();
    let mut losses = vec![];
    for _ in 0..n_batches {
        for turn in batch(device).into_turns().unwrap().into_iter().flatten() {
            let output = model.try_step(turn).unwrap();
            losses.push(output.item.loss.clone().into_scalar());
            let rate = learning_rate.step();
            model
                .try_optimize(&mut optimizer, rate, output.grads)
                .unwrap();
        }
    }
    losses
}

/// The paths of encoders whose values a training of two batches keeps.
fn kept(networks: Networks, device: &Device) -> Vec<String> {
    let mut model = model(networks, device);
    let before = state(&model.encoders);
    train(&mut model, &mut 0.1.into(), 2, device);
    let pairs = before.into_iter().zip(state(&model.encoders));
    let kept = pairs.filter(|((_, before), (_, after))| before == after);
    kept.map(|((path, _), _)| path).collect()
}

#[test]
fn both_networks_train_with_missing_rows() {
    let _alone = alone();
    for device in devices() {
        let device = device.autodiff();
        let mut model = model(networks(&device), &device);
        let losses = train(&mut model, &mut 0.1.into(), 15, &device);
        let [first, last] = [&losses[..2], &losses[28..]].map(|two| two.iter().sum::<f32>());
        assert!(last < 0.5 * first, "{losses:?}");
        assert!(kept(networks(&device), &device).is_empty());
    }
}

#[test]
fn a_modality_may_be_missing_in_the_whole_batch() {
    let _alone = alone();
    let device = Device::flex();
    let model = model(networks(&device), &device);
    let targets = Targets::new(labels(), &device);
    let inputs: Inputs = (None, Some(ModalityInput::all(video(&labels(), &device))));
    let batch = MultimodalBatch::new(inputs, targets);
    let fused = model.predict(batch).unwrap();
    assert!(fused.fused.sum().into_scalar::<f32>().is_finite());
}

#[test]
fn a_wrong_input_names_its_modality() {
    let _alone = alone();
    let device = Device::flex().autodiff();
    let model = model(networks(&device), &device);
    let x = VideoBatch(Tensor::ones([6, 1, 2, 20, 18], &device));
    let inputs: Inputs = (None, Some(ModalityInput::all(x)));
    let batch = MultimodalBatch::new(inputs, Targets::new(labels(), &device));
    let turn = batch.into_turns().unwrap().pop().unwrap().unwrap();
    let error = model.try_step(turn).err().unwrap().to_string();
    assert!(
        error.contains("[batch, 3, frames, height, width]"),
        "{error}"
    );
    assert!(error.contains("modality 1"), "{error}");
}

#[test]
fn a_trained_model_is_saved_and_loaded() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    for device in devices() {
        let training = device.clone().autodiff();
        let mut trained = model(networks(&training), &training);
        train(&mut trained, &mut 0.05.into(), 3, &training);
        trained.save_safetensors(&path).unwrap();
        let loaded = model(
            (
                config().init(&device).unwrap(),
                config().init(&device).unwrap(),
            ),
            &device,
        );
        let loaded = loaded.load_safetensors(&path).unwrap();
        let trained = trained.valid();
        let logits = |model: &DefaultMla<Networks, LinearHead>| {
            model.predict(batch(&device)).unwrap().fused.into_data()
        };
        logits(&loaded).assert_eq(&logits(&trained), true);
    }
}

#[test]
fn frozen_blocks_keep_weights_and_statistics() {
    let _alone = alone();
    for device in devices() {
        let device = device.autodiff();
        let (audio, video) = networks(&device);
        let audio = freeze_first(audio, 3).unwrap();
        let video = freeze(video, &["conv1", "bn1", "layer1.1", "layer4"]).unwrap();
        let kept = kept((audio, video), &device);
        let frozen = [
            "0.conv1",
            "0.bn1",
            "0.layer1",
            "1.conv1",
            "1.bn1",
            "1.layer1.1",
            "1.layer4",
        ];
        let (audio, video) = networks(&device);
        for (path, _) in state(&(audio, video)) {
            let is_frozen = frozen.iter().any(|name| path.starts_with(name));
            assert_eq!(is_frozen, kept.contains(&path), "{path}");
        }
    }
}

#[test]
fn a_frozen_encoder_trains_what_is_unfrozen() {
    let _alone = alone();
    let device = Device::flex().autodiff();
    let (audio, video) = networks(&device);
    let audio = unfreeze(audio.freeze(), &["layer4.1"]).unwrap();
    let kept = kept((audio, video), &device);
    assert!(!kept.iter().any(|path| path.starts_with("1.")));
    assert!(kept.contains(&"0.layer4.0.conv2.weight".into()));
    assert!(!kept.contains(&"0.layer4.1.conv2.weight".into()));
    assert!(!kept.contains(&"0.layer4.1.bn2.running_mean".into()));
}

#[test]
fn unknown_modules_and_blocks_are_named() {
    let _alone = alone();
    let (audio, _) = networks(&Device::flex());
    let error = freeze(audio.clone(), &["conv1", "layer5"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no module of ResNetEncoder is called layer5; its modules are conv1, bn1, layer1, layer2, \
         layer3, layer4"
    );
    assert!(freeze(audio.clone(), &["layer"]).is_err());
    assert!(freeze_first(audio.clone(), 10).is_err());
    assert!(freeze_first(audio, 9).is_ok());
}

#[test]
fn learning_rates_decay_towards_the_input() {
    let _alone = alone();
    let device = Device::flex().autodiff();
    let (audio, video) = networks(&device);
    assert_eq!(audio.blocks().len(), 9);
    let config = ModuleLrSchedulerConfig::new(1.0.into());
    let config = layer_decay(config, &video, 1, 0.5, |factor| factor).unwrap();
    let mut scheduler = config.init().unwrap();
    let rates = scheduler.step();
    let model = model((audio, video), &device);
    let rate = |path: &str| rates.lr_from_param(burn::module::ParamId::new(), Some(path));
    for (path, _) in state(&model) {
        let expected = match path.split('.').take(4).collect::<Vec<_>>()[..] {
            ["encoders", "1", "conv1" | "bn1", ..] => 0.5_f64.powi(9),
            ["encoders", "1", layer, block] => {
                let layer: i32 = layer.strip_prefix("layer").unwrap().parse().unwrap();
                let block: i32 = block.parse().unwrap();
                0.5_f64.powi(9 - (2 * (layer - 1) + block + 1))
            }
            _ => 1.0,
        };
        assert_eq!(rate(&path), expected, "{path}");
    }
    let (audio, _) = networks(&device);
    for decay in [0.0, -0.5, 1.5, f64::NAN] {
        let config = ModuleLrSchedulerConfig::new(1.0.into());
        assert!(layer_decay(config, &audio, 0, decay, |factor| factor).is_err());
    }
}

/// With a learning rate of zero in all blocks but the last, only the last trains.
#[test]
fn groups_reach_the_update_of_a_model() {
    let _alone = alone();
    let device = Device::flex().autodiff();
    let (audio, video) = networks(&device);
    let groups = block_groups(&audio, 0);
    let mut scheduler = groups[..8]
        .iter()
        .fold(ModuleLrScheduler::new(0.1), |scheduler, group| {
            scheduler.with_group(group.clone(), 0.0)
        });
    let mut model = model((audio, video), &device);
    let before = state(&model.encoders.0);
    train(&mut model, &mut scheduler, 2, &device);
    for ((path, before), (_, after)) in before.iter().zip(state(&model.encoders.0)) {
        let trains = path.starts_with("layer4.1.") || path.contains("running_");
        assert_eq!(trains, *before != after, "{path}");
    }
}
