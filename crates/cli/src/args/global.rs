//! What every command accepts.

use std::path::PathBuf;

use clap::{ArgAction, Args as ClapArgs, ValueEnum};

/// What every command accepts, before or after its name.
#[derive(Debug, ClapArgs)]
pub(crate) struct Global {
    #[arg(
        help = "The configuration file; else ./oplogsync.toml, $XDG_CONFIG_HOME/oplogsync/config.toml, /etc/oplogsync/config.toml"
    )]
    #[arg(short, long, global = true, env = "OPLOGSYNC_CONFIG", value_name = "FILE", help_heading = "Global options")]
    pub(crate) config: Option<PathBuf>,
    /// How results are written: `auto` is a table on a terminal, else plain (separated by tabs)
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Auto, hide_default_value = true)]
    #[arg(help_heading = "Global options")]
    output: Format,
    /// The same as --output json
    #[arg(long, global = true, conflicts_with = "output", help_heading = "Global options")]
    json: bool,
    /// Log more on standard error; twice for everything
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Global options")]
    pub(crate) verbose: u8,
    /// Log errors only
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Global options")]
    pub(crate) quiet: bool,
    /// How the log is written: `auto` is text on a terminal, else json
    #[arg(long, global = true, value_enum, env = "OPLOGSYNC_LOG_FORMAT", hide_env = true)]
    #[arg(help_heading = "Global options")]
    pub(crate) log_format: Option<LogFormat>,
    #[arg(help = "Colours; NO_COLOR is honoured")]
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, hide_default_value = true)]
    #[arg(help_heading = "Global options")]
    pub(crate) color: Colour,
}

impl Global {
    /// Whether what goes to a stream has colours; `terminal` tells whether people read it there.
    pub(crate) fn has_colour(&self, terminal: bool) -> bool {
        self.color.is_on(terminal, set("NO_COLOR").is_some(), set("TERM").is_some_and(|term| term == "dumb"))
    }

    /// The format of results.
    pub(crate) fn format(&self) -> Format {
        if self.json { Format::Json } else { self.output }
    }
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Auto,
    Table,
    Plain,
    Json,
    Ndjson,
}

/// Whether results and the log have colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    Auto,
    Always,
    Never,
}

impl Colour {
    fn is_on(self, terminal: bool, no_color: bool, dumb: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => terminal && !no_color && !dumb,
        }
    }
}

/// A variable of the environment; empty counts as unset.
fn set(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// How the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    #[default]
    Auto,
    Text,
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_unless_they_are_asked_for_or_refused() {
        assert!(Colour::Auto.is_on(true, false, false));
        for (terminal, no_color, dumb) in [(false, false, false), (true, true, false), (true, false, true)] {
            assert!(!Colour::Auto.is_on(terminal, no_color, dumb), "{terminal} {no_color} {dumb}");
        }
        assert!(!Colour::Never.is_on(true, false, false) && Colour::Always.is_on(false, true, true));
    }
}
