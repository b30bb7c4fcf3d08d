//! The end of the demo: a table of all nodes, read anew, and whether they are equal.

use oplogsync_core::{
    documents::Documents,
    host::SystemHost,
    store_error::StoreError,
    verify::{VerifyOptions, compare},
};
use serde_json::json;

use super::{stage::Stage, tracker::Tally};
use crate::{
    exit::Exit,
    failure::Failure,
    node::Node,
    out::{Out, Tone},
    show::digest_of,
};

/// What a node holds in the end.
struct Held {
    documents: u64,
    checkpoint: String,
    digest: String,
}

/// Tells what every node holds. Equal is what has the same bytes in every document.
pub(super) async fn tell(stage: &Stage, tallies: &[Tally], out: &mut Out) -> Result<Exit, Failure> {
    let of = |error: StoreError| Failure::new(Exit::Unexpected, error);
    let options = VerifyOptions { rechecks: 0, ..VerifyOptions::default() };
    let (mut rows, mut values, mut all_equal) = (Vec::new(), Vec::new(), true);
    for (node, tally) in stage.nodes().zip(tallies) {
        let held = hold(node).await.map_err(of)?;
        let is_primary = node.name() == stage.primary.name();
        let report = Box::pin(compare(&stage.primary, node, &SystemHost, options.clone())).await.map_err(of)?;
        let equal = report.is_equal();
        all_equal &= equal;
        let mark = match (is_primary, equal) {
            (true, true) => String::new(),
            (false, true) => out.tone(Tone::Good, " ✓"),
            (_, false) => out.tone(Tone::Bad, " ✗"),
        };
        let repeated = if is_primary { "-".to_owned() } else { tally.repeated.to_string() };
        values.push(json!({
            "name": node.name(),
            "role": node.config().role.to_string(),
            "documents": held.documents,
            "applied": tally.applied,
            "repeated": tally.repeated,
            "checkpoint": held.checkpoint,
            "digest": held.digest,
            "equal": equal,
        }));
        rows.push([
            node.name().to_owned(),
            node.config().role.to_string(),
            held.documents.to_string(),
            tally.applied.to_string(),
            repeated,
            held.checkpoint,
            format!("{}{mark}", held.digest),
        ]);
    }
    if out.is_json() {
        out.json(&json!({ "nodes": values, "equal": all_equal }))?;
    } else {
        out.line("")?;
        out.table(["node", "role", "docs", "applied", "repeated", "checkpoint", "digest"], &rows)?;
        if all_equal {
            out.line(out.tone(Tone::Good, "✓ all replicas equal the primary, document by document"))?;
        } else {
            out.line(out.tone(Tone::Bad, "✗ the replicas differ from the primary"))?;
        }
    }
    Ok(if all_equal { Exit::Done } else { Exit::Different })
}

async fn hold(node: &Node) -> Result<Held, StoreError> {
    let mut digests = Vec::new();
    for ns in node.namespaces().await? {
        let digest = node.digest(&ns).await?;
        digests.push((ns, digest));
    }
    let checkpoint = node.checkpoint().await?;
    Ok(Held {
        documents: digests.iter().map(|(_, digest)| digest.count).sum(),
        checkpoint: checkpoint.map_or_else(|| "-".to_owned(), |checkpoint| checkpoint.anchor.position.to_string()),
        digest: digest_of(&digests),
    })
}
