//! The tables of `docs/fusion.md`.

use std::fmt::Write;

use crate::fusion::case::Case;
use crate::fusion::cell::{CaseScores, Cell};
use crate::fusion::rule::{Calibration, Rule, WeightTemperature};
use crate::fusion::score::Score;
use burn_mla_data::dataset::emoji::Modality;

/// The runs behind one set of tables: for each seed, one run per pair.
pub struct Group<'a> {
    pub title: String,
    pub pairs: &'a [[Modality; 2]],
    pub seeds: Vec<Vec<&'a Cell>>,
}

/// Formats all tables.
pub fn markdown(groups: &[Group]) -> String {
    let mut out = String::new();
    for group in groups {
        let _ = writeln!(out, "## {}\n", group.title);
        for (test, split) in [(false, "Validation"), (true, "Test")] {
            summary(&mut out, group, test, split);
        }
        differences(&mut out, group);
        for measure in [ACCURACY, NLL, ECE] {
            by_case(&mut out, group, measure);
        }
        by_pair(&mut out, group);
        alone(&mut out, group);
        chosen(&mut out, group);
    }
    out
}

/// A number of a score and its format.
#[derive(Clone, Copy)]
struct Measure {
    name: &'static str,
    digits: usize,
    extract: fn(&Score) -> f64,
    /// Whether it changes when all logits are divided by a number.
    depends_on_scale: bool,
}

const ACCURACY: Measure = Measure {
    name: "accuracy, %",
    digits: 1,
    extract: |score| 100.0 * score.accuracy,
    depends_on_scale: false,
};
const NLL: Measure = Measure {
    name: "NLL, nats",
    digits: 3,
    extract: |score| score.nll,
    depends_on_scale: true,
};
const ECE: Measure = Measure {
    name: "ECE, %",
    digits: 1,
    extract: |score| 100.0 * score.ece,
    depends_on_scale: true,
};

impl Measure {
    /// Returns the rules that can differ in this measure.
    fn rules(self) -> impl Iterator<Item = Rule> {
        let rules = Rule::all().into_iter();
        rules.filter(move |rule| {
            self.depends_on_scale || rule.calibration != Calibration::ModalitiesAndFused
        })
    }
}

/// Every rule on the clean and on the corrupted split; the mean over all corruptions.
fn summary(out: &mut String, group: &Group, test: bool, split: &str) {
    let _ = writeln!(
        out,
        "{split} split, clean / mean over all corruptions:\n\n\
         | rule | accuracy, % | NLL, nats | ECE, % | corrupted: accuracy, % | NLL, nats | ECE, % |\n\
         |---|---|---|---|---|---|---|"
    );
    for rule in Rule::all() {
        let rule = rule.to_string();
        let _ = write!(out, "| {rule} |");
        for corrupted in [false, true] {
            for measure in [ACCURACY, NLL, ECE] {
                let value = |case: &CaseScores| {
                    let wanted = case.test == test && case.corrupted.is_some() == corrupted;
                    wanted.then(|| (measure.extract)(&case.fused[&rule]))
                };
                let _ = write!(out, " {} |", over_seeds(group, measure.digits, value));
            }
        }
        out.push('\n');
    }
    out.push('\n');
}

/// Differences of each rule from the paper's, with the same models.
fn differences(out: &mut String, group: &Group) {
    let _ = writeln!(
        out,
        "Differences from the paper's rule with the same models, clean / mean over all corruptions:\n\n\
         | rule | valid accuracy | valid NLL | corrupted: accuracy | NLL | test accuracy \
         | test NLL | corrupted: accuracy | NLL |\n|---|---|---|---|---|---|---|---|---|"
    );
    let paper = Rule::PAPER.to_string();
    for rule in Rule::all().into_iter().filter(|rule| *rule != Rule::PAPER) {
        let rule = rule.to_string();
        let _ = write!(out, "| {rule} |");
        for test in [false, true] {
            for corrupted in [false, true] {
                for measure in [ACCURACY, NLL] {
                    let value = |case: &CaseScores| {
                        let wanted = case.test == test && case.corrupted.is_some() == corrupted;
                        let [own, papers] =
                            [&rule, &paper].map(|rule| (measure.extract)(&case.fused[rule]));
                        wanted.then_some(own - papers)
                    };
                    let _ = write!(
                        out,
                        " {} |",
                        signed(&over_seeds(group, measure.digits, value))
                    );
                }
            }
        }
        out.push('\n');
    }
    out.push('\n');
}

fn signed(difference: &str) -> String {
    if difference.starts_with('-') {
        difference.to_string()
    } else {
        format!("+{difference}")
    }
}

