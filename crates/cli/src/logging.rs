//! The log: on standard error, initialised once, for every command.

use std::{
    io::{self, IsTerminal},
    str::FromStr,
};

use tracing_subscriber::EnvFilter;

use crate::{
    args::{Global, LogFormat},
    config::LogConfig,
    conn_string,
    exit::Exit,
    failure::Failure,
};

/// Starts the log. Flags win over the environment, that over the configuration, that over `default`.
pub(crate) fn start(global: &Global, config: Option<&LogConfig>, default: &str) -> Result<(), Failure> {
    let filter = filter(global, config, default)?;
    let format = global.log_format.or(config.map(|config| config.format)).unwrap_or_default();
    let terminal = io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        // A standard error that is gone must not become a panic.
        .log_internal_errors(false)
        .with_writer(|| Redacting(io::stderr()));
    let text = match format {
        LogFormat::Auto => terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let started = if text {
        builder.with_ansi(global.has_colour(terminal)).try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
    started.map_err(|error| Failure::message(Exit::Unexpected, format!("cannot start the log: {error}")))
}

fn filter(global: &Global, config: Option<&LogConfig>, default: &str) -> Result<EnvFilter, Failure> {
    let (origin, text) = if global.quiet {
        ("--quiet", "error".to_owned())
    } else if global.verbose > 0 {
        ("--verbose", if global.verbose > 1 { "trace" } else { "debug" }.to_owned())
    } else if let Some(text) = std::env::var("OPLOGSYNC_LOG").ok().filter(|text| !text.is_empty()) {
        ("OPLOGSYNC_LOG", text)
    } else if let Some(text) = config.and_then(|config| config.level.clone()) {
        ("[log] level", text)
    } else {
        ("the default", default.to_owned())
    };
    EnvFilter::from_str(&text).map_err(|error| {
        let hint = "use error, warn, info, debug or trace";
        Failure::message(Exit::Config, format!("{origin}: `{text}` is no log filter ({error}): {hint}"))
    })
}

/// Standard error, without any password, whoever logged it. A record comes in one write.
struct Redacting(io::Stderr);

impl io::Write for Redacting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(conn_string::redact(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
