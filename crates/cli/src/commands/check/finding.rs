//! [`Finding`]: one line of the answer.

use oplogsync_core::store_error::{Fault, StoreError};
use serde::Serialize;

use super::subject;
use crate::{
    config::NodeConfig,
    conn_string,
    exit::Exit,
    failure::{Failure, exit_of},
    out::{Out, Tone},
    show::{chain, counted},
};

/// One line of the answer.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) verdict: Verdict,
    pub(super) subject: String,
    pub(super) text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fix: Option<String>,
    #[serde(skip)]
    pub(super) exit: Exit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Ok,
    /// It works, and may not for long, or not as well as it could.
    Warning,
    Error,
}

pub(super) fn ok(subject: &str, text: impl Into<String>) -> Finding {
    Finding { verdict: Verdict::Ok, subject: subject.to_owned(), text: text.into(), fix: None, exit: Exit::Done }
}

#[cfg(feature = "mongo")]
pub(super) fn warning(subject: &str, text: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding { verdict: Verdict::Warning, fix: Some(fix.into()), ..ok(subject, text) }
}

#[cfg(feature = "mongo")]
pub(super) fn problem(subject: &str, text: impl Into<String>, fix: impl Into<String>, exit: Exit) -> Finding {
    Finding { verdict: Verdict::Error, fix: Some(fix.into()), exit, ..ok(subject, text) }
}

/// A node that could not be asked.
pub(super) fn trouble(node: &NodeConfig, error: &StoreError) -> Finding {
    let fix = match (error.fault(), node.role) {
        (Fault::Unavailable, _) => "is it running, and is the uri right?",
        (Fault::Denied, _) => "check the user, the password and authSource in the uri, and deploy/roles",
        (Fault::Busy { .. }, _) => "stop the other process, or wait until it is done",
        _ => "see the message",
    };
    Finding {
        verdict: Verdict::Error,
        subject: subject(node),
        text: conn_string::redact(&chain(error)).into_owned(),
        fix: Some(fix.to_owned()),
        exit: exit_of(error.fault(), node.role),
    }
}

pub(super) fn tell(findings: &[Finding], out: &mut Out) -> Result<(), Failure> {
    if out.is_json() {
        return Ok(out.json(&findings)?);
    }
    let width = findings.iter().map(|finding| finding.subject.chars().count()).max().unwrap_or_default();
    for Finding { verdict, subject, text, fix, .. } in findings {
        let (mark, tone) = match verdict {
            Verdict::Ok => ("✓", Tone::Good),
            Verdict::Warning => ("!", Tone::Doubtful),
            Verdict::Error => ("✗", Tone::Bad),
        };
        out.line(format_args!("{} {subject:width$}  {text}", out.tone(tone, mark)))?;
        if let Some(fix) = fix {
            out.line(format_args!("    {fix}"))?;
        }
    }
    let count = |wanted| findings.iter().filter(|finding| finding.verdict == wanted).count() as u64;
    let (errors, warnings) = (count(Verdict::Error), count(Verdict::Warning));
    let counts = [(errors, "error", "errors"), (warnings, "warning", "warnings")];
    let told: Vec<_> = counts.iter().filter(|(n, ..)| *n > 0).map(|(n, one, many)| counted(*n, one, many)).collect();
    if !told.is_empty() {
        out.line(told.join(", "))?;
    }
    Ok(())
}
