//! Every error that a server may answer with, on every command that the store sends: what the caller is told, whether
//! it tries again, and that nothing is lost, done twice, waited for too long or asked for too often.

mod call;
mod deployment;
mod injected;

use std::collections::BTreeMap;

use oplogsync_core::{
    retry::{Decision, decide_store},
    store_error::Fault,
};
use oplogsync_mongod::{
    ReplicaSet, Server,
    testing::{binary, test_options},
};

use self::{
    call::{Call, Kind},
    deployment::Deployment,
    injected::Injected,
};
use crate::fixture::words;

/// One call whose command meets with an error.
#[derive(Debug, Clone, Copy)]
struct Cell {
    call: Call,
    command: &'static str,
    /// How many of these commands pass before.
    skip: i32,
    kind: Kind,
    injected: Injected,
}

/// How the cells came out: how many for each outcome.
type Outcomes = BTreeMap<(&'static str, String), u32>;

const STANDALONE: [(Call, &str, i32, Kind); 50] = [
    (Call::Append, "insert", 0, Kind::Write),
    (Call::Append, "find", 0, Kind::Read),
    (Call::Append, "find", 2, Kind::ReadAfterWrite),
    (Call::Read, "find", 0, Kind::Read),
    (Call::Read, "update", 0, Kind::NoWrite),
    (Call::Find, "find", 0, Kind::Read),
    (Call::LogEnds, "find", 0, Kind::Read),
    (Call::CreateLog, "createIndexes", 0, Kind::Write),
    (Call::CreateLog, "insert", 0, Kind::Write),
    (Call::Trim, "find", 0, Kind::Read),
    (Call::Trim, "update", 0, Kind::Write),
    (Call::Trim, "delete", 0, Kind::Write),
    (Call::Acknowledge, "update", 0, Kind::Write),
    (Call::Acknowledgements, "find", 0, Kind::Read),
    (Call::SwapLease, "update", 0, Kind::Write),
    (Call::Lease, "find", 0, Kind::Read),
    (Call::Apply, "find", 0, Kind::Read),
    (Call::Apply, "findAndModify", 0, Kind::Write),
    (Call::Apply, "insert", 0, Kind::Write),
    (Call::Apply, "update", 0, Kind::Write),
    (Call::Apply, "delete", 0, Kind::Write),
    (Call::Apply, "findAndModify", 1, Kind::Write),
    (Call::Get, "find", 0, Kind::Read),
    (Call::Get, "getMore", 0, Kind::Read),
    (Call::Digest, "getMore", 0, Kind::Read),
    (Call::Scan, "find", 0, Kind::Read),
    (Call::Namespaces, "listCollections", 0, Kind::Read),
    (Call::Checkpoint, "find", 0, Kind::Read),
    (Call::SetStop, "update", 0, Kind::Write),
    // The documents that patches are made to.
    (Call::Apply, "find", 2, Kind::Read),
    (Call::Resume, "find", 0, Kind::Read),
    (Call::Collections, "listCollections", 0, Kind::Read),
    (Call::Collections, "listIndexes", 0, Kind::Read),
    (Call::Size, "collStats", 0, Kind::Read),
    (Call::Notes, "find", 0, Kind::Read),
    (Call::PutNotes, "find", 0, Kind::Read),
    (Call::PutNotes, "update", 0, Kind::Write),
    (Call::PutNotes, "delete", 0, Kind::Write),
    (Call::Copy, "insert", 0, Kind::Write),
    (Call::Copy, "update", 0, Kind::Write),
    (Call::CopyAgain, "find", 1, Kind::ReadAfterWrite),
    (Call::CopyAgain, "update", 0, Kind::Write),
    (Call::BeginAt, "update", 0, Kind::Write),
    (Call::BeginAt, "update", 1, Kind::Write),
    (Call::Create, "create", 0, Kind::Write),
    (Call::CreateIndexes, "createIndexes", 0, Kind::Write),
    (Call::DropIndexes, "dropIndexes", 0, Kind::Write),
    (Call::Modify, "collMod", 0, Kind::Write),
    (Call::Rename, "renameCollection", 0, Kind::Write),
    (Call::Drop, "drop", 0, Kind::Write),
];

const REPLICA_SET: [(Call, &str, i32, Kind); 13] = [
    (Call::Append, "insert", 0, Kind::Write),
    (Call::Read, "find", 0, Kind::Read),
    (Call::Apply, "find", 0, Kind::Read),
    (Call::Apply, "findAndModify", 0, Kind::InTransaction),
    (Call::Apply, "insert", 0, Kind::InTransaction),
    // The note of the session, before the transaction.
    (Call::Apply, "update", 0, Kind::NoWrite),
    (Call::Apply, "update", 1, Kind::InTransaction),
    (Call::Apply, "delete", 0, Kind::InTransaction),
    (Call::Get, "getMore", 0, Kind::Read),
    (Call::Trim, "update", 0, Kind::Write),
    // Behind the look at what is to be deleted.
    (Call::Apply, "find", 1, Kind::ReadInTransaction),
    (Call::Copy, "insert", 0, Kind::Write),
    (Call::CreateIndexes, "createIndexes", 0, Kind::Write),
];

/// On another one, at the same time: it takes long to give a commit up.
const COMMIT: [(Call, &str, i32, Kind); 1] = [(Call::Apply, "commitTransaction", 0, Kind::Commit)];

#[tokio::test(flavor = "multi_thread")]
async fn every_error_on_every_command_is_told_as_the_table_says_and_does_no_harm() {
    let Some(binary) = binary().await else { return };
    let standalone = Server::start(&binary, test_options()).await.expect("it starts");
    // A transaction of which nobody knows the end any more holds up others for as long as it lives: a minute.
    let short = test_options().arg("--setParameter").arg("transactionLifetimeLimitSeconds=2");
    let set = ReplicaSet::start(&binary, "fail", 1, short.clone()).await.expect("it starts");
    let other = ReplicaSet::start(&binary, "commit", 1, short).await.expect("it starts");
    let runs = tokio::join!(
        run("standalone", standalone.uri(), &STANDALONE),
        run("replica set", set.members()[0].uri(), &REPLICA_SET),
        run("replica set", other.members()[0].uri(), &COMMIT)
    );
    let mut outcomes = Outcomes::new();
    for (outcome, count) in [runs.0, runs.1, runs.2].into_iter().flatten() {
        *outcomes.entry(outcome).or_default() += count;
    }
    eprintln!("{} cells:", outcomes.values().sum::<u32>());
    for ((error, outcome), count) in outcomes {
        eprintln!("{count:5}  {error:32} {outcome}");
    }
}

async fn run(name: &'static str, uri: String, pairs: &[(Call, &'static str, i32, Kind)]) -> Outcomes {
    let mut deployment = Deployment::new(name, uri).await;
    let mut outcomes = Outcomes::new();
    for &(call, command, skip, kind) in pairs {
        for injected in Injected::all_for(call, kind) {
            let cell = Cell { call, command, skip, kind, injected };
            let outcome = run_cell(&mut deployment, cell).await;
            *outcomes.entry((injected.class(), outcome)).or_default() += 1;
        }
    }
    outcomes
}

async fn run_cell(deployment: &mut Deployment, cell: Cell) -> String {
    let at = |what: &str| format!("{}: {cell:?}: {what}", deployment.name);
    let before = at("");
    let meeting = deployment.meet(cell).await;
    assert!(meeting.took < call::TIME_MAX, "{before} it took {:?}", meeting.took);
    let bound = cell.kind.commands_max();
    assert!((1..=bound).contains(&meeting.commands), "{before} {} commands met the error", meeting.commands);
    let fault = cell.injected.expected(cell.kind);
    let Err(error) = &meeting.result else { panic!("{before} {fault:?} was expected, but it was done") };
    assert_eq!(*error.fault(), fault, "{before} {}", words(error));
    let retried = matches!(fault, Fault::Unavailable | Fault::Unknown);
    assert_eq!(decide_store(error), if retried { Decision::Retry } else { Decision::Stop }, "{before}");
    deployment.repair(cell, &meeting).await;
    format!("{fault:?}: {}", if retried { "retry" } else { "stop" })
}
