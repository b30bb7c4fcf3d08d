//! The check of a whole tree when it is opened.
//!
//! The engine checks its pages one by one, and steps over damaged ones in the middle of its file
//! as if they had never been written. What is lost that way leaves no damaged record behind; only
//! the records that belong together tell. It costs one pass over the store.

use std::collections::BTreeMap;

use oplogsync_core::{
    batch::check_follows,
    checkpoint::{Checkpoint, Stop},
    digest::NamespaceDigest,
    log::LogEnds,
    position::{Anchor, Position},
    store_error::Fault,
};

use crate::{
    folder::Files,
    group_commit::Ticket,
    key::Key,
    keyspace::{FORMAT, View, document},
    record::{Format, Record, Unreadable},
    trouble::Trouble,
};

/// A database without our format record.
#[derive(Debug, thiserror::Error)]
#[error("the folder holds a database that oplogsync has not written: give the node a folder of its own")]
struct NoFormat;

/// A database of another version.
#[derive(Debug, thiserror::Error)]
#[error("the folder has format {0}, this version reads {only}: upgrade oplogsync, or sync the node anew", only = FORMAT.0)]
struct OtherFormat(u32);

/// The engine has come back with less than it had.
#[derive(Debug, thiserror::Error)]
#[error("{synced} writes were on the disk, and only {found} are left")]
struct Lost {
    synced: u64,
    found: u64,
}

/// Checks everything, and returns how many writes the tree has ever taken: none if it is empty.
pub(crate) fn check(view: &View<'_>, files: &Files) -> Result<Ticket, Trouble> {
    let format = view.record::<Format>(&Key::format())?;
    let commits = view.record::<Ticket>(&Key::commits())?;
    let found = commits.unwrap_or(Ticket(0));
    let synced = files.mark()?;
    if found < synced {
        return Err(Trouble::new(Fault::Corrupt).because(Lost { synced: synced.0, found: found.0 }));
    }
    match format {
        Some(FORMAT) if commits.is_some() => {}
        Some(FORMAT) => return Err(Unreadable::Missing.at(Key::commits().as_bytes())),
        Some(Format(other)) => return Err(Trouble::new(Fault::Incompatible).because(OtherFormat(other))),
        None if view.tree.iter().next().transpose().map_err(Trouble::reading)?.is_none() => return Ok(Ticket(0)),
        None => return Err(Trouble::new(Fault::Incompatible).because(NoFormat)),
    }
    check_log(view)?;
    check_documents(view)?;
    view.record::<Checkpoint>(&Key::checkpoint())?;
    view.record::<Stop>(&Key::stop())?;
    Ok(found)
}

/// The log is dense and chained from floor to head, and every entry is found by its operation id.
fn check_log(view: &View<'_>) -> Result<(), Trouble> {
    for item in view.under(&Key::acknowledgements()) {
        let (key, bytes) = item?;
        Anchor::decode(&key, &bytes)?;
    }
    let Some(LogEnds { floor, head, .. }) = view.ends()? else { return Ok(()) };
    let mut last = floor;
    for index in floor.next_index()..=head.position.index {
        let entry = view.entry(index)?;
        check_follows(&last, &entry).map_err(|why| Trouble::new(Fault::Corrupt).because(why))?;
        let key = Key::operation(entry.op_id());
        if view.record(&key)? != Some(entry.position()) {
            return Err(Unreadable::Incomplete.at(key.as_bytes()));
        }
        last = entry.anchor();
    }
    let mut operations = floor.position.index;
    for item in view.under(&Key::operations()) {
        let (key, bytes) = item?;
        // A trim that was cut off has left those at or below the floor.
        operations += u64::from(Position::decode(&key, &bytes)?.index > floor.position.index);
    }
    if last != head || operations != head.position.index {
        return Err(Unreadable::Incomplete.at(Key::log().as_bytes()));
    }
    Ok(())
}

/// The documents of each namespace are those that its digest counts.
fn check_documents(view: &View<'_>) -> Result<(), Trouble> {
    let mut counted: BTreeMap<String, NamespaceDigest> = BTreeMap::new();
    for item in view.under(&Key::all_documents()) {
        let (key, bytes) = item?;
        let document = document(&key, &bytes)?;
        let ns = Key::document_namespace(&key).ok_or_else(|| Unreadable::Misplaced.at(&key))?;
        match counted.get_mut(ns) {
            Some(digest) => digest.add(&document),
            None => counted.entry(ns.to_owned()).or_default().add(&document),
        }
    }
    for item in view.under(&Key::digests()) {
        let (key, bytes) = item?;
        let kept = NamespaceDigest::decode(&key, &bytes)?;
        if Key::text(&key).and_then(|ns| counted.remove(ns)) != Some(kept) {
            return Err(Unreadable::Incomplete.at(&key));
        }
    }
    match counted.pop_first() {
        None => Ok(()),
        Some((ns, _)) => Err(Unreadable::Missing.at(Key::digest_of(&ns).as_bytes())),
    }
}
