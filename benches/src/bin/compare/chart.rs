//! The ratios as horizontal bars, drawn as SVG: a logarithmic axis with a line where both are equal.

use std::fmt::Write;

use crate::{row::Measured, table::Line};

const ROW_HEIGHT: f64 = 22.0;
const NAMES_WIDTH: f64 = 330.0;
const BARS_WIDTH: f64 = 470.0;
const VALUES_WIDTH: f64 = 70.0;
const HEAD_HEIGHT: f64 = 34.0;

/// Colours that can be read on white and on black.
const STYLE: &str = "text { font: 12px system-ui, sans-serif; fill: #24292f } .tick { fill: #6e7781; font-size: 11px } \
    .grid { stroke: #8c959f; stroke-opacity: .35 } .one { stroke: #24292f; stroke-width: 1.5 } \
    .better { fill: #2da44e } .worse { fill: #d1822b } \
    @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .tick { fill: #9198a1 } .one { stroke: #e6edf3 } }";

/// Draws every row that has a ratio.
pub(crate) fn draw(lines: &[Line]) -> String {
    let bars: Vec<(&str, f64)> = lines.iter().filter_map(bar).collect();
    let axis = Axis::around(bars.iter().map(|(_, ratio)| *ratio));
    let bottom = rows_height(bars.len());
    let (width, height) = (NAMES_WIDTH + BARS_WIDTH + VALUES_WIDTH, bottom + 8.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" role=\"img\" \
         aria-label=\"oplogsync compared with its peers\">\n<style>{STYLE}</style>\n"
    );
    for power in axis.least..=axis.most {
        let (x, label) = (axis.x(10_f64.powi(power)), tick(power));
        let class = if power == 0 { "one" } else { "grid" };
        line(&mut svg, &format!("<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"24\" y2=\"{bottom}\"/>"));
        line(&mut svg, &format!("<text class=\"tick\" x=\"{x:.1}\" y=\"16\" text-anchor=\"middle\">{label}</text>"));
    }
    let mut y = HEAD_HEIGHT;
    for (name, ratio) in bars {
        let (one, end) = (axis.x(1.0), axis.x(ratio));
        let (x, length) = (one.min(end), (one - end).abs().max(1.0));
        let class = if ratio >= 1.0 { "better" } else { "worse" };
        let (text, name, values) = (y + 11.0, escaped(name), NAMES_WIDTH + BARS_WIDTH + 10.0);
        line(&mut svg, &format!("<text x=\"0\" y=\"{text}\">{name}</text>"));
        let rect =
            format!("<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y}\" width=\"{length:.1}\" height=\"14\" rx=\"2\"/>");
        line(&mut svg, &rect);
        line(&mut svg, &format!("<text x=\"{values}\" y=\"{text}\">{}</text>", told(ratio)));
        y += ROW_HEIGHT;
    }
    svg + "</svg>\n"
}

fn bar(line: &Line) -> Option<(&str, f64)> {
    match &line.measured {
        Measured::Figures(figures) if figures.ratio.is_finite() && figures.ratio > 0.0 => {
            Some((&line.row, figures.ratio))
        }
        _ => None,
    }
}

/// From which power of ten to which.
struct Axis {
    least: i32,
    most: i32,
}

impl Axis {
    #[expect(clippy::cast_possible_truncation, reason = "a few powers of ten")]
    fn around(ratios: impl Iterator<Item = f64>) -> Self {
        ratios.fold(Self { least: -1, most: 1 }, |axis, ratio| Self {
            least: axis.least.min(ratio.log10().floor() as i32),
            most: axis.most.max(ratio.log10().ceil() as i32),
        })
    }

    fn x(&self, ratio: f64) -> f64 {
        let (least, most) = (f64::from(self.least), f64::from(self.most));
        NAMES_WIDTH + BARS_WIDTH * (ratio.log10() - least) / (most - least)
    }
}

fn rows_height(rows: usize) -> f64 {
    (0..rows).fold(HEAD_HEIGHT, |height, _| height + ROW_HEIGHT)
}

fn tick(power: i32) -> String {
    format!("{}\u{d7}", 10_f64.powi(power))
}

fn told(ratio: f64) -> String {
    if ratio < 10.0 { format!("{ratio:.2}\u{d7}") } else { format!("{ratio:.0}\u{d7}") }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn line(svg: &mut String, text: &str) {
    // Writing into a string does not fail.
    let _ = writeln!(svg, "{text}");
}
