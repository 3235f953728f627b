//! Speed-up against cores, as an SVG.

use anyhow::{Context, Result, anyhow};
use plotters::prelude::*;
use std::path::Path;

/// A line of the plot.
pub struct Series {
    pub label: String,
    pub color: RGBColor,
    pub dashed: bool,
    /// Cores, and how many times faster than on one.
    pub points: Vec<(f64, f64)>,
}

/// Panels side by side, with one scale.
pub fn draw(path: &Path, panels: &[(&str, Vec<Series>)]) -> Result<()> {
    let mut svg = String::new();
    paint(&mut svg, panels).map_err(|error| anyhow!("cannot draw: {error}"))?;
    std::fs::write(path, svg).with_context(|| format!("cannot write {}", path.display()))
}

fn paint(svg: &mut String, panels: &[(&str, Vec<Series>)]) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, (1100, 480)).into_drawing_area();
    root.fill(&WHITE)?;
    let points = panels.iter().flat_map(|p| &p.1).flat_map(|s| &s.points);
    let (most, fastest) = points.fold((2.0f64, 1.0f64), |m, p| (m.0.max(p.0), m.1.max(p.1)));
    for (area, (title, series)) in root.split_evenly((1, panels.len())).iter().zip(panels) {
        let mut chart = ChartBuilder::on(area)
            .caption(title, ("sans-serif", 20))
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(40)
            .build_cartesian_2d(
                (1.0..most).log_scale().base(2.0),
                (1.0..fastest * 1.2).log_scale().base(2.0),
            )?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_desc("cores")
            .y_desc("times as fast as one core")
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| format!("{y:.0}"))
            .label_style(("sans-serif", 15))
            .draw()?;
        for line in series {
            let style = line.color.stroke_width(2);
            let drawn = if line.dashed {
                chart.draw_series(DashedLineSeries::new(line.points.iter().copied(), 5, 4, style))?
            } else {
                chart.draw_series(LineSeries::new(line.points.iter().copied(), style))?
            };
            drawn.label(&line.label).legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
        }
        chart
            .configure_series_labels()
            .label_font(("sans-serif", 15))
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE)
            .border_style(RGBColor(160, 160, 160))
            .draw()?;
    }
    root.present()?;
    Ok(())
}
