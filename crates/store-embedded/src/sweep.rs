//! What is left of dropped collections goes, some documents at a time.

use crate::{
    engine::Engine,
    key::Key,
    keyspace::Keyspace,
    place::Place,
    record::{Dropped, Record, Unreadable},
    step::Step,
    tree::Writer,
    trouble::Trouble,
};

/// How many documents are deleted in one step, so that others wait for a short time only.
const SWEEP_STEP: usize = 1000;

impl<E: Engine> Keyspace<E> {
    /// Deletes the documents of all places that were dropped. Nothing waits for the disk: what a crash
    /// brings back goes when the folder is opened.
    pub(crate) fn sweep_all(&self) -> Result<(), Trouble> {
        while self.change(Step::Sweep, sweep)?.0 {}
        Ok(())
    }
}

/// Deletes some documents of a dropped place; whether there was one.
fn sweep<E: Engine>(writer: &mut Writer<'_, E>) -> Result<bool, Trouble> {
    let Some(item) = writer.view.under(&Key::all_dropped()).next() else { return Ok(false) };
    let (key, bytes) = item?;
    Dropped::decode(&key, &bytes)?;
    let place = Place::of_bytes(Key::rest(&key)).ok_or_else(|| Unreadable::Misplaced.at(&key))?;
    let mut deleted = 0;
    for item in writer.view.range(place.range(None, None)).take(SWEEP_STEP) {
        writer.remove(&Key::of_bytes(&item?.0));
        deleted += 1;
    }
    if deleted < SWEEP_STEP {
        writer.remove(&Key::dropped(&place));
    }
    Ok(true)
}
