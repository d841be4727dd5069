//! Tokens of texts in NumPy files, as MLA's scripts leave them: ids and a padding mask per text.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use burn_mla::atomic_file;
use burn_mla::modality::TokenBatch;
use rand::rngs::ChaCha12Rng;
use serde_json::{Value, json};

use super::{TextTokenizer, Tokens};
use crate::features::Features;
use crate::manifest::{Cell, ColumnKind, FrontEnd, FrontEndError};

const IDS: &str = "_token.npy";
const PADDING: &str = "_pm.npy";

/// A front end of tokenized texts in files, as MLA's `extract_token.py` writes them.
///
/// A cell is the path of `<name>_token.npy` with the ids, `[1, length]`; `<name>_pm.npy` beside it has the
/// padding mask of the same shape, 1 for padding.
///
/// ```
/// use burn_mla_data::text::TokenFiles;
///
/// let front_end = TokenFiles::mla();
/// assert_eq!(front_end.length(), 256);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFiles {
    length: usize,
}

impl TokenFiles {
    /// A front end of texts of `length` tokens, padding included.
    pub fn new(length: usize) -> Self {
        Self { length }
    }

    /// A front end of MLA's files, 256 tokens.
    pub fn mla() -> Self {
        Self::new(256)
    }

    /// Number of tokens of a text, padding included.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Reads the values of a file of one row.
    fn row(&self, path: &Path) -> Result<Vec<f32>, FrontEndError> {
        let Features { shape, values } = Features::read(path, None)?;
        if shape != [1, self.length] && shape != [self.length] {
            let length = self.length;
            let path = path.display();
            return Err(format!("{path}: the shape {shape:?}, expected [1, {length}]").into());
        }
        Ok(values)
    }
}

/// Ids and mask of texts, `[batch, length]`.
impl FrontEnd for TokenFiles {
    type Item = (Vec<u32>, Vec<bool>);
    type Input = TokenBatch;

    fn reads(&self, kind: ColumnKind) -> bool {
        kind == ColumnKind::Features
    }

    fn decode(
        &self,
        cell: Cell<'_>,
        _numbers: Option<&mut ChaCha12Rng>,
    ) -> Result<Self::Item, FrontEndError> {
        let Cell::File(path) = cell else {
            return Err("no file of tokens".into());
        };
        let name = path.file_name().and_then(|name| name.to_str());
        let stem = name.and_then(|name| name.strip_suffix(IDS));
        let stem = stem.ok_or_else(|| format!("{}: not named NAME{IDS}", path.display()))?;
        let padding = path.with_file_name(format!("{stem}{PADDING}"));
        let is_id = |id: &f32| *id >= 0.0 && id.fract() == 0.0;
        let ids = self.row(&path)?;
        if let Some(id) = ids.iter().find(|id| !is_id(id)) {
            return Err(format!("{}: {id} is no token id", path.display()).into());
        }
        let mask = self.row(&padding)?;
        if let Some(value) = mask.iter().find(|value| ![0.0, 1.0].contains(*value)) {
            let message = format!("{}: {value}, expected 0 or 1", padding.display());
            return Err(message.into());
        }
        Ok((
            ids.into_iter().map(|id| id as u32).collect(),
            mask.into_iter().map(|value| value == 0.0).collect(),
        ))
    }

    fn collate(
        &self,
        items: Vec<Self::Item>,
        device: &Device,
    ) -> Result<TokenBatch, FrontEndError> {
        Ok(Tokens::from_rows(&items, self.length).batch(device))
    }

    fn recipe(&self) -> Value {
        json!({"token_files": self.length})
    }
}

/// The file with the ids of a text.
pub(crate) fn token_file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}{IDS}"))
}

/// Writes the files of a text: the ids last, which means that both are there if the ids are.
pub(crate) fn save_tokens(
    tokenizer: &TextTokenizer,
    text: &str,
    ids: &Path,
) -> Result<(), FrontEndError> {
    let name = ids.file_name().and_then(|name| name.to_str());
    let name = name.and_then(|name| name.strip_suffix(IDS));
    let name = name.ok_or_else(|| format!("{}: not named NAME{IDS}", ids.display()))?;
    let tokens = tokenizer.padded(text)?;
    let shape = vec![1, tokens.length()];
    let padding = Features {
        shape: shape.clone(),
        values: tokens
            .mask()
            .iter()
            .map(|&token| f32::from(!token))
            .collect(),
    };
    padding.save_npy(ids.with_file_name(format!("{name}{PADDING}")))?;
    let values: Vec<i64> = tokens.ids().iter().map(|&id| id.into()).collect();
    Ok(atomic_file::write(
        ids,
        &Features::npy_of_integers(&shape, &values),
    )?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::text::TokenizerConfig;

    fn tokenizer(folder: &Path) -> TextTokenizer {
        let path = folder.join("vocab.txt");
        fs::write(&path, "[PAD]\n[UNK]\n[CLS]\n[SEP]\napple\npie\n").unwrap();
        let config = TokenizerConfig::new(4).with_special_tokens(false);
        config.word_piece(&path).unwrap()
    }

    #[test]
    fn files_are_those_of_mla() {
        let folder = tempfile::tempdir().unwrap();
        let path = token_file(folder.path(), "apple_pie_7");
        save_tokens(&tokenizer(folder.path()), "Apple pie", &path).unwrap();
        let bytes = fs::read(&path).unwrap();
        let header = "{'descr': '<i8', 'fortran_order': False, 'shape': (1, 4), }";
        assert_eq!(&bytes[10..10 + header.len()], header.as_bytes());
        assert_eq!(&bytes[bytes.len() - 32..][..8], 4_i64.to_le_bytes());
        let padding = Features::read(folder.path().join("apple_pie_7_pm.npy"), None).unwrap();
        assert_eq!(padding.shape, [1, 4]);
        assert_eq!(padding.values, [0.0, 0.0, 1.0, 1.0]);

        let front_end = TokenFiles::new(4);
        assert!(front_end.reads(ColumnKind::Features) && !front_end.reads(ColumnKind::Text));
        let item = front_end.decode(Cell::File(path.clone()), None).unwrap();
        assert_eq!(item, (vec![4, 5, 0, 0], vec![true, true, false, false]));
        let batch = front_end.collate(vec![item], &Device::flex()).unwrap();
        assert_eq!(batch.ids.dims(), [1, 4]);
        let error = TokenFiles::mla()
            .decode(Cell::File(path), None)
            .unwrap_err();
        let error = error.to_string();
        assert!(
            error.ends_with("the shape [1, 4], expected [1, 256]"),
            "{error}"
        );
    }

    #[test]
    fn malformed_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let save = |name: &str, values: [f32; 2]| {
            let shape = vec![2];
            let values = values.to_vec();
            let features = Features { shape, values };
            features.save_npy(folder.path().join(name)).unwrap();
        };
        let error = |name: &str| {
            let path = folder.path().join(name);
            let item = TokenFiles::new(2).decode(Cell::File(path), None);
            item.unwrap_err().to_string()
        };
        save("a_token.npy", [1.0, -1.0]);
        save("a_pm.npy", [0.0, 0.0]);
        assert!(error("a_token.npy").ends_with("a_token.npy: -1 is no token id"));
        save("b_token.npy", [1.0, 2.0]);
        assert!(error("b_token.npy").contains("b_pm.npy: "));
        save("b_pm.npy", [0.5, 0.0]);
        assert!(error("b_token.npy").ends_with("b_pm.npy: 0.5, expected 0 or 1"));
        assert!(error("b.npy").ends_with("not named NAME_token.npy"));
    }
}
