//! Pictures, drawn and read back.

use std::error::Error;
use std::path::Path;

use image::RgbImage;
use rstest::rstest;

use crate::charts::{bars, curves, lines, scatter};
use crate::spread::Spread;

const METHODS: [&str; 13] = [
    "MLA",
    "MLA without HGM",
    "MLA, entropy fusion off",
    "joint training, concatenated",
    "joint training, summed",
    "OGM-GE",
    "PMR",
    "AGM",
    "MSLR",
    "gradient blending",
    "QMF",
    "late fusion",
    "unimodal",
];

/// A pseudo-random number in 0..1.
fn noise(i: usize) -> f64 {
    ((i * i) as f64 * 12.9898 + i as f64 * 78.233).sin() * 43758.5453 % 1.0 / 2.0 + 0.5
}

fn spread(mean: f64, i: usize) -> Spread {
    Spread::from_scores(&[mean, mean + 0.06 * noise(i), mean - 0.04 * noise(i + 7)]).unwrap()
}

fn bars(n_panels: usize) -> Vec<bars::Panel> {
    let sets = [
        vec!["audio", "video"],
        vec!["audio", "video", "text"],
        vec!["image", "text"],
    ];
    let panel = |p: usize| {
        let columns = sets[p % sets.len()].iter().copied().chain(["fused"]);
        let groups = METHODS.iter().enumerate().map(|(m, method)| {
            let bar = |(c, name): (usize, &str)| bars::Bar {
                name: name.to_string(),
                score: spread(0.35 + 0.1 * c as f64 + 0.2 * noise(m + 17 * c), m + c),
            };
            bars::Group {
                name: method.to_string(),
                bars: columns.clone().enumerate().map(bar).collect(),
            }
        });
        bars::Panel {
            title: sets[p % sets.len()].join(" + "),
            groups: groups.collect(),
        }
    };
    (0..n_panels).map(panel).collect()
}

fn lines(n_panels: usize, n_series: usize) -> Vec<lines::Panel> {
    let panel = |p: usize| {
        let series = METHODS
            .iter()
            .take(n_series)
            .enumerate()
            .map(|(m, method)| {
                let points = (0..8).map(|i| {
                    let rate = 0.1 * i as f64;
                    let mean = 0.85 - 0.02 * m as f64 - 0.3 * rate * (1.0 + noise(m + p));
                    (rate, spread(mean, i + m))
                });
                lines::Series {
                    name: method.to_string(),
                    points: points.collect(),
                }
            });
        lines::Panel {
            title: ["audio", "video", "fused", "text"][p % 4].to_string(),
            series: series.collect(),
        }
    };
    (0..n_panels).map(panel).collect()
}

fn curves(n_panels: usize) -> Vec<curves::Panel> {
    let names = ["audio", "video", "text", "depth", "flow", "all together"];
    let panel = |p: usize| curves::Panel {
        title: METHODS[p % METHODS.len()].to_string(),
        curves: (0..names.len())
            .map(|c| curves::Curve {
                name: names[c].to_string(),
                accuracy: (0..30)
                    .map(|e| {
                        (0.9 - 0.08 * c as f64) * (1.0 - (-0.1 * e as f64 - 0.1).exp())
                            + 0.02 * noise(e + c + p)
                    })
                    .collect(),
            })
            .collect(),
    };
    (0..n_panels).map(panel).collect()
}

fn scatter(n_panels: usize) -> Vec<scatter::Panel> {
    let panel = |p: usize| scatter::Panel {
        title: format!("{}: gap {:.2}", METHODS[p], 0.9 / (p + 1) as f64),
        groups: ["image", "text", "audio"]
            .iter()
            .enumerate()
            .map(|(g, name)| scatter::Group {
                name: name.to_string(),
                points: (0..200)
                    .map(|i| {
                        let at = |k: usize| {
                            (0..4)
                                .map(|j| noise(i * 31 + 7 * j + k + 13 * g))
                                .sum::<f64>()
                                / 2.0
                                - 1.0
                        };
                        let away = g as f64 / (p + 1) as f64;
                        [at(1) + away, at(500) * 0.6 - away * away / 2.0]
                    })
                    .collect(),
            })
            .collect(),
        axes: ["first", "second"].map(str::to_string),
    };
    (0..n_panels).map(panel).collect()
}

type Drawn = Result<(), Box<dyn Error>>;

fn draw_bars(path: &Path) -> Drawn {
    bars::draw(path, "Test accuracy, 3 seeds", "accuracy, %", &bars(3))
}

const LABELS: lines::Labels = lines::Labels {
    x: "missing rate",
    y: "test accuracy, %",
};

fn draw_lines(path: &Path) -> Drawn {
    let caption = "Accuracy against missing rate";
    lines::draw(path, caption, &LABELS, lines::Scores::Near, &lines(3, 12))
}

fn draw_curves(path: &Path) -> Drawn {
    curves::draw(path, "Validation accuracy, seed 0", &curves(6))
}

fn draw_scatter(path: &Path) -> Drawn {
    scatter::draw(path, "Features of each modality, test split", &scatter(3))
}

/// Draws a picture and reads it back.
fn drawn(draw: impl FnOnce(&Path) -> Drawn) -> RgbImage {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("picture.png");
    draw(&path).unwrap();
    image::open(&path).unwrap().into_rgb8()
}

/// Share of the pixels that are not white.
fn ink(picture: &RgbImage) -> f64 {
    let marked = picture.pixels().filter(|pixel| pixel.0 != [255; 3]);
    marked.count() as f64 / f64::from(picture.width() * picture.height())
}

