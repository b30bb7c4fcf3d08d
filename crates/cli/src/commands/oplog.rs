//! `oplog`: looks at the primary's oplog.

use std::{collections::VecDeque, time::Duration};

use oplogsync_core::{
    entry::{Entry, Operation},
    limits::Limits,
    log::{Log, LogEnds},
    namespace::Namespace,
    position::Position,
};
use serde_json::{Value, json};
use tracing::warn;

use crate::{
    args::{OplogArgs, OplogWhat},
    config::{Config, Role},
    exit::Exit,
    failure::Failure,
    json,
    node::Node,
    out::Out,
    show::iso_date,
    signals::Shutdown,
    upstream::Upstream,
};

const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// How often the end of the log is looked at.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);
/// Most entries that are read at once.
const READ_MAX: u64 = 1000;

pub(crate) async fn run(args: &OplogArgs, config: &Config, shutdown: Shutdown, out: &mut Out) -> Result<Exit, Failure> {
    let primary = Node::new(&config.primary, ANSWER_WITHIN);
    let Some(ends) = primary.log_ends().await.map_err(of_primary)? else {
        let name = &config.primary.name;
        let upstream = Upstream::choose(config, &primary).await.map_err(of_primary)?;
        if upstream.managed().is_none() {
            let message = format!("{name} is followed by its change stream, and holds no oplog of ours to show");
            return Err(Failure::message(Exit::Config, message));
        }
        let message = format!("{name} holds no oplog yet: write to it through oplogsync first");
        return Err(Failure::message(Exit::Primary, message));
    };
    match &args.what {
        OplogWhat::Show { position } => show(&primary, &ends, position, out).await,
        OplogWhat::Tail { count, follow, ns } => {
            let entries = newest(&primary, &ends, *count, ns.as_ref()).await?;
            for entry in &entries {
                tell(entry, out)?;
            }
            if !follow {
                return Ok(Exit::Done);
            }
            tokio::select! {
                () = shutdown.requested() => Ok(Exit::Done),
                ended = Box::pin(go_on(&primary, ends.head.next_index(), ns.as_ref(), out)) => ended,
            }
        }
    }
}

fn of_primary(error: oplogsync_core::store_error::StoreError) -> Failure {
    Failure::store(error, Role::Primary)
}

async fn show(primary: &Node, ends: &LogEnds, text: &str, out: &mut Out) -> Result<Exit, Failure> {
    let (term, index) = parse_position(text)?;
    let limits = Limits { entries_max: 1, bytes_max: 1 };
    let found = if index > ends.floor.position.index && index <= ends.head.position.index {
        primary.read(index, limits).await.map_err(of_primary)?.into_iter().next()
    } else {
        None
    };
    let found =
        found.filter(|entry| entry.position().index == index && term.is_none_or(|term| entry.position().term == term));
    let Some(entry) = found else {
        let (floor, head) = (ends.floor.position, ends.head.position);
        let message = format!("there is no entry at {text}: the oplog reaches from after {floor} to {head}");
        return Err(Failure::message(Exit::Usage, message));
    };
    out.json(&as_json(&entry)?)?;
    Ok(Exit::Done)
}

fn parse_position(text: &str) -> Result<(Option<u64>, u64), Failure> {
    let (term, index) = match text.split_once(':') {
        Some((term, index)) => (term.parse().map(Some), index),
        None => (Ok(None), text),
    };
    match (term, index.parse()) {
        (Ok(term), Ok(index)) if index > 0 => Ok((term, index)),
        _ => Err(Failure::message(Exit::Usage, format!("`{text}` is no position: write it as term:index or index"))),
    }
}

/// The newest `count` entries (of a namespace), read backwards a piece at a time.
async fn newest(
    primary: &Node,
    ends: &LogEnds,
    count: u64,
    ns: Option<&Namespace>,
) -> Result<VecDeque<Entry>, Failure> {
    let mut newest = VecDeque::new();
    let wanted = usize::try_from(count).unwrap_or(usize::MAX);
    let floor = ends.floor.position.index;
    let mut end = ends.head.position.index;
    while end > floor && newest.len() < wanted {
        let piece = if ns.is_some() { READ_MAX } else { count.min(READ_MAX) };
        let start = end.saturating_sub(piece).max(floor);
        let mut entries = Vec::new();
        let mut next = start + 1;
        while next <= end {
            let read = read(primary, next, end).await?;
            let Some(last) = read.last() else { break };
            next = last.position().index + 1;
            entries.extend(read.into_iter().filter(|entry| concerns(entry, ns)));
        }
        for entry in entries.into_iter().rev() {
            if newest.len() < wanted {
                newest.push_front(entry);
            }
        }
        end = start;
    }
    Ok(newest)
}

