//! What shapes a training: the structure and options of its model, the updates that its optimizer
//! makes, its learning rates. A training that resumes is compared with it.

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{DisplaySettings, Module, ModuleDisplay};
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::checkpoint::schedule::LearningRates;
use crate::checkpoint::updates::Updates;
use crate::checkpoint::{CheckpointProblem, same};
use crate::error::Result;

/// The description of a training in a checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Description {
    model: Value,
    updates: Updates,
    learning_rates: LearningRates,
}

impl Description {
    /// The description of a model and its optimizer, without learning rates.
    ///
    /// `text` is the model in Burn's display format.
    pub(crate) fn of<M: Module>(
        text: &str,
        model: &M,
        optimizer: &ModuleOptimizer,
    ) -> Result<Self> {
        let device = model.devices().into_iter().next().unwrap_or_default();
        Ok(Self {
            model: outline(text),
            updates: Updates::of(model, optimizer, &device)?,
            learning_rates: LearningRates::default(),
        })
    }

    /// The description with the learning rates of the next updates, of which `next` returns one after
    /// the other.
    pub(crate) fn with_learning_rates(&self, next: impl FnMut() -> ModuleLearningRate) -> Self {
        Self {
            learning_rates: LearningRates::of(&self.updates, next),
            ..self.clone()
        }
    }

    /// Checks the numbers against each other; the error is a message.
    pub(super) fn check(&self) -> std::result::Result<(), String> {
        self.learning_rates.check(&self.updates)
    }

    /// Checks that a model has the structure and the options of the described one.
    pub(crate) fn check_model(&self, text: &str) -> Result<(), CheckpointProblem> {
        same("model", &self.model, &outline(text))
    }

    /// Checks that an optimizer updates the described parameters in the described way.
    pub(crate) fn check_optimizer(
        &self,
        optimizer: &ModuleOptimizer,
        device: &Device,
    ) -> Result<(), CheckpointProblem> {
        self.updates.check_optimizer(optimizer, device)
    }

    /// Checks that the same parameters of a model train.
    pub(crate) fn check_trainable<M: Module>(&self, model: &M) -> Result<(), CheckpointProblem> {
        self.updates.check_trainable(model)
    }

    /// Checks the learning rates of the next updates, of which `next` returns one after the other.
    pub(crate) fn check_learning_rates(
        &self,
        next: impl FnMut() -> ModuleLearningRate,
    ) -> Result<(), CheckpointProblem> {
        let given = LearningRates::of(&self.updates, next);
        self.learning_rates.check_same(&given, &self.updates)
    }
}

/// A model in Burn's display format.
pub(super) fn text_of<M: ModuleDisplay>(model: &M) -> String {
    model.format(DisplaySettings::default())
}

/// The nested attributes of a module's text in Burn's display format.
fn outline(text: &str) -> Value {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let Some(kind) = first.strip_suffix(" {") else {
        return Value::from(text);
    };
    let module = |kind: &str| Map::from_iter([("type".to_string(), Value::from(kind))]);
    let mut open = vec![("model", module(kind))];
    for line in lines.map(str::trim) {
        match line.split_once(": ") {
            Some((name, value)) => match value.strip_suffix(" {") {
                Some(kind) => open.push((name, module(kind))),
                None => {
                    let (_, inner) = open.last_mut().expect("the outermost module stays open");
                    inner.insert(name.to_string(), Value::from(value));
                }
            },
            None if line == "}" && open.len() > 1 => {
                let (name, closed) = open.pop().expect("there are two");
                let (_, outer) = open.last_mut().expect("there is one left");
                outer.insert(name.to_string(), Value::from(closed));
            }
            None => {}
        }
    }
    Value::from(open.swap_remove(0).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{DropoutConfig, LinearConfig};
    use serde_json::json;

    #[test]
    fn a_text_becomes_nested_attributes() {
        let device = Device::flex();
        let linear = LinearConfig::new(2, 3).with_bias(false).init(&device);
        let outline = outline(&text_of(&vec![linear]));
        let expected = json!({
            "type": "Vec<0..1>",
            "0": {
                "type": "Linear",
                "d_input": "2",
                "d_output": "3",
                "bias": "false",
                "params": "6",
            },
            "params": "6",
        });
        assert_eq!(outline, expected);
    }

    #[test]
    fn an_option_that_differs_is_named() {
        let text = |prob| text_of(&(vec![DropoutConfig::new(prob).init()]));
        let description = Description {
            model: outline(&text(0.25)),
            ..Description::default()
        };
        description.check_model(&text(0.25)).unwrap();
        let problem = description.check_model(&text(0.5)).unwrap_err();
        assert_eq!(
            problem.to_string(),
            "made with model.0.prob = \"0.25\", but now model.0.prob = \"0.5\""
        );
    }
}
