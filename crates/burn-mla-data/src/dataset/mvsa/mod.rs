//! MVSA-Single: tweets with an image and a sentiment of the text and of the image.
//!
//! Niu et al., MMM 2016.

mod labels;
#[cfg(feature = "miniature")]
mod miniature;
#[cfg(all(test, feature = "miniature"))]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use super::image_text::{List, image_folders, images, named, order_of_appearance, read_lists};
use super::published::{
    DatasetError, Incomplete, Inventory, Listing, PublishedDataset, Row, SplitSource, file_names,
    media, read_text, use_tokens,
};
#[cfg(feature = "text")]
use super::published::{TokenText, prepare_tokens};
use super::{ClassNames, Split};
use crate::manifest::{ColumnKind, Shares};
#[cfg(feature = "text")]
use crate::{prepare, text};
use labels::{Labels, Sentiment};

pub use labels::MvsaRule;
#[cfg(feature = "miniature")]
pub use miniature::write_miniature;

const NAME: &str = "MVSA-Single";
const LABELS: &str = "labelResultAll.txt";
/// The column of groups: the words of a tweet, the same for its retweets.
const TWEET: &str = "tweet";

/// Options of MVSA-Single.
///
/// | Name | Default | Purpose |
/// |---|---|---|
/// | `rule` | `Agree` | label of a pair, and which pairs are left out |
/// | `splits` | grouped, 0.2 and 0.2, seed 0 | no tweet and its retweet in two splits; or lists of MLA or QMF |
/// | `incomplete` | refused | pairs without an image or a text |
/// | `classes` | negative, neutral, positive | their order |
/// | `prepared` | none | folder of tokens to read instead of texts |
///
/// ```text
/// labelResultAll.txt        IDs with gaps; a sentiment of the text and one of the image
/// data/<ID>.jpg             or MLA's visual/{train,dev,test}_imgs/<ID>.jpg
/// data/<ID>.txt             a tweet, in UTF-8 or Windows-1252
/// <prepared>/text_token/*_token/<ID>_{token,pm}.npy
/// ```
///
/// The columns are `text` and `image`; extra columns are `text_label`, `image_label` and `tweet`, the words by which
/// retweets are grouped. There is no official split. MVSA-Multiple is refused.
///
/// ```no_run
/// use burn_mla_data::dataset::Split;
/// use burn_mla_data::dataset::mvsa::{Mvsa, MvsaRule};
///
/// let pairs = Mvsa::new().with_rule(MvsaRule::Merge).read("MVSA_Single")?;
/// println!("{}", pairs.inventory());
/// let train = pairs.split(Split::Train)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Mvsa {
    rule: MvsaRule,
    splits: SplitSource,
    incomplete: Incomplete,
    classes: Option<ClassNames>,
    prepared: Option<PathBuf>,
}

impl Default for Mvsa {
    fn default() -> Self {
        Self {
            rule: MvsaRule::Agree,
            splits: SplitSource::Grouped(Shares::new(0.2, 0.2, 0)),
            incomplete: Incomplete::Refuse,
            classes: None,
            prepared: None,
        }
    }
}

