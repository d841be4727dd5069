//! Predictions of a saved model for an emoji or a text.

use std::error::Error;
use std::sync::Arc;

use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use burn_mla::prelude::*;

use crate::emoji::arguments::Arguments;
use crate::emoji::saved;
use burn_mla_data::dataset::emoji::{Batches, Emoji, EmojiBatch, EmojiInput, Modality};

/// Prints the predictions of a saved model for an emoji or a text.
pub fn predict(query: &str, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let folder = arguments.model_folder()?;
    let settings = saved::settings(&folder)?;
    let emoji = Emoji::load(settings.sizes.d_text)?;
    let device = arguments.device.device();
    let model = saved::load(&folder, &settings, emoji.classes.len(), &device)?;
    println!("model: {}", folder.display());

    let batch = match query.parse::<usize>() {
        Ok(index) if index < emoji.len() => indexed(&emoji, &settings.modalities, index, &device)?,
        Ok(index) => {
            return Err(format!(
                "emoji {index} does not exist: expected 0 to {}",
                emoji.len() - 1
            )
            .into());
        }
        Err(_) => text(&emoji, &settings.modalities, query, &device)?,
    };
    let prediction = model.predict(batch)?;

    let modalities = settings.modalities.iter().enumerate();
    let n_classes = emoji.classes.len();
    println!(
        "\n{:<10} {:>9} {:>7}  probabilities",
        "", "entropy", "weight"
    );
    for (m, modality) in modalities {
        if !prediction.modalities.presence().is_present(0, m) {
            println!("{:<10} {:>9} {:>7}  not given", modality.name(), "-", "0");
            continue;
        }
        let logits = model
            .fusion
            .calibrated(m, prediction.modalities.modality(m));
        println!(
            "{:<10} {:>9.3} {:>7.3}  {}",
            modality.name(),
            entry(&prediction.uncertainties, m),
            entry(&prediction.weights, m),
            likeliest(logits, &emoji.classes),
        );
    }
    println!(
        "{:<28}  {}",
        "fused",
        likeliest(prediction.fused, &emoji.classes)
    );
    println!("\nentropy in nats, at most {:.3}", (n_classes as f64).ln());
    Ok(())
}

/// Builds a batch of one emoji of the data set, with all modalities of the model.
fn indexed(
    emoji: &Arc<Emoji>,
    modalities: &[Modality],
    index: usize,
    device: &Device,
) -> Result<EmojiBatch, Box<dyn Error>> {
    let label = &emoji.classes[emoji.label(index)];
    println!(
        "emoji {index}: {}, class {label}",
        emoji.text(Modality::Label, index)
    );
    let batches = Batches {
        emoji,
        modalities,
        batch_size: 1,
        presence: None,
    };
    let loader = batches.in_order(vec![index], device)?;
    let batch = loader.iter().next().ok_or("the loader is empty")??;
    Ok(batch)
}

/// Builds a batch of one text for every text modality of the model. Images are missing.
fn text(
    emoji: &Arc<Emoji>,
    modalities: &[Modality],
    text: &str,
    device: &Device,
) -> Result<EmojiBatch, Box<dyn Error>> {
    if !modalities.iter().any(|modality| modality.is_text()) {
        let names: Vec<&str> = modalities.iter().map(|modality| modality.name()).collect();
        let names = names.join(", ");
        return Err(format!("the model has no text modality ({names}): pass an index").into());
    }
    println!("text: {text}");
    let inputs = modalities.iter().map(|&modality| {
        let vector = emoji.hashed(modality)?.tensor(&[text], device);
        Some(ModalityInput::all(EmojiInput::Vector(vector)))
    });
    // The class is unknown and not used.
    Ok(MultimodalBatch::new(
        inputs.collect(),
        Targets::new([0], device),
    ))
}

fn entry(values: &Tensor<2>, modality: usize) -> f32 {
    values
        .clone()
        .slice([0..1, modality..modality + 1])
        .into_scalar()
}

/// Formats the three most probable classes of the only sample.
fn likeliest(logits: Tensor<2>, classes: &[String]) -> String {
    let probabilities: Vec<f32> = softmax(logits, 1).into_data().iter().collect();
    let mut ranked: Vec<usize> = (0..classes.len()).collect();
    ranked.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
    let parts = ranked.into_iter().take(3);
    let parts = parts.map(|class| format!("{} {:.2}", classes[class], probabilities[class]));
    parts.collect::<Vec<_>>().join("  ")
}
