//! Our catch-up on a mongod against raw bulk writes.

use oplogsync_benches::Kind;

use crate::{
    catch_up::ManagedLog,
    raw_mongo::RawWrites,
    rounds::compare,
    row::{Measured, Row},
    servers::Target,
};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for target in [Target::Set, Target::Standalone] {
        rows.push(row(target, Kind::Inserts, "insert_many"));
        rows.push(row(target, Kind::Mix, "bulk-upserts"));
    }
    rows
}

fn row(target: Target, kind: Kind, peer: &str) -> Row {
    let name = format!("mongo/{}/{} vs {peer}", target.as_str(), kind.as_str());
    let doc = "A replica that reads a managed oplog from one mongod and applies it to another, from taking the lease to the \
               head, against raw batches of 1000 that are written into the second without reading anything; both wait \
               for the journal (and a majority, on a set).";
    Row::new(name, doc, move |context| {
        let servers = match context.servers() {
            Ok(servers) => servers,
            Err(why) => return Ok(Measured::Not(why)),
        };
        let (count, uri) = (context.size(50_000, 200_000), servers.target(target));
        let log = ManagedLog::write(context, &servers.source(), kind, count)?;
        let (writes, concern) = (RawWrites::new(kind, count), target.write_concern());
        Ok(compare(|| log.catch_up(context, &uri, kind), || writes.run(context, &uri, &concern))?.into())
    })
}
