//! Diagnosing and re-learning: encoders whose features separate better in training than in validation move
//! back towards their initial values.

mod purity;
mod step;

use std::fmt;
use std::sync::Arc;

use burn::config::Config;
use burn::data::dataloader::DataLoader;
use burn::module::{Content, Module, ModuleDisplay, ModuleDisplayDefault};
use burn::tensor::{DType, Tensor};

use crate::baseline::{Joint, JointHead, JointPrediction};
use crate::encoder::Encoders;
use crate::error::{Result, at_least_one, positive};
use crate::modality::MultimodalBatch;
use crate::module::{Buffer, ParamVisitor, Visited, in_training, module_fields, visit};

/// Configuration of [`Relearning`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `every_steps` | required | number of updates between two re-initialisations | >= 1 |
/// | `max_times` | 3 | largest number of re-initialisations | >= 1 |
/// | `lambda` | 3 | strength | (0, inf) |
///
/// The defaults are those of the published code, which re-initialises every 20 epochs.
#[derive(Config, Debug)]
pub struct RelearningConfig {
    /// Number of updates between two re-initialisations.
    pub every_steps: u64,
    /// Largest number of re-initialisations.
    #[config(default = 3)]
    pub max_times: u64,
    /// Strength.
    #[config(default = 3.0)]
    pub lambda: f64,
}

/// The data of a diagnosis: training samples, and validation samples that are not trained on.
///
/// Both loaders are read from the beginning at each diagnosis. Their batches are on the device of the model,
/// without autodiff.
///
/// Clusters start at samples that are drawn by their position, and sums of floats depend on their order. Use loaders
/// that do not shuffle, with at most one worker, whose passes are all alike: an
/// [`InOrder`](crate::loader::InOrder) loader is one. With another order a diagnosis differs from pass to pass, and a
/// resumed training from one that was not interrupted.
pub struct DiagnosisData<In> {
    /// Training samples.
    pub train: Arc<dyn DataLoader<MultimodalBatch<In>>>,
    /// Validation samples.
    pub validation: Arc<dyn DataLoader<MultimodalBatch<In>>>,
}

impl<In> Clone for DiagnosisData<In> {
    fn clone(&self) -> Self {
        Self {
            train: self.train.clone(),
            validation: self.validation.clone(),
        }
    }
}

impl<In> fmt::Debug for DiagnosisData<In> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut data = f.debug_struct("DiagnosisData");
        data.finish_non_exhaustive()
    }
}

/// Diagnosing and re-learning (Wei et al., "Diagnosing and Re-learning for Balanced Multimodal Learning", ECCV
/// 2024) of a [`Joint`] model.
///
/// ```text
/// P_m(D) = purity of k-means clusters of the features h_m of the data D, one cluster per class
/// w_m    = tanh(lambda |P_m(training) - P_m(validation)|)
/// theta  <- (1 - w_m) theta + w_m theta_0          for each parameter of encoder m, theta_0 its initial value
/// ```
///
/// after every `every_steps` updates, `max_times` times. Features come from the encoders before the update, in
/// evaluation mode, over the samples that have the modality; columns are scaled to `[-1, 1]` before
/// clustering. A modality that one of the sets lacks is not re-initialised. Running statistics and the state of
/// the optimizer stay, and so do parameters that are frozen when the model is wrapped or at a re-initialisation.
///
/// It is a `MultimodalMethod`. The initial values are part of the record, those when the model was wrapped.
/// Parameters of the model have the paths that they have in a [`Joint`], after `joint.`.
pub struct Relearning<E: Encoders, H> {
    /// The model.
    pub joint: Joint<E, H>,
    /// The initial value of each encoder parameter that trains, flattened, in the order of the traversal.
    initial: Vec<Buffer<1>>,
    /// The positions of these parameters among the float parameters of the encoders.
    trainable: Vec<usize>,
    config: RelearningConfig,
    data: DiagnosisData<E::Inputs>,
}

module_fields! {
    impl[E: Encoders, H: Module] Relearning[E, H]
    modules: [joint, initial], others: [trainable, config, data]
}

impl<E: Encoders, H: fmt::Debug> fmt::Debug for Relearning<E, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut model = f.debug_struct("Relearning");
        model.field("joint", &self.joint);
        model.field("config", &self.config).finish_non_exhaustive()
    }
}

/// As [`Joint`], clones share no running statistics.
impl<E: Encoders, H: Module> Clone for Relearning<E, H> {
    fn clone(&self) -> Self {
        Self {
            joint: self.joint.clone(),
            initial: self.initial.clone(),
            trainable: self.trainable.clone(),
            config: self.config.clone(),
            data: self.data.clone(),
        }
    }
}

impl<E: Encoders + ModuleDisplay, H: ModuleDisplay> ModuleDisplayDefault for Relearning<E, H> {
    fn content(&self, content: Content) -> Option<Content> {
        let content = self.joint.content(content)?;
        let content = content.add_debug_attribute("relearning", &self.config);
        content.set_top_level_type("Relearning").optional()
    }
}

impl<E: Encoders + ModuleDisplay, H: ModuleDisplay> ModuleDisplay for Relearning<E, H> {}

/// The structure of the model, its parameters and their number.
impl<E: Encoders + ModuleDisplay, H: Module + ModuleDisplay> fmt::Display for Relearning<E, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format(Default::default()))
    }
}

impl RelearningConfig {
    /// Wraps a model at the values to re-initialise with.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`](crate::MlaError::HyperParameter) for a value outside of the ranges above.
    pub fn init<E: Encoders, H: JointHead>(
        &self,
        joint: Joint<E, H>,
        data: DiagnosisData<E::Inputs>,
    ) -> Result<Relearning<E, H>> {
        at_least_one("every_steps", self.every_steps.min(1) as usize)?;
        at_least_one("max_times", self.max_times.min(1) as usize)?;
        positive("lambda", self.lambda)?;
        let mut flat = Flat::default();
        visit(&in_training(&joint.encoders), &mut flat);
        Ok(Relearning {
            joint,
            initial: flat.values,
            trainable: flat.positions,
            config: self.clone(),
            data,
        })
    }
}

/// The values of the parameters that train, and their positions.
#[derive(Default)]
struct Flat {
    n_seen: usize,
    positions: Vec<usize>,
    values: Vec<Buffer<1>>,
}

impl ParamVisitor for Flat {
    fn visit<const D: usize>(
        &mut self,
        described: &Visited<'_>,
        param: &burn::module::Param<Tensor<D>>,
    ) {
        if described.requires_grad {
            let n = param.lazy_shape().num_elements();
            let value: Tensor<1> = param.val().without_autodiff().reshape([n]);
            self.values.push(Buffer::new(value.cast(DType::F32)));
            self.positions.push(self.n_seen);
        }
        self.n_seen += 1;
    }
}

impl<E: Encoders, H: JointHead> Relearning<E, H> {
    /// As [`Joint::predict`].
    ///
    /// # Errors
    ///
    /// As [`Joint::predict`].
    pub fn predict(&self, batch: MultimodalBatch<E::Inputs>) -> Result<JointPrediction> {
        self.joint.predict(batch)
    }
}
