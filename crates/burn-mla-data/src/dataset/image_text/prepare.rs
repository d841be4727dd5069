//! Files of tokens, in MLA's folders.

use std::path::Path;

use super::mla_folders::TOKENS;
use crate::dataset::Split;
use crate::dataset::published::Row;
use crate::prepare::{Job, PrepareConfig, PrepareError, PrepareReport};
use crate::text::{TextTokenizer, save_tokens, token_file};

/// Writes `text_token/<split>_token/<id>_token.npy` and `<id>_pm.npy` of the first cell of each row, its text. The
/// split is MLA's, or `all` without one.
pub(crate) fn prepare_tokens(
    rows: &[Row],
    prepared: &Path,
    tokenizer: &TextTokenizer,
    config: &PrepareConfig,
    progress: impl FnMut(usize, usize),
) -> Result<PrepareReport, PrepareError> {
    let job = |row| {
        let Row {
            id, cells, split, ..
        }: &Row = row;
        let split = match split {
            None => "all",
            Some(Split::Valid) => "dev",
            Some(split) => split.name(),
        };
        let folder = prepared.join(TOKENS).join(format!("{split}_token"));
        let save = move |path: &Path| save_tokens(tokenizer, &cells[0], path);
        Job::new(id.as_str(), token_file(&folder, id), save)
    };
    let with_text = rows.iter().filter(|row| !row.cells[0].is_empty());
    let jobs: Vec<Job<'_>> = with_text.map(job).collect();
    config.run(&jobs, progress)
}