#[rstest]
#[case::bars(draw_bars, 3, 900)]
#[case::lines(draw_lines, 3, 500)]
#[case::curves_in_two_rows(draw_curves, 3, 900)]
#[case::scatter(draw_scatter, 3, 480)]
fn a_picture_has_room_for_its_panels_and_something_in_each(
    #[case] draw: fn(&Path) -> Drawn,
    #[case] columns: u32,
    #[case] at_least_high: u32,
) {
    let picture = drawn(draw);
    let (width, height) = picture.dimensions();
    assert!(
        width >= columns * 400 && height >= at_least_high,
        "{width} x {height}"
    );
    for column in 0..columns {
        let panel = image::imageops::crop_imm(
            &picture,
            column * width / columns,
            height / 4,
            width / columns,
            3 * height / 4,
        );
        let ink = ink(&panel.to_image());
        assert!(ink > 0.02 && ink < 0.6, "column {column}: {ink}");
    }
}

#[test]
fn more_than_four_panels_take_another_row() {
    let [one, four, five, nine] = [1, 4, 5, 9].map(|n| {
        let picture = drawn(|path| curves::draw(path, "", &curves(n)));
        picture.dimensions()
    });
    assert!(four.0 == 4 * one.0 && four.1 <= one.1);
    assert_eq!(five.0, 3 * one.0);
    assert!(five.1 > one.1 && nine.1 > five.1 && nine.0 == five.0);
}

#[test]
fn a_wide_caption_makes_the_picture_wider() {
    let caption = "A caption that does not fit above a single panel ".repeat(3);
    let width = |caption: &str| drawn(|path| curves::draw(path, caption, &curves(1))).width();
    assert!(width(&caption) > width("short"));
}

/// A group with a bar of each score.
fn group(scores: &[Spread]) -> bars::Panel {
    let bar = |(i, &score): (usize, &Spread)| bars::Bar {
        name: format!("bar {i}"),
        score,
    };
    bars::Panel {
        title: String::new(),
        groups: vec![bars::Group {
            name: String::new(),
            bars: scores.iter().enumerate().map(bar).collect(),
        }],
    }
}

#[test]
fn a_bar_is_as_long_as_its_score_and_its_error_bar_as_its_deviation() {
    let length = |score: f64| {
        let scores = [Spread::exact(score), Spread::exact(1.0)];
        let picture = drawn(|path| bars::draw(path, "", "", &[group(&scores)]));
        // The first long black line below the legend is the upper edge of the first bar.
        let dark = |y: u32| {
            let row = (0..picture.width()).map(|x| picture.get_pixel(x, y).0 == [0; 3]);
            let mut runs = row.collect::<Vec<bool>>();
            runs.push(false);
            runs.split(|dark| !dark)
                .map(<[bool]>::len)
                .max()
                .unwrap_or(0)
        };
        (68..picture.height())
            .map(dark)
            .find(|run| *run > 30)
            .unwrap() as f64
    };
    let (quarter, half) = (length(0.25), length(0.5));
    assert!((half - 2.0 * quarter).abs() <= 2.0, "{half}, {quarter}");

    let with = |deviation| {
        let score = Spread {
            mean: 0.5,
            deviation: Some(deviation),
        };
        drawn(|path| bars::draw(path, "", "", &[group(&[score, Spread::exact(1.0)])]))
    };
    assert_ne!(with(0.01), with(0.1));
}

#[test]
fn names_look_different_without_colours_and_grey_levels() {
    let n = METHODS.len();
    // The look of the i-th of all names.
    let marked = |i: usize| -> Vec<bool> {
        let series = (0..n).map(|k| lines::Series {
            name: METHODS[k].to_string(),
            points: [0.0, 1.0]
                .map(|x| (x, Spread::exact(0.5)))
                .into_iter()
                .filter(|_| k == i)
                .collect(),
        });
        let panel = lines::Panel {
            title: String::new(),
            series: series.collect(),
        };
        let labels = &LABELS;
        let picture = drawn(|path| lines::draw(path, "", labels, lines::Scores::Whole, &[panel]));
        picture.pixels().map(|pixel| pixel.0 != [255; 3]).collect()
    };
    let all: Vec<Vec<bool>> = (0..n).map(marked).collect();
    for (i, k) in (0..n).flat_map(|i| (0..i).map(move |k| (i, k))) {
        assert!(all[i] != all[k], "{} looks like {}", METHODS[i], METHODS[k]);
    }
}

#[test]
fn scores_that_are_not_finite_are_left_out() {
    let nan = Spread {
        mean: f64::NAN,
        deviation: Some(f64::NAN),
    };
    drawn(|path| bars::draw(path, "", "", &[group(&[nan, Spread::exact(0.5)])]));
    let mut panels = lines(1, 2);
    panels[0].series[0].points[3].1 = nan;
    panels[0].series[1]
        .points
        .iter_mut()
        .for_each(|(x, score)| (*x, *score) = (f64::NAN, nan));
    drawn(|path| lines::draw(path, "", &LABELS, lines::Scores::Near, &panels));
    let mut panels = scatter(1);
    panels[0].groups[0].points[0] = [f64::INFINITY, 0.0];
    drawn(|path| scatter::draw(path, "", &panels));
}

#[test]
fn panels_without_data_are_drawn_and_no_panel_is_an_error() {
    drawn(|path| bars::draw(path, "", "", &[group(&[])]));
    drawn(|path| lines::draw(path, "", &LABELS, lines::Scores::Near, &lines(1, 0)));
    let nothing = scatter::Panel {
        title: String::new(),
        groups: vec![],
        axes: [String::new(), String::new()],
    };
    drawn(|path| scatter::draw(path, "", &[nothing]));
    let error = curves::draw(Path::new("curves.png"), "", &[]).unwrap_err();
    assert_eq!(error.to_string(), "curves.png: there is nothing to draw");
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nowhere").join("picture.png");
    assert!(draw_curves(&path).is_err());
}
