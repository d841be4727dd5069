//! Projection off the leading feature directions of the other modalities.

use burn::config::Config;

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::error::{MlaError, Result, at_least_one};
use crate::module::Buffer;
use crate::numeric::Symmetric;
use crate::numeric::product;
use crate::projector::OrthogonalProjector;
use crate::projector::pending::PendingRows;

/// The number of directions that a [`SubspaceProjector`] removes.
#[derive(Config, Debug, Copy, PartialEq)]
pub enum SubspaceRank {
    /// All, up to `max_rank`.
    Fixed,
    /// The fewest that hold this share of the features' energy, in (0, 1], up to `max_rank`.
    Energy(f64),
}

/// Configuration of a [`SubspaceProjector`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `max_rank` | 16 | directions stored per modality, and the most that are removed | >= 1 |
/// | `rank` | `Energy(0.95)` | number of removed directions | |
/// | `refresh_every` | 32 | steps of a modality between two computations of its directions | >= 1 |
/// | `memory` | 0.9 | weight of earlier directions in each refresh; 1 never forgets | (0, 1] |
#[derive(Config, Debug, PartialEq)]
pub struct SubspaceProjectorConfig {
    /// Directions stored per modality, and the most that are removed.
    #[config(default = 16)]
    pub max_rank: usize,
    /// Number of removed directions.
    #[config(default = "SubspaceRank::Energy(0.95)")]
    pub rank: SubspaceRank,
    /// Steps of a modality between two computations of its directions.
    #[config(default = 32)]
    pub refresh_every: usize,
    /// Weight of earlier directions in each refresh; 1 never forgets.
    #[config(default = 0.9)]
    pub memory: f64,
}

/// Projects the gradient of a modality off the leading feature directions of the **others**, as
/// the prose of the MLA paper describes. Eq. 5 also protects the modality's own directions.
///
/// ```text
/// C_j   running second moment of the mean features of modality j (Eq. 4), not centred
/// Q_m   leading eigenvectors of sum over j != m of C_j / trace(C_j)
/// P_m = I - Q_m Q_m^T
/// ```
///
/// `C_j` is stored by its `max_rank` leading directions (incremental PCA), in `O(M s max_rank)`
/// memory. Every modality has the same weight, whatever the scale of its features. Directions
/// within the span are removed entirely, others not at all. With a `memory` below 1, directions
/// without recent features fade.
///
/// Every `refresh_every` steps of a modality its last features are read to the host, where the
/// small eigenproblem is solved in f64. Other steps read nothing. Before its first refresh, a
/// modality's gradients are not changed.
#[derive(Debug, Clone, PartialEq)]
pub struct SubspaceProjector {
    config: SubspaceProjectorConfig,
}

/// The directions of each modality, for a [`SubspaceProjector`].
#[derive(Module, Debug)]
pub struct SubspaceState {
    modalities: Vec<ModalitySubspace>,
}

#[derive(Module, Debug)]
struct ModalitySubspace {
    /// Features since the last refresh.
    recent: PendingRows,
    /// Directions of this modality's own features, `[max_rank, d_input]`. Their length is the
    /// square root of their energy.
    directions: Buffer<2>,
    /// Orthonormal directions of the other modalities, `[max_rank, d_input]`. Unused rows are 0.
    removed: Buffer<2>,
}

impl SubspaceProjectorConfig {
    /// Checks the configuration.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for a value outside the ranges above.
    pub fn init(&self) -> Result<SubspaceProjector> {
        at_least_one("max_rank", self.max_rank)?;
        at_least_one("refresh_every", self.refresh_every)?;
        share("memory", self.memory)?;
        if let SubspaceRank::Energy(energy) = self.rank {
            share("energy", energy)?;
        }
        Ok(SubspaceProjector {
            config: self.clone(),
        })
    }
}

fn share(name: &'static str, value: f64) -> Result<()> {
    if value > 0.0 && value <= 1.0 {
        return Ok(());
    }
    Err(MlaError::HyperParameter {
        name,
        requirement: "in (0, 1]",
        value,
    })
}

/// Directions with less than this share of the largest energy are rounding.
const NEGLIGIBLE: f64 = 1e-10;

type Rows = Vec<Vec<f64>>;

/// The leading principal directions of rows: energies from the largest, and unit vectors.
struct Principal {
    energies: Vec<f64>,
    units: Rows,
}

