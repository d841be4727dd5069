//! MLA on your own images and texts: a folder with a CSV file of the columns `id`, `label`, `image` and
//! `text`, and `split` if you have one.
//! `cargo run --release -p burn-mla-data-examples --example own_data -- --data FOLDER/data.csv`
//!
//! Without `--data` it makes a folder of coloured shapes and words. Checks and summarizes the data, trains,
//! tests, predicts, and saves the model. The line of an epoch has the share of the training that waited for data. On its own data, expect a test accuracy above 90 %.

mod made_up;

use std::error::Error;
use std::path::PathBuf;

use burn::tensor::Device;
use burn_mla::module::ModelNames;
use burn_mla::prelude::*;
use burn_mla_data::dataset::Split;
use burn_mla_data::image::{Filter, ImageFrontEnd, ImageNormalization, ImageStep};
use burn_mla_data::manifest::{FrontEnd, ManifestConfig, Shares, TrainAndTest};
use burn_mla_data::text::HashedTextConfig;
use clap::Parser;

/// MLA on your own images and texts
#[derive(Parser)]
struct Args {
    /// A CSV file with the columns id, label, image, text and, optionally, split
    #[arg(long)]
    data: Option<PathBuf>,
    /// Passes over the data
    #[arg(long, default_value_t = 20)]
    epochs: usize,
    /// File of the trained model
    #[arg(long, default_value = "own_data.safetensors")]
    out: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let made_up = tempfile::tempdir()?;
    let data = args
        .data
        .map_or_else(|| made_up::write(made_up.path()), Ok)?;

    // The table: what it holds, and what is wrong with it.
    let config = ManifestConfig::new().with_modalities(["image", "text"]);
    let mut manifest = config.open(data)?;
    if manifest.split(0).is_none() {
        manifest = manifest.split_stratified(&Shares::new(0.15, 0.15, 0))?;
    }
    println!("{}\n{}", manifest.check(|_, _| ()), manifest.summary());

    // How files and texts become tensors.
    let (side, d_text, d_feature) = (32, 512, 64);
    let resize = ImageStep::Resize {
        width: side,
        height: side,
        filter: Filter::Bilinear,
    };
    let test = ImageFrontEnd::new(vec![resize.clone()], ImageNormalization::IMAGENET);
    let flip = ImageStep::RandomFlip { probability: 0.5 };
    let train = ImageFrontEnd::new(vec![resize, flip], ImageNormalization::IMAGENET);
    let images = TrainAndTest { train, test }.map(|images| images.0);
    let texts = manifest.samples(Split::Train).into_iter();
    let texts: Vec<&str> = texts.filter_map(|i| manifest.text(i, "text")).collect();
    let texts = HashedTextConfig::new(d_text).init(&texts)?;
    let data = manifest.dataset((images, texts))?.with_workers(2);

    // The model, its training and its test.
    let device = Device::flex();
    device.seed(0);
    let classes = manifest.classes();
    let image = CnnEncoderConfig::new(3, d_feature).init(&device)?;
    let text = MlpEncoderConfig::new(d_text, d_feature).init(&device)?;
    let head = LinearHeadConfig::new(d_feature, classes.len()).init(&device)?;
    let model = MlaConfig::new().init_default((image, text), head)?;
    let model = model.with_names(ModelNames::new(["image", "text"], classes.to_vec()))?;
    let part = |split| data.part(split);
    let train = part(Split::Train)?.shuffled(32, 0, &device)?;
    let valid = part(Split::Valid)?.in_order(32, &device)?;
    let config = FitConfig::new(args.epochs).with_names(["image", "text"]);
    let model = fit(model, train, valid, &config)?.model;
    let test = part(Split::Test)?.in_order(32, &device)?;
    println!(
        "test accuracy {:.3}",
        evaluate(&model, &*test)?.fused.accuracy()
    );
    model.save_safetensors(args.out)?;

    // A prediction; a sample may lack its image or its text.
    let sample = part(Split::Test)?.item(0)?;
    let id = sample.id.clone();
    let prediction = model.predict(data.collate(vec![sample], &device)?)?;
    let class: i64 = prediction.fused.argmax(1).into_scalar();
    println!("{id} is {}", classes[class as usize]);
    Ok(())
}
