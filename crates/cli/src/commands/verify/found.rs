//! [`Found`]: what was found about one replica.

use std::time::Duration;

use oplogsync_core::{
    host::SystemHost,
    repair::RepairOptions,
    store_error::StoreError,
    verify::{Counts, Difference, Report, VerifyMode as CoreMode, VerifyOptions, compare, count},
};

use super::Mended;
use crate::{
    args::{VerifyArgs, VerifyMode},
    config::Config,
    node::Node,
};

/// How often what differs is looked at again: the system may be running.
const RECHECKS: u32 = 3;
/// The wait before each look.
const COOLDOWN: Duration = Duration::from_secs(2);

/// What was found about one replica.
pub(super) struct Found {
    /// Its name.
    pub(super) name: String,
    /// How many documents primary and replica hold.
    pub(super) counts: Vec<Counts>,
    /// What differs; nothing when only numbers were compared.
    pub(super) report: Report,
    /// What was done about it, if that was asked for.
    pub(super) mended: Option<Mended>,
}

impl Found {
    /// Compares a replica with the primary.
    pub(super) async fn look(
        args: &VerifyArgs,
        config: &Config,
        primary: &Node,
        replica: &Node,
    ) -> Result<Self, StoreError> {
        let options = VerifyOptions {
            source: primary.name().to_owned(),
            filter: config.filter.clone(),
            differences_max: most(args),
            rechecks: RECHECKS,
            cooldown: COOLDOWN,
            ..VerifyOptions::default()
        };
        let mode = match args.mode {
            VerifyMode::Count => None,
            VerifyMode::Digest => Some(CoreMode::Digest),
            VerifyMode::Full => Some(CoreMode::Full),
        };
        let (counts, report) = match mode {
            None => (Box::pin(count(primary, replica, &SystemHost, &options)).await?, Report::default()),
            Some(mode) => {
                let options = VerifyOptions { mode, ..options };
                let report = Box::pin(compare(primary, replica, &SystemHost, options)).await?;
                (counts(&report), report)
            }
        };
        Ok(Self { name: replica.name().to_owned(), counts, report, mended: None })
    }

    /// Whether the comparison has found nothing.
    pub(super) fn is_equal(&self, args: &VerifyArgs) -> bool {
        match args.mode {
            VerifyMode::Count => self.counts.iter().all(Counts::is_equal),
            VerifyMode::Digest | VerifyMode::Full => self.report.is_equal(),
        }
    }

    /// Whether nothing is left to be done: all was equal, or is mended.
    pub(super) fn is_settled(&self, args: &VerifyArgs) -> bool {
        match &self.mended {
            None => self.is_equal(args),
            Some(mended) => self.has_true_digests() && mended.is_done(),
        }
    }

    /// The documents to show, and how many more there are.
    pub(super) fn shown(&self, args: &VerifyArgs) -> (&[Difference], u64) {
        let all = &self.report.differences;
        let (shown, rest) = all.split_at(all.len().min(args.limit.max(1)));
        (shown, self.report.more + rest.len() as u64)
    }

    /// Whether the digests that the nodes keep are those of their documents.
    fn has_true_digests(&self) -> bool {
        self.report.namespaces.iter().all(|ns| ns.wrong_digests.is_empty())
    }
}

/// How many differences have to be known: all that are mended.
fn most(args: &VerifyArgs) -> usize {
    if args.repair { RepairOptions::default().differences_max } else { args.limit.max(1) }
}

fn counts(report: &Report) -> Vec<Counts> {
    let of = |ns: &oplogsync_core::verify::NamespaceReport| Counts {
        ns: ns.ns.clone(),
        source_ns: ns.source_ns.clone(),
        source: ns.source.count,
        target: ns.target.count,
    };
    report.namespaces.iter().map(of).collect()
}
