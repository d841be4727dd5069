//! Tables of known rows.

use crate::spread::Spread;
use crate::summary::{Row, csv, markdown};

fn row(method: &str, modalities: &str, column: &str, scores: &[f64]) -> Row {
    Row {
        method: method.to_string(),
        modalities: modalities.to_string(),
        column: column.to_string(),
        scores: scores.to_vec(),
    }
}

fn rows() -> Vec<Row> {
    vec![
        row("MLA", "audio + video", "audio", &[0.5, 0.51, 0.52]),
        row("MLA", "audio + video", "fused", &[0.7]),
        row("joint, \"late\"", "audio + video", "fused", &[0.6, 0.62]),
        row("MLA", "a|b", "fused", &[0.25]),
        row("no seed", "a|b", "fused", &[]),
    ]
}

#[test]
fn markdown_has_a_table_per_set_of_modalities() {
    let expected = "\
| audio + video, % | audio | fused |
|---|---|---|
| MLA | 51.0 ± 1.0 | 70.0 |
| joint, \"late\" | – | 61.0 ± 1.4 |

| a\\|b, % | fused |
|---|---|
| MLA | 25.0 |
| no seed | – |

";
    assert_eq!(markdown(&rows()), expected);
    assert_eq!(markdown(&[]), "");
}

#[test]
fn csv_has_a_line_per_row() {
    let mut found = vec![];
    csv(&rows(), &mut found).unwrap();
    let expected = "\
method,modalities,column,n_seeds,mean,deviation,scores
MLA,audio + video,audio,3,51.000,1.000,50.000 51.000 52.000
MLA,audio + video,fused,1,70.000,,70.000
\"joint, \"\"late\"\"\",audio + video,fused,2,61.000,1.414,60.000 62.000
MLA,a|b,fused,1,25.000,,25.000
no seed,a|b,fused,0,,,
";
    assert_eq!(String::from_utf8(found).unwrap(), expected);
}

#[test]
fn a_score_that_is_not_finite_is_shown() {
    let table = markdown(&[row("MLA", "a", "fused", &[0.5, f64::NAN])]);
    assert!(table.contains("| MLA | NaN ± NaN |"), "{table}");
}

#[test]
fn the_deviation_is_that_of_the_sample() {
    let spread = Spread::from_scores(&[0.1, 0.2, 0.6]).unwrap();
    assert!((spread.mean - 0.3).abs() < 1e-15);
    // sqrt((0.04 + 0.01 + 0.09) / 2)
    assert!((spread.deviation.unwrap() - 0.07f64.sqrt()).abs() < 1e-15);
    assert_eq!(Spread::from_scores(&[]), None);
    assert_eq!(Spread::from_scores(&[0.4]), Some(Spread::exact(0.4)));
}
