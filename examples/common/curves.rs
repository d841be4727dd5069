//! Learning curves as a picture.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

/// The accuracy of one prediction of one method after each epoch.
pub struct Curve {
    pub name: String,
    /// In 0..1, one an epoch.
    pub accuracy: Vec<f64>,
}

/// Curves of one method, drawn in one panel.
pub struct Panel {
    pub title: String,
    pub curves: Vec<Curve>,
}

const COLORS: [RGBColor; 6] = [
    RGBColor(0, 90, 181),
    RGBColor(220, 50, 32),
    RGBColor(0, 0, 0),
    RGBColor(26, 133, 80),
    RGBColor(153, 79, 0),
    RGBColor(93, 58, 155),
];

/// Draws the panels side by side.
pub fn draw(path: &Path, caption: &str, panels: &[Panel]) -> Result<(), Box<dyn Error>> {
    register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular())
        .map_err(|_| "the embedded font is not valid")?;
    let size = (620 * panels.len() as u32, 480);
    let root = BitMapBackend::new(path, size).into_drawing_area();
    root.fill(&WHITE)?;
    let root = root
        .margin(8, 0, 0, 0)
        .titled(caption, ("sans-serif", 20))?;
    for (area, panel) in root.split_evenly((1, panels.len())).iter().zip(panels) {
        draw_panel(area, panel)?;
    }
    root.present()?;
    Ok(())
}

type Area<'a> = DrawingArea<BitMapBackend<'a>, plotters::coord::Shift>;

fn draw_panel(area: &Area, panel: &Panel) -> Result<(), Box<dyn Error>> {
    let epochs = panel
        .curves
        .iter()
        .map(|curve| curve.accuracy.len())
        .max()
        .unwrap_or(0);
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(56)
        .build_cartesian_2d(0.5..epochs as f64 + 0.5, 0.0..100.0)?;
    chart
        .configure_mesh()
        .x_desc("epoch")
        .y_desc("validation accuracy, %")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .label_style(("sans-serif", 14))
        .axis_desc_style(("sans-serif", 15))
        .light_line_style(WHITE)
        .draw()?;
    for (i, curve) in panel.curves.iter().enumerate() {
        let color = COLORS[i % COLORS.len()];
        let points: Vec<(f64, f64)> = curve
            .accuracy
            .iter()
            .enumerate()
            .map(|(epoch, accuracy)| (epoch as f64 + 1.0, 100.0 * accuracy))
            .collect();
        chart.draw_series(LineSeries::new(points.clone(), color.stroke_width(2)))?;
        let every = (epochs / 10).max(1);
        let marked: Vec<(f64, f64)> = points.into_iter().step_by(every).collect();
        // Shapes tell the curves apart in black and white.
        macro_rules! marks {
            ($shape:ident, $size:literal) => {
                chart
                    .draw_series(
                        marked
                            .iter()
                            .map(|&at| $shape::new(at, $size, color.filled())),
                    )?
                    .label(&curve.name)
                    .legend(move |at| {
                        EmptyElement::at(at)
                            + PathElement::new(vec![(0, 0), (24, 0)], color.stroke_width(2))
                            + $shape::new((12, 0), $size, color.filled())
                    })
            };
        }
        match i % 3 {
            0 => marks!(Circle, 4),
            1 => marks!(TriangleMarker, 6),
            _ => marks!(Cross, 4),
        };
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .label_font(("sans-serif", 14))
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.4))
        .draw()?;
    Ok(())
}
