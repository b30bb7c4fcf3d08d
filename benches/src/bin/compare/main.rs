//! Peers, side by side in one run: how fast we are where others do the same work.
//!
//! `cargo run --release -p oplogsync-benches --bin compare`; what the rows mean stands in `benches/README.md`.

mod catch_up;
mod chart;
mod context;
mod engines;
mod memory;
mod raw_mongo;
mod rounds;
mod row;
mod rows;
mod servers;
mod table;

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::Parser;

use self::{
    context::Context,
    row::{Measured, Row},
    table::Line,
};

// As in the program; both sides of a row allocate with it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Compares oplogsync with its peers, in turn, in one run.
#[derive(Debug, Parser)]
#[command(name = "compare")]
struct Args {
    /// Smaller sizes: less than five minutes instead of fifteen.
    #[arg(long)]
    quick: bool,
    /// The long runs of ten million operations as well (a million with --quick).
    #[arg(long)]
    full: bool,
    /// Only rows whose names contain this; can be given several times.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Lists the rows and what they compare, and measures nothing.
    #[arg(long)]
    list: bool,
    /// Writes the table as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draws the ratios.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("compare: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Measures; whether no row failed.
fn run(args: &Args) -> anyhow::Result<bool> {
    let wanted = |row: &Row| args.only.is_empty() || args.only.iter().any(|part| row.name.contains(part));
    let rows: Vec<Row> = rows::all().into_iter().filter(wanted).collect();
    anyhow::ensure!(!rows.is_empty(), "no row has such a name; --list shows them");
    if args.list {
        table::print_list(&rows);
        return Ok(true);
    }
    let context = Context::new(args.quick, args.full)?;
    let mut lines: Vec<Line> = Vec::with_capacity(rows.len());
    for (number, row) in rows.iter().enumerate() {
        eprintln!("{}/{} {}", number + 1, rows.len(), row.name);
        let measured = (row.measure)(&context).unwrap_or_else(|error| Measured::Failed(format!("{error:#}")));
        let line = Line { row: row.name.clone(), measured };
        eprintln!("    {}", table::told(&line.measured));
        lines.push(line);
    }
    table::print(&lines);
    if let Some(file) = &args.json {
        fs::write(file, table::json(&lines)?).with_context(|| format!("cannot write {}", file.display()))?;
    }
    if let Some(file) = &args.svg {
        fs::write(file, chart::draw(&lines)).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(!lines.iter().any(|line| matches!(line.measured, Measured::Failed(_))))
}
