//! The history of losses that QMF ranks by, at a cost per batch that depends on the batch only.
//!
//! The history is `[n_data, 2 M]`: for each sample of the data set the sums of its losses, then the
//! numbers of times it was seen. The range of the mean losses over all samples comes from a tree of
//! block ranges: a row of level 0 covers [`FANOUT`] samples, a row of the next level as many rows of
//! the level below, `[n_blocks, 2 M]`, the lowest means and then the highest. The last level has one
//! row. A batch changes one block per sample and level.

use std::collections::BTreeMap;

use burn::tensor::{DType, Device, IndexingUpdateOp, Int, Tensor, TensorData};

/// Number of rows that a block covers.
const FANOUT: usize = 64;

/// The ranges of a history in which no sample was seen.
pub(super) fn unseen_ranges(n_data: usize, n_modalities: usize, device: &Device) -> Vec<Tensor<2>> {
    let options = (device, DType::F32);
    let mut levels = vec![];
    let mut n_rows = n_data;
    while levels.is_empty() || n_rows > 1 {
        n_rows = n_rows.div_ceil(FANOUT);
        let lowest = Tensor::full([n_rows, n_modalities], f32::MAX, options);
        let highest = Tensor::full([n_rows, n_modalities], f32::MIN, options);
        levels.push(Tensor::cat(vec![lowest, highest], 1));
    }
    levels
}

/// The mean losses of the samples of a batch, with the range over all samples, as they are after the
/// batch.
pub(super) struct Means {
    /// Row of each sample of the data set in `means`.
    rows: BTreeMap<usize, usize>,
    /// `[n_different_samples, M]`.
    means: Tensor<2>,
    /// The lowest and the highest means, `[1, 2 M]`.
    range: Tensor<2>,
}

impl Means {
    /// Previews the history after a batch, whose samples are at `at` in the data set and add the rows
    /// `added`. Neither `history` nor `ranges` changes.
    pub(super) fn after(
        history: &Tensor<2>,
        ranges: &[Tensor<2>],
        at: &[usize],
        added: Tensor<2>,
    ) -> Self {
        let rows: BTreeMap<usize, usize> = at.iter().map(|&at| (at, 0)).collect();
        let rows = rows.into_keys().enumerate().map(|(row, at)| (at, row));
        let rows: BTreeMap<usize, usize> = rows.collect();
        let seen: Vec<usize> = rows.keys().copied().collect();
        let of_sample: Vec<usize> = at.iter().map(|at| rows[at]).collect();

        let old = history.clone().select(0, indices(&seen, history));
        let op = IndexingUpdateOp::Add;
        let new = old.select_assign(0, indices(&of_sample, history), added, op);
        let [n_seen, columns] = new.dims();
        let means = means_of(new.clone().unsqueeze_dim::<3>(1));
        let means = means.reshape([n_seen, columns / 2]);

        let (mut touched, blocks) = regroup(history, &seen, new);
        let mut range = ranges_of_rows(blocks);
        for level in &ranges[..ranges.len() - 1] {
            let (parents, blocks) = regroup(level, &touched, range);
            (touched, range) = (parents, ranges_of_ranges(blocks));
        }
        Self { rows, means, range }
    }

    /// The mean losses of the samples `at` in a modality, scaled to the range from 0 to 1 over the
    /// samples seen so far, `[at.len()]`.
    pub(super) fn difficulty(&self, modality: usize, at: &[usize]) -> Tensor<1> {
        let [n_rows, n_modalities] = self.means.dims();
        let bound = |column: usize| {
            let bound = self.range.clone().slice([0..1, column..column + 1]);
            bound.squeeze_dim::<1>(1)
        };
        let (lowest, highest) = (bound(modality), bound(n_modalities + modality));
        let rows: Vec<usize> = at.iter().map(|at| self.rows[at]).collect();
        let column = self
            .means
            .clone()
            .slice([0..n_rows, modality..modality + 1]);
        let column = column.squeeze_dim::<1>(1);
        let range = (highest - lowest.clone()).clamp_min(f32::MIN_POSITIVE);
        (column.select(0, indices(&rows, &self.means)) - lowest) / range
    }
}

/// Adds the rows of a batch to the history, at the positions `at`, in place if nothing else owns it.
pub(super) fn add(history: Tensor<2>, at: Tensor<1, Int>, added: Tensor<2>) -> Tensor<2> {
    history.select_assign(0, at, added, IndexingUpdateOp::Add)
}

