//! The training inputs of a method that is fitted to a whole set: batches, and all batches of a pass.

use std::collections::VecDeque;
use std::sync::Arc;

use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::Device;

use crate::baseline::missing::whole_set::{Moment, PassPlan};
use crate::error::MlaError;
use crate::modality::{ModalityInputs, MultimodalBatch, Targets};

/// A training input of a [`WholeSet`](crate::baseline::WholeSet).
#[derive(Debug)]
// A box would only add an allocation per step.
#[allow(clippy::large_enum_variant)]
pub enum WholeSetInput<In> {
    /// A batch, for a step.
    Batch(MultimodalBatch<In>),
    /// All batches of a pass, for a fit.
    Whole(WholePass<In>),
}

/// All batches of a pass over the training data. Fits of the same pass share them.
#[derive(Debug, Clone)]
pub struct WholePass<In> {
    pass: Arc<Pass<In>>,
    moment: Moment,
}

#[derive(Debug)]
struct Pass<In> {
    batches: Vec<MultimodalBatch<In>>,
    targets: Targets,
    samples: Option<Vec<usize>>,
}

impl<In: ModalityInputs> WholePass<In> {
    /// Takes all batches of a pass.
    ///
    /// # Errors
    ///
    /// [`MlaError::NoSamples`] without a batch, [`MlaError::SeveralLabels`] for sets of labels.
    pub fn new(batches: Vec<MultimodalBatch<In>>, moment: Moment) -> Result<Self, MlaError> {
        let what = "the training data";
        let first = batches.first().ok_or(MlaError::NoSamples { what })?;
        let device = first.targets.tensor().device();
        let mut labels = vec![];
        let mut samples = Some(vec![]);
        for batch in &batches {
            batch
                .targets
                .check_single("a fit to the whole training set")?;
            labels.extend_from_slice(batch.targets.labels());
            samples = samples.zip(batch.samples.as_ref()).map(|(mut all, more)| {
                all.extend_from_slice(more);
                all
            });
        }
        Ok(Self {
            pass: Arc::new(Pass {
                batches,
                targets: Targets::from_labels(labels, &device),
                samples,
            }),
            moment,
        })
    }

    /// The batches.
    pub fn batches(&self) -> &[MultimodalBatch<In>] {
        &self.pass.batches
    }

    /// The labels of all samples, in the order of the batches.
    pub fn targets(&self) -> &Targets {
        &self.pass.targets
    }

    /// The positions of all samples in the data set; `None` unless all batches have them.
    pub fn samples(&self) -> Option<&[usize]> {
        self.pass.samples.as_deref()
    }

    /// The place of the fit in the pass.
    pub fn moment(&self) -> Moment {
        self.moment
    }
}

impl<In> WholeSetInput<In> {
    /// The labels of the samples.
    pub(super) fn targets(&self) -> &Targets {
        match self {
            Self::Batch(batch) => &batch.targets,
            Self::Whole(whole) => &whole.pass.targets,
        }
    }
}

/// The inputs of a plan, from a loader of batches. A pass is read as a whole at its first input.
pub(super) struct PassLoader<In: ModalityInputs> {
    loader: Arc<dyn DataLoader<MultimodalBatch<In>>>,
    plan: PassPlan,
}

impl<In: ModalityInputs> PassLoader<In> {
    pub(super) fn new(loader: Arc<dyn DataLoader<MultimodalBatch<In>>>, plan: PassPlan) -> Self {
        Self { loader, plan }
    }
}

impl<In: ModalityInputs + Clone + Sync> DataLoader<WholeSetInput<In>> for PassLoader<In> {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<WholeSetInput<In>> + 'a> {
        Box::new(PassIter {
            batches: Some(self.loader.iter()),
            plan: self.plan,
            inputs: VecDeque::new(),
            n_items: self.loader.num_items(),
            n_inputs: 0,
        })
    }

    fn num_items(&self) -> usize {
        self.loader.num_items()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<WholeSetInput<In>>> {
        Arc::new(Self::new(self.loader.to_device(device), self.plan))
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<WholeSetInput<In>>> {
        Arc::new(Self::new(self.loader.slice(start, end), self.plan))
    }
}

struct PassIter<'a, In: ModalityInputs> {
    /// Until they are read.
    batches: Option<Box<dyn DataLoaderIterator<MultimodalBatch<In>> + 'a>>,
    plan: PassPlan,
    inputs: VecDeque<WholeSetInput<In>>,
    n_items: usize,
    n_inputs: usize,
}

impl<In: ModalityInputs + Clone> PassIter<'_, In> {
    /// Reads the pass and queues its inputs.
    fn read(
        &mut self,
        batches: Box<dyn DataLoaderIterator<MultimodalBatch<In>> + '_>,
    ) -> Result<(), DatasetError> {
        let batches = batches.collect::<Result<Vec<_>, _>>()?;
        if batches.is_empty() {
            return Ok(());
        }
        let steps: Vec<_> = match self.plan.smallest_batch {
            None => vec![],
            Some(smallest) => {
                let large = |batch: &&MultimodalBatch<In>| batch.targets.len() >= smallest;
                let steps: Vec<_> = batches.iter().filter(large).cloned().collect();
                if steps.is_empty() {
                    let sizes = batches.iter().map(|batch| batch.targets.len());
                    return Err(DatasetError::new(MlaError::TooFewSamples {
                        what: "the largest batch",
                        needed: smallest,
                        got: sizes.max().unwrap_or_default(),
                    }));
                }
                steps
            }
        };
        let before = Moment::BeforeBatches;
        let whole = WholePass::new(batches, before).map_err(DatasetError::new)?;
        let fits = |moment, n| {
            let whole = WholePass {
                moment,
                ..whole.clone()
            };
            std::iter::repeat_n(whole, n).map(WholeSetInput::Whole)
        };
        self.inputs.extend(fits(before, self.plan.fits_before));
        self.inputs
            .extend(steps.into_iter().map(WholeSetInput::Batch));
        self.inputs
            .extend(fits(Moment::AfterBatches, self.plan.fits_after));
        self.n_inputs = self.inputs.len();
        Ok(())
    }
}

impl<In: ModalityInputs + Clone> Iterator for PassIter<'_, In> {
    type Item = Result<WholeSetInput<In>, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(batches) = self.batches.take()
            && let Err(error) = self.read(batches)
        {
            return Some(Err(error));
        }
        self.inputs.pop_front().map(Ok)
    }
}

impl<In: ModalityInputs + Clone> DataLoaderIterator<WholeSetInput<In>> for PassIter<'_, In> {
    fn progress(&self) -> Progress {
        let taken = self.n_inputs - self.inputs.len();
        Progress {
            items_processed: self.n_items * taken / self.n_inputs.max(1),
            items_total: self.n_items,
            unit: Some("items".to_string()),
        }
    }
}
