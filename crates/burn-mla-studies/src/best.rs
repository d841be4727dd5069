//! The best of several candidates.

/// The candidate with the highest score, the first of equal ones; `None` without candidates or if a score is
/// missing.
pub fn best<T>(scored: impl IntoIterator<Item = Option<(T, f64)>>) -> Option<(T, f64)> {
    let mut best: Option<(T, f64)> = None;
    for candidate in scored {
        let candidate = candidate?;
        if best.as_ref().is_none_or(|(_, score)| candidate.1 > *score) {
            best = Some(candidate);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::best;

    #[test]
    fn the_first_of_equal_scores_wins_and_a_missing_score_is_no_result() {
        let scored = |scores: [Option<f64>; 3]| {
            let named = ["a", "b", "c"].into_iter().zip(scores);
            best(named.map(|(name, score)| Some((name, score?))))
        };
        assert_eq!(scored([Some(0.1), Some(0.3), Some(0.3)]), Some(("b", 0.3)));
        assert_eq!(scored([Some(0.1), Some(0.3), None]), None);
        assert_eq!(best::<()>([]), None);
    }
}
