//! What a child process tells its parent, a line at a time, and what an error tells.

use std::{error::Error, io::Write as _};

/// Tells one line, which is whole in the pipe when this returns.
pub(crate) fn tell(line: std::fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    out.write_fmt(format_args!("{line}\n")).and_then(|()| out.flush()).expect("the parent reads");
}

/// The error with all its causes.
pub(crate) fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
