//! Shapley values of a game, given by the worth of every coalition.

use crate::error::{Result, same_size};

/// Shapley value of each of `M` players: its marginal contribution to a coalition, averaged over all
/// orders in which players may join (Shapley, "A Value for n-Person Games", 1953).
///
/// `values[S]` is the worth of coalition `S`, which contains player `i` if bit `i` of `S` is set. The
/// empty coalition is at 0, the coalition of all players at `2^M - 1`. In the unit of `values`:
///
/// ```text
/// phi_i = sum over S without i of |S|! (M - |S| - 1)! / M! * (v(S + i) - v(S))
/// ```
///
/// The Shapley values sum to `v(all) - v(none)`. Players with the same contributions have the same
/// value, a player without contributions has the value 0, and the values of a sum of games are the
/// sums of the values.
///
/// ```
/// use burn_mla::evaluation::shapley_values;
///
/// // The accuracy of guesses, of the image alone, of the text alone, and of both.
/// let shares = shapley_values(&[0.25, 0.5, 0.75, 0.875])?;
/// assert_eq!(shares, [0.1875, 0.4375]);
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
///
/// # Errors
///
/// [`MlaError::Size`](crate::MlaError::Size) if the number of values is not a power of 2.
pub fn shapley_values(values: &[f64]) -> Result<Vec<f64>> {
    let n_coalitions = values.len().next_power_of_two();
    same_size("worths of coalitions", n_coalitions, values.len())?;
    let n_players = n_coalitions.trailing_zeros() as usize;
    let weights = shapley_weights(n_players);
    let value = |player: usize| {
        let bit = 1 << player;
        let without = (0..n_coalitions).filter(|coalition| coalition & bit == 0);
        without
            .map(|coalition: usize| {
                let size = coalition.count_ones() as usize;
                weights[size] * (values[coalition | bit] - values[coalition])
            })
            .sum()
    };
    Ok((0..n_players).map(value).collect())
}

/// `k! (n - k - 1)! / n!` for `k` in `0..n`, which is 1 over `n` times `n - 1` choose `k`.
pub(crate) fn shapley_weights(n: usize) -> Vec<f64> {
    let mut binomial = 1.0;
    (0..n)
        .map(|k| {
            let weight = 1.0 / (n as f64 * binomial);
            binomial *= (n - 1 - k) as f64 / (k + 1) as f64;
            weight
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-12, "{got}, not {expected}");
    }

    /// A game without structure.
    fn game(n_players: usize, seed: f64) -> Vec<f64> {
        (0..1 << n_players)
            .map(|coalition| (f64::from(coalition) * 1.7 + seed).sin())
            .collect()
    }

    #[test]
    fn the_glove_game() {
        // Players 0 and 1 have a left glove, player 2 a right one; a pair is worth 1.
        let worth = |coalition: u32| f64::from(coalition & 4 != 0 && coalition & 3 != 0);
        let values: Vec<f64> = (0..8).map(worth).collect();
        let found = shapley_values(&values).unwrap();
        for (found, expected) in found.into_iter().zip([1.0 / 6.0, 1.0 / 6.0, 4.0 / 6.0]) {
            close(found, expected);
        }
    }

    #[test]
    fn they_sum_to_the_worth_that_all_players_add() {
        for n_players in 0..7 {
            let values = game(n_players, 0.3);
            let found = shapley_values(&values).unwrap();
            assert_eq!(found.len(), n_players);
            close(found.iter().sum(), values[values.len() - 1] - values[0]);
        }
    }

    #[test]
    fn players_with_equal_contributions_have_equal_values() {
        // Of players 0 and 2, only their number in the coalition matters.
        let worth = |coalition: u32| {
            let n_twins = (coalition & 5).count_ones();
            f64::from(n_twins * 3 + (coalition >> 1 & 1) * n_twins * n_twins).cos()
        };
        let values: Vec<f64> = (0..8).map(worth).collect();
        let found = shapley_values(&values).unwrap();
        close(found[0], found[2]);
    }

    #[test]
    fn who_adds_nothing_has_0_and_who_adds_the_same_to_all_has_that() {
        let others = game(3, 1.1);
        let with_dummy: Vec<f64> = others.iter().chain(&others).copied().collect();
        let found = shapley_values(&with_dummy).unwrap();
        close(found[3], 0.0);
        for (with, without) in found.iter().zip(shapley_values(&others).unwrap()) {
            close(*with, without);
        }
        let added: Vec<f64> = others.iter().map(|value| value + 0.4).collect();
        let values: Vec<f64> = others.iter().chain(&added).copied().collect();
        close(shapley_values(&values).unwrap()[3], 0.4);
    }

    #[test]
    fn values_of_a_sum_of_games_are_the_sums_of_the_values() {
        let (a, b) = (game(4, 0.2), game(4, 5.0));
        let sum: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
        let [a, b, sum] = [a, b, sum].map(|values| shapley_values(&values).unwrap());
        for ((a, b), sum) in a.iter().zip(b).zip(sum) {
            close(sum, a + b);
        }
    }

    #[test]
    fn a_number_of_values_that_is_no_power_of_2_is_refused() {
        assert!(shapley_values(&[]).is_err());
        assert!(shapley_values(&[0.0; 3]).is_err());
        assert!(shapley_values(&[0.5]).unwrap().is_empty());
    }
}
