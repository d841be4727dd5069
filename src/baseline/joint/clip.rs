//! Clipping of gradients by the norm of a whole network.

use std::collections::HashMap;

use burn::module::{Module, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use crate::module::{ParamVisitor, Visited, visit};
use crate::numeric::widened;

/// Keeps the factor of a gradient of 0 finite.
const FLOOR: f64 = 1e-6;

/// Scales the gradients of each of the networks of a module, such that the Euclidean norm of all entries of
/// a network's gradients is at most `max_norm`.
pub(super) fn clip<M: Module>(
    module: &M,
    networks: &[Vec<ParamId>],
    max_norm: f64,
    gradients: &mut GradientsParams,
) {
    let networks = networks.iter().enumerate();
    let network_of: HashMap<ParamId, usize> = networks
        .flat_map(|(at, ids)| ids.iter().map(move |id| (*id, at)))
        .collect();
    let mut squares = Squares {
        network_of: &network_of,
        gradients,
        sums: HashMap::new(),
    };
    visit(module, &mut squares);
    let factors = squares.sums.into_iter().map(|(network, sum)| {
        let factor = (sum.sqrt() + FLOOR).recip() * max_norm;
        (network, factor.clamp_max(1.0))
    });
    let mut scale = Scale {
        network_of: &network_of,
        factors: factors.collect(),
        gradients,
    };
    visit(module, &mut scale);
}

/// Sums the squares of the gradients of each network, `[1]` in f32.
struct Squares<'a> {
    network_of: &'a HashMap<ParamId, usize>,
    gradients: &'a GradientsParams,
    sums: HashMap<usize, Tensor<1>>,
}

impl ParamVisitor for Squares<'_> {
    fn visit<const D: usize>(&mut self, described: &Visited<'_>, param: &Param<Tensor<D>>) {
        let Some(&network) = self.network_of.get(&param.id) else {
            return;
        };
        // Values of buffers travel with the gradients.
        if let Some(gradient) = self.gradients.get::<D>(param.id)
            && described.requires_grad
        {
            let square = widened(gradient).square().sum();
            let sum = self.sums.remove(&network);
            let sum = sum.map_or(square.clone(), |sum| sum + square);
            self.sums.insert(network, sum);
        }
    }
}

struct Scale<'a> {
    network_of: &'a HashMap<ParamId, usize>,
    factors: HashMap<usize, Tensor<1>>,
    gradients: &'a mut GradientsParams,
}

impl ParamVisitor for Scale<'_> {
    fn visit<const D: usize>(&mut self, described: &Visited<'_>, param: &Param<Tensor<D>>) {
        let network = self.network_of.get(&param.id);
        let factor = network.and_then(|network| self.factors.get(network));
        if let Some(factor) = factor
            && described.requires_grad
            && let Some(gradient) = self.gradients.remove::<D>(param.id)
        {
            let dtype = gradient.dtype();
            let scaled = widened(gradient) * factor.clone().reshape([1; D]);
            self.gradients.register(param.id, scaled.cast(dtype));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;

    use super::*;
    use crate::baseline::{
        AeConfig, AgmConfig, AssistedConfig, ConcatConfig, CraConfig, IfMminConfig, JointHead,
        MminConfig, OpmConfig, PmrConfig, TateConfig,
    };
    use crate::module::param_ids;
    use crate::test_devices;

    /// Norms of the gradients of two layers, whose gradients are 3 and 1 in each of 4 entries.
    fn norms(max_norm: f64, together: bool) -> Vec<[f64; 2]> {
        let mut found = vec![];
        for device in test_devices() {
            let device = device.autodiff();
            let layer = || LinearConfig::new(2, 2).with_bias(false).init(&device);
            let layers = [layer(), layer()];
            let sum = |layer: &Linear| layer.weight.val().sum();
            let loss = sum(&layers[0]) * 3.0 + sum(&layers[1]);
            let mut gradients = GradientsParams::from_grads(loss.backward(), &layers.to_vec());
            let networks = layers.each_ref().map(param_ids);
            let networks = if together {
                vec![networks.concat()]
            } else {
                networks.to_vec()
            };
            clip(&layers.to_vec(), &networks, max_norm, &mut gradients);
            found.push(layers.map(|layer| {
                let gradient = gradients.get::<2>(layer.weight.id).unwrap();
                f64::from(gradient.square().sum().sqrt().into_scalar::<f32>())
            }));
        }
        found
    }

    fn close(found: Vec<[f64; 2]>, expected: [f64; 2]) {
        for found in found {
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-5, "{found}, {expected}");
            }
        }
    }

    #[test]
    fn a_network_is_scaled_as_a_whole() {
        close(norms(4.0, false), [4.0, 2.0]);
        close(norms(1.0, false), [1.0, 1.0]);
        let share = 1.0 / 10_f64.sqrt();
        close(norms(1.0, true), [3.0 * share, share]);
        close(norms(100.0, true), [6.0, 2.0]);
    }

    /// A parameter in no network would not be clipped, one in two twice.
    #[test]
    fn networks_of_a_head_have_each_parameter_once() {
        fn check<H: JointHead>(head: H, n_networks: usize) {
            let networks = head.networks();
            assert_eq!(networks.len(), n_networks, "{}", head.describe());
            let found = networks.concat();
            let distinct: HashSet<ParamId> = found.iter().copied().collect();
            assert_eq!(distinct.len(), found.len(), "{}", head.describe());
            let all: HashSet<ParamId> = param_ids(&head).into_iter().collect();
            assert!(distinct.is_subset(&all), "{}", head.describe());
            // State of a training is in no network.
            let state: HashSet<ParamId> = head.training_only().into_iter().collect();
            let mut left_out = all.difference(&distinct);
            assert!(left_out.all(|id| state.contains(id)), "{}", head.describe());
        }
        let (d, device) = (vec![3, 4], &Device::flex());
        let ae = AeConfig::new(d.clone(), 2);
        check(ConcatConfig::new(d.clone(), 2).init(device).unwrap(), 1);
        check(ae.init(device).unwrap(), 6);
        check(CraConfig::new(ae).init(device).unwrap(), 6);
        let mmin = MminConfig::new(d.clone(), 2, 1);
        check(mmin.init(device).unwrap(), 3 + 5);
        let shared = mmin.with_share_weight(true);
        check(shared.init(device).unwrap(), 3 + 4);
        check(
            IfMminConfig::new(d.clone(), 2, 1).init(device).unwrap(),
            4 + 5,
        );
        check(TateConfig::new(d.clone(), 2, 1).init(device).unwrap(), 2);
        // Heads around one of 6 networks have them, too.
        let inner = || AeConfig::new(d.clone(), 2).init(device).unwrap();
        check(AgmConfig::new(2, 0.5).init(inner()).unwrap(), 6);
        check(OpmConfig::new().init(inner()).unwrap(), 6);
        check(PmrConfig::new(d.clone(), 1).init(inner()).unwrap(), 6);
        check(AssistedConfig::new(d.clone()).init(inner()).unwrap(), 7);
    }
}