impl Principal {
    /// At most `at_most` directions of the rows; none if the rows are not finite.
    fn of(rows: &Rows, at_most: usize) -> Self {
        let gram = Symmetric::gram(rows);
        let mut principal = Self {
            energies: vec![],
            units: vec![],
        };
        if !gram.is_finite() {
            return principal;
        }
        let eigen = gram.eigen();
        let largest = eigen.values.first().copied().unwrap_or(0.0);
        let pairs = eigen.values.into_iter().zip(eigen.vectors);
        for (energy, weights) in pairs.take(at_most) {
            if energy <= NEGLIGIBLE * largest {
                break;
            }
            let mut unit = vec![0.0; rows[0].len()];
            for (row, weight) in rows.iter().zip(weights) {
                let weight = weight / energy.sqrt();
                unit.iter_mut().zip(row).for_each(|(u, x)| *u += weight * x);
            }
            principal.energies.push(energy);
            principal.units.push(unit);
        }
        principal
    }

    /// The directions, scaled to the square root of their energy.
    fn scaled(self) -> Rows {
        let pairs = self.units.into_iter().zip(self.energies);
        pairs
            .map(|(unit, energy)| unit.iter().map(|x| x * energy.sqrt()).collect())
            .collect()
    }

    /// The fewest directions that hold a share of a total energy.
    fn up_to(mut self, share: f64, total: f64) -> Rows {
        let mut held = 0.0;
        let enough = self.energies.iter().position(|energy| {
            held += energy;
            held >= share * total * (1.0 - 1e-9)
        });
        self.units
            .truncate(enough.map_or(self.units.len(), |last| last + 1));
        self.units
    }
}

fn read(rows: Tensor<2>) -> Rows {
    let [_, width] = rows.dims();
    let entries: Vec<f64> = rows.into_data().iter().collect();
    entries.chunks(width).map(<[f64]>::to_vec).collect()
}

/// The rows, padded with zeros to the shape of `like`.
fn write(rows: Rows, like: &Tensor<2>) -> Tensor<2> {
    let [n, width] = like.dims();
    let mut entries: Vec<f32> = rows.iter().flatten().map(|&x| x as f32).collect();
    entries.resize(n * width, 0.0);
    let data = TensorData::new(entries, [n, width]);
    Tensor::from_data(data, (&like.device(), DType::F32))
}

fn energy(rows: &Rows) -> f64 {
    rows.iter().flatten().map(|x| x * x).sum()
}

fn scale(rows: &mut Rows, factor: f64) {
    rows.iter_mut().flatten().for_each(|x| *x *= factor);
}

impl SubspaceProjector {
    /// The configuration.
    pub fn config(&self) -> &SubspaceProjectorConfig {
        &self.config
    }

    fn modality(&self, d_input: usize, device: &Device) -> ModalitySubspace {
        let zeros = || {
            let shape = [self.config.max_rank, d_input];
            Buffer::new(Tensor::zeros(shape, (device, DType::F32)))
        };
        ModalitySubspace {
            recent: PendingRows::new(self.config.refresh_every, d_input, device),
            directions: zeros(),
            removed: zeros(),
        }
    }

    fn refresh(&self, modality: usize, mut state: SubspaceState) -> SubspaceState {
        let max_rank = self.config.max_rank;
        let own = state.modalities.remove(modality);

        let mut rows = read(own.directions.get());
        scale(&mut rows, self.config.memory.sqrt());
        if !own.recent.is_empty() {
            rows.extend(read(own.recent.rows()));
        }
        let known = Principal::of(&rows, max_rank).scaled();

        let mut others: Rows = vec![];
        let mut total = 0.0;
        for other in &state.modalities {
            let mut rows = read(other.directions.get());
            let energy = energy(&rows);
            if energy > 0.0 {
                scale(&mut rows, energy.sqrt().recip());
                others.extend(rows);
                total += 1.0;
            }
        }
        let principal = Principal::of(&others, max_rank);
        let removed = match self.config.rank {
            SubspaceRank::Fixed => principal.units,
            SubspaceRank::Energy(share) => principal.up_to(share, total),
        };
        let own = ModalitySubspace {
            recent: own.recent.clear(),
            directions: own.directions.replace(|old| write(known, &old)),
            removed: own.removed.replace(|old| write(removed, &old)),
        };
        state.modalities.insert(modality, own);
        state
    }
}

impl OrthogonalProjector for SubspaceProjector {
    type State = SubspaceState;

    fn init(&self, d_input: usize, n_modalities: usize, device: &Device) -> Result<SubspaceState> {
        at_least_one("d_input", d_input)?;
        let modality = |_| self.modality(d_input, device);
        Ok(SubspaceState {
            modalities: (0..n_modalities).map(modality).collect(),
        })
    }

