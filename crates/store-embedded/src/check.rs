//! The check of a whole tree when it is opened.
//!
//! An engine checks its pages one by one, and can step over damaged ones in the middle of its files
//! as if they had never been written. What is lost that way leaves no damaged record behind; only
//! the records that belong together tell. It costs one pass over the store.

mod documents;

use oplogsync_core::{
    batch::check_follows,
    checkpoint::{Checkpoint, Resume, Stop},
    log::LogEnds,
    position::{Anchor, Position},
    store_error::Fault,
};

use self::documents::{check_collections, check_documents};
use crate::{
    copy::note,
    engine::Engine,
    group_commit::Ticket,
    key::Key,
    keyspace::{FORMAT, OLD_FORMAT},
    mark::Mark,
    presence::Presence,
    record::{Commits, Format, Record, Unreadable},
    sum::Sum,
    tree::View,
    trouble::Trouble,
};

/// A database without our format record.
#[derive(Debug, thiserror::Error)]
#[error("the folder holds a database that oplogsync has not written: give the node a folder of its own")]
struct NoFormat;

/// A database of another version.
#[derive(Debug, thiserror::Error)]
#[error("the folder has format {0}, this version reads {newest} and older ones: upgrade oplogsync, or sync the node anew with `oplogsync resync NODE --confirm NODE`", newest = FORMAT.0)]
struct OtherFormat(u32);

/// The engine has come back with less than it had.
#[derive(Debug, thiserror::Error)]
#[error("{synced} writes were on the disk, and only {found} are left")]
struct Lost {
    synced: u64,
    found: u64,
}

/// What a tree is that was checked.
pub(crate) struct Opened {
    /// Its format; none of an empty one.
    pub(crate) format: Option<Format>,
    /// How many writes it has ever taken.
    pub(crate) commits: Ticket,
    /// Where its documents are.
    pub(crate) presence: Presence,
}

/// Checks everything.
pub(crate) fn check<E: Engine>(view: &View<'_, E>, mark: &Mark) -> Result<Opened, Trouble> {
    let format = view.record::<Format>(&Key::format())?;
    let commits = match format {
        Some(Format(other)) if format != Some(FORMAT) && format != Some(OLD_FORMAT) => {
            return Err(Trouble::new(Fault::Incompatible).because(OtherFormat(other)));
        }
        Some(OLD_FORMAT) => view.record::<Ticket>(&Key::commits())?.map(|count| (count, None)),
        _ => view.record::<Commits>(&Key::commits())?.map(|Commits { count, sum }| (count, Some(sum))),
    };
    let (found, sum) = commits.unwrap_or((Ticket(0), None));
    let synced = mark.get()?;
    if found < synced {
        return Err(Trouble::new(Fault::Corrupt).because(Lost { synced: synced.0, found: found.0 }));
    }
    match format {
        Some(_) if commits.is_some() => {}
        Some(_) => return Err(Unreadable::Missing.at(Key::commits().as_bytes())),
        None if view.is_empty()? => {
            return Ok(Opened { format: None, commits: Ticket(0), presence: Presence::default() });
        }
        None => return Err(Trouble::new(Fault::Incompatible).because(NoFormat)),
    }
    check_log(view)?;
    check_collections(view)?;
    let presence = check_documents(view)?;
    view.record::<Checkpoint>(&Key::checkpoint())?;
    view.record::<Resume>(&Key::resume())?;
    view.record::<Stop>(&Key::stop())?;
    for item in view.under(&Key::notes()) {
        let (key, bytes) = item?;
        note(&key, &bytes)?;
    }
    // Last, for it cannot say what is lost.
    if sum.is_some() && sum != Some(Sum::of(view)?) {
        return Err(Unreadable::Incomplete.at(Key::commits().as_bytes()));
    }
    Ok(Opened { format, commits: found, presence })
}

/// The log is dense and chained from floor to head, and every entry is found by its operation id.
fn check_log<E: Engine>(view: &View<'_, E>) -> Result<(), Trouble> {
    for item in view.under(&Key::acknowledgements()) {
        let (key, bytes) = item?;
        Anchor::decode(&key, &bytes)?;
    }
    if view.record::<LogEnds>(&Key::log())?.is_some() && view.captured()?.is_some() {
        return Err(Unreadable::Misplaced.at(Key::captured().as_bytes()));
    }
    let Some(LogEnds { floor, head, .. }) = view.ends()? else {
        let left = view.under(&Key::entries()).chain(view.under(&Key::operations())).next().transpose()?;
        return left.map_or(Ok(()), |_| Err(Unreadable::Missing.at(Key::log().as_bytes())));
    };
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
