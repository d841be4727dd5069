//! Texts: a tokenizer, or files of tokens.

use std::path::{Path, PathBuf};

use burn_mla_data::prepare::{PrepareConfig, PrepareError, PrepareReport};
use burn_mla_data::text::{Padding, TextTokenizer, TokenFiles, TokenizerConfig};
use clap::Args;
use serde::Serialize;

use crate::place::Progress;
use crate::{PaperFrontEnd, Place, Result, exist};

const NO_VOCABULARY: &str = "\
--vocabulary FILE is missing: the vocab.txt or tokenizer.json of bert-base-uncased, which is at
https://huggingface.co/google-bert/bert-base-uncased (Apache-2.0)";

/// Options of the texts.
#[derive(Debug, Clone, Args, Serialize)]
pub struct WordsOptions {
    /// Vocabulary of bert-base-uncased: vocab.txt or tokenizer.json
    #[arg(long, value_name = "FILE")]
    pub vocabulary: Option<PathBuf>,
    /// Reads tokens instead of texts: of the folder DIR, in which MLA's script left text_token; without DIR those that
    /// --prepare writes
    #[arg(long, num_args = 0..=1, value_name = "DIR")]
    pub tokens: Option<Vec<PathBuf>>,
}

/// Texts of a number of tokens, without special ones, as in the authors' code.
pub struct Words {
    tokenizer: Option<TextTokenizer>,
    length: usize,
    tokens: Option<PathBuf>,
    prepares: bool,
}

impl WordsOptions {
    /// Reads the vocabulary; that of a miniature is in its folder.
    ///
    /// # Errors
    ///
    /// A missing vocabulary, unless tokens are read that exist, and one that is refused.
    pub fn words(&self, place: &Place, length: usize) -> Result<Words> {
        exist("--vocabulary", &self.vocabulary)?;
        exist("--tokens", self.tokens.iter().flatten())?;
        let given = self.tokens.as_ref().map(|folder| folder.first());
        let prepared = match given {
            Some(None) => true,
            Some(Some(_)) => false,
            None => place.is_miniature,
        };
        let own = place.is_miniature.then(|| place.root.join("vocab.txt"));
        let path = self.vocabulary.clone().or(own);
        let tokenizer = path.map(|path| tokenizer(&path, length)).transpose()?;
        let prepares = prepared && place.prepares;
        if tokenizer.is_none() && (prepares || self.tokens.is_none()) {
            return Err(NO_VOCABULARY.into());
        }
        let folder = prepared.then(|| place.prepared.clone());
        Ok(Words {
            tokenizer,
            length,
            tokens: folder.or_else(|| given.flatten().cloned()),
            prepares,
        })
    }
}

impl Words {
    /// The folder of tokens that are read instead of texts, as those of a miniature always are.
    pub fn tokens(&self) -> Option<&PathBuf> {
        self.tokens.as_ref()
    }

    /// Writes tokens by `make`, if the options ask for it.
    ///
    /// # Errors
    ///
    /// Those of `make`.
    pub fn prepare(
        &self,
        place: &Place,
        make: impl FnOnce(
            &TextTokenizer,
            &PrepareConfig,
            Progress<'_>,
        ) -> Result<PrepareReport, PrepareError>,
    ) -> Result<()> {
        if !self.prepares {
            return Ok(());
        }
        let tokenizer = self.tokenizer()?;
        place.prepare("tokens", |config, progress| {
            make(tokenizer, config, progress)
        })
    }

    /// Number of ids of the vocabulary; that of bert-base-uncased without a tokenizer.
    pub fn n_ids(&self) -> usize {
        self.tokenizer.as_ref().map_or(30_522, TextTokenizer::n_ids)
    }

    fn tokenizer(&self) -> Result<&TextTokenizer> {
        self.tokenizer.as_ref().ok_or_else(|| NO_VOCABULARY.into())
    }

    /// The front end of what is read.
    ///
    /// # Errors
    ///
    /// Texts without a vocabulary.
    pub fn front_end(&self) -> Result<PaperFrontEnd> {
        Ok(match self.tokens {
            Some(_) => PaperFrontEnd::new(TokenFiles::new(self.length)),
            None => PaperFrontEnd::new(self.tokenizer()?.clone()),
        })
    }
}

fn tokenizer(path: &Path, length: usize) -> Result<TextTokenizer> {
    let config = TokenizerConfig::new(length)
        .with_special_tokens(false)
        .with_padding(Padding::Fixed);
    let is_json = path
        .extension()
        .is_some_and(|extension| extension == "json");
    Ok(if is_json {
        config.json(path)?
    } else {
        config.word_piece(path)?
    })
}
