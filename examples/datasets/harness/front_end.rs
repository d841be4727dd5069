//! Front ends of any kind as one type.

use std::any::Any;

use burn::tensor::Device;
use burn_mla_data::manifest::{Cell, ColumnKind, FrontEnd, FrontEndError};
use rand::rngs::ChaCha12Rng;
use serde_json::Value;

use crate::PaperInput;

type Item = Box<dyn Any + Send + Sync>;

/// What [`FrontEnd`] is, with items of any type.
trait Erased: Send + Sync {
    fn reads(&self, kind: ColumnKind) -> bool;
    fn decode(
        &self,
        cell: Cell<'_>,
        numbers: Option<&mut ChaCha12Rng>,
    ) -> Result<Item, FrontEndError>;
    fn collate(&self, items: Vec<Item>, device: &Device) -> Result<PaperInput, FrontEndError>;
    fn recipe(&self) -> Value;
}

impl<F: FrontEnd<Input: Into<PaperInput>>> Erased for F {
    fn reads(&self, kind: ColumnKind) -> bool {
        FrontEnd::reads(self, kind)
    }

    fn decode(
        &self,
        cell: Cell<'_>,
        numbers: Option<&mut ChaCha12Rng>,
    ) -> Result<Item, FrontEndError> {
        Ok(Box::new(FrontEnd::decode(self, cell, numbers)?))
    }

    fn collate(&self, items: Vec<Item>, device: &Device) -> Result<PaperInput, FrontEndError> {
        let own = |item: Item| item.downcast().map(|item| *item);
        let items = items
            .into_iter()
            .map(own)
            .collect::<Result<Vec<F::Item>, _>>();
        let items = items.map_err(|_| "an item of another front end")?;
        Ok(FrontEnd::collate(self, items, device)?.into())
    }

    fn recipe(&self) -> Value {
        FrontEnd::recipe(self)
    }
}

/// A front end of a modality.
pub struct PaperFrontEnd(Box<dyn Erased>);

impl PaperFrontEnd {
    /// Wraps a front end.
    pub fn new(front_end: impl FrontEnd<Input: Into<PaperInput>>) -> Self {
        Self(Box::new(front_end))
    }
}

impl FrontEnd for PaperFrontEnd {
    type Item = Item;
    type Input = PaperInput;

    fn reads(&self, kind: ColumnKind) -> bool {
        self.0.reads(kind)
    }

    fn decode(
        &self,
        cell: Cell<'_>,
        numbers: Option<&mut ChaCha12Rng>,
    ) -> Result<Item, FrontEndError> {
        self.0.decode(cell, numbers)
    }

    fn collate(&self, items: Vec<Item>, device: &Device) -> Result<PaperInput, FrontEndError> {
        self.0.collate(items, device)
    }

    fn recipe(&self) -> Value {
        self.0.recipe()
    }
}
