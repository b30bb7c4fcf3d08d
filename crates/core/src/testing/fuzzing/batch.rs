//! Reading batches from a log that lies.

use super::{
    corpus::{Seed, seed},
    hostile_log::HostileLog,
    script::Script,
};
use crate::{
    batch::Batch,
    checkpoint::Checkpoint,
    clock::OpTime,
    entry::{Entry, Kind, Operation},
    feed::{Feed, OplogFeed},
    hash::Hash,
    ids::OpId,
    limits::Limits,
    log::LogEnds,
    position::{Anchor, Position},
    testing::{
        chain::{Chain, log_id},
        read_only::ReadOnly,
        ready::ready,
    },
};

/// Whatever a log serves (gaps, repetitions, wrong order, entries of another writer, of another
/// log or of a wrong term, false ends), a batch that is read from it is an exact continuation of
/// the checkpoint, within the limits. A log that does not lie is read.
///
/// # Panics
/// When it is not.
pub fn read_batches(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let (log, truth, is_honest) = hostile_log(&mut script);
    let limits = Limits { entries_max: 1 + usize::from(script.below(5)), bytes_max: 600 };
    let checkpoint = checkpoint(&mut script, &truth);
    let after = checkpoint.map_or(Entry::origin(log_id(1)), |checkpoint| checkpoint.anchor);

    if let Ok(batches) = Batch::split(log_id(1), after, log.entries.clone(), limits) {
        let entries: Vec<_> = batches.iter().flat_map(Batch::entries).cloned().collect();
        assert_eq!(entries, log.entries);
        assert_continues(&after, &entries);
        for batch in &batches {
            assert_within(batch, limits);
        }
    }
    let fetched = ready(OplogFeed::new(ReadOnly(log.clone()), "hostile").fetch(checkpoint, None, limits));
    let is_known = after == Entry::origin(log_id(1)) || truth.iter().any(|entry| entry.anchor() == after);
    if is_honest && is_known && checkpoint.is_none_or(|checkpoint| checkpoint.log == log_id(1)) {
        let has_more = after.position.index < log.ends.head.position.index;
        let yields = fetched.as_ref().is_ok_and(|fetch| fetch.batch.is_some() == has_more);
        assert!(yields, "nothing is wrong, and the feed yields {fetched:?} after {after:?}");
    }
    let Ok(fetch) = fetched else { return };
    let Some(batch) = fetch.batch else { return };
    assert_eq!(*batch.after(), after);
    assert_continues(&after, batch.entries());
    assert_within(&batch, limits);
    assert!(batch.entries().iter().all(|entry| log.entries.contains(entry)));
    let mut served = log.entries.iter().map(Entry::anchor).chain([log.ends.floor]);
    let known = after.position.index == 0
        || served.any(|at| at.position.index == after.position.index && at.hash == after.hash);
    assert!(known, "the log does not hold the checkpoint {after:?}");
}

fn assert_continues(after: &Anchor, entries: &[Entry]) {
    let mut last = *after;
    for entry in entries {
        let raise = u64::from(entry.operation().kind() == Kind::NewTerm);
        let Position { term, index } = last.position;
        assert_eq!(entry.position(), Position { term: term + raise, index: index + 1 });
        assert_eq!(entry.prev_hash(), last.hash);
        last = entry.anchor();
    }
}

fn assert_within(batch: &Batch, limits: Limits) {
    let entries = batch.entries();
    let bytes: usize = entries.iter().map(Entry::bytes).sum();
    assert!(entries.len() == 1 || (entries.len() <= limits.entries_max && bytes <= limits.bytes_max));
    let alone = entries.iter().all(|entry| entry.operation().kind() != Kind::NewTerm);
    assert!(alone || entries.len() == 1);
}

/// A log that lies in up to four ways, the true entries, and whether it tells just those.
fn hostile_log(script: &mut Script<'_>) -> (HostileLog, Vec<Entry>, bool) {
    let mut chain = Chain::new(log_id(1));
    for _ in 0..=script.below(16) {
        let operation = if script.below(6) == 5 { Operation::NewTerm } else { script.operation().0 };
        chain.push(operation);
    }
    let head = chain.last();
    let truth = chain.take();
    let mut entries = truth.clone();
    for _ in 0..script.below(5) {
        lie(script, &mut entries);
    }
    let origin = Entry::origin(log_id(1));
    let true_ends = LogEnds { log: log_id(1), floor: origin, head };
    let ends = match script.below(4) {
        0 | 1 => true_ends,
        2 => LogEnds { log: log_id(1), floor: anchor(script, &truth), head },
        _ => LogEnds { log: log_id(2), floor: origin, head: anchor(script, &truth) },
    };
    let is_honest = entries == truth && ends == true_ends;
    (HostileLog { ends, entries, obeys_limits: script.below(2) == 0 }, truth, is_honest)
}

