//! A part of a study: the runs of this process that are not finished, one after the other.

use std::error::Error;
use std::fmt::Display;
use std::time::Instant;

use crate::cells::{Cells, Keyed};
use crate::share::Share;

/// A part of a study by its name, and the share of its runs that this process executes.
pub struct Stage<'a> {
    pub name: &'a str,
    pub share: Share,
}

impl Stage<'_> {
    /// Runs everything that is not finished. Prints each run with what `describe` says of it, and the time left.
    pub fn run<C: Keyed<Key: Display>>(
        &self,
        cells: &mut Cells<C>,
        keys: Vec<C::Key>,
        run: impl Fn(C::Key) -> Result<C, Box<dyn Error>>,
        describe: impl Fn(&C) -> String,
    ) -> Result<(), Box<dyn Error>> {
        let (name, n_all) = (self.name, keys.len());
        let mut keys = self.share.select(keys);
        keys.retain(|key| cells.get(key).is_none());
        let (start, n_left) = (Instant::now(), keys.len());
        println!("{name}: {n_all} runs, {n_left} to do");
        for (done, key) in (1..).zip(keys) {
            let cell = run(key)?;
            let left = start.elapsed().as_secs() * (n_left - done) as u64 / done as u64;
            println!(
                "{name} {done}/{n_left} {}: {} | {}:{:02} left",
                cell.key(),
                describe(&cell),
                left / 60,
                left % 60,
            );
            cells.add(cell)?;
        }
        Ok(())
    }
}
