//! Where CLIP's weights are in the files of Hugging Face and of OpenAI.

use std::path::PathBuf;

use burn::module::Module;

use crate::weights::{WeightFile, WeightsError};

/// Layout of the keys of a CLIP model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClipLayout {
    /// `vision_model.*` and `text_model.*`, as in the directories of Hugging Face's `transformers`.
    HuggingFace,
    /// `visual.*` and `transformer.*`, as in state dicts of OpenAI's CLIP and of `open_clip`. The files
    /// that OpenAI published are TorchScript archives, of which only the state dict can be read: save
    /// it by `torch.save(torch.jit.load("ViT-B-32.pt").state_dict(), "ViT-B-32.pth")`.
    OpenAi,
}

impl ClipLayout {
    /// Returns the layout of a file: OpenAI's, if a key is `positional_embedding`, alone or after
    /// `visual.`, after the steps of the caller.
    ///
    /// # Errors
    ///
    /// As [`WeightFile::keys`].
    pub fn of(file: &WeightFile) -> Result<Self, WeightsError> {
        let keys = file.keys()?;
        let is_open_ai = |key: &String| key.trim_start_matches("visual.") == "positional_embedding";
        Ok(if keys.iter().any(is_open_ai) {
            Self::OpenAi
        } else {
            Self::HuggingFace
        })
    }

    /// The image tower of a file, by its paths.
    pub(super) fn image(self, path: PathBuf) -> WeightFile {
        let file = WeightFile::new(path).with_ignored("logit_scale");
        match self {
            Self::HuggingFace => hugging_face_blocks(
                file.with_ignored("text_model")
                    .with_ignored("text_projection")
                    .with_ignored("position_ids")
                    .with_renamed("vision_model.embeddings.class_embedding", "class_token")
                    .with_renamed("vision_model.embeddings.patch_embedding", "patches.proj")
                    .with_renamed(
                        "vision_model.embeddings.position_embedding.weight",
                        "positions",
                    )
                    .with_renamed("vision_model.pre_layrnorm", "pre_norm")
                    .with_renamed("vision_model.post_layernorm", "post_norm")
                    .with_renamed("vision_model.encoder.layers", "blocks")
                    .with_renamed("visual_projection", "projection"),
            ),
            Self::OpenAi => open_ai_blocks(
                sizes_ignored(file)
                    .with_ignored("transformer")
                    .with_ignored("token_embedding")
                    .with_ignored_key("positional_embedding")
                    .with_ignored("ln_final")
                    .with_ignored("text_projection")
                    .with_renamed("visual.class_embedding", "class_token")
                    .with_renamed("visual.conv1", "patches.proj")
                    .with_renamed("visual.positional_embedding", "positions")
                    .with_renamed("visual.ln_pre", "pre_norm")
                    .with_renamed("visual.ln_post", "post_norm")
                    .with_renamed("visual.transformer.resblocks", "blocks")
                    .with_renamed("visual.proj", "projection.weight"),
            ),
        }
    }

    /// The text tower of a file, by its paths.
    pub(super) fn text(self, path: PathBuf) -> WeightFile {
        let file = WeightFile::new(path).with_ignored("logit_scale");
        match self {
            Self::HuggingFace => hugging_face_blocks(
                file.with_ignored("vision_model")
                    .with_ignored("visual_projection")
                    .with_ignored("position_ids")
                    .with_renamed("text_model.embeddings.token_embedding", "embedding")
                    .with_renamed(
                        "text_model.embeddings.position_embedding.weight",
                        "positions",
                    )
                    .with_renamed("text_model.final_layer_norm", "norm")
                    .with_renamed("text_model.encoder.layers", "blocks")
                    .with_renamed("text_projection", "projection"),
            ),
            Self::OpenAi => open_ai_blocks(
                sizes_ignored(file)
                    .with_ignored("visual")
                    .with_renamed("token_embedding", "embedding")
                    .with_renamed("positional_embedding", "positions")
                    .with_renamed("ln_final", "norm")
                    .with_renamed("transformer.resblocks", "blocks")
                    .with_renamed("text_projection", "projection.weight"),
            ),
        }
    }
}

/// Loads a file of weights into a tower, by the layout that its keys have.
pub(super) fn load<M: Module>(
    tower: M,
    path: PathBuf,
    weight_file: fn(PathBuf, ClipLayout) -> WeightFile,
) -> Result<M, WeightsError> {
    let layout = ClipLayout::of(&WeightFile::new(&path))?;
    weight_file(path, layout).load(tower)
}

/// The sizes that OpenAI's files hold beside the weights.
fn sizes_ignored(file: WeightFile) -> WeightFile {
    file.with_ignored("input_resolution")
        .with_ignored("context_length")
        .with_ignored("vocab_size")
}

fn hugging_face_blocks(file: WeightFile) -> WeightFile {
    let parts = ["q_proj", "k_proj", "v_proj"].map(|part| format!("self_attn.{part}"));
    file.with_renamed("self_attn.out_proj", "attention.output")
        .with_renamed("layer_norm1", "norm1")
        .with_renamed("layer_norm2", "norm2")
        .with_renamed("mlp.fc1", "mlp.hidden")
        .with_renamed("mlp.fc2", "mlp.output")
        .with_stacked(parts, "attention.qkv")
}

fn open_ai_blocks(file: WeightFile) -> WeightFile {
    file.with_renamed("attn.in_proj_weight", "attention.qkv.weight")
        .with_renamed("attn.in_proj_bias", "attention.qkv.bias")
        .with_renamed("attn.out_proj", "attention.output")
        .with_renamed("ln_1", "norm1")
        .with_renamed("ln_2", "norm2")
        .with_renamed("mlp.c_fc", "mlp.hidden")
        .with_renamed("mlp.c_proj", "mlp.output")
        .with_transposed("projection.weight")
}
