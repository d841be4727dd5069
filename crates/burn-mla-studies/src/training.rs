//! Passes over training data without checkpoints, for the studies that train many models.

use std::error::Error;

use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::{AdamWConfig, ModuleOptimizer};
use burn_mla::checkpoint::TurnStatistics;
use burn_mla::loader::TrainingData;
use burn_mla::method::{MultimodalMethod, TrainingLoader};

const WEIGHT_DECAY: f32 = 0.01;

/// A model in training, which is short: there are no checkpoints.
pub struct Training<M: MultimodalMethod> {
    pub model: M,
    optimizer: ModuleOptimizer,
    learning_rates: ModuleLrScheduler,
    train: TrainingLoader<M::TrainingInput>,
}

impl<M: MultimodalMethod> Training<M> {
    pub fn new(
        model: M,
        train: impl Into<TrainingData<M::Inputs>>,
        learning_rates: impl Into<ModuleLrScheduler>,
    ) -> Result<Self, Box<dyn Error>> {
        let train = model.training_loader(train.into().batches)?;
        let optimizer = AdamWConfig::new().with_weight_decay(WEIGHT_DECAY);
        Ok(Self {
            model,
            optimizer: optimizer.init(),
            learning_rates: learning_rates.into(),
            train,
        })
    }

    pub fn with_learning_rates(self, learning_rates: impl Into<ModuleLrScheduler>) -> Self {
        Self {
            learning_rates: learning_rates.into(),
            ..self
        }
    }

    pub fn with_weight_decay(self, weight_decay: f32) -> Self {
        let optimizer = AdamWConfig::new().with_weight_decay(weight_decay);
        Self {
            optimizer: optimizer.init(),
            ..self
        }
    }

    /// Number of items of a pass, as the loader of the method counts them.
    pub fn n_items(&self) -> usize {
        self.train.loader.num_items()
    }

    /// Trains on all batches once.
    pub fn pass(&mut self) -> Result<(), Box<dyn Error>> {
        let mut turns = vec![TurnStatistics::default(); self.model.n_modalities()];
        for input in self.train.loader.iter() {
            let output = self.model.try_train_step(input?)?;
            let step = output.item;
            if let Some(modality) = step.modality {
                turns[modality].add(step.targets.len(), step.loss.into_scalar());
            }
            let rates = self.learning_rates.step();
            self.model
                .try_update(&mut self.optimizer, rates, output.grads)?;
        }
        let losses: Vec<f64> = turns.iter().map(TurnStatistics::loss).collect();
        self.train.handle.rank(&losses)?;
        Ok(())
    }
}
