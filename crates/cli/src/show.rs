//! How values are shown to people.

use std::{error::Error, time::Duration};

use oplogsync_core::{clock::OpTime, digest::NamespaceDigest, hash::Hash, namespace::Namespace};

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Seconds with one decimal; `-` when unknown.
pub(crate) fn seconds(duration: Option<Duration>) -> String {
    duration.map_or_else(|| "-".to_owned(), |duration| format!("{:.1}", duration.as_secs_f64()))
}

/// Seconds with one decimal, as a number for the log.
pub(crate) fn tenths(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10.0).round() / 10.0
}

/// An optime as an ISO 8601 date in UTC; `-` for the one before the first entry.
pub(crate) fn iso_date(optime: OpTime) -> String {
    if optime == OpTime::default() {
        return "-".to_owned();
    }
    let millis = i64::try_from(optime.unix_millis()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis).map_or_else(|_| "-".to_owned(), |date| format!("{date:.3}"))
}

/// One short text for all documents of a node: equal for equal documents.
pub(crate) fn digest_of(namespaces: &[(Namespace, NamespaceDigest)]) -> String {
    let mut bytes = Vec::new();
    for (ns, digest) in namespaces.iter().filter(|(_, digest)| digest.count > 0) {
        bytes.extend(ns.as_str().as_bytes());
        bytes.push(0);
        bytes.extend(digest.count.to_be_bytes());
        bytes.extend(digest.sum.to_be_bytes());
    }
    Hash::of(&bytes).to_string()
}

/// What copies everything anew to a replica, as it is typed.
pub(crate) fn resync_command(node: &str) -> String {
    format!("`oplogsync resync {node} --confirm {node}`")
}

/// `count` of a thing, in the right number.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

/// Mebibytes with one decimal.
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a size for people")]
    let mebibytes = bytes as f64 / (1024.0 * 1024.0);
    (mebibytes * 10.0).round() / 10.0
}
