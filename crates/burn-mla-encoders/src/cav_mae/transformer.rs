//! One branch of CAV-MAE, from patches to normalized tokens, and its weights.

use std::path::PathBuf;

use burn::module::{Module, Param};
use burn::nn::LayerNorm;
use burn::tensor::{Device, Tensor};

use super::config::CavMaeConfig;
use crate::blocks::in_order;
use crate::vit::{Arithmetic, Block, PatchConvolution, forward, normal, sin_cos_grid};
use crate::weights::WeightFile;

#[derive(Module, Debug)]
pub(super) struct CavMaeTransformer {
    patches: PatchConvolution,
    positions: Param<Tensor<3>>,
    modality: Param<Tensor<3>>,
    pub(super) specific: Vec<Block>,
    unified: Vec<Block>,
    pub(super) norm: LayerNorm,
}

impl CavMaeTransformer {
    /// Initializes a branch for inputs of `channels` channels and a grid of patches, as the original.
    pub(super) fn init(
        config: &CavMaeConfig,
        channels: usize,
        grid: [usize; 2],
        device: &Device,
    ) -> Self {
        let (blocks, width) = (config.blocks(), config.d_model);
        let shape = [1, grid[0] * grid[1], width];
        let positions = sin_cos_grid(grid, width, Arithmetic::Double, device);
        Self {
            patches: PatchConvolution::init([channels, width], config.patch_size, true, device)
                .with_xavier(device),
            positions: Param::from_tensor(positions.reshape(shape)),
            modality: normal(0.02).init([1, 1, width], device),
            specific: blocks.init(config.specific_depth, device),
            unified: blocks.init(config.unified_depth, device),
            norm: blocks.norm(device),
        }
    }

    /// The blocks of an encoder: what is in front of the first, then each.
    pub(super) fn blocks(&self) -> Vec<Vec<String>> {
        let embedding = [
            "transformer.patches",
            "transformer.positions",
            "transformer.modality",
        ];
        let blocks = [
            ("transformer.specific", self.specific.len()),
            ("transformer.unified", self.unified.len()),
        ];
        in_order(&embedding, &blocks)
    }

    pub(super) fn d_model(&self) -> usize {
        self.modality.lazy_shape()[2]
    }

    /// The input of the first block.
    ///
    /// # Shapes
    ///
    /// - input: `[batch, channels, height, width]`
    /// - output: `[batch, patches, d_model]`, patches row by row
    pub(super) fn embed(&self, input: Tensor<4>) -> Tensor<3> {
        let place = self.positions.val() + self.modality.val();
        self.patches.forward(input) + place
    }

    /// The normalized tokens, `[batch, patches, d_model]`.
    pub(super) fn forward(&self, embedded: Tensor<3>) -> Tensor<3> {
        let x = forward(&self.specific, embedded, None);
        self.norm.forward(forward(&self.unified, x, None))
    }

    /// The weights of MLA's version, by the paths of an encoder that uses branch `a` or `v`. Every
    /// block of a file has norms for both branches and for both together.
    pub(super) fn weight_file(&self, path: PathBuf, branch: &str, other: &str) -> WeightFile {
        let parts = ["blocks", "patch_embed", "pos_embed", "modality", "norm"];
        let mut ignored: Vec<String> = parts.map(|part| format!("{part}_{other}")).into();
        let norms = |blocks: &str, n: usize, names: [String; 4]| -> Vec<String> {
            let of_block = |i| names.clone().map(|name| format!("{blocks}.{i}.{name}"));
            (0..n).flat_map(of_block).collect()
        };
        let specific = format!("blocks_{branch}");
        let unused = ["norm1_a", "norm1_v", "norm2_a", "norm2_v"].map(String::from);
        ignored.extend(norms(&specific, self.specific.len(), unused));
        let unused = [
            "norm1".into(),
            "norm2".into(),
            format!("norm1_{other}"),
            format!("norm2_{other}"),
        ];
        ignored.extend(norms("blocks_u", self.unified.len(), unused));

        ignored
            .into_iter()
            .fold(WeightFile::new(path), WeightFile::with_ignored)
            .with_renamed(format!("patch_embed_{branch}"), "transformer.patches")
            .with_renamed(format!("pos_embed_{branch}"), "transformer.positions")
            .with_renamed(format!("modality_{branch}"), "transformer.modality")
            .with_renamed(specific, "transformer.specific")
            .with_renamed("blocks_u", "transformer.unified")
            .with_renamed(format!("norm_{branch}"), "transformer.norm")
            .with_renamed(format!("norm1_{branch}"), "norm1")
            .with_renamed(format!("norm2_{branch}"), "norm2")
            .with_renamed("attn.qkv", "attention.qkv")
            .with_renamed("attn.proj", "attention.output")
            .with_renamed("mlp.fc1", "mlp.hidden")
            .with_renamed("mlp.fc2", "mlp.output")
    }
}

/// Ignores what the checkpoints of CAV-MAE's authors have beside MLA's version.
pub(super) fn of_the_authors(file: WeightFile) -> WeightFile {
    const IGNORED: [&str; 12] = [
        "norm",
        "mlp_head",
        "mask_token",
        "decoder_embed",
        "decoder_modality_a",
        "decoder_modality_v",
        "decoder_pos_embed_a",
        "decoder_pos_embed_v",
        "decoder_blocks",
        "decoder_norm",
        "decoder_pred_a",
        "decoder_pred_v",
    ];
    IGNORED.into_iter().fold(file, WeightFile::with_ignored)
}