impl Mvsa {
    /// The default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the data set in `root` with the default options.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn open(root: impl AsRef<Path>) -> Result<PublishedDataset, DatasetError> {
        Self::new().read(root)
    }

    /// Sets the rule that joins the labels of text and image.
    pub fn with_rule(mut self, rule: MvsaRule) -> Self {
        self.rule = rule;
        self
    }

    /// Sets where splits come from. Lists bring their own labels, which must be those of the rule; pairs that are on
    /// none are left out and counted.
    pub fn with_splits(mut self, splits: SplitSource) -> Self {
        self.splits = splits;
        self
    }

    /// Sets how pairs without an image or a text are read.
    pub fn with_incomplete(mut self, incomplete: Incomplete) -> Self {
        self.incomplete = incomplete;
        self
    }

    /// Sets the order of the three classes, such as that of [`mmbt_classes`](Self::mmbt_classes).
    pub fn with_classes(mut self, classes: ClassNames) -> Self {
        self.classes = Some(classes);
        self
    }

    /// Reads tokens in `folder` instead of texts, as `prepare` or MLA's script left them there.
    pub fn with_prepared(mut self, folder: impl Into<PathBuf>) -> Self {
        self.prepared = Some(folder.into());
        self
    }

    /// The classes in MLA's order: negative, neutral, positive.
    ///
    /// # Errors
    ///
    /// None: the names are distinct.
    pub fn mla_classes() -> Result<ClassNames, DatasetError> {
        Ok(ClassNames::new(Sentiment::ALL.map(Sentiment::name))?)
    }

    /// The classes in the order of MMBT and QMF, that of their first appearance on the list of the training
    /// samples.
    ///
    /// # Errors
    ///
    /// [`DatasetError::Data`], [`DatasetError::Line`], [`DatasetError::Layout`] for a list that cannot be read.
    pub fn mmbt_classes(train_list: impl AsRef<Path>) -> Result<ClassNames, DatasetError> {
        order_of_appearance(train_list.as_ref())
    }

    /// Reads the data set in `root`. Images are not opened:
    /// [`check`](crate::manifest::ManifestDataset::check) finds those that cannot be decoded, and
    /// [`skip_unreadable`](crate::manifest::ManifestDataset::skip_unreadable) leaves them out.
    ///
    /// # Errors
    ///
    /// - [`DatasetError::Layout`] for a missing file or folder and for other classes than the three;
    /// - [`DatasetError::Line`] for MVSA-Multiple, a malformed row, an unknown label, an ID that occurs twice, and a
    ///   pair of a list that has another label by the rule, or none;
    /// - [`DatasetError::Incomplete`] with [`Incomplete::Refuse`];
    /// - [`DatasetError::NoSuchSplit`] for [`SplitSource::Official`];
    /// - [`DatasetError::Manifest`], [`DatasetError::Data`] for files that cannot be read.
    pub fn read(&self, root: impl AsRef<Path>) -> Result<PublishedDataset, DatasetError> {
        let root = root.as_ref();
        let mut inventory = Inventory::new(NAME);
        let mut rows = self.rows(root, &mut inventory)?.0;
        let mut folders = image_folders(root)?;
        folders.push(root.join("data"));
        let mut kind = ColumnKind::Text;
        if let Some(prepared) = &self.prepared {
            let tokens = use_tokens(root, prepared, 0, &mut rows, &mut inventory)?;
            folders.extend(tokens.folders);
            kind = ColumnKind::Features;
        }
        let has_lines = rows.iter().any(|row| row.line > 0);
        let source = if has_lines {
            root.join(LABELS)
        } else {
            root.to_path_buf()
        };
        let listing = Listing {
            dataset: NAME,
            source,
            folder: root.to_path_buf(),
            allowed: media::elsewhere(root, &folders)?,
            columns: vec![("text", kind), ("image", ColumnKind::Image)],
            extra: vec!["text_label", "image_label", TWEET],
            classes: self.classes(root)?,
            rows,
        };
        let hint = |_: &str| "leave them out by `Incomplete::LeaveOut`".to_string();
        listing.publish(inventory, self.incomplete, hint, &self.splits, Some(TWEET))
    }

    /// Writes the tokens of all texts, as MLA's script does: `text_token/<split>_token/` in the prepared folder, or
    /// in `<root>/prepared` without one; `all` is the split of samples that are on no list. Read them by
    /// [`with_prepared`](Self::with_prepared) and [`TokenFiles`](crate::text::TokenFiles). Texts are padded to the
    /// length of the tokenizer. Tokens that are there stay, in whatever split their folder is.
    ///
    /// # Errors
    ///
    /// [`PrepareError`](prepare::PrepareError), also for a folder with tokens of another tokenizer or other texts.
    #[cfg(feature = "text")]
    pub fn prepare(
        &self,
        root: impl AsRef<Path>,
        tokenizer: &text::TextTokenizer,
        config: &prepare::PrepareConfig,
        progress: impl FnMut(usize, usize),
    ) -> Result<prepare::PrepareReport, prepare::PrepareError> {
        let root = root.as_ref();
        let (rows, of_lists) = self.rows(root, &mut Inventory::new(NAME))?;
        let prepared = self.prepared.clone();
        let prepared = prepared.unwrap_or_else(|| root.join("prepared"));
        let texts: Vec<_> = rows.iter().map(|row| TokenText::of(row, 0)).collect();
        let form = if of_lists {
            "of lists"
        } else {
            "of the data set"
        };
        prepare_tokens(&texts, form, &prepared, tokenizer, config, progress)
    }

    fn classes(&self, root: &Path) -> Result<ClassNames, DatasetError> {
        let Some(classes) = &self.classes else {
            return Self::mla_classes();
        };
        let known = |label: &Sentiment| classes.iter().any(|class| class == label.name());
        if classes.len() != 3 || !Sentiment::ALL.iter().all(known) {
            let problem = format!(
                "the classes are {}, expected negative, neutral and positive",
                classes.join(", ")
            );
            return Err(DatasetError::layout(root, problem));
        }
        Ok(classes.clone())
    }

    /// Rows with a text and an image, and whether the texts are those of lists.
    fn rows(
        &self,
        root: &Path,
        inventory: &mut Inventory,
    ) -> Result<(Vec<Row>, bool), DatasetError> {
        let lists = read_lists(&self.splits)?;
        let labels = self.labels(root, lists.is_empty())?;
        let found = Found::new(root, inventory)?;
        if lists.is_empty() {
            inventory.n_published = Some(self.rule.n_published());
            let rows = self.labelled_rows(labels, &found, inventory)?;
            return Ok((rows, false));
        }
        let mut listed = lists.iter().flat_map(|list| &list.samples);
        let of_lists = listed.any(|sample| sample.text.is_some());
        inventory.n_published = Some(lists.iter().map(|list| list.samples.len()).sum());
        let rows = self.listed_rows(&lists, labels, &found, inventory)?;
        Ok((rows, of_lists))
    }

    /// The label file; lists do without one.
    fn labels(&self, root: &Path, required: bool) -> Result<Vec<Labels>, DatasetError> {
        let path = root.join(LABELS);
        if path.is_file() {
            return labels::read(&path);
        }
        if !required {
            return Ok(vec![]);
        }
        let inner = root.join("MVSA_Single").join(LABELS).is_file();
        let problem = if inner {
            "the file is missing; the root of the data set is its folder `MVSA_Single`"
        } else {
            "the file is missing"
        };
        Err(DatasetError::layout(path, problem))
    }

    fn labelled_rows(
        &self,
        labels: Vec<Labels>,
        found: &Found,
        inventory: &mut Inventory,
    ) -> Result<Vec<Row>, DatasetError> {
        let ids: Vec<String> = labels.iter().map(|row| row.id.to_string()).collect();
        found.report("no label", &ids, inventory);
        let mut rows = vec![];
        for (id, pair) in ids.into_iter().zip(labels) {
            match self.rule.label(pair.text, pair.image) {
                Some(label) => {
                    let text = found.text(&id)?;
                    rows.push(found.row(id, label.name(), None, text, Some(pair)));
                }
                None => inventory.leave_out("by the rule of labels", id),
            }
        }
        Ok(rows)
    }

    fn listed_rows(
        &self,
        lists: &[List],
        labels: Vec<Labels>,
        found: &Found,
        inventory: &mut Inventory,
    ) -> Result<Vec<Row>, DatasetError> {
        let labels = labels.into_iter().map(|pair| (pair.id.to_string(), pair));
        let labels: BTreeMap<String, Labels> = labels.collect();
        let (mut rows, mut ids) = (vec![], vec![]);
        for list in lists {
            for listed in &list.samples {
                let refused =
                    |problem: String| DatasetError::line(&list.path, listed.line, problem);
                let label = listed.label.as_str();
                let known = Sentiment::parse(label).map_err(refused)?;
                let pair = labels.get(&listed.id).copied();
                if let Some(pair) = pair {
                    let by_rule = self.rule.label(pair.text, pair.image);
                    if by_rule != Some(known) {
                        return Err(refused(format!(
                            "`{}` is {label}, but {} by line {} of {LABELS} and the rule `{:?}`",
                            listed.id,
                            by_rule.map_or("left out", Sentiment::name),
                            pair.line,
                            self.rule
                        )));
                    }
                }
                let text = match &listed.text {
                    Some(text) => text.trim().to_string(),
                    None => found.text(&listed.id)?,
                };
                rows.push(found.row(listed.id.clone(), label, Some(list.split), text, pair));
                ids.push(listed.id.clone());
            }
        }
        found.report("on no list", &ids, inventory);
        Ok(rows)
    }
}

