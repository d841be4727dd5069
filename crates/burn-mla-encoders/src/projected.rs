//! An encoder whose features get another width.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_mla::Result;
use burn_mla::encoder::{Encoder, MlpEncoder, MlpEncoderConfig};

use crate::blocks::Blocks;

/// An encoder followed by layers that train, which give its features the width that the head needs.
///
/// Pretrained encoders differ in width: 384 of MiniLM, 512 of ResNet-18. Encoders that share a head
/// must not.
///
/// ```
/// use burn::tensor::Device;
/// use burn_mla::encoder::{Encoder, Frozen};
/// use burn_mla_encoders::Projected;
/// use burn_mla_encoders::bert::BertConfig;
///
/// let device = Device::flex();
/// let text = Frozen::new(BertConfig::new(100, 16, 1, 4, 32).init(&device)?);
/// let text = Projected::init(text, 128, vec![256], 0.1, &device)?;
/// assert_eq!(text.d_feature(), 128);
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
#[derive(Module, Debug)]
pub struct Projected<E: Module> {
    encoder: E,
    projection: MlpEncoder,
}

impl<E: Encoder> Projected<E> {
    /// Adds an MLP of hidden layers of the widths `hidden` and an output of width `d_feature`, with
    /// `dropout` before each of its layers and ReLU after it.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`](burn_mla::MlaError::HyperParameter) for a width of 0 or a dropout
    /// outside of `[0, 1)`.
    pub fn init(
        encoder: E,
        d_feature: usize,
        hidden: Vec<usize>,
        dropout: f64,
        device: &Device,
    ) -> Result<Self> {
        let projection = MlpEncoderConfig::new(encoder.d_feature(), d_feature)
            .with_hidden(hidden)
            .with_dropout(dropout)
            .with_input_dropout(dropout);
        Ok(Self {
            encoder,
            projection: projection.init(device)?,
        })
    }

    /// The encoder.
    pub fn encoder(&self) -> &E {
        &self.encoder
    }
}

impl<E: Encoder> Encoder for Projected<E> {
    type Input = E::Input;

    /// # Errors
    ///
    /// Those of the encoder.
    fn check(&self, input: &Self::Input) -> Result<()> {
        self.encoder.check(input)
    }

    /// # Panics
    ///
    /// Where the encoder panics.
    fn encode(&self, input: Self::Input) -> Tensor<2> {
        self.projection.encode(self.encoder.encode(input))
    }

    fn d_feature(&self) -> usize {
        self.projection.d_feature()
    }
}

/// The blocks of the encoder; the projection is in none.
impl<E: Blocks> Blocks for Projected<E> {
    fn blocks(&self) -> Vec<Vec<String>> {
        let within = |path: String| format!("encoder.{path}");
        let blocks = self.encoder.blocks().into_iter();
        blocks
            .map(|paths| paths.into_iter().map(within).collect())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use burn_mla::MlaError;

    use super::*;
    use crate::bert::BertConfig;
    use crate::blocks::block_groups;
    use crate::test_devices;

    #[test]
    fn width_input_and_blocks_are_passed_on() {
        for device in test_devices() {
            let bert = BertConfig::new(20, 8, 2, 2, 16).init(&device).unwrap();
            let projected = Projected::init(bert, 3, vec![5], 0.0, &device).unwrap();
            let ids = Tensor::<2, burn::tensor::Int>::from_ints([[1, 2], [3, 0]], &device);
            let mask = ids.clone().not_equal_elem(0);
            let tokens = burn_mla::modality::TokenBatch::new(ids, mask);
            assert!(projected.check(&tokens).is_ok());
            assert_eq!(projected.encode(tokens).dims(), [2, 3]);
            assert_eq!(projected.blocks()[2], ["encoder.layers.1"]);
            assert_eq!(block_groups(&projected, 1).len(), 3);
        }
    }

    #[test]
    fn a_width_of_zero_is_refused() {
        let device = Device::flex();
        let bert = BertConfig::new(20, 8, 1, 2, 16).init(&device).unwrap();
        let error = Projected::init(bert, 0, vec![], 0.0, &device).unwrap_err();
        assert!(matches!(error, MlaError::HyperParameter { .. }));
    }
}
