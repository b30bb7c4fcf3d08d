//! The replicator is killed again and again, and nothing is lost.

use std::sync::atomic::{AtomicBool, Ordering};

use oplogsync_mongod::{Options, Server, testing};

use crate::{
    program::{Answer, Folder, wait_until},
    servers::config,
};

/// How many operations in a round of the load: `OPLOGSYNC_LOAD_OPS=100000` for the full length.
fn operations() -> u64 {
    std::env::var("OPLOGSYNC_LOAD_OPS").map_or(10_000, |text| text.parse().expect("OPLOGSYNC_LOAD_OPS is a number"))
}

/// How many entries the oplog and the replicas have come to, as `status` tells.
fn indexes(folder: &Folder) -> (u64, Vec<u64>) {
    let status = folder.run(&["status", "--json"]).json();
    let index = |value: &serde_json::Value| value["index"].as_u64().unwrap_or_default();
    let replicas = status["replicas"].as_array().unwrap();
    (index(&status["primary"]["head"]), replicas.iter().map(|replica| index(&replica["checkpoint"])).collect())
}

/// Ends the load when it is dropped, also by a test that fails.
struct UntilDropped<'a>(&'a AtomicBool);

impl Drop for UntilDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Loads round after round, each into a collection of its own, until `enough`; what each has told.
fn load(folder: &Folder, count: u64, enough: &AtomicBool) -> Vec<Answer> {
    let mut rounds = Vec::new();
    loop {
        let (ns, count) = (format!("db1.round_{}", rounds.len()), count.to_string());
        rounds.push(folder.run(&["load", "--count", &count, "--writers", "8", "--ns", &ns, "--json"]).expect_code(0));
        if enough.load(Ordering::SeqCst) {
            return rounds;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_end_equal_though_the_replicator_is_killed_three_times_under_load() {
    let Some(binary) = testing::binary().await else { return };
    let start = || Server::start(&binary, Options::default());
    let (primary, one, two) = tokio::try_join!(start(), start(), start()).unwrap();
    let uris = [primary.uri_of("db1"), one.uri_of("db2"), two.uri_of("db3")];
    // Small batches: each kill is to meet one in the middle.
    let folder = Folder::with(&config(&uris).replace("[sync]", "[sync]\nbatch_size = 100"));
    let (count, enough) = (operations(), AtomicBool::new(false));
    let rounds = std::thread::scope(|scope| {
        let load = scope.spawn(|| load(&folder, count, &enough));
        let until_killed = UntilDropped(&enough);
        for _ in 0..3 {
            let before = indexes(&folder).1.into_iter().min().unwrap_or_default();
            let running = folder.start(&["run", "--log-format", "text"]);
            // A killed process leaves its leases behind: they lapse first.
            wait_until("both replicas to move on", || {
                indexes(&folder).1.into_iter().all(|index| index > before + count / 20)
            });
            running.kill();
            // The load is not done: however fast the machine, the kill came in the middle of it.
            let written = indexes(&folder).0;
            wait_until("the load to go on after the kill", || indexes(&folder).0 > written);
        }
        drop(until_killed);
        load.join().unwrap()
    });
    let written: Vec<_> = rounds.iter().map(Answer::json).collect();
    let of = |what: &str| written.iter().map(|round| round["written"][what].as_u64().unwrap()).sum::<u64>();
    let count = count * u64::try_from(rounds.len()).unwrap();
    assert_eq!(of("inserted") + of("updated") + of("deleted") + of("unchanged"), count, "{written:?}");
    assert!(of("updated") > count / 10 && of("deleted") > count / 20, "{written:?}");
    folder.run(&["run", "--once"]).expect_code(0);
    let (head, replicas) = indexes(&folder);
    assert!(head > count - of("unchanged"), "{head} of {count}");
    assert_eq!(replicas, [head, head]);
    let verified: Answer = folder.run(&["verify", "--mode", "full", "--json"]).expect_code(0);
    let verified = verified.json();
    assert_eq!(verified["equal"], true, "{verified}");
    eprintln!("{written:?}\n{verified}");
}
