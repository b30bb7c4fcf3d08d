//! The process that is killed: a primary with its writers, and a replica that follows it.

use std::{collections::VecDeque, path::Path, sync::Mutex, time::Duration};

use oplogsync_core::{
    feed::OplogFeed,
    host::{Host, SystemHost},
    limits::Limits,
    primary::{Primary, PrimaryOptions, WriteError},
    replicator::{Replicator, ReplicatorOptions},
    retention::{Retention, trim},
};

use crate::{
    engine::{Options, Store},
    suite::{tell::tell, writes},
};

/// Small batches and frequent polls: many different moments to be killed in.
const BATCH: Limits = Limits { entries_max: 7, bytes_max: 64 * 1024 };
const POLL: Duration = Duration::from_millis(3);
const TRIM_EVERY: Duration = Duration::from_millis(15);

/// Works until it is killed: tries the writes `again`, and then makes new ones from number `first` on.
pub(super) async fn work(folder: &Path, first: u64, again: VecDeque<u64>) {
    // The test harness has left the cursor in the middle of a line.
    tell(format_args!("\nopening"));
    let source = Store::open(folder.join("primary"), "primary", Options::default()).expect("it opens");
    let target = Store::open(folder.join("replica"), "replica", Options::default()).expect("it opens");
    tell(format_args!("opened"));
    let options = PrimaryOptions { limits: BATCH, ..PrimaryOptions::default() };
    let primary = Primary::open(source.clone(), SystemHost, options).await.expect("it rolls forward");
    let feed = OplogFeed::new(source.clone(), "primary");
    let options = ReplicatorOptions { limits: BATCH, poll_interval: POLL, ..ReplicatorOptions::default() };
    let mut replicator = Replicator::new("replica", feed, target, SystemHost, options);
    tell(format_args!("ready"));
    let numbers = Mutex::new((again, first));
    let writer = || keep_writing(&primary, &numbers);
    let replicated = replicator.run(std::future::pending(), &());
    let ((), (), (), replicated, ()) = tokio::join!(writer(), writer(), writer(), replicated, keep_trimming(&source));
    replicated.expect("the replica follows");
}

/// The writes to try again come first, each taken by one of the writers.
async fn keep_writing(primary: &Primary<Store, SystemHost>, numbers: &Mutex<(VecDeque<u64>, u64)>) {
    loop {
        let (number, is_new) = {
            let (again, next) = &mut *numbers.lock().unwrap();
            again.pop_front().map_or_else(
                || {
                    *next += 1;
                    (*next, true)
                },
                |number| (number, false),
            )
        };
        if is_new {
            tell(format_args!("begun {number}"));
        }
        match writes::make(primary, number).await {
            Ok(written) => match written.entry {
                Some((position, _)) => tell(format_args!("answered {number} {}", position.index)),
                None => tell(format_args!("answered {number}")),
            },
            Err(WriteError::Refused(_)) => tell(format_args!("answered {number}")),
            Err(error) => panic!("write {number}: {error:?}"),
        }
    }
}

async fn keep_trimming(source: &Store) {
    loop {
        SystemHost.sleep(TRIM_EVERY).await;
        let retention = Retention::UntilAcknowledged { age: Duration::ZERO };
        trim(source, retention, SystemHost.now()).await.expect("the log is trimmed");
    }
}