fn lie(script: &mut Script<'_>, entries: &mut Vec<Entry>) {
    let at = usize::from(script.byte()).checked_rem(entries.len()).unwrap_or(0);
    let Some(entry) = entries.get(at).cloned() else { return };
    let before = match at.checked_sub(1).and_then(|before| entries.get(before)) {
        Some(before) => before.anchor(),
        None => Entry::origin(log_id(1)),
    };
    match script.below(8) {
        0 => drop(entries.remove(at)),
        1 => entries.insert(at, entry),
        2 => entries.swap(0, at),
        3 => entries.truncate(at),
        4 => drop(entries.drain(..at)),
        kind => {
            let Position { term, index } = before.position;
            let forged = match kind {
                5 => before,
                6 => Anchor { position: Position { term: term.wrapping_sub(1), index }, ..before },
                _ => Anchor { hash: Hash::from_bytes([script.byte(); 16]), ..before },
            };
            let rival = Entry::seal(&forged, OpTime::default(), OpId::from_bytes([0xEE; 16]), script.operation().0);
            entries.splice(at..=at, [rival]);
        }
    }
}

fn checkpoint(script: &mut Script<'_>, truth: &[Entry]) -> Option<Checkpoint> {
    match script.below(4) {
        0 => None,
        1 | 2 => Some(Checkpoint { log: log_id(1), anchor: anchor(script, truth) }),
        _ => {
            let anchor = anchor(script, truth);
            Some(Checkpoint {
                log: log_id(1 + script.below(2)),
                anchor: Anchor { hash: Hash::from_bytes([7; 16]), ..anchor },
            })
        }
    }
}

fn anchor(script: &mut Script<'_>, truth: &[Entry]) -> Anchor {
    let at = usize::from(script.byte()).checked_rem(truth.len()).unwrap_or(0);
    truth.get(at).map_or(Entry::origin(log_id(1)), Entry::anchor)
}

pub(super) fn seeds() -> Vec<Seed> {
    // Four entries: the count less one, then of each: whether it is a new term, kind, collection,
    // id, content. What follows is the lies: their number, then of each the place and the kind.
    let log = [3, 0, 0, 0, 0, 1, 0, 0, 0, 3, 2, 5, 0, 3, 0, 0, 3];
    let told = |name, rest: &[u8]| seed(name, [log.as_slice(), rest].concat());
    vec![
        told("true", &[0, 0, 0, 4, 0]),
        told("gap", &[1, 1, 0, 0, 0, 4, 0]),
        told("repeated-entry", &[1, 1, 1, 0, 0, 4, 0]),
        told("reordered", &[1, 2, 2, 0, 0, 4, 0]),
        told("cut-off", &[1, 2, 3, 0, 0, 4, 1, 2]),
        told("start-is-gone", &[1, 2, 4, 0, 0, 4, 0]),
        told("rival-entry", &[1, 1, 5, 0, 0, 1, 9, 0, 0, 4, 0]),
        told("wrong-term", &[1, 1, 6, 0, 0, 1, 9, 0, 0, 4, 0]),
        told("broken-chain", &[1, 1, 7, 9, 0, 0, 1, 9, 0, 0, 4, 0]),
        told("another-log", &[0, 3, 1, 0, 4, 1, 1]),
        told("floor-above-the-checkpoint", &[0, 2, 2, 0, 4, 1, 0]),
        told("limits-ignored", &[0, 0, 1, 1, 0]),
        told("forged-checkpoint", &[0, 0, 0, 4, 3, 1, 0]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_true_log_of_the_corpus_is_honest() {
        let seeds = seeds();
        let honest = |name: &str| {
            let (_, bytes) = seeds.iter().find(|(seed, _)| seed == name).unwrap();
            hostile_log(&mut Script::new(bytes)).2
        };
        assert!(honest("true") && honest("limits-ignored"));
        assert!(!honest("gap") && !honest("another-log") && !honest("rival-entry"));
    }
}