/// Images and texts on the disk.
struct Found {
    data: PathBuf,
    /// Paths within the root, by ID.
    images: BTreeMap<String, String>,
    /// IDs.
    texts: BTreeSet<String>,
}

impl Found {
    fn new(root: &Path, inventory: &mut Inventory) -> Result<Self, DatasetError> {
        let data = root.join("data");
        let (mut found, mut texts) = (BTreeMap::new(), BTreeSet::new());
        if data.is_dir() {
            for file in file_names(&data)? {
                if let Some(id) = named(&file) {
                    insert(&mut found, root, id, format!("data/{file}"))?;
                } else if let Some(id) = file.strip_suffix(".txt") {
                    texts.insert(id.to_string());
                } else {
                    inventory.leave_out("no image or text by its name", format!("data/{file}"));
                }
            }
        } else if let Some(images) = images(root, inventory)? {
            for image in images {
                insert(&mut found, root, &image.id, image.path)?;
            }
        } else {
            let problem = "the folder of images and texts is missing";
            return Err(DatasetError::layout(data, problem));
        }
        Ok(Self {
            data,
            images: found,
            texts,
        })
    }

    /// The text of a pair; empty without one.
    fn text(&self, id: &str) -> Result<String, DatasetError> {
        if !self.texts.contains(id) {
            return Ok(String::new());
        }
        let text = read_text(&self.data.join(format!("{id}.txt")))?;
        Ok(text.trim().to_string())
    }

