//! Checks of what reaches the optimizer: gradients and learning rates.

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Tensor};

use crate::error::{MlaError, Result};
use crate::method::Parameters;
use crate::module::{ParamVisitor, Visited, visit};

impl<E: Module, H: Module> Parameters<E, H> {
    /// The path of a parameter whose gradient is not finite, or of a running statistic whose update is
    /// not. One device read, and one for each parameter if there is such a gradient.
    pub(crate) fn non_finite_gradient(
        &self,
        gradients: &GradientsParams,
    ) -> Result<Option<String>> {
        let mut sums = Sums::of(gradients);
        visit(self, &mut sums);
        let Some(total) = sums.each.iter().map(|(_, sum)| sum.clone()).reduce(add) else {
            return Ok(None);
        };
        if read(total)?.is_finite() {
            return Ok(None);
        }
        for (path, sum) in sums.each {
            if !read(sum)?.is_finite() {
                return Ok(Some(path));
            }
        }
        // Finite gradients whose sum exceeds f32.
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

/// The sum of each parameter's gradient in f32, and of each statistic's update, which travels under the
/// id of the statistic. It is not finite if an entry is not.
struct Sums<'a> {
    gradients: &'a GradientsParams,
    each: Vec<(String, Tensor<1>)>,
}

impl<'a> Sums<'a> {
    fn of(gradients: &'a GradientsParams) -> Self {
        let each = vec![];
        Self { gradients, each }
    }
}

impl ParamVisitor for Sums<'_> {
    fn visit<const D: usize>(&mut self, described: &Visited<'_>, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let sum = gradient.cast(DType::F32).sum();
            self.each.push((described.path.join("."), sum));
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
