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

#[cfg(feature = "text")]
use super::image_text::prepare_tokens;
use super::image_text::{List, order_of_appearance, read_lists, use_tokens};
use super::published::{
    DatasetError, Incomplete, Inventory, Listing, PublishedDataset, Row, SplitSource,
};
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
/// | `held_out` | 0.0736, seed 0 | share of the training samples for validation, by class; of the official split only |
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
/// what precedes the last `_`. Lists in JSON Lines bring their own texts.
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

    /// Sets what becomes of samples without an image or a text.
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
        let (mut rows, classes) = self.rows(root, &mut inventory)?;
        let mut allowed = vec![root.join("images"), root.join("visual")];
        allowed.retain(|folder| folder.is_dir());
        let mut kind = ColumnKind::Text;
        if let Some(prepared) = &self.prepared {
            allowed.push(use_tokens(prepared, &mut rows, &mut inventory)?);
            kind = ColumnKind::Features;
        }
        let listing = Listing {
            dataset: NAME,
            source: root.to_path_buf(),
            folder: root.to_path_buf(),
            allowed,
            columns: vec![("text", kind), ("image", ColumnKind::Image)],
            extra: vec![],
            classes,
            rows,
        };
        let hint = |_: &str| "leave them out by `Incomplete::LeaveOut`".to_string();
        let published = listing.publish(inventory, self.incomplete, hint, &self.splits, None)?;
        let (share, seed) = self.held_out;
        if self.splits != SplitSource::Official || share == 0.0 {
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
    /// [`TokenFiles`](crate::text::TokenFiles). Texts are padded to the length of the tokenizer; what is there stays.
    ///
    /// # Errors
    ///
    /// [`PrepareError`](prepare::PrepareError).
    #[cfg(feature = "text")]
    pub fn prepare(
        &self,
        root: impl AsRef<Path>,
        tokenizer: &text::TextTokenizer,
        config: &prepare::PrepareConfig,
        progress: impl FnMut(usize, usize),
    ) -> Result<prepare::PrepareReport, prepare::PrepareError> {
        let root = root.as_ref();
        let (rows, _) = self.rows(root, &mut Inventory::new(NAME))?;
        let prepared = self.prepared.clone();
        let prepared = prepared.unwrap_or_else(|| root.join("prepared"));
        prepare_tokens(&rows, &prepared, tokenizer, config, progress)
    }

    /// Rows with a text and an image, and the classes.
    fn rows(
        &self,
        root: &Path,
        inventory: &mut Inventory,
    ) -> Result<(Vec<Row>, ClassNames), DatasetError> {
        let classes = match &self.classes {
            Some(classes) => classes.clone(),
            None => Self::mla_classes()?,
        };
        let lists = read_lists(&self.splits)?;
        let listed = || lists.iter().flat_map(|list| &list.samples);
        let bring_texts = !lists.is_empty() && listed().all(|sample| sample.text.is_some());
        let mut samples = layout::images(root, &classes, inventory)?;
        if !bring_texts {
            let optional = self.prepared.is_some();
            texts::read(root, &classes, optional, &mut samples, inventory)?;
        }
        let mut rows = if lists.is_empty() {
            if classes.len() == classes::CLASSES.len() {
                inventory.n_published = Some(N_PUBLISHED);
            }
            let official = self.splits == SplitSource::Official;
            let samples = samples.into_iter();
            samples
                .map(|(id, sample)| row(id, sample, official))
                .collect()
        } else {
            inventory.n_published = Some(listed().count());
            listed_rows(&lists, samples, &classes, inventory)?
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
        Ok((rows, classes))
    }
}

fn row(id: String, sample: Sample, has_split: bool) -> Row {
    Row {
        id,
        line: 0,
        label: sample.class,
        split: has_split.then_some(sample.split),
        cells: vec![sample.text, sample.image],
        extra: vec![],
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
            let (image, text) = found.map_or_else(Default::default, |s| (s.image, s.text));
            let sample = Sample {
                class: class.to_string(),
                split: list.split,
                image,
                text: listed.text.clone().unwrap_or(text),
            };
            rows.push(row(listed.id.clone(), sample, true));
        }
    }
    for id in samples.into_keys() {
        inventory.add("on no list", id);
    }
    Ok(rows)
}