/// Updates a level of the ranges after rows `at` of the level below changed. Returns the changed rows
/// of this level, some of them several times.
pub(super) fn update_level(
    below: &Tensor<2>,
    is_history: bool,
    level: Tensor<2>,
    at: Tensor<1, Int>,
) -> (Tensor<2>, Tensor<1, Int>) {
    let ([n_below, columns], n) = (below.dims(), at.dims()[0]);
    let blocks = at / FANOUT as i64;
    let first = blocks.clone().reshape([n, 1]) * FANOUT as i64;
    let offsets = Tensor::<1, Int>::arange(0..FANOUT as i64, &below.device());
    let rows = first.expand([n, FANOUT]) + offsets.reshape([1, FANOUT]).expand([n, FANOUT]);
    let rows = rows.clamp_max(n_below as i64 - 1).reshape([n * FANOUT]);
    let children = below.clone().select(0, rows);
    let children = children.reshape([n, FANOUT, columns]);
    let ranges = if is_history {
        ranges_of_rows(children)
    } else {
        ranges_of_ranges(children)
    };
    // The same block has the same range each time.
    let level = level.select_assign(0, blocks.clone(), ranges, IndexingUpdateOp::Assign);
    (level, blocks)
}

/// Blocks of a table that contain the rows `touched`, with `new` in place of these rows: their
/// positions in the next level, and `[n_blocks, FANOUT, columns]`. The last row is repeated beyond
/// the end.
fn regroup(table: &Tensor<2>, touched: &[usize], new: Tensor<2>) -> (Vec<usize>, Tensor<3>) {
    let [n_rows, columns] = table.dims();
    let mut blocks: Vec<usize> = touched.iter().map(|row| row / FANOUT).collect();
    blocks.dedup();
    let mut kept = vec![];
    let mut sources = Vec::with_capacity(blocks.len() * FANOUT);
    for row in blocks
        .iter()
        .flat_map(|block| block * FANOUT..(block + 1) * FANOUT)
    {
        let row = row.min(n_rows - 1);
        sources.push(match touched.binary_search(&row) {
            Ok(at) => at,
            Err(_) => {
                kept.push(row);
                touched.len() + kept.len() - 1
            }
        });
    }
    let mut parts = vec![new];
    if !kept.is_empty() {
        parts.push(table.clone().select(0, indices(&kept, table)));
    }
    let all = Tensor::cat(parts, 0).select(0, indices(&sources, table));
    let grouped = all.reshape([blocks.len(), FANOUT, columns]);
    (blocks, grouped)
}

/// Mean losses of rows of the history, `[a, b, 2 M]` to `[a, b, M]`.
fn means_of(rows: Tensor<3>) -> Tensor<3> {
    let (sums, counts) = halves(rows);
    sums / counts.clamp_min(1.0)
}

/// Ranges of the mean losses over blocks of the history, `[n_blocks, FANOUT, 2 M]` to
/// `[n_blocks, 2 M]`.
fn ranges_of_rows(rows: Tensor<3>) -> Tensor<2> {
    let (_, counts) = halves(rows.clone());
    let (means, unseen) = (means_of(rows), counts.equal_elem(0.0));
    let lowest = means.clone().mask_fill(unseen.clone(), f32::MAX);
    extremes(lowest, means.mask_fill(unseen, f32::MIN))
}

/// Ranges over blocks of ranges, `[n_blocks, FANOUT, 2 M]` to `[n_blocks, 2 M]`.
fn ranges_of_ranges(ranges: Tensor<3>) -> Tensor<2> {
    let (lowest, highest) = halves(ranges);
    extremes(lowest, highest)
}

fn extremes(lowest: Tensor<3>, highest: Tensor<3>) -> Tensor<2> {
    let lowest = lowest.min_dim(1).squeeze_dim::<2>(1);
    Tensor::cat(vec![lowest, highest.max_dim(1).squeeze_dim::<2>(1)], 1)
}

/// The first and the second half of the columns.
fn halves(rows: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
    let [a, b, columns] = rows.dims();
    let half = columns / 2;
    let first = rows.clone().slice([0..a, 0..b, 0..half]);
    (first, rows.slice([0..a, 0..b, half..columns]))
}

