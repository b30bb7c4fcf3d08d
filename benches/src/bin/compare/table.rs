//! The table, for people and as JSON.

#![expect(clippy::print_stdout, reason = "the table is what the program is for")]

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    rounds::Figures,
    row::{Measured, Row},
};

/// A row that was measured.
#[derive(Debug)]
pub(crate) struct Line {
    /// Its name.
    pub(crate) row: String,
    /// What became of it.
    pub(crate) measured: Measured,
}

/// What there is to be measured.
pub(crate) fn print_list(rows: &[Row]) {
    for row in rows {
        println!("{}\n    {}", row.name, row.doc);
    }
}

/// The whole table.
pub(crate) fn print(lines: &[Line]) {
    let width = lines.iter().map(|line| line.row.len()).max().unwrap_or_default();
    println!("{:width$}  {HEAD}", "row");
    for line in lines {
        println!("{:width$}  {}", line.row, told(&line.measured));
    }
}

const HEAD: &str = "    ours      peer   ratio  spread  peak MiB  unit";

/// One row without its name.
pub(crate) fn told(measured: &Measured) -> String {
    match measured {
        Measured::Figures(Figures { ours, peer, ratio, spread, unit, peak_mib }) => {
            let peak = peak_mib.map_or_else(|| "-".to_owned(), |mib| format!("{mib:.0}"));
            let (ours, peer) = (short(*ours), short(*peer));
            format!("{ours:>8}  {peer:>8}  {ratio:>6.2}  {spread:>6.2}  {peak:>8}  {unit}")
        }
        Measured::Not(why) => format!("not measured: {why}"),
        Measured::Failed(why) => format!("FAILED: {why}"),
    }
}

/// Three digits or so.
fn short(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.2}"),
        ..10_000.0 => format!("{value:.0}"),
        _ => format!("{:.1}k", value / 1000.0),
    }
}

/// The table for programs. A row without figures says why.
pub(crate) fn json(lines: &[Line]) -> Result<String> {
    let rows: Vec<Value> = lines.iter().map(row).collect();
    Ok(serde_json::to_string_pretty(&rows)? + "\n")
}

fn row(line: &Line) -> Value {
    match &line.measured {
        Measured::Figures(Figures { ours, peer, ratio, spread, unit, peak_mib }) => json!({
            "row": line.row, "ours": ours, "peer": peer, "ratio": ratio, "unit": unit,
            "spread": spread, "peak_mib": peak_mib,
        }),
        Measured::Not(why) => json!({ "row": line.row, "not_measured": why }),
        Measured::Failed(why) => json!({ "row": line.row, "failed": why }),
    }
}
