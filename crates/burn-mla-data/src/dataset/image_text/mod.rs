//! Parts that data sets of images and texts share: the lists of MLA, MMBT and QMF, MLA's image folders, and MMBT's
//! text form.

mod lists;
mod mla_folders;
mod text_form;

pub(crate) use lists::{List, order_of_appearance, read_lists};
pub(crate) use mla_folders::{NO_IMAGE, Named, image_folders, images, named};
pub use text_form::TextForm;
