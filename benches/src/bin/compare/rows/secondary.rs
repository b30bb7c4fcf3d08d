//! Our catch-up against that of MongoDB's own secondary.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bson::{Document, Timestamp, doc};
use mongodb::{Client, options::WriteConcern};
use oplogsync_benches::Kind;
use oplogsync_mongod::{Binary, ReplicaSet};

use crate::{
    catch_up::ManagedLog,
    context::Context,
    raw_mongo::RawWrites,
    rounds::{Sample, compare},
    row::{Measured, Row},
    servers::{Target, client, member_options},
};

/// How often a secondary is asked how far it is.
const POLL: Duration = Duration::from_millis(5);
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(180);

pub(super) fn rows() -> Vec<Row> {
    let all = [(Target::Set, Kind::Inserts), (Target::Set, Kind::Mix), (Target::Standalone, Kind::Inserts)];
    all.map(|(target, kind)| row(target, kind)).into()
}

fn row(target: Target, kind: Kind) -> Row {
    let name = format!("secondary/{}/{} vs mongod", target.as_str(), kind.as_str());
    let doc = "Our catch-up of a managed oplog on one mongod, journaled, against a stopped secondary that is started again \
               behind the same operations. Of the secondary only the time is counted from the last look at which it had \
               applied none of them until it has applied (not journaled) all: its start, its search for a source and \
               its first fetch are in its favour.";
    Row::new(name, doc, move |context| {
        let servers = match context.servers() {
            Ok(servers) => servers,
            Err(why) => return Ok(Measured::Not(why)),
        };
        let (count, uri) = (context.size(100_000, 300_000), servers.target(target));
        let log = ManagedLog::write(context, &servers.source(), kind, count)?;
        let writes = RawWrites::new(kind, count);
        let mut pair = context.runtime.block_on(Pair::start(servers.binary()))?;
        let peer = || context.runtime.block_on(pair.catch_up(context, kind, &writes, count as u64));
        Ok(compare(|| log.catch_up(context, &uri, kind), peer)?.into())
    })
}

/// A primary, and a secondary that has no vote, so that the primary needs nobody.
struct Pair {
    set: ReplicaSet,
    primary: Client,
    /// Which member is the secondary.
    second: usize,
}

impl Pair {
    async fn start(binary: &Binary) -> Result<Self> {
        let set = ReplicaSet::start(binary, "pair", 2, member_options()).await?;
        let first = set.wait_for_primary().await?;
        let second = 1 - first;
        let uri = set.members().get(first).context("there is no primary")?.uri();
        let primary = client(&uri).await?;
        let admin = primary.database("admin");
        let answer = admin.run_command(doc! { "replSetGetConfig": 1 }).await?;
        let mut config = answer.get_document("config")?.clone();
        config.insert("version", config.get_i32("version")? + 1);
        let members = config.get_array_mut("members")?;
        let member = members.get_mut(second).and_then(bson::Bson::as_document_mut).context("there is no second one")?;
        member.extend(doc! { "priority": 0, "votes": 0 });
        admin.run_command(doc! { "replSetReconfig": config }).await?;
        Ok(Self { set, primary, second })
    }

    /// Writes while the secondary is stopped, and waits until it has all of it.
    async fn catch_up(&mut self, context: &Context, kind: Kind, writes: &RawWrites, count: u64) -> Result<Sample> {
        let database = self.primary.database(&context.database("raw", kind));
        let before = self.newest().await?;
        self.until(before).await?;
        self.secondary()?.stop().await?;
        writes.write(&database, &WriteConcern::nodes(1)).await?;
        let head = self.newest().await?;
        self.secondary()?.restart().await?;
        let took = self.until(head).await?;
        database.drop().await?;
        ensure!(took > Duration::ZERO, "the secondary was not behind");
        Ok(Sample { operations: count, took })
    }

    fn secondary(&mut self) -> Result<&mut oplogsync_mongod::Server> {
        self.set.members_mut().get_mut(self.second).context("there is no secondary")
    }

    /// The primary's newest write.
    async fn newest(&self) -> Result<Timestamp> {
        let hello = self.primary.database("admin").run_command(doc! { "hello": 1 }).await?;
        Ok(hello.get_document("lastWrite")?.get_document("opTime")?.get_timestamp("ts")?)
    }

    /// Waits until the secondary has applied `head`, and tells how long that took from the last look at which it
    /// had applied nothing yet.
    async fn until(&mut self, head: Timestamp) -> Result<Duration> {
        let uri = self.secondary()?.uri();
        let admin = client(&uri).await?.database("admin");
        let deadline = Instant::now() + PATIENCE;
        let (mut start, mut first) = (Instant::now(), None);
        loop {
            let now = Instant::now();
            ensure!(now < deadline, "the secondary did not come to {head:?}");
            // While it starts it may not answer.
            let status = admin.run_command(doc! { "replSetGetStatus": 1 }).await.ok();
            let applied = status.as_ref().and_then(own_optime);
            if first.is_none() || applied == first {
                (start, first) = (now, applied);
            }
            if applied.is_some_and(|applied| applied >= head) {
                return Ok(start.elapsed());
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// What the member that answers has applied.
fn own_optime(status: &Document) -> Option<Timestamp> {
    status.get_document("optimes").ok()?.get_document("appliedOpTime").ok()?.get_timestamp("ts").ok()
}
