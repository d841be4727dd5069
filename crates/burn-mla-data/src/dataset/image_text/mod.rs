//! What data sets of images and texts share: lists of MLA, MMBT and QMF, MLA's folders of images and tokens,
//! MMBT's form of texts.

mod lists;
mod mla_folders;
#[cfg(feature = "text")]
mod prepare;
mod text_form;

pub(crate) use lists::{List, order_of_appearance, read_lists};
pub(crate) use mla_folders::{Named, images, named, use_tokens};
#[cfg(feature = "text")]
pub(crate) use prepare::prepare_tokens;
pub use text_form::TextForm;
