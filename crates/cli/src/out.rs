//! [`Out`]: all that the program says on standard output.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
};

use serde::Serialize;

use crate::args::{Format, Global};

/// Standard output: knows the format and whether people read it, and that its reader may be gone.
pub(crate) struct Out {
    writer: Box<dyn Write + Send>,
    format: Format,
    colour: bool,
}

/// Why nothing more can be said.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutError {
    /// The reader has closed the pipe: it wants no more.
    #[error("the reader of the output is gone")]
    Closed,
    /// Anything else.
    #[error("cannot write to standard output")]
    Write(#[source] io::Error),
}

/// A colour, or rather its meaning.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// It works, and may not for long.
    Doubtful,
    /// Wrong.
    Bad,
}

impl Out {
    /// Standard output in the format that the arguments ask for.
    pub(crate) fn stdout(global: &Global) -> Self {
        let terminal = io::stdout().is_terminal();
        let format = match global.format() {
            Format::Auto if terminal => Format::Table,
            Format::Auto => Format::Plain,
            chosen => chosen,
        };
        let colour = global.has_colour(terminal);
        Self { writer: Box::new(io::stdout()), format, colour: colour && format == Format::Table }
    }

    /// Whether the output is for programs.
    pub(crate) fn is_json(&self) -> bool {
        matches!(self.format, Format::Json | Format::Ndjson)
    }

    /// `text` in a tone, if there is colour.
    pub(crate) fn tone(&self, tone: Tone, text: impl fmt::Display) -> String {
        let code = match tone {
            Tone::Good => 32,
            Tone::Doubtful => 33,
            Tone::Bad => 31,
        };
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
    }

    /// Says a line.
    pub(crate) fn line(&mut self, line: impl fmt::Display) -> Result<(), OutError> {
        writeln!(self.writer, "{line}").and_then(|()| self.writer.flush()).map_err(OutError::from)
    }

    /// Says a line for people; programs get their result alone.
    pub(crate) fn note(&mut self, line: impl fmt::Display) -> Result<(), OutError> {
        if self.is_json() { Ok(()) } else { self.line(line) }
    }

    /// Says a value as JSON: indented, or on one line in NDJSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), OutError> {
        let text = match self.format {
            Format::Ndjson => serde_json::to_string(value),
            _ => serde_json::to_string_pretty(value),
        };
        self.line(text.map_err(|error| OutError::Write(error.into()))?)
    }

    /// Says rows under a header: in columns for people, else separated by tabs.
    pub(crate) fn table<const N: usize>(&mut self, header: [&str; N], rows: &[[String; N]]) -> Result<(), OutError> {
        if self.format != Format::Table {
            self.line(header.join("\t"))?;
            return rows.iter().try_for_each(|row| self.line(row.join("\t")));
        }
        let header = header.map(str::to_owned);
        let mut widths = [0; N];
        for row in std::iter::once(&header).chain(rows) {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for row in std::iter::once(&header).chain(rows) {
            let cells: Vec<_> = widths.iter().zip(row).map(|(width, cell)| format!("{cell:width$}")).collect();
            self.line(cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}

impl From<io::Error> for OutError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::Closed } else { Self::Write(error) }
    }
}
