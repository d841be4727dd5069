//! What the encoders of texts and images share: cls token, type embedding, blocks.

use std::path::PathBuf;

use burn::module::{Module, Param};
use burn::nn::LayerNorm;
use burn::tensor::{Device, Tensor};

use super::config::M3aeConfig;
use crate::blocks::in_order;
use crate::vit::{Block, Hidden, forward, normal};
use crate::weights::WeightFile;

#[derive(Module, Debug)]
pub(super) struct M3aeTransformer {
    cls_token: Param<Tensor<3>>,
    type_embedding: Param<Tensor<3>>,
    pub(super) blocks: Vec<Block>,
    pub(super) norm: LayerNorm,
}

impl M3aeTransformer {
    pub(super) fn init(config: &M3aeConfig, device: &Device) -> Self {
        let blocks = config.blocks();
        let token = || normal(0.02).init([1, 1, config.d_model], device);
        Self {
            cls_token: token(),
            type_embedding: token(),
            blocks: blocks.init(config.depth, device),
            norm: blocks.norm(device),
        }
    }

    /// The blocks of an encoder: what is in front of the first, then each.
    pub(super) fn blocks(&self) -> Vec<Vec<String>> {
        let embedding = [
            "embedding",
            "transformer.cls_token",
            "transformer.type_embedding",
        ];
        in_order(&embedding, &[("transformer.blocks", self.blocks.len())])
    }

    pub(super) fn d_model(&self) -> usize {
        self.cls_token.lazy_shape()[2]
    }

    /// Adds positions and type to the tokens, and the cls token, which has neither, in front.
    ///
    /// # Shapes
    ///
    /// - tokens: `[batch, length, d_model]`
    /// - positions: `[1, length, d_model]`
    /// - output: `[batch, 1 + length, d_model]`
    pub(super) fn embed(&self, tokens: Tensor<3>, positions: Tensor<3>) -> Tensor<3> {
        let [batch, _, width] = tokens.dims();
        let place = positions.cast(tokens.dtype()) + self.type_embedding.val();
        let cls = self.cls_token.val().expand([batch, 1, width]);
        Tensor::cat(vec![cls, tokens + place], 1)
    }

    /// The normalized tokens, `[batch, 1 + length, d_model]`.
    pub(super) fn forward(&self, embedded: Tensor<3>, hidden: Option<&Hidden>) -> Tensor<3> {
        self.norm.forward(forward(&self.blocks, embedded, hidden))
    }
}

/// The weights of MLA's port, by the paths of an encoder that uses `modality` of `text` and `image`.
pub(super) fn weight_file(path: PathBuf, modality: &str, other: &str) -> WeightFile {
    let type_embedding = format!("encoder_{modality}_type_embedding");
    common_weights(path, "transformer")
        .with_ignored(format!("{other}_embedding"))
        .with_ignored(format!("encoder_{other}_type_embedding"))
        .with_renamed(format!("{modality}_embedding"), "embedding")
        .with_renamed(type_embedding, "transformer.type_embedding")
}

/// The weights of MLA's port that encoders of any modality have, in the module `transformer`.
pub(super) fn common_weights(path: PathBuf, transformer: &str) -> WeightFile {
    WeightFile::new(path)
        .with_renamed("cls_token", format!("{transformer}.cls_token"))
        .with_renamed("encoder.blocks", format!("{transformer}.blocks"))
        .with_renamed("encoder.layer_norm", format!("{transformer}.norm"))
        .with_renamed("layer_norm1", "norm1")
        .with_renamed("layer_norm2", "norm2")
        .with_renamed("attention.qkv_linear", "attention.qkv")
        .with_renamed("attention.fc", "attention.output")
        .with_renamed("transformer_mlp.fc1", "mlp.hidden")
        .with_renamed("transformer_mlp.fc2", "mlp.output")
}
