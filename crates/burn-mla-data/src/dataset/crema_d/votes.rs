//! Labels by the votes of raters, of `processedResults/summaryTable.csv`.

use std::collections::BTreeMap;
use std::path::Path;

use super::clip::{Clip, EMOTIONS};
use crate::dataset::published::{DatasetError, read_columns};

/// What the label of a clip is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CremaDLabels {
    /// The emotion that the actor was asked for, as in every paper on fusion.
    #[default]
    Intended,
    /// The emotion that most raters of the sound heard. Clips with a tie are left out.
    VoiceVote,
    /// The emotion that most raters of the silent video saw. Clips with a tie are left out.
    FaceVote,
    /// The emotion that most raters of video with sound found. Clips with a tie are left out.
    MultimodalVote,
}

impl CremaDLabels {
    fn column(self) -> Option<&'static str> {
        match self {
            Self::Intended => None,
            Self::VoiceVote => Some("VoiceVote"),
            Self::FaceVote => Some("FaceVote"),
            Self::MultimodalVote => Some("MultiModalVote"),
        }
    }

    /// The vote for each clip; `None` in place of the class for a tie. `None` for intended labels.
    pub(super) fn votes(
        self,
        root: &Path,
    ) -> Result<Option<BTreeMap<Clip, Option<&'static str>>>, DatasetError> {
        let Some(column) = self.column() else {
            return Ok(None);
        };
        let path = root.join("processedResults").join("summaryTable.csv");
        let mut votes = BTreeMap::new();
        for row in read_columns(&path, &["FileName", column], &[])? {
            let [name, vote] = row.cells.try_into().unwrap_or_default();
            let refused = |problem: String| DatasetError::line(&path, row.line, problem);
            let clip = Clip::parse(&name).map_err(refused)?;
            let mut classes = vec![];
            for letter in vote.split(':') {
                let known = EMOTIONS.iter().find(|(_, known, _)| *known == letter);
                let (.., class) = known.ok_or_else(|| refused(format!("unknown vote `{vote}`")))?;
                classes.push(*class);
            }
            let class = (classes.len() == 1).then(|| classes[0]);
            if votes.insert(clip, class).is_some() {
                return Err(refused(format!("`{clip}` occurs twice")));
            }
        }
        Ok(Some(votes))
    }
}
