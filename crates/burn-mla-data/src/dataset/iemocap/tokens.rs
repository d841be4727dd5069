//! Tokens of the words of IEMOCAP.

use std::path::Path;

use super::Iemocap;
use super::corpus::{read_corpus, release_folder};
use super::lists::read_lists;
use crate::dataset::published::{TokenText, prepare_tokens};
use crate::prepare::{PrepareConfig, PrepareError, PrepareReport};
use crate::text::TextTokenizer;

impl Iemocap {
    /// Writes the tokens of the words of all utterances of the classes, as MLA's script does:
    /// `text_token/<split>_token/` in the folder of [`with_tokens`](Self::with_tokens), or of prepared files without
    /// one. Read them by [`with_tokens`](Self::with_tokens) and [`TokenFiles`](crate::text::TokenFiles). Texts are padded to
    /// the length of the tokenizer. Tokens that are there stay, in whatever split their folder is.
    ///
    /// # Errors
    ///
    /// [`PrepareError`], also for a folder with tokens of another tokenizer.
    pub fn prepare_tokens(
        &self,
        root: impl AsRef<Path>,
        tokenizer: &TextTokenizer,
        config: &PrepareConfig,
        progress: impl FnMut(usize, usize),
    ) -> Result<PrepareReport, PrepareError> {
        let root = root.as_ref();
        let corpus = read_corpus(&release_folder(root)?)?;
        let lists = read_lists(&self.splits)?;
        let mut texts = vec![];
        for utterance in &corpus.utterances {
            if self.classes.class(utterance.labelled.emotion).is_some() {
                let id = utterance.id();
                let listed = lists.as_ref().and_then(|lists| lists.get(id));
                texts.push(TokenText {
                    id,
                    text: &utterance.text,
                    split: listed.map(|listed| listed.split),
                });
            }
        }
        let prepared = self
            .tokens
            .clone()
            .unwrap_or_else(|| self.prepared_folder(root));
        prepare_tokens(
            &texts,
            "of the data set",
            &prepared,
            tokenizer,
            config,
            progress,
        )
    }
}