async fn read(primary: &Node, from: u64, until: u64) -> Result<Vec<Entry>, Failure> {
    let entries_max = usize::try_from((until - from + 1).min(READ_MAX)).unwrap_or(1);
    let limits = Limits { entries_max, ..Limits::default() };
    let entries = primary.read(from, limits).await.map_err(of_primary)?;
    let mut expected = from;
    for entry in &entries {
        let found = entry.position();
        if found.index != expected {
            missed(primary, expected, found).await?;
        }
        expected = found.index + 1;
    }
    Ok(entries)
}

/// Entries are missing before `found`: trimmed since the log was looked at, or lost.
async fn missed(primary: &Node, expected: u64, found: Position) -> Result<(), Failure> {
    let ends = primary.log_ends().await.map_err(of_primary)?;
    if ends.is_some_and(|ends| ends.floor.position.index + 1 >= found.index) {
        warn!(
            node = primary.name(),
            from = expected,
            to = found.index - 1,
            "entries were trimmed before they were read"
        );
        return Ok(());
    }
    let gap = format!(
        "{}: the oplog has a gap: index {expected} was expected, {found} was found: restore the node from a backup, its documents and its oplog",
        primary.name()
    );
    Err(Failure::message(Exit::Primary, gap))
}

async fn go_on(primary: &Node, mut next: u64, ns: Option<&Namespace>, out: &mut Out) -> Result<Exit, Failure> {
    loop {
        let entries = read(primary, next, u64::MAX - 1).await?;
        for entry in &entries {
            next = entry.position().index + 1;
            if concerns(entry, ns) {
                tell(entry, out)?;
            }
        }
        if entries.is_empty() {
            tokio::time::sleep(FOLLOW_EVERY).await;
        }
    }
}

fn concerns(entry: &Entry, ns: Option<&Namespace>) -> bool {
    let (Some(ns), operation) = (ns, entry.operation()) else { return true };
    match operation {
        Operation::Command(command) => command.action().namespace().is_none_or(|concerned| concerned == ns),
        _ => operation.namespace() == Some(ns),
    }
}

/// The namespace, or the database, that an operation concerns.
fn place(operation: &Operation) -> Option<&str> {
    match operation {
        Operation::Command(command) => {
            Some(command.action().namespace().map_or(command.database().as_str(), Namespace::as_str))
        }
        _ => operation.namespace().map(Namespace::as_str),
    }
}

fn kind_name(operation: &Operation) -> &'static str {
    match operation {
        Operation::Insert { .. } => "insert",
        Operation::Update { .. } => "update",
        Operation::Patch { .. } => "patch",
        Operation::Command(_) => "command",
        Operation::Delete { .. } => "delete",
        Operation::Noop => "noop",
        Operation::NewTerm => "new-term",
    }
}

fn tell(entry: &Entry, out: &mut Out) -> Result<(), Failure> {
    if out.is_json() {
        // A line per entry: a log has no end that an array could wait for.
        let text =
            serde_json::to_string(&as_json(entry)?).map_err(|error| Failure::unexpected(error, "show an entry"))?;
        return Ok(out.line(text)?);
    }
    let operation = entry.operation();
    let ns = place(operation).unwrap_or("-");
    let id = operation.doc_id().map_or_else(|| "-".to_owned(), |id| id.to_string());
    let (position, date) = (entry.position().to_string(), iso_date(entry.optime()));
    Ok(out.line(format_args!("{position}\t{date}\t{}\t{ns}\t{id}", kind_name(operation)))?)
}

fn as_json(entry: &Entry) -> Result<Value, Failure> {
    let operation = entry.operation();
    let (t, i) = entry.optime().to_timestamp();
    let document = match operation {
        Operation::Insert { document, .. } | Operation::Update { document, .. } => {
            Some(json::from_document(document.as_raw())?)
        }
        _ => None,
    };
    let diff = match operation {
        Operation::Patch { diff, .. } => Some(json::from_document(diff.as_raw())?),
        _ => None,
    };
    let command = match operation {
        Operation::Command(command) => Some(json::from_document(command.as_raw())?),
        _ => None,
    };
    let id = operation.doc_id().map(|id| json::from_value(id.value())).transpose()?;
    Ok(json!({
        "position": entry.position().to_string(),
        "term": entry.position().term,
        "index": entry.position().index,
        "optime": { "t": t, "i": i },
        "isoDate": iso_date(entry.optime()),
        "op": kind_name(operation),
        "ns": place(operation),
        "id": id,
        "document": document,
        "diff": diff,
        "command": command,
        "opId": entry.op_id().to_string(),
        "hash": entry.hash().to_string(),
        "prevHash": entry.prev_hash().to_string(),
    }))
}
