//! Reliability diagrams as a picture.

use std::error::Error;
use std::path::Path;

use burn_mla::evaluation::{CalibrationBin, CalibrationError};
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

/// Calibration of one branch of a model: a modality or the fused prediction.
pub struct Diagram {
    pub view: String,
    pub calibration: CalibrationError,
}

const ACCURACY: RGBColor = RGBColor(170, 195, 225);
const SHARE: RGBColor = RGBColor(190, 60, 30);

const LEGEND: &str = "bars: accuracy of a bin; circles: its mean confidence, on the diagonal; \
                      triangles: its share of the samples";

/// Draws rows of diagrams. The bars of calibrated predictions end on the diagonal.
pub fn draw(path: &Path, caption: &str, rows: &[Vec<Diagram>]) -> Result<(), Box<dyn Error>> {
    register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular())
        .map_err(|_| "the embedded font is not valid")?;
    let n_columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let size = (290 * n_columns as u32, 250 * rows.len() as u32 + 60);
    let root = BitMapBackend::new(path, size).into_drawing_area();
    root.fill(&WHITE)?;
    let root = root
        .margin(8, 0, 0, 0)
        .titled(caption, ("sans-serif", 20))?
        .titled(LEGEND, ("sans-serif", 14))?;
    let areas = root.split_evenly((rows.len(), n_columns));
    for (row, areas) in rows.iter().zip(areas.chunks(n_columns)) {
        for (diagram, area) in row.iter().zip(areas) {
            draw_diagram(area, diagram)?;
        }
    }
    root.present()?;
    Ok(())
}

type Area<'a> = DrawingArea<BitMapBackend<'a>, plotters::coord::Shift>;

fn draw_diagram(area: &Area, diagram: &Diagram) -> Result<(), Box<dyn Error>> {
    let n_samples = diagram.calibration.n_samples();
    let ece = 100.0 * diagram.calibration.value();
    let title = format!("{}: ECE {ece:.1} %", diagram.view);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 14))
        .margin(8)
        .margin_right(16)
        .x_label_area_size(36)
        .y_label_area_size(46)
        .build_cartesian_2d(0.0..100.0, 0.0..100.0)?;
    chart
        .configure_mesh()
        .x_desc("confidence, %")
        .y_desc("accuracy and share, %")
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .label_style(("sans-serif", 13))
        .axis_desc_style(("sans-serif", 14))
        .light_line_style(WHITE)
        .draw()?;

    let mut bins = diagram.calibration.bins();
    bins.retain(|bin| bin.n_samples > 0);
    let bar = |bin: &CalibrationBin, style: ShapeStyle| {
        let corners = [
            (100.0 * bin.lower, 0.0),
            (100.0 * bin.upper, 100.0 * bin.accuracy),
        ];
        Rectangle::new(corners, style)
    };
    chart.draw_series(bins.iter().map(|bin| bar(bin, ACCURACY.filled())))?;
    chart.draw_series(bins.iter().map(|bin| bar(bin, BLACK.stroke_width(1))))?;
    let diagonal = vec![(0.0, 0.0), (100.0, 100.0)];
    chart.draw_series(LineSeries::new(diagonal, BLACK.stroke_width(1)))?;
    let confidence = |bin: &CalibrationBin| {
        let at = 100.0 * bin.confidence;
        Circle::new((at, at), 3, BLACK.filled())
    };
    chart.draw_series(bins.iter().map(confidence))?;
    let share = |bin: &CalibrationBin| {
        let middle = 50.0 * (bin.lower + bin.upper);
        (middle, 100.0 * bin.n_samples as f64 / n_samples as f64)
    };
    let shares: Vec<(f64, f64)> = bins.iter().map(share).collect();
    chart.draw_series(LineSeries::new(shares.clone(), SHARE.stroke_width(2)))?;
    let marker = |at| TriangleMarker::new(at, 5, SHARE.filled());
    chart.draw_series(shares.into_iter().map(marker))?;
    let text = format!("n = {n_samples}");
    chart.draw_series([Text::new(text, (3.0, 96.0), ("sans-serif", 14))])?;
    Ok(())
}
