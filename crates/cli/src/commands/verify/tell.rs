//! What was found, for people.

use oplogsync_core::{
    repair::Outcome,
    verify::{CatalogDifference, Counts, Difference, DifferenceKind},
};

use super::{Found, Mended, Verified};
use crate::{
    args::VerifyMode,
    failure::Failure,
    out::{Out, OutError, Tone},
    show::{chain, counted},
};

impl Verified<'_> {
    /// Tells people.
    pub(super) fn tell(&self, out: &mut Out) -> Result<(), Failure> {
        out.line(format_args!("{} @ {} · mode {}", self.primary, self.head, self.mode()))?;
        let rows = |found: &Found| {
            let row = |counts: &Counts| {
                [found.name.clone(), name(counts), counts.source.to_string(), counts.target.to_string()]
            };
            found.counts.iter().map(row).collect::<Vec<_>>()
        };
        let rows: Vec<_> = self.replicas.iter().flat_map(rows).collect();
        out.table(["REPLICA", "NAMESPACE", "PRIMARY", "REPLICA DOCS"], &rows)?;
        for found in &self.replicas {
            self.tell_differences(found, out)?;
            if let Some(mended) = &found.mended {
                tell_mended(&found.name, mended, out)?;
            }
        }
        Ok(())
    }

    /// What it is called.
    pub(super) fn mode(&self) -> &'static str {
        match self.args.mode {
            VerifyMode::Count => "count",
            VerifyMode::Digest => "digest",
            VerifyMode::Full => "full",
        }
    }

    fn tell_differences(&self, found: &Found, out: &mut Out) -> Result<(), OutError> {
        if found.is_equal(self.args) {
            out.line(out.tone(Tone::Good, format_args!("✓ {} equals the primary", found.name)))?;
        } else {
            out.line(out.tone(Tone::Bad, format_args!("✗ {} differs from the primary", found.name)))?;
        }
        let (shown, more) = found.shown(self.args);
        for difference in &found.report.catalog {
            out.line(format_args!("  {} {}", structure(difference), difference.kind.as_str()))?;
        }
        for Difference { ns, id, kind } in shown {
            out.line(format_args!("  {ns} {id} {}", kind.as_str()))?;
        }
        if more > 0 {
            out.line(format_args!("  and {more} more"))?;
        }
        for ns in found.report.namespaces.iter().filter(|ns| !ns.wrong_digests.is_empty()) {
            let sides = ns.wrong_digests.join(" and ");
            out.line(format_args!("  {}: the kept digest of the {sides} is not that of its documents", ns.ns))?;
        }
        Ok(())
    }
}

fn tell_mended(name: &str, mended: &Mended, out: &mut Out) -> Result<(), OutError> {
    for (difference, outcome) in &mended.catalog {
        out.line(format_args!("  {}: {}", structure(difference), told(outcome)))?;
    }
    for (Difference { ns, id, .. }, outcome) in &mended.documents {
        out.line(format_args!("  {ns} {id}: {}", told(outcome)))?;
    }
    if mended.is_done() && mended.len() == 0 {
        // There was nothing to be done, and that is told already.
    } else if mended.is_done() {
        out.line(out.tone(Tone::Good, format_args!("✓ {name} is mended")))?;
    } else {
        let (left, all) = (mended.left(), counted(mended.len() as u64, "difference", "differences"));
        out.line(out.tone(Tone::Bad, format_args!("✗ {name} is not mended: {left} of {all} left")))?;
    }
    if mended.behind > 0 {
        let entries = counted(mended.behind, "entry", "entries");
        out.line(format_args!("  {entries} behind: `oplogsync run` applies what the replica does not have yet"))?;
    }
    Ok(())
}

/// A namespace by both of its names.
fn name(counts: &Counts) -> String {
    match &counts.source_ns {
        Some(source) if *source != counts.ns => format!("{source} → {}", counts.ns),
        _ => counts.ns.to_string(),
    }
}

/// Which collection, or which part of it.
fn structure(difference: &CatalogDifference) -> String {
    match &difference.index {
        Some(index) => format!("{} index {index}", difference.ns),
        None => format!("{} {}", difference.ns, what(difference)),
    }
}

/// What differs of a collection.
pub(super) fn what(difference: &CatalogDifference) -> &'static str {
    match (&difference.index, difference.kind) {
        (Some(_), _) => "index",
        (None, DifferenceKind::Changed) => "options",
        (None, DifferenceKind::Missing | DifferenceKind::Extra) => "collection",
    }
}

fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::StoodIn { until } => format!("stand-in until {until}"),
        outcome => match reason(outcome) {
            Some(reason) => format!("{}: {reason}", kind(outcome)),
            None => kind(outcome).to_owned(),
        },
    }
}

/// What an outcome is called.
pub(super) fn kind(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Put => "put",
        Outcome::Removed => "removed",
        Outcome::StoodIn { .. } => "stand-in",
        Outcome::Right => "right already",
        Outcome::Unsettled(_) => "unsettled",
        Outcome::Failed(_) => "failed",
        Outcome::Again => "differs again",
        _ => "not tried",
    }
}

/// Why something is left.
pub(super) fn reason(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Unsettled(why) => Some(why.to_string()),
        Outcome::Failed(error) => Some(chain(error)),
        Outcome::Again => Some("something else writes to the replica".to_owned()),
        _ => None,
    }
}
