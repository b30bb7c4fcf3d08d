//! An application that knows nothing of us, in another language and through its driver, writes to a replica set
//! whose primaries are killed; the program that replicates it is killed too. All replicas end equal to it.

mod equal;
mod shop;

use std::time::{Duration, Instant};

use oplogsync_mongod::{Options, ReplicaSet, Server, testing};
use oplogsync_store_mongo::{MongoStore, Scope};
use oplogsync_store_sled::SledStore;

pub(crate) use self::equal::expect_equal;
use self::shop::Shop;
use crate::program::{Folder, wait_until};

/// How many operations the application does: `OPLOGSYNC_APP_OPS=200000` for the full length.
fn operations() -> u64 {
    std::env::var("OPLOGSYNC_APP_OPS").map_or(8_000, |text| text.parse().expect("OPLOGSYNC_APP_OPS is a number"))
}

/// What goes wrong.
enum Trouble {
    /// The replicator is killed, and started again.
    Replicator,
    /// The primary of the source is killed, and comes back as a secondary.
    Primary,
}

/// The times that the replicas on servers have come to, as `status` tells; the mirror is locked by who fills it.
fn applied_until(folder: &Folder) -> Vec<(u64, u64)> {
    let status = folder.run(&["status", "--json"]).json();
    let number = |value: &serde_json::Value| value.as_u64().unwrap_or_default();
    let optime = |replica: &serde_json::Value| {
        let optime = &replica["checkpoint"]["optime"];
        (number(&optime["t"]), number(&optime["i"]))
    };
    status["replicas"].as_array().unwrap().iter().take(2).map(optime).collect()
}

async fn store(uri: &str, name: &str) -> MongoStore {
    let options = oplogsync_store_mongo::Options::default();
    MongoStore::connect(uri, name, Scope::Server, options).await.expect("the server takes us")
}

/// Kills the primary and waits for another one; the killed one then comes back, and whatever it alone had is
/// rolled back.
async fn fail_over(set: &mut ReplicaSet) {
    let primary = set.wait_for_primary().await.unwrap();
    set.members_mut()[primary].kill().unwrap();
    set.wait_for_primary().await.unwrap();
    set.members_mut()[primary].restart().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_of_every_kind_end_equal_though_primaries_and_the_replicator_are_killed() {
    let Some(binary) = testing::binary().await else { return };
    let mut source = ReplicaSet::start(&binary, "source", 3, Options::default()).await.unwrap();
    let set = ReplicaSet::start(&binary, "target", 1, Options::default()).await.unwrap();
    let alone = Server::start(&binary, Options::default()).await.unwrap();
    let folder = Folder::with(&format!(
        "[sync]\nbatch_size = 200\n\
         [[nodes]]\nname = \"app\"\nrole = \"primary\"\nuri = \"{}\"\n\
         [[nodes]]\nname = \"alone\"\nrole = \"replica\"\nuri = \"{}\"\n\
         [[nodes]]\nname = \"set\"\nrole = \"replica\"\nuri = \"{}\"\n\
         [[nodes]]\nname = \"mirror\"\nrole = \"replica\"\nuri = \"sled:mirror\"\n",
        source.uri(),
        alone.uri(),
        set.uri(),
    ));
    let mut shop = Shop::open(&source.uri(), operations());
    // There is something to copy, and it changes meanwhile.
    shop.wait_for(operations() / 20);
    let mut running = folder.start(&["run", "--log-format", "text"]);

    let troubles = [
        (15, Trouble::Replicator),
        (25, Trouble::Primary),
        (45, Trouble::Replicator),
        (60, Trouble::Primary),
        (80, Trouble::Replicator),
    ];
    for (percent, trouble) in troubles {
        shop.wait_for(operations() * percent / 100);
        match trouble {
            Trouble::Primary => fail_over(&mut source).await,
            Trouble::Replicator => {
                running.kill();
                let before = applied_until(&folder);
                running = folder.start(&["run", "--log-format", "text"]);
                let since = Instant::now();
                wait_until("the replicas to move on", || {
                    assert!(running.is_running(), "{}", folder.log());
                    assert!(since.elapsed() < Duration::from_secs(59), "{before:?}: {}", folder.log());
                    applied_until(&folder).iter().zip(&before).all(|(now, before)| now > before)
                });
            }
        }
    }
    let done = shop.end();
    assert!(done >= operations(), "{done}");
    assert!(running.is_running(), "{}", folder.log());
    running.signal("-TERM");
    assert_eq!(running.wait().code, 0, "{}", folder.log());

    folder.run(&["run", "--once"]).expect_code(0);
    folder.run(&["verify"]).expect_code(0);
    for target in [alone.uri(), set.uri()] {
        let documents = shop::compare(&source.uri(), &target);
        assert!(documents > 100, "only {documents} documents are left to compare");
    }
    let mirror = SledStore::open(folder.path().join("mirror"), "mirror", oplogsync_store_sled::Options::default());
    expect_equal(&store(&source.uri(), "app").await, &mirror.unwrap()).await;
}
