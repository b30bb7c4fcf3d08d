//! The demo that this project began with, in the same simulator: a master that saves a document and
//! then an oplog entry with a time stamp, and slaves that ask every now and then for entries
//! younger than the last one they saw, and remember that in memory.

use std::sync::{Arc, Mutex, PoisonError};

use bson::{RawBson, rawdoc};

use super::{
    client::SimStore,
    machine::Machine,
    network::Access,
    node::{Change, Place},
    process::{Node, Process},
    server::Server,
    world::{MILLI, Sim, World},
};
use crate::{doc_id::DocId, document::Document, host::Host, namespace::Namespace, store_error::Fault};

/// How often a slave polls: the demo's 5 s, and its 7 s from write to write, are here 500 ms and
/// up to 100 ms, so that as much happens as with our own primary.
const POLL: u64 = 500 * MILLI;
/// How often a server flushes its journal: what is acknowledged before is not durable yet.
const FLUSH: u64 = 100 * MILLI;

impl Server {
    /// Saves a document as MongoDB does by default: acknowledged before it is in the journal.
    async fn save(self, place: Place, document: Document) -> Result<(), Fault> {
        self.think().await;
        let ticket = self.write(vec![Change::Document(place, Some(document))])?;
        let flushing = self.clone();
        self.sim.start(Process::Server(self.node), async move {
            flushing.sim.sleep(FLUSH).await;
            flushing.sim.world().sync(flushing.node, ticket);
        });
        Ok(())
    }
}

impl SimStore {
    async fn save(&self, collection: &'static str, number: i32, stamp: i64) -> Result<(), Fault> {
        let (place, document) = entry(collection, number, stamp).ok_or(Fault::Defect)?;
        self.request(Access::WriteOnce, collection, move |server| server.save(place.clone(), document.clone())).await
    }

    /// The entries younger than `since`, oldest first: their numbers and stamps.
    async fn younger(&self, since: i64) -> Result<Vec<(i32, i64)>, Fault> {
        let serve = move |server: Server| {
            server.view(move |state| {
                let entries = state.documents.iter().filter(|((ns, _), _)| ns.collection() == "oplogs");
                let mut younger: Vec<(i64, i32)> = entries
                    .filter_map(|(_, entry)| {
                        Some((entry.as_raw().get_i64("t").ok()?, entry.as_raw().get_i32("_id").ok()?))
                    })
                    .filter(|(stamp, _)| *stamp > since)
                    .collect();
                younger.sort_unstable();
                younger.into_iter().map(|(stamp, number)| (number, stamp)).collect()
            })
        };
        self.request(Access::Read, "find", serve).await
    }

    async fn exists(&self, number: i32) -> Result<bool, Fault> {
        let (place, _) = entry("datas", number, 0).ok_or(Fault::Defect)?;
        let serve = move |server: Server| {
            let place = place.clone();
            server.view(move |state| state.documents.contains_key(&place))
        };
        self.request(Access::Read, "exists", serve).await
    }
}

fn entry(collection: &str, number: i32, stamp: i64) -> Option<(Place, Document)> {
    let ns = Namespace::new(&format!("db.{collection}")).ok()?;
    let id = DocId::new(RawBson::Int32(number)).ok()?;
    let document = Document::new(rawdoc! { "_id": number, "t": stamp }).ok()?;
    Some(((ns, id), document))
}

fn millis(machine: &Machine) -> i64 {
    let since = machine.now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Writes: first the document, then the entry.
pub(super) async fn master(sim: Sim) {
    let (machine, store) =
        (Machine::new(&sim, Process::Primary(0)), SimStore::new(&sim, Process::Primary(0), Node::SOURCE));
    while !sim.world().quiet {
        let number = {
            let mut world = sim.world();
            world.writes += 1;
            i32::try_from(world.writes).unwrap_or(i32::MAX)
        };
        let written = match store.save("datas", number, 0).await {
            Ok(()) => store.save("oplogs", number, millis(&machine)).await,
            failed => failed,
        };
        if written.is_ok() {
            sim.world().acknowledged_by_seed.push(number);
        }
        let pause = sim.world().random.workload.below(100 * MILLI);
        sim.sleep(pause).await;
    }
}

/// Polls, whether or not the last poll is done.
pub(super) async fn slave(sim: Sim, number: usize) {
    let process = Process::Replicator(number);
    let last_sync = Arc::new(Mutex::new(0));
    loop {
        sim.start(process, poll(sim.clone(), process, Process::target(number), Arc::clone(&last_sync)));
        sim.sleep(POLL).await;
    }
}

async fn poll(sim: Sim, process: Process, node: Node, last_sync: Arc<Mutex<i64>>) {
    let (source, target) = (SimStore::new(&sim, process, Node::SOURCE), SimStore::new(&sim, process, node));
    let since = *last_sync.lock().unwrap_or_else(PoisonError::into_inner);
    let Ok(entries) = source.younger(since).await else { return };
    for (number, _) in &entries {
        match target.exists(*number).await {
            Ok(true) => {}
            Ok(false) if target.save("datas", *number, 0).await.is_ok() => {}
            _ => return,
        }
    }
    if let Some((_, stamp)) = entries.last() {
        *last_sync.lock().unwrap_or_else(PoisonError::into_inner) = *stamp;
    }
}

impl World {
    /// How many acknowledged writes some replica does not hold.
    pub(super) fn lost_by_seed(&self) -> u64 {
        let holds = |node: &Node, number: i32| {
            entry("datas", number, 0).is_some_and(|(place, _)| self.node(*node).visible.documents.contains_key(&place))
        };
        let is_lost = |number: &&i32| ![Node(1), Node(2)].iter().all(|node| holds(node, **number));
        self.acknowledged_by_seed.iter().filter(is_lost).count() as u64
    }
}
