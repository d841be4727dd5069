use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What identifies a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    pub setting: String,
    pub pair: String,
    pub seed: u64,
    pub epochs: usize,
}

/// Accuracies of a split: both modalities, then fused.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Accuracies {
    pub modalities: [f64; 2],
    pub fused: f64,
}

impl Accuracies {
    pub fn weakest(&self) -> f64 {
        self.modalities[0].min(self.modalities[1])
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Scores {
    pub valid: Accuracies,
    pub test: Accuracies,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cell {
    #[serde(flatten)]
    pub key: Key,
    #[serde(flatten)]
    pub scores: Scores,
}

/// The runs done so far, a line each in a file.
pub struct Cells {
    path: PathBuf,
    cells: Vec<Cell>,
}

impl Cells {
    pub fn open(path: PathBuf) -> Result<Self, String> {
        let cells = match File::open(&path) {
            Ok(file) => read(&path, file)?,
            Err(_) => vec![],
        };
        Ok(Self { path, cells })
    }

    pub fn has(&self, key: &Key) -> bool {
        self.cells.iter().any(|cell| cell.key == *key)
    }

    pub fn all(&self) -> &[Cell] {
        &self.cells
    }

    pub fn add(&mut self, cell: Cell) -> std::io::Result<()> {
        let mut line = serde_json::to_string(&cell)?;
        line.push('\n');
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)?;
        file.write_all(line.as_bytes())?;
        self.cells.push(cell);
        Ok(())
    }
}

fn read(path: &Path, file: File) -> Result<Vec<Cell>, String> {
    let lines = BufReader::new(file).lines().enumerate();
    lines
        .map(|(at, line)| {
            let place =
                |error: &dyn fmt::Display| format!("{}:{}: {error}", path.display(), at + 1);
            let line = line.map_err(|error| place(&error))?;
            serde_json::from_str(&line).map_err(|error| place(&error))
        })
        .collect()
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<42} {:<14} seed {}",
            self.setting, self.pair, self.seed
        )
    }
}

impl fmt::Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b] = self.valid.modalities.map(|x| 100.0 * x);
        write!(
            f,
            "valid % {a:4.1} {b:4.1} {:4.1}",
            100.0 * self.valid.fused
        )
    }
}
