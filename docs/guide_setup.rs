// What the snippets of guide.md share: a made-up data set of vectors and a model for it.

#[allow(unused_imports)]
use std::sync::Arc;

#[allow(unused_imports)]
use burn::data::dataloader::batcher::Batcher;
#[allow(unused_imports)]
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
#[allow(unused_imports)]
use burn::data::dataset::InMemDataset;
#[allow(unused_imports)]
use burn::module::Module;
#[allow(unused_imports)]
use burn::tensor::{Device, Tensor, TensorData};
#[allow(unused_imports)]
use burn_mla::modality::*;
#[allow(unused_imports)]
use burn_mla::loader::EpochLength;
#[allow(unused_imports)]
use burn_mla::prelude::*;

/// A sample: audio and text vectors, either of which may be missing, and a label.
#[derive(Debug, Clone)]
#[allow(dead_code)]
struct Sample {
    audio: Option<Vec<f32>>,
    text: Option<Vec<f32>>,
    label: usize,
}

#[allow(dead_code)]
fn samples(n: usize) -> Vec<Sample> {
    let vector = |i: usize, d: usize| (0..d).map(|j| (i * (j + 3) % 11) as f32 / 11.0).collect();
    (0..n)
        .map(|i| Sample {
            audio: (i % 5 != 1).then(|| vector(i, 20)),
            text: (i % 5 != 2).then(|| vector(i + 1, 30)),
            label: i % 4,
        })
        .collect()
}

type Inputs = (Option<ModalityInput<Tensor<2>>>, Option<ModalityInput<Tensor<2>>>);

type Model = Mla<(MlpEncoder, MlpEncoder), LinearHead, RlsProjector, EntropyFusion>;

#[allow(dead_code)]
fn model(device: &Device) -> Result<Model> {
    let audio = MlpEncoderConfig::new(20, 16).init(device)?;
    let text = MlpEncoderConfig::new(30, 16).init(device)?;
    let head = LinearHeadConfig::new(16, 4).init(device)?;
    let fusion = EntropyFusionConfig::new(2).init(device)?;
    Mla::new((audio, text), head, RlsProjectorConfig::new().init()?, fusion)
}

/// Puts the rows of those samples that have a modality together.
#[allow(dead_code)]
fn rows(
    samples: &[Sample],
    part: impl Fn(&Sample) -> Option<&Vec<f32>>,
    width: usize,
    device: &Device,
) -> Option<ModalityInput<Tensor<2>>> {
    let present: Vec<usize> = (0..samples.len()).filter(|&i| part(&samples[i]).is_some()).collect();
    let values: Vec<f32> = samples.iter().filter_map(&part).flatten().copied().collect();
    let data = TensorData::new(values, [present.len(), width]);
    ModalityInput::rows(Tensor::from_data(data, device), present)
}

#[derive(Debug, Clone)]
#[allow(dead_code)]
struct SampleBatcher;

impl Batcher<Sample, MultimodalBatch<Inputs>> for SampleBatcher {
    fn batch(&self, samples: Vec<Sample>, device: &Device) -> MultimodalBatch<Inputs> {
        let audio = rows(&samples, |sample| sample.audio.as_ref(), 20, device);
        let text = rows(&samples, |sample| sample.text.as_ref(), 30, device);
        let labels = samples.iter().map(|sample| sample.label);
        MultimodalBatch::new((audio, text), Targets::new(labels, device))
    }
}

#[allow(dead_code)]
fn loader(n: usize, device: &Device) -> Arc<dyn DataLoader<MultimodalBatch<Inputs>>> {
    DataLoaderBuilder::new(SampleBatcher)
        .batch_size(8)
        .shuffle(7)
        .set_device(device.clone())
        .build(InMemDataset::new(samples(n)))
}

/// The same samples in order, to validate a training that can resume.
#[allow(dead_code)]
fn loader_in_order(
    n: usize,
    device: &Device,
) -> Arc<dyn DataLoader<MultimodalBatch<Inputs>>> {
    DataLoaderBuilder::new(SampleBatcher)
        .batch_size(8)
        .set_device(device.clone())
        .build(InMemDataset::new(samples(n)))
}
