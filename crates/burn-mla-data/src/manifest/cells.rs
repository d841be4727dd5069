//! Columns of text without an allocation per cell.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The cells of a column, in one text. An empty cell is a missing value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cells {
    text: String,
    /// The end of each cell in `text`.
    ends: Vec<u64>,
}

impl Cells {
    pub(super) fn push(&mut self, cell: &str) {
        self.text.push_str(cell);
        self.ends.push(self.text.len() as u64);
    }

    /// Adds empty cells up to a length.
    pub(super) fn pad(&mut self, len: usize) {
        self.ends.resize(len, self.text.len() as u64);
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// # Panics
    ///
    /// If `at` is out of range.
    pub(super) fn get(&self, at: usize) -> &str {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start as usize..self.ends[at] as usize]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|at| self.get(at))
    }
}

/// Identities of samples, with an index of their hashes.
#[derive(Debug, Clone, Default)]
pub(super) struct Ids {
    pub(super) cells: Cells,
    /// Hash and row, sorted.
    index: Vec<(u64, u32)>,
}

impl Ids {
    /// # Panics
    ///
    /// For more than `u32::MAX` rows, which the readers refuse.
    pub(super) fn new(cells: Cells) -> Self {
        let rows = cells.iter().zip(0..);
        let mut index: Vec<(u64, u32)> = rows.map(|(id, row)| (hash(id), row)).collect();
        index.sort_unstable();
        Self { cells, index }
    }

    /// The first row with an identity.
    pub(super) fn find(&self, id: &str) -> Option<usize> {
        let hash = hash(id);
        let start = self.index.partition_point(|&(found, _)| found < hash);
        let same = self.index[start..].iter();
        same.take_while(|(found, _)| *found == hash)
            .map(|&(_, row)| row as usize)
            .find(|&row| self.cells.get(row) == id)
    }

    /// Rows whose identity an earlier row has, each with that row.
    pub(super) fn repeated(&self) -> Vec<(usize, usize)> {
        let mut repeated = vec![];
        for same in self
            .index
            .chunk_by(|(first, _), (second, _)| first == second)
        {
            let mut firsts: HashMap<&str, usize> = HashMap::new();
            if same.len() > 1 {
                for &(_, row) in same {
                    let row = row as usize;
                    let first = *firsts.entry(self.cells.get(row)).or_insert(row);
                    if first < row {
                        repeated.push((first, row));
                    }
                }
            }
        }
        repeated.sort_unstable_by_key(|&(_, row)| row);
        repeated
    }
}

fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

/// Names by number, each stored once.
#[derive(Debug, Default)]
pub(super) struct Interner {
    pub(super) names: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Interner {
    pub(super) fn number(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = self.names.len() as u32;
        self.names.push(name.to_string());
        self.numbers.insert(name.to_string(), number);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(values: &[&str]) -> Cells {
        let mut cells = Cells::default();
        values.iter().for_each(|value| cells.push(value));
        cells
    }

    #[test]
    fn cells_are_those_that_were_pushed() {
        let mut column = cells(&["a", "", "ßc"]);
        column.pad(5);
        assert_eq!(column.iter().collect::<Vec<_>>(), ["a", "", "ßc", "", ""]);
        assert_eq!(Cells::default().iter().count(), 0);
    }

    #[test]
    fn repeated_identities_are_found_with_their_first_row() {
        let ids = Ids::new(cells(&["b", "a", "b", "c", "b"]));
        assert_eq!(ids.repeated(), [(0, 2), (0, 4)]);
        assert_eq!(
            (ids.find("b"), ids.find("c"), ids.find("d")),
            (Some(0), Some(3), None)
        );
    }
}
