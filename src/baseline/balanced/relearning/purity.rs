//! Separation of the features of classes: the purity of k-means clusters.

use rand::rngs::ChaCha12Rng;

use crate::numeric::{dot, generator, uniform};

/// Largest number of passes over the samples.
const LARGEST_PASSES: usize = 300;

/// The share of samples that have the most frequent class of their cluster, 0 to 1; 0 without samples.
///
/// Features `[n_samples, width]`, row by row, are scaled to `[-1, 1]` in each column and clustered by k-means
/// into as many clusters as there are classes, starting from centres drawn by k-means++ with a fixed seed.
pub(super) fn purity(mut features: Vec<f32>, labels: &[i64], n_classes: usize) -> f64 {
    let n = labels.len();
    if n == 0 {
        return 0.0;
    }
    let width = features.len() / n;
    scale(&mut features, width);
    let rows: Vec<&[f32]> = features.chunks_exact(width).collect();
    let clusters = k_means(&rows, n_classes.min(n));
    let mut counts = vec![0_usize; n_classes * n_classes.min(n)];
    for (&cluster, &label) in clusters.iter().zip(labels) {
        counts[cluster * n_classes + label as usize] += 1;
    }
    let majorities = counts.chunks_exact(n_classes);
    let majorities = majorities.map(|counts| counts.iter().max().copied().unwrap_or_default());
    majorities.sum::<usize>() as f64 / n as f64
}

/// Scales each column to `[-1, 1]`; a constant one becomes -1.
fn scale(features: &mut [f32], width: usize) {
    let mut lowest = vec![f32::MAX; width];
    let mut highest = vec![f32::MIN; width];
    for row in features.chunks_exact(width) {
        for (column, &value) in row.iter().enumerate() {
            lowest[column] = lowest[column].min(value);
            highest[column] = highest[column].max(value);
        }
    }
    for row in features.chunks_exact_mut(width) {
        for (column, value) in row.iter_mut().enumerate() {
            let range = (highest[column] - lowest[column]).max(f32::MIN_POSITIVE);
            *value = 2.0 * (*value - lowest[column]) / range - 1.0;
        }
    }
}

/// The cluster of each row, by Lloyd's algorithm.
fn k_means(rows: &[&[f32]], n_clusters: usize) -> Vec<usize> {
    let mut centres = first_centres(rows, n_clusters, &mut generator(0, 0, 0));
    let mut clusters = vec![usize::MAX; rows.len()];
    for _ in 0..LARGEST_PASSES {
        let norms: Vec<f32> = centres.iter().map(|centre| dot(centre, centre)).collect();
        let mut changed = false;
        for (row, cluster) in rows.iter().zip(&mut clusters) {
            // The squared distance without the square of the row.
            let distance = |k: usize| norms[k] - 2.0 * dot(row, &centres[k]);
            let nearest = (0..centres.len()).min_by(|&a, &b| distance(a).total_cmp(&distance(b)));
            let nearest = nearest.unwrap_or_default();
            changed |= *cluster != nearest;
            *cluster = nearest;
        }
        if !changed {
            break;
        }
        centres = means(rows, &clusters, centres);
    }
    clusters
}

/// The means of the clusters; an empty cluster keeps its centre.
fn means(rows: &[&[f32]], clusters: &[usize], centres: Vec<Vec<f32>>) -> Vec<Vec<f32>> {
    let width = rows[0].len();
    let mut sums = vec![vec![0.0_f64; width]; centres.len()];
    let mut counts = vec![0_usize; centres.len()];
    for (row, &cluster) in rows.iter().zip(clusters) {
        counts[cluster] += 1;
        for (sum, &value) in sums[cluster].iter_mut().zip(*row) {
            *sum += f64::from(value);
        }
    }
    let pairs = sums.into_iter().zip(counts).zip(centres);
    pairs
        .map(|((sum, count), centre)| match count {
            0 => centre,
            n => sum.into_iter().map(|x| (x / n as f64) as f32).collect(),
        })
        .collect()
}

/// Centres at rows, each drawn with a probability proportional to the squared distance from the nearest of
/// the centres before (k-means++).
fn first_centres(rows: &[&[f32]], n_clusters: usize, numbers: &mut ChaCha12Rng) -> Vec<Vec<f32>> {
    let first = (uniform(numbers) * rows.len() as f64) as usize;
    let mut centres = vec![rows[first].to_vec()];
    let mut nearest = vec![f64::MAX; rows.len()];
    while centres.len() < n_clusters {
        let centre = &centres[centres.len() - 1];
        for (row, nearest) in rows.iter().zip(&mut nearest) {
            let pairs = row.iter().zip(centre);
            let squares = pairs.map(|(a, b)| f64::from(a - b).powi(2));
            *nearest = nearest.min(squares.sum());
        }
        let mut left = uniform(numbers) * nearest.iter().sum::<f64>();
        let drawn = nearest.iter().position(|distance| {
            left -= distance;
            left < 0.0
        });
        centres.push(rows[drawn.unwrap_or(rows.len() - 1)].to_vec());
    }
    centres
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three groups far apart, in which one sample of twelve has the label of another group.
    #[test]
    fn purity_counts_the_majority_of_each_cluster() {
        let mut features = vec![];
        let mut labels = vec![];
        for i in 0..12 {
            let (group, shift) = (i % 3, i as f32 * 0.01);
            features.extend([[0.0, 0.0], [5.0, 0.0], [0.0, 50.0]][group].map(|x| x + shift));
            labels.push(group as i64);
        }
        assert_eq!(purity(features.clone(), &labels, 3), 1.0);
        labels[4] = 2;
        assert_eq!(purity(features.clone(), &labels, 3), 11.0 / 12.0);
        // One cluster: the share of the most frequent class.
        assert_eq!(purity(features.clone(), &[0; 12], 1), 1.0);
    }

    #[test]
    fn degenerate_features_have_a_purity() {
        assert_eq!(purity(vec![], &[], 3), 0.0);
        assert_eq!(purity(vec![1.0, 2.0], &[2], 3), 1.0);
        // All the same: one cluster.
        assert_eq!(purity(vec![1.0; 8], &[0, 1, 1, 1], 2), 0.75);
    }

    #[test]
    fn columns_are_scaled() {
        let mut features = vec![0.0, 7.0, 4.0, 7.0, 1.0, 7.0];
        scale(&mut features, 2);
        assert_eq!(features, [-1.0, -1.0, 1.0, -1.0, -0.5, -1.0]);
    }
}
