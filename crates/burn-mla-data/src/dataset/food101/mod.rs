//! UPMC Food-101: photographs of dishes from the web, and the titles of their pages, in 101 classes.
//!
//! Wang et al., ICMEW 2015. It is not the Food-101 of ETH Zurich, which has the same classes and no texts.

mod classes;
mod layout;
#[cfg(feature = "miniature")]
mod miniature;
#[cfg(all(test, feature = "miniature"))]
mod tests;
mod texts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::image_text::{List, order_of_appearance, read_lists};
use super::published::{
    DatasetError, Incomplete, Inventory, Listing, PublishedDataset, Row, SplitSource, media,
    use_tokens,
};
#[cfg(feature = "text")]
use super::published::{TokenText, prepare_tokens};
use super::{ClassNames, Split};
use crate::manifest::ColumnKind;
#[cfg(feature = "text")]
use crate::{prepare, text};

pub use super::image_text::TextForm;
#[cfg(feature = "miniature")]
pub use miniature::write_miniature;

const NAME: &str = "UPMC Food-101";
/// Titles of the newer copies: 67,972 for training and 22,716 for the test.
const N_PUBLISHED: usize = 67_972 + 22_716;
/// The share of the training samples that MMBT and QMF hold out: 5000.
const HELD_OUT: f64 = 5_000.0 / 67_972.0;

/// Options of UPMC Food-101.
///
/// | Name | Default | Purpose |
/// |---|---|---|
/// | `splits` | official | the published folders `train` and `test`; or lists of MLA, MMBT or QMF |
/// | `held_out` | 0.0736, seed 0 | share of the training samples for validation, by class; of the official split only, and not with MLA's `dev_imgs` |
/// | `incomplete` | left out | images without a title and titles without an image; every copy has some |
/// | `text_form` | as published | or MMBT's, without punctuation |
/// | `classes` | the 101, sorted | classes and their labels |
/// | `prepared` | none | folder of tokens to read instead of texts |
///
/// Layouts, told apart by what is there:
///
/// ```text
/// images/{train,test}/<class>/<class>_<n>.jpg     or MLA's visual/{train,dev,test}_imgs/<class>_<n>.jpg
/// texts/{train,test}_titles.csv                   newer copies, and Kaggle's
/// texts_txt/<class>/<class>_<n>.txt               older copies
/// <prepared>/text_token/*_token/<class>_<n>_{token,pm}.npy
/// ```
///
/// The columns are `text` and `image`. A sample is named by its image without the extension, and its class is
/// what precedes the last `_`. Lists in JSON Lines bring their own texts, and tokens need none. MLA's folders may have
/// a sample in another split than `texts`: its split is that of its image, or of the list.
///
/// ```no_run
/// use burn_mla_data::dataset::Split;
/// use burn_mla_data::dataset::food101::Food101;
///
/// let food = Food101::open("UPMC_Food101")?;
/// println!("{}", food.inventory());
/// let train = food.split(Split::Train)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Food101 {
    splits: SplitSource,
    held_out: (f64, u64),
    incomplete: Incomplete,
    text_form: TextForm,
    classes: Option<ClassNames>,
    prepared: Option<PathBuf>,
}

impl Default for Food101 {
    fn default() -> Self {
        Self {
            splits: SplitSource::Official,
            held_out: (HELD_OUT, 0),
            incomplete: Incomplete::LeaveOut,
            text_form: TextForm::Published,
            classes: None,
            prepared: None,
        }
    }
}

/// A sample on the disk; what it lacks is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sample {
    class: String,
    split: Split,
    image: String,
    text: String,
    /// True if the published sample has no text or an empty title.
    is_published_so: bool,
}

/// Samples by their identity.
type Samples = BTreeMap<String, Sample>;

impl Food101 {
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

    /// Sets where splits come from. With lists, samples that are on none are left out and counted.
    pub fn with_splits(mut self, splits: SplitSource) -> Self {
        self.splits = splits;
        self
    }

    /// Sets the share of the official training samples that is for validation, and the seed of its draw; 0 for
    /// no validation samples.
    pub fn with_held_out(mut self, share: f64, seed: u64) -> Self {
        self.held_out = (share, seed);
        self
    }

    /// Sets how samples without an image or a text are read.
    pub fn with_incomplete(mut self, incomplete: Incomplete) -> Self {
        self.incomplete = incomplete;
        self
    }

    /// Sets how texts are written.
    pub fn with_text_form(mut self, text_form: TextForm) -> Self {
        self.text_form = text_form;
        self
    }

