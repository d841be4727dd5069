//! The figures of the comparison.

use std::error::Error;
use std::path::Path;

use crate::charts::bars::{self, Bar, Group};
use crate::charts::curves;
use crate::charts::lines::{self, Labels, Scores, Series};
use crate::charts::scatter;
use crate::compare::cell::{Cells, Outcome, set_name};
use crate::compare::methods::ALL;
use crate::compare::plan::Plan;
use crate::compare::results::{self, Curve, Results, Set, SetRow};
use crate::spread::Spread;

/// Draws all figures.
pub fn draw(
    out: &Path,
    plan: &Plan,
    cells: &Cells,
    results: &Results,
) -> Result<(), Box<dyn Error>> {
    let seeds = results.seeds.len();
    accuracies(&out.join("accuracy.png"), &results.sets, seeds)?;
    learning(&out.join("curves.png"), plan, cells)?;
    missing(&out.join("missing.png"), results, plan)?;
    other_missing(&out.join("other-missing.png"), results, plan)?;
    gap(&out.join("gap.png"), plan, cells)
}

fn accuracies(path: &Path, sets: &[Set], seeds: usize) -> Result<(), Box<dyn Error>> {
    let panels: Vec<bars::Panel> = sets
        .iter()
        .map(|set| bars::Panel {
            title: set.name(),
            groups: set.methods.iter().map(|row| group(set, row)).collect(),
        })
        .collect();
    let caption = format!(
        "Emoji: test accuracy of each modality alone and fused, {} per method",
        plural(seeds, "seed")
    );
    bars::draw(path, &caption, "test accuracy, %", &panels)
}

fn group(set: &Set, row: &SetRow) -> Group {
    let each = set.modalities.iter();
    let each = each.map(|name| (name.to_string(), row.modality(name)));
    let all = each.chain([("fused".to_string(), row.fused())]);
    let bar = |(name, scores): (String, Vec<f64>)| {
        let score = Spread::from_scores(&scores)?;
        Some(Bar { name, score })
    };
    Group {
        name: row.name().to_string(),
        bars: all.filter_map(bar).collect(),
    }
}

fn learning(path: &Path, plan: &Plan, cells: &Cells) -> Result<(), Box<dyn Error>> {
    let runs = results::first_runs(plan, cells, &ALL).ok_or("runs of the table are missing")?;
    let set = &plan.sets[0];
    let panels: Vec<curves::Panel> = runs
        .into_iter()
        .map(|(method, outcome)| {
            let names = set.iter().map(|modality| modality.name()).chain(["fused"]);
            let curve = |(at, name): (usize, &str)| curves::Curve {
                name: name.to_string(),
                accuracy: outcome.curves.iter().map(|epoch| epoch[at]).collect(),
            };
            curves::Panel {
                title: method.to_string(),
                curves: names.enumerate().map(curve).collect(),
            }
        })
        .collect();
    let caption = format!(
        "Emoji, {}: validation accuracy of each modality alone and fused, seed 0",
        set_name(set)
    );
    curves::draw(path, &caption, &panels)
}

fn series(curve: &Curve) -> Series {
    let points = curve.points.iter();
    let point =
        |(rate, scores): &(f64, Vec<f64>)| Some((100.0 * rate, Spread::from_scores(scores)?));
    Series {
        name: curve.method.to_string(),
        points: points.filter_map(point).collect(),
    }
}

fn missing(path: &Path, results: &Results, plan: &Plan) -> Result<(), Box<dyn Error>> {
    let labels = Labels {
        x: "missing rate of each modality, %",
        y: "fused test accuracy, %",
    };
    let panel = lines::Panel {
        title: set_name(&plan.sets[0]),
        series: results.missing.iter().map(series).collect(),
    };
    let seeds = plural(plan.missing_seeds as usize, "seed");
    let caption = format!("Emoji with modalities missing in training and test, {seeds}");
    lines::draw(path, &caption, &labels, Scores::Near, &[panel])
}

fn other_missing(path: &Path, results: &Results, plan: &Plan) -> Result<(), Box<dyn Error>> {
    let labels = Labels {
        x: "training samples that lack the other modality, %",
        y: "test accuracy of the modality, %",
    };
    let panels: Vec<lines::Panel> = plan.sets[0]
        .iter()
        .map(|modality| {
            let name = modality.name();
            let curves = results.other_missing.iter();
            lines::Panel {
                title: name.to_string(),
                series: curves
                    .filter(|curve| curve.prediction == name)
                    .map(series)
                    .collect(),
            }
        })
        .collect();
    let seeds = plural(plan.missing_seeds as usize, "seed");
    let caption = format!("Emoji: one modality alone, the other missing in training, {seeds}");
    lines::draw(path, &caption, &labels, Scores::Near, &panels)
}

fn gap(path: &Path, plan: &Plan, cells: &Cells) -> Result<(), Box<dyn Error>> {
    let runs = results::first_runs(plan, cells, &results::WITH_GAP)
        .ok_or("runs of the table are missing")?;
    let panel = |(method, outcome): (&str, &Outcome)| {
        let gap = outcome.gap.as_ref()?;
        let groups = plan.sets[0].iter().zip(&gap.points);
        Some(scatter::Panel {
            title: format!("{method}: modality gap {:.2}", gap.distance),
            groups: groups
                .map(|(modality, points)| scatter::Group {
                    name: modality.name().to_string(),
                    points: points.clone(),
                })
                .collect(),
            axes: [0, 1].map(|at| {
                let (which, share) = (["first", "second"][at], 100.0 * gap.explained[at]);
                format!("{which} principal component ({share:.0} % of variance)")
            }),
        })
    };
    let panels: Vec<scatter::Panel> = runs.into_iter().filter_map(panel).collect();
    let caption = "Emoji: normalized features of the test split, seed 0";
    scatter::draw(path, caption, &panels)
}

fn plural(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
