//! Checks of what reaches the optimizer: gradients and learning rates.

use std::collections::HashSet;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Tensor};

use crate::error::{MlaError, Result};
use crate::method::Parameters;
use crate::module::{ParamVisitor, Visited, visit};

impl<E: Module, H: Module> Parameters<E, H> {
    /// The path of a parameter whose gradient is not finite, or of a running statistic whose update is
    /// not. One device read for those that are not checked yet, and one for each of them if there is
    /// such a gradient.
    pub(crate) fn non_finite_gradient(
        &self,
        gradients: &GradientsParams,
        checked: &mut Checked,
    ) -> Result<Option<String>> {
        if checked.not_finite.is_some() {
            return Ok(checked.not_finite.clone());
        }
        let mut sums = Sums {
            gradients,
            checked,
            each: vec![],
        };
        visit(self, &mut sums);
        let each = sums.each;
        let Some(total) = each.iter().map(|(_, _, sum)| sum.clone()).reduce(add) else {
            return Ok(None);
        };
        if !read(total)?.is_finite() {
            // All may be finite, and their sum exceed f32.
            for (_, path, sum) in &each {
                if !read(sum.clone())?.is_finite() {
                    return Ok(Some(path.clone()));
                }
            }
        }
        checked.finite.extend(each.iter().map(|&(id, _, _)| id));
        Ok(None)
    }

    /// Checks the learning rate of each parameter that has a gradient.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] unless it is finite in f32.
    pub(crate) fn check_learning_rate(
        &self,
        learning_rate: &ModuleLearningRate,
        gradients: &GradientsParams,
    ) -> Result<()> {
        let mut rates = Rates {
            learning_rate,
            gradients,
            refused: None,
        };
        visit(self, &mut rates);
        rates.refused.map_or(Ok(()), |value| {
            Err(MlaError::HyperParameter {
                name: "learning rate",
                requirement: "finite in f32",
                value,
            })
        })
    }
}

fn add(a: Tensor<1>, b: Tensor<1>) -> Tensor<1> {
    let b = b.to_device(&a.device());
    a + b
}

fn read(sum: Tensor<1>) -> Result<f32> {
    sum.try_into_scalar()
        .map_err(MlaError::read("the gradients"))
}

/// The parameters whose gradients are known to be finite, or the path of one whose gradient is not.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    finite: HashSet<ParamId>,
    not_finite: Option<String>,
}

impl Checked {
    /// Adds what is known of a parameter's gradient.
    pub(super) fn add(&mut self, described: &Visited<'_>, is_finite: bool) {
        if is_finite {
            self.finite.insert(described.id);
        } else {
            let path = || described.path.join(".");
            self.not_finite.get_or_insert_with(path);
        }
    }

    /// Forgets what is known of a gradient that has changed.
    pub(crate) fn forget(&mut self, id: ParamId) {
        self.finite.remove(&id);
    }
}

/// The sum of each gradient in f32 that is not checked, and of each statistic's update, which travels under
/// the id of the statistic. It is not finite if an entry is not.
struct Sums<'a> {
    gradients: &'a GradientsParams,
    checked: &'a Checked,
    each: Vec<(ParamId, String, Tensor<1>)>,
}

impl ParamVisitor for Sums<'_> {
    fn visit<const D: usize>(&mut self, described: &Visited<'_>, param: &Param<Tensor<D>>) {
        if self.checked.finite.contains(&param.id) {
            return;
        }
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let sum = gradient.cast(DType::F32).sum();
            self.each.push((param.id, described.path.join("."), sum));
        }
    }
}

struct Rates<'a> {
    learning_rate: &'a ModuleLearningRate,
    gradients: &'a GradientsParams,
    refused: Option<f64>,
}

impl ParamVisitor for Rates<'_> {
    fn visit<const D: usize>(&mut self, described: &Visited<'_>, param: &Param<Tensor<D>>) {
        if !described.requires_grad || self.gradients.get::<D>(param.id).is_none() {
            return;
        }
        let path = described.path.join(".");
        let rate = self.learning_rate.lr_from_param(param.id, Some(&path));
        if !(rate as f32).is_finite() {
            self.refused = Some(rate);
        }
    }
}