    /// Sets the classes and their order. Other published classes are left out and counted; a class without a
    /// sample is an error.
    pub fn with_classes(mut self, classes: ClassNames) -> Self {
        self.classes = Some(classes);
        self
    }

    /// Reads tokens in `folder` instead of texts, as `prepare` or MLA's script left them there.
    pub fn with_prepared(mut self, folder: impl Into<PathBuf>) -> Self {
        self.prepared = Some(folder.into());
        self
    }

    /// The 101 classes in MLA's order.
    ///
    /// # Errors
    ///
    /// None: the names are distinct.
    pub fn mla_classes() -> Result<ClassNames, DatasetError> {
        Ok(ClassNames::new(classes::CLASSES)?)
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

    /// Reads the data set in `root`.
    ///
    /// # Errors
    ///
    /// - [`DatasetError::Layout`] for another layout, such as that of ETH Zurich's Food-101, a folder that is no
    ///   class, a class without a sample, and an image in the folder of another class;
    /// - [`DatasetError::Line`] for a malformed line of titles or of a list, a name that occurs twice, and a class
    ///   that contradicts the name;
    /// - [`DatasetError::Incomplete`] with [`Incomplete::Refuse`];
    /// - [`DatasetError::NoSuchSplit`] for [`SplitSource::Grouped`];
    /// - [`DatasetError::Manifest`], [`DatasetError::Data`] for files that cannot be read.
    pub fn read(&self, root: impl AsRef<Path>) -> Result<PublishedDataset, DatasetError> {
        let root = root.as_ref();
        let mut inventory = Inventory::new(NAME);
        let Found {
            mut rows, classes, ..
        } = self.rows(root, self.prepared.is_none(), &mut inventory)?;
        let mut folders = layout::folders(root)?;
        let mut kind = ColumnKind::Text;
        if let Some(prepared) = &self.prepared {
            let tokens = use_tokens(root, prepared, 0, &mut rows, &mut inventory)?;
            let is_used = |id: &String| {
                let class = layout::class_of(id);
                class.and_then(|class| layout::is_used(class, &classes)) == Some(true)
            };
            if !matches!(self.splits, SplitSource::Lists { .. }) {
                for id in tokens.others.into_iter().filter(is_used) {
                    inventory.add("tokens without an image", id);
                }
            }
            folders.extend(tokens.folders);
            kind = ColumnKind::Features;
        }
        let listing = Listing {
            dataset: NAME,
            source: root.to_path_buf(),
            folder: root.to_path_buf(),
            allowed: media::elsewhere(root, &folders)?,
            columns: vec![("text", kind), ("image", ColumnKind::Image)],
            extra: vec![],
            classes,
            rows,
        };
        let hint = |_: &str| "leave them out by `Incomplete::LeaveOut`".to_string();
        let published = listing.publish(inventory, self.incomplete, hint, &self.splits, None)?;
        let (share, seed) = self.held_out;
        let has_valid = !published.samples(Split::Valid).is_empty();
        if self.splits != SplitSource::Official || share == 0.0 || has_valid {
            return Ok(published);
        }
        let (manifest, inventory) = published.into_parts();
        Ok(PublishedDataset::new(
            manifest.hold_out(share, seed, None)?,
            inventory,
        ))
    }

    /// Writes the tokens of all texts, as MLA's script does: `text_token/<split>_token/` in the prepared folder, or
    /// in `<root>/prepared` without one. Read them by [`with_prepared`](Self::with_prepared) and
    /// [`TokenFiles`](crate::text::TokenFiles). Texts are padded to the length of the tokenizer. Tokens that are there
    /// stay, in whatever split their folder is.
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
        let found = self.rows(root, true, &mut Inventory::new(NAME))?;
        let prepared = self.prepared.clone();
        let prepared = prepared.unwrap_or_else(|| root.join("prepared"));
        let texts: Vec<_> = found.rows.iter().map(|row| TokenText::of(row, 0)).collect();
        let source = if found.of_lists {
            "lists"
        } else {
            "the data set"
        };
        let form = format!("{:?}, of {source}", self.text_form);
        prepare_tokens(&texts, &form, &prepared, tokenizer, config, progress)
    }

    /// The number of incomplete samples that are left out, of `n`.
    fn left_out(&self, n: usize) -> usize {
        if self.incomplete == Incomplete::LeaveOut {
            n
        } else {
            0
        }
    }