fn indices<const D: usize>(at: &[usize], like: &Tensor<D>) -> Tensor<1, Int> {
    let at: Vec<i64> = at.iter().map(|&at| at as i64).collect();
    let shape = [at.len()];
    Tensor::from_data(TensorData::new(at, shape), &like.device())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_devices;

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().iter().collect()
    }

    struct Tree {
        history: Tensor<2>,
        ranges: Vec<Tensor<2>>,
    }

    impl Tree {
        fn new(n_data: usize, device: &Device) -> Self {
            Self {
                history: Tensor::zeros([n_data, 4], device),
                ranges: unseen_ranges(n_data, 2, device),
            }
        }

        fn add(&mut self, at: &[usize], added: Tensor<2>) {
            let mut at = indices(at, &added);
            self.history = add(self.history.clone(), at.clone(), added);
            let mut below = self.history.clone();
            for (i, level) in self.ranges.iter_mut().enumerate() {
                (*level, at) = update_level(&below, i == 0, level.clone(), at);
                below = level.clone();
            }
        }
    }

    /// Sizes within a block, of one full block, and of two and three levels. Samples repeat within
    /// a batch and lack a modality.
    #[test]
    fn ranges_follow_the_history() {
        for device in test_devices() {
            for n_data in [1, 5, 64, 65, 130, 4096, 4097, 9000] {
                let mut tree = Tree::new(n_data, &device);
                let mut host = vec![[0.0_f32; 4]; n_data];
                let mut number = 7_usize;
                let mut next = |n: usize| {
                    number = (number * 1_103_515_245 + 12_345) % (1 << 31);
                    (number >> 8) % n
                };
                for _ in 0..6 {
                    let at: Vec<usize> = (0..9).map(|_| next(n_data)).collect();
                    let rows: Vec<[f32; 4]> = (0..9)
                        .map(|_| {
                            let has = next(3) as f32;
                            let (first, second) = (f32::from(has < 2.0), f32::from(has > 0.0));
                            let loss = |present: f32, n: usize| present * n as f32 / 16.0;
                            [loss(first, next(99)), loss(second, next(99)), first, second]
                        })
                        .collect();
                    for (at, row) in at.iter().zip(&rows) {
                        (0..4).for_each(|column| host[*at][column] += row[column]);
                    }
                    let data = TensorData::new(rows.concat(), [9, 4]);
                    let added = Tensor::<2>::from_data(data, &device);
                    let preview = Means::after(&tree.history, &tree.ranges, &at, added.clone());
                    tree.add(&at, added);
                    assert_eq!(values(tree.history.clone()), host.concat());
                    let root = values(tree.ranges.last().unwrap().clone());
                    assert_eq!(values(preview.range.clone()), root, "{n_data}");
                    for modality in 0..2 {
                        let mean = |row: &[f32; 4]| row[modality] / row[modality + 2];
                        let seen = host.iter().filter(|row| row[modality + 2] > 0.0);
                        let means: Vec<f32> = seen.map(mean).collect();
                        let lowest = means.iter().copied().fold(f32::MAX, f32::min);
                        let highest = means.iter().copied().fold(f32::MIN, f32::max);
                        assert_eq!([root[modality], root[modality + 2]], [lowest, highest]);
                        let there: Vec<usize> = (at.iter().copied())
                            .filter(|&at| host[at][modality + 2] > 0.0)
                            .collect();
                        if there.is_empty() {
                            continue;
                        }
                        let found = values(preview.difficulty(modality, &there));
                        for (found, at) in found.iter().zip(there) {
                            let range = (highest - lowest).max(f32::MIN_POSITIVE);
                            let expected = (mean(&host[at]) - lowest) / range;
                            assert!((found - expected).abs() < 1e-6, "{found}, {expected}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn one_difficulty_for_all_is_0() {
        let device = Device::flex();
        let mut tree = Tree::new(2, &device);
        let twice = Tensor::from_floats([[2.0, 0.0, 1.0, 0.0], [2.0, 0.0, 1.0, 0.0]], &device);
        tree.add(&[0, 1], twice.clone());
        let means = Means::after(&tree.history, &tree.ranges, &[0, 1], twice);
        assert_eq!(values(means.difficulty(0, &[0, 1])), [0.0, 0.0]);
    }
}
