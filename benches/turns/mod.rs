//! Several ways to compute the same, which take turns within one process: a slow period of the machine then
//! affects all of them.

use std::time::Instant;

/// Which measurements run, and how often.
pub struct Turns {
    filter: String,
    rounds: usize,
}

/// A way to compute.
pub type Way<'a> = Box<dyn FnMut() + 'a>;

impl Turns {
    /// By the arguments of the program, `[FILTER [ROUNDS]]`. Flags are Cargo's.
    pub fn from_arguments(rounds: usize) -> Self {
        let mut words = std::env::args()
            .skip(1)
            .filter(|word| !word.starts_with("--"));
        let filter = words.next().unwrap_or_default();
        let rounds = words.next().map_or(Ok(rounds), |rounds| rounds.parse());
        Self {
            filter,
            rounds: rounds.expect("the second argument is a number of rounds"),
        }
    }

    pub fn include(&self, name: &str) -> bool {
        name.contains(&self.filter)
    }

    /// The milliseconds of each way in each round. Each way is first in every other round.
    pub fn time(&self, mut ways: [Way; 2]) -> [Vec<f64>; 2] {
        // The first pass draws weights and makes the optimizer's state.
        ways.iter_mut().for_each(|way| way());
        let mut times = [vec![], vec![]];
        for round in 0..self.rounds {
            for turn in 0..2 {
                let at = (turn + round) % 2;
                let start = Instant::now();
                ways[at]();
                times[at].push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
        times
    }
}