    /// # Panics
    ///
    /// If `feature` is not `[d_input]`, if there is no such modality, or if a device read fails at
    /// a refresh.
    fn update(&self, feature: Tensor<1>, modality: usize, state: SubspaceState) -> SubspaceState {
        let SubspaceState { mut modalities } = state;
        let own = modalities.remove(modality);
        let own = ModalitySubspace {
            recent: own.recent.push(feature.unsqueeze_dim(0)),
            ..own
        };
        let full = own.recent.is_full();
        modalities.insert(modality, own);
        let state = SubspaceState { modalities };
        if full {
            self.refresh(modality, state)
        } else {
            state
        }
    }

    /// The directions of all others are removed from gradients of the new modality at once, those of features
    /// since their last refresh included.
    fn with_modality(&self, mut state: SubspaceState) -> SubspaceState {
        let Some(first) = state.modalities.first() else {
            return state;
        };
        let like = first.directions.get();
        for modality in 0..state.modalities.len() {
            if !state.modalities[modality].recent.is_empty() {
                state = self.refresh(modality, state);
            }
        }
        let new = self.modality(like.dims()[1], &like.device());
        state.modalities.push(new);
        self.refresh(state.modalities.len() - 1, state)
    }

    fn check(&self, state: &SubspaceState) -> Result<()> {
        state
            .modalities
            .iter()
            .try_for_each(|own| own.recent.check())
    }

    /// # Panics
    ///
    /// If `gradient` is not `[d_input, _]`, or if there is no such modality.
    fn project(&self, gradient: Tensor<2>, modality: usize, state: &SubspaceState) -> Tensor<2> {
        let q = state.modalities[modality].removed.get();
        let along = product(q.clone().transpose(), product(q, gradient.clone()));
        gradient - along
    }

    /// Removal of a few directions is cheaper than projection by factors.
    fn prefers_factors(&self, _: usize, _: usize, _: usize) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projector::laws::assert_projector_laws;

    fn config(refresh_every: usize) -> SubspaceProjectorConfig {
        SubspaceProjectorConfig::new().with_refresh_every(refresh_every)
    }

    #[test]
    fn obeys_the_laws_of_projectors_at_every_refresh() {
        for refresh_every in [1, 5, 32, 100] {
            for rank in [SubspaceRank::Fixed, SubspaceRank::Energy(0.9)] {
                let config = config(refresh_every).with_rank(rank).with_max_rank(4);
                assert_projector_laws(&config.init().unwrap());
            }
        }
    }

    #[test]
    fn bad_shares_are_refused() {
        for value in [0.0, -1.0, 1.1, f64::NAN] {
            assert!(config(1).with_memory(value).init().is_err());
            let energy = SubspaceRank::Energy(value);
            assert!(config(1).with_rank(energy).init().is_err());
        }
    }

    /// Modality 0 lies in the plane of the first two axes, modality 1 along the third.
    fn two_modalities(rank: SubspaceRank, device: &Device) -> (SubspaceProjector, SubspaceState) {
        let rule = config(4).with_rank(rank).init().unwrap();
        let mut state = rule.init(5, 2, device).unwrap();
        for step in 0..16 {
            let (major, minor) = ((step % 3) as f32 + 1.0, 0.01 * (step % 2) as f32);
            let features = [[major, minor, 0.0, 0.0, 0.0], [0.0, 0.0, major, 0.0, 0.0]];
            for (modality, feature) in features.into_iter().enumerate() {
                let feature = Tensor::<1>::from_floats(feature, device);
                state = rule.update(feature, modality, state);
            }
        }
        (rule, state)
    }

    #[test]
    fn removes_the_directions_of_the_others_and_keeps_its_own() {
        for device in crate::test_devices() {
            let (rule, state) = two_modalities(SubspaceRank::Fixed, &device);
            let gains = |modality| -> Vec<f32> {
                let projected = rule.project(Tensor::ones([5, 1], &device), modality, &state);
                projected.into_data().iter().collect()
            };
            for (gain, expected) in gains(0).iter().zip([1.0, 1.0, 0.0, 1.0, 1.0]) {
                assert!((gain - expected).abs() < 1e-6, "{gain}, not {expected}");
            }
            for (gain, expected) in gains(1).iter().zip([0.0, 0.0, 1.0, 1.0, 1.0]) {
                assert!((gain - expected).abs() < 1e-5, "{gain}, not {expected}");
            }
        }
    }

    #[test]
    fn an_energy_below_1_leaves_small_directions_alone() {
        let (rule, state) = two_modalities(SubspaceRank::Energy(0.95), &Device::flex());
        let projected = rule.project(Tensor::ones([5, 1], &Device::flex()), 1, &state);
        let projected: Vec<f32> = projected.into_data().iter().collect();
        assert!(projected[0].abs() < 0.02, "{}", projected[0]);
        assert!(projected[1] > 0.9, "{}", projected[1]);
    }
}
