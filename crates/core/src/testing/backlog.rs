//! [`Backlog`]: a log of any length in little memory.

use std::{fmt, sync::Arc};

use super::{chain::Chain, read_only::Serves};
use crate::{
    entry::{Entry, Operation},
    ids::LogId,
    limits::Limits,
    log::LogEnds,
    position::Anchor,
    store_error::StoreError,
};

/// A finished log whose entries are made anew whenever they are read, so that its memory is not that of its
/// documents: for those who measure the memory of others.
#[derive(Clone)]
pub struct Backlog<F> {
    log: LogId,
    /// Of the origin, and of each entry.
    anchors: Arc<[Anchor]>,
    operation: F,
}

impl<F: Fn(u64) -> Operation> Backlog<F> {
    /// The log in which the entry at each index up to `head` does what `operation` tells, each time the same.
    pub fn new(log: LogId, head: u64, operation: F) -> Self {
        let mut chain = Chain::new(log);
        let mut anchors = vec![chain.last()];
        for index in 1..=head {
            chain.push(operation(index)).take();
            anchors.push(chain.last());
        }
        Self { log, anchors: anchors.into(), operation }
    }

    fn anchor(&self, index: u64) -> Option<&Anchor> {
        usize::try_from(index).ok().and_then(|index| self.anchors.get(index))
    }

    fn entry(&self, index: u64) -> Option<Entry> {
        self.anchor(index)?;
        let mut chain = Chain::after(self.log, *self.anchor(index.checked_sub(1)?)?);
        chain.push((self.operation)(index)).take().pop()
    }
}

impl<F: Fn(u64) -> Operation + Send + Sync> Serves for Backlog<F> {
    fn ends(&self) -> LogEnds {
        let origin = Entry::origin(self.log);
        LogEnds { log: self.log, floor: origin, head: self.anchors.last().copied().unwrap_or(origin) }
    }

    fn serve(&self, from: u64, limits: Limits) -> Result<Vec<Entry>, StoreError> {
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for entry in (from.max(1)..).map_while(|index| self.entry(index)).take(limits.entries_max) {
            bytes += entry.bytes();
            if bytes > limits.bytes_max && !entries.is_empty() {
                break;
            }
            entries.push(entry);
        }
        Ok(entries)
    }
}

impl<F> fmt::Debug for Backlog<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backlog").field("log", &self.log).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;
    use crate::{
        batch::Batch,
        testing::{
            chain::{log_id, valid},
            documents::namespace,
        },
    };

    #[test]
    fn its_entries_are_one_log_however_they_are_read() {
        let insert = |index: u64| {
            let document = valid(rawdoc! { "_id": i64::try_from(index).unwrap() });
            Operation::Insert { ns: namespace("items"), document }
        };
        let backlog = Backlog::new(log_id(1), 10, insert);
        let read = |from, entries_max| backlog.serve(from, Limits { entries_max, ..Limits::default() }).unwrap();
        let all = read(1, 100);
        let batch = Batch::new(log_id(1), Entry::origin(log_id(1)), all.clone()).unwrap();
        assert_eq!((all.len(), batch.last()), (10, backlog.ends().head));
        assert_eq!([read(1, 3), read(4, 3), read(7, 100)].concat(), all);
        assert_eq!(read(11, 100), []);
        let one = backlog.serve(1, Limits { entries_max: 100, bytes_max: 1 }).unwrap();
        assert_eq!(one, all[..1]);
    }
}
