//! BERT and the text encoders of its family, such as MiniLM and BGE.

mod attention;
mod config;
mod embeddings;
mod hugging_face;
mod layer;
mod model;
mod pooling;
#[cfg(test)]
mod tests;
mod weights;

pub use config::BertConfig;
pub use model::Bert;
pub use pooling::Pooling;