    /// The samples and the classes. With tokens, no texts are needed.
    fn rows(
        &self,
        root: &Path,
        with_texts: bool,
        inventory: &mut Inventory,
    ) -> Result<Found, DatasetError> {
        let classes = match &self.classes {
            Some(classes) => classes.clone(),
            None => Self::mla_classes()?,
        };
        let lists = read_lists(&self.splits)?;
        let listed = || lists.iter().flat_map(|list| &list.samples);
        let of_lists = !lists.is_empty() && listed().all(|sample| sample.text.is_some());
        let mut samples = layout::images(root, &classes, inventory)?;
        if with_texts && !of_lists {
            texts::read(root, &classes, &mut samples, inventory)?;
        }
        let mut rows = if lists.is_empty() {
            if classes.len() == classes::CLASSES.len() {
                let n_empty = inventory.of(texts::EMPTY).len();
                inventory.n_published = Some(N_PUBLISHED - self.left_out(n_empty).min(N_PUBLISHED));
            }
            let official = self.splits == SplitSource::Official;
            let samples = samples.into_iter();
            samples
                .map(|(id, sample)| row(id, sample, official))
                .collect()
        } else {
            let rows = listed_rows(&lists, samples, &classes, inventory)?;
            let n_empty = rows.iter().filter(|row| row.is_published_so).count();
            inventory.n_published = Some(rows.len() - self.left_out(n_empty));
            rows
        };
        for row in &mut rows {
            row.cells[0] = self.text_form.apply(&row.cells[0]).trim().to_string();
        }
        let lacking = classes
            .iter()
            .filter(|class| rows.iter().all(|row| row.label != **class));
        let lacking: Vec<&str> = lacking.map(String::as_str).collect();
        if !lacking.is_empty() {
            let problem = format!(
                "no sample of {}: choose the classes that are there by `with_classes`",
                lacking.join(", ")
            );
            return Err(DatasetError::layout(root, problem));
        }
        Ok(Found {
            rows,
            classes,
            of_lists,
        })
    }
}

/// The samples on the disk or on lists, and whether their texts are those of lists.
struct Found {
    rows: Vec<Row>,
    classes: ClassNames,
    #[cfg_attr(not(feature = "text"), expect(dead_code, reason = "tokens only"))]
    of_lists: bool,
}

fn row(id: String, sample: Sample, has_split: bool) -> Row {
    Row {
        id,
        label: sample.class,
        split: has_split.then_some(sample.split),
        is_published_so: sample.is_published_so && !sample.image.is_empty(),
        cells: vec![sample.text, sample.image],
        ..Row::default()
    }
}

/// The samples of lists, with what of them is on the disk.
fn listed_rows(
    lists: &[List],
    mut samples: Samples,
    classes: &ClassNames,
    inventory: &mut Inventory,
) -> Result<Vec<Row>, DatasetError> {
    let mut rows = vec![];
    for list in lists {
        for listed in &list.samples {
            let refused = |problem| DatasetError::line(&list.path, listed.line, problem);
            let class = layout::class_of(&listed.id).unwrap_or_default();
            if class != listed.label {
                let (id, label) = (&listed.id, &listed.label);
                return Err(refused(format!("`{id}` is not of the class `{label}`")));
            }
            classes
                .label(class)
                .map_err(|error| refused(error.to_string()))?;
            let found = samples.remove(&listed.id);
            let (image, found_text, is_published_so) =
                found.map_or_else(Default::default, |s| (s.image, s.text, s.is_published_so));
            let listed_text = listed.text.clone();
            let sample = Sample {
                class: class.to_string(),
                split: list.split,
                image,
                is_published_so: listed_text
                    .as_ref()
                    .map_or(is_published_so, String::is_empty),
                text: listed_text.unwrap_or(found_text),
            };
            rows.push(row(listed.id.clone(), sample, true));
        }
    }
    for id in samples.into_keys() {
        inventory.leave_out("on no list", id);
    }
    Ok(rows)
}

/// Reads `list.txt` of a folder as titles and as a list of samples, for the fuzz targets.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn fuzz(root: &Path) {
    let path = root.join("list.txt");
    let Ok(classes) = ClassNames::new(["apple_pie", "waffles"]) else {
        panic!("the classes are distinct");
    };
    let (mut places, mut samples) = (texts::Places::new(), Samples::new());
    let mut inventory = Inventory::new(NAME);
    let _ = texts::titles(
        &path,
        Split::Train,
        &classes,
        &mut places,
        &mut samples,
        &mut inventory,
    );
    for (id, sample) in samples {
        assert!(!id.contains('/') && classes.label(&sample.class).is_ok());
    }
    let _ = order_of_appearance(&path);
}
