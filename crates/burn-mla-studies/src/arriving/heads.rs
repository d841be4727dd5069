//! A head of its own for each modality.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_mla::head::{HeadOutput, LinearHead, LinearHeadConfig, ProtectedLayer, SharedHead};

/// Linear heads, one per modality, none of which is protected. A model with it is late fusion of models
/// that are trained on their own losses.
#[derive(Module, Debug)]
pub struct OwnHeads {
    heads: Vec<LinearHead>,
}

impl OwnHeads {
    pub fn new(
        config: &LinearHeadConfig,
        n_modalities: usize,
        device: &Device,
    ) -> burn_mla::Result<Self> {
        let heads = (0..n_modalities).map(|_| config.init(device));
        Ok(Self {
            heads: heads.collect::<burn_mla::Result<_>>()?,
        })
    }
}

impl SharedHead for OwnHeads {
    /// The logits of the first head.
    fn forward(&self, features: Tensor<2>) -> HeadOutput {
        self.forward_of(0, features)
    }

    fn forward_of(&self, modality: usize, features: Tensor<2>) -> HeadOutput {
        HeadOutput {
            inputs: vec![],
            ..self.heads[modality].forward(features)
        }
    }

    fn protected(&self) -> Vec<ProtectedLayer> {
        vec![]
    }

    fn d_feature(&self) -> usize {
        self.heads[0].d_feature()
    }

    fn n_classes(&self) -> usize {
        self.heads[0].n_classes()
    }

    fn with_modality(mut self) -> Self {
        let device = self.devices().into_iter().next().unwrap_or_default();
        let config = LinearHeadConfig::new(self.d_feature(), self.n_classes());
        let head = config.init(&device).expect("the sizes are those of a head");
        self.heads.push(head);
        self
    }
}
