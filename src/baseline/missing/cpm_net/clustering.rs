//! The clustering loss of CPM-Net: the latent vector of a sample is closer to those of its class than to
//! those of any other.

use burn::config::Config;
use burn::tensor::{Bool, Tensor};

use crate::modality::Targets;

/// The margin of the clustering loss of [`CpmNet`](crate::baseline::CpmNet).
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum ClusteringMargin {
    /// 1 for a sample whose highest score is that of another class, 0 for all others; the authors'
    /// code.
    Misclassified,
    /// 1 for each other class, within the maximum: the structured hinge loss.
    Structured,
}

/// A score that no class reaches.
const OUT_OF_REACH: f64 = -1e30;

/// The clustering loss, a sum over samples, `[1]`, and the class scores, `[n_samples, n_classes]`.
///
/// ```text
/// F_nc = mean over j != n of class c of h_n . h_j
/// loss = sum_n max(0, D_n + max_c F_nc - F_n,y_n)
/// ```
///
/// Gradients reach all latent vectors of the two classes. The scores follow from sums over classes. The
/// score of a class without another sample is 0. Such a class is no candidate, and its only sample has no
/// term.
pub(super) fn clustering(
    latents: Tensor<2>,
    targets: &Targets,
    n_classes: usize,
    margin: ClusteringMargin,
) -> (Tensor<1>, Tensor<2>) {
    let device = latents.device();
    let own = targets.multi_hot(n_classes, &device);
    let [n_samples, _] = latents.dims();
    let shape = [n_samples, n_classes];
    let sums = own.clone().transpose().matmul(latents.clone());
    let squares = latents.clone().square().sum_dim(1);
    let others = own.clone().sum_dim(0).expand(shape) - own.clone();
    let products = latents.matmul(sums.transpose()) - own.clone() * squares;
    let scores = products / others.clone().clamp_min(1.0);

    let nobody: Tensor<2, Bool> = others.equal_elem(0.0);
    let is_own: Tensor<2, Bool> = own.clone().equal_elem(1.0);
    let alone = nobody.clone().bool_and(is_own.clone()).float().sum_dim(1);
    let candidates = scores.clone().mask_fill(nobody, OUT_OF_REACH);
    let of_class = (scores.clone() * own).sum_dim(1);
    let violation = match margin {
        ClusteringMargin::Misclassified => {
            let highest = candidates.max_dim(1) - of_class;
            let misclassified = highest.clone().detach().greater_elem(0.0).float();
            highest + misclassified
        }
        ClusteringMargin::Structured => {
            let others = candidates.mask_fill(is_own, OUT_OF_REACH);
            others.max_dim(1) - of_class + 1.0
        }
    };
    let violation = violation
        .clamp_min(0.0)
        .mask_fill(alone.equal_elem(1.0), 0.0);
    (violation.sum(), scores)
}

#[cfg(all(test, feature = "train"))]
mod tests {
    use burn::tensor::Device;
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::baseline::missing::golden::Golden;
    use crate::baseline::missing::samples::numbers;
    use crate::test_devices;

    #[rstest]
    fn losses_and_gradients_are_those_of_the_reference(
        #[values("linear_3_views", "lonely_class_4_views", "two_layers_2_views")] name: &str,
    ) {
        for device in test_devices() {
            let device = device.autodiff();
            let golden = Golden::load(&format!("cpm/{name}"));
            let targets = golden.targets(&device);
            let n_classes = golden.size("n_classes");
            for (margin, ending) in [
                (ClusteringMargin::Misclassified, ""),
                (ClusteringMargin::Structured, "_structured"),
            ] {
                let h = golden.tensor::<2>("h", &device).require_grad();
                let (loss, scores) = clustering(h.clone(), &targets, n_classes, margin);
                golden.close(&format!("clustering{ending}"), loss.clone().inner(), 1e-5);
                golden.close("class_scores", scores.inner(), 1e-5);
                let gradient = h.grad(&loss.backward()).unwrap();
                golden.close(&format!("grad_h_clustering{ending}"), gradient, 3e-5);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        /// The loss with the default margin is 0 if and only if no sample is misclassified by the
        /// means of all others.
        #[test]
        fn the_loss_is_zero_without_misclassified_samples(
            entries in prop::collection::vec(-1.0f32..1.0, 24), shift in 0.0f32..3.0,
        ) {
            let device = Device::flex();
            let data = burn::tensor::TensorData::new(entries, [8, 3]);
            let labels = [0_usize, 0, 0, 1, 1, 1, 2, 2];
            let targets = Targets::new(labels, &device);
            let directions = targets.multi_hot(3, &device) * shift;
            let h = Tensor::<2>::from_data(data, &device) + directions;
            let margin = ClusteringMargin::Misclassified;
            let (loss, scores) = clustering(h, &targets, 3, margin);
            let loss: f32 = loss.into_scalar();
            let classes: Vec<i64> = scores.argmax(1).into_data().iter().collect();
            let n_wrong = classes.iter().zip(labels).filter(|(a, b)| **a != *b as i64).count();
            prop_assert_eq!(loss == 0.0, n_wrong == 0);
            prop_assert!(loss >= n_wrong as f32);
        }
    }

    #[test]
    fn one_class_or_one_sample_has_no_loss() {
        let device = Device::flex();
        let h = Tensor::<2>::from_floats([[1.0, 2.0], [-3.0, 4.0]], &device);
        for margin in [
            ClusteringMargin::Misclassified,
            ClusteringMargin::Structured,
        ] {
            for (labels, n_classes) in [([1, 1], 3), ([0, 1], 2), ([0, 0], 1)] {
                let targets = Targets::new(labels, &device);
                let (loss, scores) = clustering(h.clone(), &targets, n_classes, margin);
                assert_eq!(loss.into_scalar::<f32>(), 0.0);
                assert!(numbers(scores).iter().all(|x| x.is_finite()));
            }
        }
    }
}