    /// Names pairs on the disk that are not among `ids`.
    fn report(&self, reason: &str, ids: &[String], inventory: &mut Inventory) {
        let known: HashSet<&String> = ids.iter().collect();
        let on_disk = self.images.keys().chain(&self.texts);
        let unknown: BTreeSet<&String> = on_disk.filter(|id| !known.contains(id)).collect();
        for id in unknown {
            inventory.leave_out(reason, id.as_str());
        }
    }

    fn row(
        &self,
        id: String,
        label: &str,
        split: Option<Split>,
        text: String,
        pair: Option<Labels>,
    ) -> Row {
        let name = |label: fn(Labels) -> Sentiment| pair.map_or("", |pair| label(pair).name());
        let words = tweet(&text);
        Row {
            label: label.to_string(),
            line: pair.filter(|_| split.is_none()).map_or(0, |pair| pair.line),
            split,
            extra: vec![
                name(|pair| pair.text).to_string(),
                name(|pair| pair.image).to_string(),
                if words.is_empty() { id.clone() } else { words },
            ],
            cells: vec![text, self.images.get(&id).cloned().unwrap_or_default()],
            id,
            is_published_so: false,
        }
    }
}

fn insert(
    images: &mut BTreeMap<String, String>,
    root: &Path,
    id: &str,
    path: String,
) -> Result<(), DatasetError> {
    match images.insert(id.to_string(), path.clone()) {
        None => Ok(()),
        Some(first) => {
            let problem = format!("`{first}` is of the same pair");
            Err(DatasetError::layout(root.join(path), problem))
        }
    }
}

/// The words of a tweet without addresses, names, marks and the RT of a retweet.
fn tweet(text: &str) -> String {
    let is_word =
        |word: &&str| !word.starts_with("http") && !word.starts_with('@') && *word != "RT";
    let words = text.split_whitespace().filter(is_word);
    let letters = |word: &str| {
        word.chars()
            .filter(|c| c.is_alphanumeric())
            .collect::<String>()
    };
    let words: Vec<String> = words.map(|word| letters(word).to_lowercase()).collect();
    words
        .into_iter()
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Reads `list.txt` of a folder as labels, for the fuzz targets.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn fuzz(root: &Path) {
    if let Ok(labels) = labels::read(&root.join("list.txt")) {
        let distinct: HashSet<u32> = labels.iter().map(|labels| labels.id).collect();
        assert_eq!(distinct.len(), labels.len());
    }
}
