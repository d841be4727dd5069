//! Tokenized texts on the host, and their tensors.

use burn::tensor::{Device, TensorData};
use burn_mla::modality::TokenBatch;

/// The tokens of one text, cut to the maximal length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenizedText {
    /// Ids, special tokens included.
    pub ids: Vec<u32>,
    /// Number of tokens that were cut.
    pub n_cut: usize,
}

/// Texts as rows of token ids of one length, padded on the right.
///
/// The row of a text without any token is padding, and its mask is `false` throughout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    n_texts: usize,
    length: usize,
    ids: Vec<u32>,
    mask: Vec<bool>,
    n_cut_texts: usize,
    n_cut_tokens: usize,
}

impl Tokens {
    pub(super) fn new(texts: &[TokenizedText], length: usize, pad: u32) -> Self {
        let mut ids = vec![pad; texts.len() * length];
        let mut mask = vec![false; ids.len()];
        for (row, text) in texts.iter().enumerate() {
            let place = row * length..row * length + text.ids.len();
            ids[place.clone()].copy_from_slice(&text.ids);
            mask[place].fill(true);
        }
        Self {
            n_texts: texts.len(),
            length,
            ids,
            mask,
            n_cut_texts: texts.iter().filter(|text| text.n_cut > 0).count(),
            n_cut_tokens: texts.iter().map(|text| text.n_cut).sum(),
        }
    }

    /// Rows of ids and masks of one length, as they are.
    pub(in crate::text) fn from_rows(rows: &[(Vec<u32>, Vec<bool>)], length: usize) -> Self {
        Self {
            n_texts: rows.len(),
            length,
            ids: rows.iter().flat_map(|(ids, _)| ids).copied().collect(),
            mask: rows.iter().flat_map(|(_, mask)| mask).copied().collect(),
            n_cut_texts: 0,
            n_cut_tokens: 0,
        }
    }

    /// Number of texts.
    pub fn n_texts(&self) -> usize {
        self.n_texts
    }

    /// Number of ids of a row, padding included.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The ids, row by row.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// `true` for a token and `false` for padding, row by row.
    pub fn mask(&self) -> &[bool] {
        &self.mask
    }

    /// Number of texts that were too long.
    pub fn n_cut_texts(&self) -> usize {
        self.n_cut_texts
    }

    /// Number of tokens that were cut from them.
    pub fn n_cut_tokens(&self) -> usize {
        self.n_cut_tokens
    }

    /// The ids and the mask on a device, `[n_texts, length]`. The batch knows the range of its ids,
    /// which text encoders therefore need not read back from the device.
    pub fn batch(&self, device: &Device) -> TokenBatch {
        let shape = [self.n_texts, self.length];
        let ids: Vec<i64> = self.ids.iter().map(|&id| i64::from(id)).collect();
        let (ids, mask) = (
            TensorData::new(ids, shape),
            TensorData::new(self.mask.clone(), shape),
        );
        TokenBatch::from_data(ids, mask, device).expect("ids and mask have the same shape")
    }
}
