//! The log of an [`EmbeddedStore`].

use std::collections::HashSet;

use oplogsync_core::{
    batch::check_follows,
    codec::Decoder,
    entry::Entry,
    ids::{LogId, OpId},
    limits::Limits,
    log::{Acknowledgement, Appended, Log, LogEnds},
    position::{Anchor, Position},
    store_error::StoreError,
};

use crate::{
    engine::Engine,
    key::Key,
    keyspace::Keyspace,
    record::{Captured, Record, Unreadable},
    step::Step,
    store::EmbeddedStore,
    tree::{View, Writer},
    trouble::Trouble,
};

/// How many trimmed entries are deleted in one step, so that writers wait for a short time only.
const TRIM_STEP: usize = 1000;

/// There is no log to work on.
const NO_LOG: &str = "the store holds no log yet";

impl<E: Engine> Keyspace<E> {
    /// See [`Log::create_log`].
    ///
    /// # Errors
    /// As there.
    pub fn create_log(&self, log: LogId) -> Result<LogEnds, StoreError> {
        self.write(
            Step::CreateLog,
            || format!("create the log {log}"),
            |writer| {
                writer.view.refuse_captured()?;
                if let Some(ends) = writer.view.ends()? {
                    return Ok(ends);
                }
                let origin = Entry::origin(log);
                let ends = LogEnds { log, floor: origin, head: origin };
                writer.put(&Key::log(), &ends)?;
                Ok(ends)
            },
        )
    }

    /// See [`Log::log_ends`].
    ///
    /// # Errors
    /// As there.
    #[expect(clippy::redundant_closure_for_method_calls, reason = "the method is one for each lifetime")]
    pub fn log_ends(&self) -> Result<Option<LogEnds>, StoreError> {
        self.read_durable(|| "read the ends of the log".to_owned(), |view| view.ends())
    }

    /// See [`Log::append`].
    ///
    /// # Errors
    /// As there.
    pub fn append(&self, entries: &[Entry]) -> Result<Appended, StoreError> {
        let doing = || match (entries.first(), entries.last()) {
            (Some(first), Some(last)) => format!("append the entries {} to {}", first.position(), last.position()),
            _ => "append no entry".to_owned(),
        };
        let appended = self.write(Step::Append, doing, |writer| append(writer, entries))?;
        self.appended().notify_waiters();
        Ok(appended)
    }

    /// See [`Log::read`].
    ///
    /// # Errors
    /// As there.
    pub fn read_log(&self, from: u64, limits: Limits) -> Result<Vec<Entry>, StoreError> {
        self.read_durable(|| format!("read the log from index {from}"), |view| view.entries(from, limits))
    }

    /// See [`Log::find`].
    ///
    /// # Errors
    /// As there.
    pub fn find(&self, op_id: OpId) -> Result<Option<Position>, StoreError> {
        self.read_durable(
            || format!("find operation {op_id}"),
            |view| {
                let Some(ends) = view.ends()? else { return Ok(None) };
                view.operation(op_id, &ends)
            },
        )
    }

    /// See [`Log::trim`].
    ///
    /// # Errors
    /// As there.
    pub fn trim(&self, floor: &Anchor) -> Result<(), StoreError> {
        let doing = || format!("trim the log up to {}", floor.position);
        self.write(Step::Floor, doing, |writer| raise_floor(writer, floor))?;
        while self.write(Step::Truncate, doing, trim_step)? {}
        Ok(())
    }

    /// See [`Log::acknowledge`].
    ///
    /// # Errors
    /// As there.
    pub fn acknowledge(&self, acknowledgement: &Acknowledgement) -> Result<(), StoreError> {
        let Acknowledgement { replica, at } = acknowledgement;
        self.write(
            Step::Acknowledge,
            || format!("note that replica {replica} has come to {}", at.position),
            |writer| writer.put(&Key::acknowledgement(replica), at),
        )
    }

    /// See [`Log::acknowledgements`].
    ///
    /// # Errors
    /// As there.
    pub fn acknowledgements(&self) -> Result<Vec<Acknowledgement>, StoreError> {
        self.read_durable(
            || "read how far the replicas have come".to_owned(),
            |view| {
                let mut found = Vec::new();
                for item in view.under(&Key::acknowledgements()) {
                    let (key, bytes) = item?;
                    let at = Anchor::decode(&key, &bytes)?;
                    let replica = Key::text(&key).ok_or_else(|| Unreadable::Misplaced.at(&key))?.to_owned();
                    found.push(Acknowledgement { replica, at });
                }
                Ok(found)
            },
        )
    }
}