/// Every rule under every corruption, on the test split.
fn by_case(out: &mut String, group: &Group, measure: Measure) {
    let mut columns: Vec<String> = vec![];
    for case in group.pairs.iter().flat_map(|&pair| Case::of_pair(pair)) {
        let column = case.name();
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    let _ = writeln!(
        out,
        "Test split, {}:\n\n| rule | {} |\n|---|{}",
        measure.name,
        columns.join(" | "),
        "---|".repeat(columns.len())
    );
    let _ = write!(out, "| the uncorrupted modality alone, calibrated |");
    for column in &columns {
        let value = |case: &CaseScores| {
            let wanted = case.test && case.case == *column;
            wanted.then(|| (measure.extract)(&uncorrupted(case)))
        };
        let _ = write!(out, " {} |", over_seeds(group, measure.digits, value));
    }
    out.push('\n');
    for rule in measure.rules() {
        let rule = rule.to_string();
        let _ = write!(out, "| {rule} |");
        for column in &columns {
            let value = |case: &CaseScores| {
                let wanted = case.test && case.case == *column;
                wanted.then(|| (measure.extract)(&case.fused[&rule]))
            };
            let _ = write!(out, " {} |", over_seeds(group, measure.digits, value));
        }
        out.push('\n');
    }
    out.push('\n');
}

/// Returns the score of the modality that is not corrupted, or of the more accurate of two clean ones.
fn uncorrupted(case: &CaseScores) -> Score {
    let [[_, first], [_, second]] = case.modalities;
    let take_second = match case.corrupted {
        Some(corrupted) => corrupted == 0,
        None => second.accuracy > first.accuracy,
    };
    if take_second { second } else { first }
}

/// Test accuracy of each pair, means over the seeds.
fn by_pair(out: &mut String, group: &Group) {
    let names: Vec<String> = group.pairs.iter().map(|&pair| pair_name(pair)).collect();
    let _ = writeln!(
        out,
        "Test split, accuracy of each pair, %, clean / mean over all corruptions:\n\n\
         | rule | {} |\n|---|{}",
        names.join(" | "),
        "---|".repeat(names.len())
    );
    for rule in ACCURACY.rules() {
        let rule = rule.to_string();
        let _ = write!(out, "| {rule} |");
        for name in &names {
            let cells = group.seeds.iter().flatten();
            let cells: Vec<&&Cell> = cells.filter(|cell| cell.key.pair == *name).collect();
            let [clean, corrupted] = [false, true].map(|corrupted| {
                let cases = cells.iter().flat_map(|cell| &cell.cases);
                let cases = cases.filter(|c| c.test && c.corrupted.is_some() == corrupted);
                let values: Vec<f64> = cases.map(|c| (ACCURACY.extract)(&c.fused[&rule])).collect();
                values.iter().sum::<f64>() / values.len() as f64
            });
            let _ = write!(out, " {clean:.1} / {corrupted:.1} |");
        }
        out.push('\n');
    }
    out.push('\n');
}

/// Each modality alone on the clean test split, before and after calibration.
fn alone(out: &mut String, group: &Group) {
    let _ = writeln!(
        out,
        "Clean test split, each modality alone, uncalibrated / calibrated:\n\n\
         | pair | modality | temperature | accuracy, % | NLL, nats | ECE, % |\n\
         |---|---|---|---|---|---|"
    );
    for &pair in group.pairs {
        let name = pair_name(pair);
        let cells: Vec<&Cell> = group.seeds.iter().flatten().copied().collect();
        let cells: Vec<&Cell> = cells.into_iter().filter(|c| c.key.pair == name).collect();
        for (modality, modality_name) in pair.map(Modality::name).into_iter().enumerate() {
            let temperatures: Vec<f64> = cells.iter().map(|c| c.calibration[modality]).collect();
            let scores = |calibrated: usize, measure: Measure| {
                let clean = cells.iter().filter_map(|cell| {
                    let case = cell.cases.iter().find(|c| c.test && c.corrupted.is_none());
                    case.map(|case| (measure.extract)(&case.modalities[modality][calibrated]))
                });
                spread(&clean.collect::<Vec<f64>>(), measure.digits)
            };
            let _ = writeln!(
                out,
                "| {name} | {} | {} | {} | {} / {} | {} / {} |",
                modality_name,
                spread(&temperatures, 2),
                scores(0, ACCURACY),
                scores(0, NLL),
                scores(1, NLL),
                scores(0, ECE),
                scores(1, ECE),
            );
        }
    }
    out.push('\n');
}

/// Counts of the chosen weight temperatures.
fn chosen(out: &mut String, group: &Group) {
    let _ = writeln!(
        out,
        "Weight temperatures chosen on the clean validation split, with the number of times:\n\n\
         | rule | temperatures |\n|---|---|"
    );
    for rule in Rule::all() {
        if rule.temperature == WeightTemperature::One {
            continue;
        }
        let rule = rule.to_string();
        let cells = group.seeds.iter().flatten();
        let mut all: Vec<f64> = cells.map(|cell| cell.temperatures[&rule].weight).collect();
        all.sort_by(f64::total_cmp);
        let counts: Vec<String> = all
            .chunk_by(|a, b| a == b)
            .map(|same| format!("{} ({})", same[0], same.len()))
            .collect();
        let _ = writeln!(out, "| {rule} | {} |", counts.join(", "));
    }
    out.push('\n');
}

pub fn pair_name(pair: [Modality; 2]) -> String {
    pair.map(Modality::name).join("+")
}

/// Mean and standard deviation over seeds of the mean over the cases of a seed that have a value.
fn over_seeds(group: &Group, digits: usize, value: impl Fn(&CaseScores) -> Option<f64>) -> String {
    let of_seed = |cells: &Vec<&Cell>| {
        let cases = cells.iter().flat_map(|cell| &cell.cases);
        let values: Vec<f64> = cases.filter_map(&value).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    spread(
        &group.seeds.iter().map(of_seed).collect::<Vec<f64>>(),
        digits,
    )
}

fn spread(values: &[f64], digits: usize) -> String {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
    let deviation = (squares / (n - 1.0).max(1.0)).sqrt();
    format!("{mean:.digits$} ± {deviation:.digits$}")
}
