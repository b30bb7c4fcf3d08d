//! What was found, for programs.

use oplogsync_core::{
    namespace::Namespace,
    repair::Outcome,
    verify::{CatalogDifference, Counts, Difference, NamespaceReport},
};
use serde_json::{Value, json};

use super::{
    Found, Mended, Verified,
    tell::{kind, reason, what},
};
use crate::{failure::Failure, json};

impl Verified<'_> {
    /// Everything, as JSON.
    pub(super) fn to_json(&self) -> Result<Value, Failure> {
        let replicas = self.replicas.iter().map(|found| self.replica(found)).collect::<Result<Vec<_>, _>>()?;
        let equal = self.replicas.iter().all(|found| found.is_equal(self.args));
        Ok(json!({ "equal": equal, "mode": self.mode(), "head": self.head, "replicas": replicas }))
    }

    fn replica(&self, found: &Found) -> Result<Value, Failure> {
        let (shown, more) = found.shown(self.args);
        let of_document = |difference: &Difference| {
            let mut value = document(difference)?;
            set(&mut value, "node", json!(found.name));
            set(&mut value, "kind", json!(difference.kind.as_str()));
            Ok(value)
        };
        let of_catalog = |difference: &CatalogDifference| {
            let mut value = structure(difference);
            set(&mut value, "kind", json!(difference.kind.as_str()));
            value
        };
        let wrong = found.report.namespaces.iter().filter(|ns| !ns.wrong_digests.is_empty());
        let wrong = wrong.map(|ns: &NamespaceReport| json!({ "ns": ns.ns.as_str(), "sides": ns.wrong_digests }));
        let mut value = json!({
            "name": found.name,
            "equal": found.is_equal(self.args),
            "namespaces": found.counts.iter().map(counts).collect::<Vec<_>>(),
            "catalog": found.report.catalog.iter().map(of_catalog).collect::<Vec<_>>(),
            "differences": shown.iter().map(of_document).collect::<Result<Vec<_>, Failure>>()?,
            "moreDifferences": more,
            "wrongDigests": wrong.collect::<Vec<_>>(),
        });
        if let Some(mended) = &found.mended {
            set(&mut value, "repaired", json!(repaired(mended)?));
            set(&mut value, "mended", json!(found.is_settled(self.args)));
            set(&mut value, "behind", json!(mended.behind));
        }
        Ok(value)
    }
}

/// One that has another name at the primary tells that too.
fn counts(counts: &Counts) -> Value {
    let mut value = json!({ "ns": counts.ns.as_str(), "primary": counts.source, "replica": counts.target });
    if counts.source_ns.as_ref() != Some(&counts.ns) {
        set(&mut value, "primaryNs", json!(counts.source_ns.as_ref().map(Namespace::as_str)));
    }
    value
}

fn repaired(mended: &Mended) -> Result<Vec<Value>, Failure> {
    let mut all = Vec::new();
    for (difference, outcome) in &mended.catalog {
        all.push(with_outcome(structure(difference), outcome));
    }
    for (difference, outcome) in &mended.documents {
        all.push(with_outcome(document(difference)?, outcome));
    }
    Ok(all)
}

fn with_outcome(mut value: Value, outcome: &Outcome) -> Value {
    set(&mut value, "outcome", json!(kind(outcome)));
    set(&mut value, "mended", json!(outcome.is_mended()));
    if let Outcome::StoodIn { until } = outcome {
        set(&mut value, "until", json!(until.to_string()));
    }
    if let Some(reason) = reason(outcome) {
        set(&mut value, "reason", json!(reason));
    }
    value
}

fn document(difference: &Difference) -> Result<Value, Failure> {
    Ok(json!({ "ns": difference.ns.as_str(), "id": json::from_value(difference.id.value())? }))
}

fn structure(difference: &CatalogDifference) -> Value {
    let mut value = json!({ "ns": difference.ns.as_str(), "what": what(difference) });
    if let Some(index) = &difference.index {
        set(&mut value, "index", json!(index));
    }
    value
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}