impl<E: Engine> View<'_, E> {
    pub(crate) fn ends(&self) -> Result<Option<LogEnds>, Trouble> {
        match self.record(&Key::log())? {
            Some(ends) => Ok(Some(ends)),
            None => Ok(self.captured()?.map(|captured| captured.ends)),
        }
    }

    pub(crate) fn entry(&self, index: u64) -> Result<Entry, Trouble> {
        let key = Key::entry(index);
        let found = self.get(key.as_bytes())?;
        let bytes = found.ok_or_else(|| Unreadable::Missing.at(key.as_bytes()))?;
        entry(&mut Decoder::default(), key.as_bytes(), &bytes)
    }

    /// Every index from `from` (or the floor) to the head must be there: a missing one is damage.
    fn entries(&self, from: u64, limits: Limits) -> Result<Vec<Entry>, Trouble> {
        let Some(ends) = self.ends()? else { return Ok(Vec::new()) };
        let (from, to) = (from.max(ends.floor.next_index()), ends.head.position.index);
        let mut entries = Vec::new();
        if from > to {
            return Ok(entries);
        }
        let mut bytes = 0;
        let mut decoder = Decoder::default();
        let mut records = self.range(Key::entries_between(from, to));
        for index in (from..=to).take(limits.entries_max.max(1)) {
            let expected = Key::entry(index);
            let (key, record) =
                records.next().transpose()?.ok_or_else(|| Unreadable::Missing.at(expected.as_bytes()))?;
            if *key != *expected.as_bytes() {
                return Err(Unreadable::Missing.at(expected.as_bytes()));
            }
            let entry = entry(&mut decoder, &key, &record)?;
            bytes += entry.bytes();
            if !entries.is_empty() && bytes > limits.bytes_max {
                break;
            }
            if index == ends.head.position.index && entry.anchor() != ends.head {
                return Err(Unreadable::Misplaced.at(Key::entry(index).as_bytes()));
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    /// Where the operation stands, above the floor.
    pub(crate) fn operation(&self, op_id: OpId, ends: &LogEnds) -> Result<Option<Position>, Trouble> {
        let found: Option<Position> = self.record(&Key::operation(op_id))?;
        Ok(found.filter(|position| position.index > ends.floor.position.index))
    }
}

impl<E: Engine> Writer<'_, E> {
    /// Puts an entry where it is found by its position and by its operation.
    pub(crate) fn add_entry(&mut self, entry: &Entry) -> Result<(), Trouble> {
        self.put_entry(entry);
        self.put(&Key::operation(entry.op_id()), &entry.position())
    }
}

/// The entry in the bytes at `key`.
fn entry(decoder: &mut Decoder, key: &[u8], bytes: &[u8]) -> Result<Entry, Trouble> {
    let entry = decoder.decode(bytes).map_err(|why| Unreadable::from(why).at(key))?;
    if Key::entry_index(key) == Some(entry.position().index) { Ok(entry) } else { Err(Unreadable::Misplaced.at(key)) }
}

fn append<E: Engine>(writer: &mut Writer<'_, E>, entries: &[Entry]) -> Result<Appended, Trouble> {
    writer.view.refuse_captured()?;
    let Some(mut ends) = writer.view.ends()? else { return Err(Trouble::defect(NO_LOG)) };
    for (last, entry) in entries.iter().zip(entries.iter().skip(1)) {
        check_follows(&last.anchor(), entry).map_err(Trouble::defect)?;
    }
    let before = ends.head;
    let mut new = HashSet::new();
    let mut count = 0;
    for entry in entries {
        if !has_or_takes(&writer.view, &ends, entry)? || !new.insert(entry.op_id()) {
            break;
        }
        if entry.position().index > ends.head.position.index {
            writer.add_entry(entry)?;
            ends.head = entry.anchor();
        }
        count += 1;
    }
    if ends.head != before {
        writer.put(&Key::log(), &ends)?;
    }
    Ok(if count == entries.len() { Appended::All } else { Appended::Beaten { count } })
}

/// Whether the log holds the entry, or has a place for it right after its head.
fn has_or_takes<E: Engine>(view: &View<'_, E>, ends: &LogEnds, entry: &Entry) -> Result<bool, Trouble> {
    let index = entry.position().index;
    if index <= ends.floor.position.index {
        return Ok(false);
    }
    if index <= ends.head.position.index {
        return Ok(view.entry(index)?.hash() == entry.hash());
    }
    Ok(check_follows(&ends.head, entry).is_ok() && view.operation(entry.op_id(), ends)?.is_none())
}

fn raise_floor<E: Engine>(writer: &mut Writer<'_, E>, floor: &Anchor) -> Result<(), Trouble> {
    let Some(ends) = writer.view.ends()? else { return Err(Trouble::defect(NO_LOG)) };
    let index = floor.position.index;
    if index <= ends.floor.position.index {
        return Ok(());
    }
    if index > ends.head.position.index {
        return Err(Trouble::defect(format!("the head of the log is {}", ends.head.position)));
    }
    if writer.view.entry(index)?.anchor() != *floor {
        return Err(Trouble::defect("the log holds another entry there"));
    }
    let ends = LogEnds { floor: *floor, ..ends };
    match writer.view.captured()? {
        Some(captured) => writer.put(&Key::captured(), &Captured { ends, ..captured }),
        None => writer.put(&Key::log(), &ends),
    }
}

/// Deletes some of the entries that are trimmed; whether there may be more. Those that a crash has
/// left are found as well, since it starts at the oldest.
fn trim_step<E: Engine>(writer: &mut Writer<'_, E>) -> Result<bool, Trouble> {
    let Some(ends) = writer.view.ends()? else { return Ok(false) };
    let mut deleted = 0;
    for item in writer.view.range(Key::entries_between(0, ends.floor.position.index)).take(TRIM_STEP) {
        let (key, bytes) = item?;
        let trimmed = entry(&mut Decoder::default(), &key, &bytes)?;
        writer.remove(&Key::entry(trimmed.position().index));
        writer.remove(&Key::operation(trimmed.op_id()));
        deleted += 1;
    }
    Ok(deleted == TRIM_STEP)
}

impl<E: Engine> Log for EmbeddedStore<E> {
    async fn create_log(&self, log: LogId) -> Result<LogEnds, StoreError> {
        self.blocking(move |keyspace| keyspace.create_log(log)).await
    }

    async fn log_ends(&self) -> Result<Option<LogEnds>, StoreError> {
        self.blocking(Keyspace::log_ends).await
    }

    async fn append(&self, entries: &[Entry]) -> Result<Appended, StoreError> {
        let entries = entries.to_vec();
        self.blocking(move |keyspace| keyspace.append(&entries)).await
    }

    async fn read(&self, from: u64, limits: Limits) -> Result<Vec<Entry>, StoreError> {
        self.blocking(move |keyspace| keyspace.read_log(from, limits)).await
    }

    async fn find(&self, op_id: OpId) -> Result<Option<Position>, StoreError> {
        self.blocking(move |keyspace| keyspace.find(op_id)).await
    }

    async fn trim(&self, floor: &Anchor) -> Result<(), StoreError> {
        let floor = *floor;
        self.blocking(move |keyspace| keyspace.trim(&floor)).await
    }

    async fn acknowledge(&self, acknowledgement: &Acknowledgement) -> Result<(), StoreError> {
        let acknowledgement = acknowledgement.clone();
        self.blocking(move |keyspace| keyspace.acknowledge(&acknowledgement)).await
    }

    async fn appended(&self, index: u64) {
        // Listening before looking, so that nothing comes in between.
        let appended = self.keyspace().appended().notified();
        // A log that cannot be read is for the next read to tell.
        let is_behind = |ends: LogEnds| ends.head.position.index <= index;
        if self.log_ends().await.is_ok_and(|ends| ends.is_none_or(is_behind)) {
            appended.await;
        }
    }

    async fn acknowledgements(&self) -> Result<Vec<Acknowledgement>, StoreError> {
        self.blocking(Keyspace::acknowledgements).await
    }
}
