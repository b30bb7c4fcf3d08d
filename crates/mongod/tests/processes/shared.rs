use std::collections::HashSet;

use oplogsync_mongod::testing;

use crate::{count, insert};

#[test]
fn shared_servers_outlive_the_runtime_that_started_them() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let Some(first) = runtime().block_on(testing::shared_standalones(1)) else { return };
    let Some(second) = runtime().block_on(testing::shared_standalones(2)) else { return };

    assert_eq!(first[0].server(), second[0].server());
    assert_ne!(second[0].server(), second[1].server());
    let names: HashSet<_> = [&first[0], &second[0], &second[1]].map(|database| database.name()).into();
    assert_eq!(names.len(), 3);
    for database in [&first[0], &second[1]] {
        runtime().block_on(insert(database.uri(), 1)).unwrap_or_else(|error| panic!("{}: {error}", database.uri()));
    }
}

#[tokio::test]
async fn the_shared_replica_set_has_a_primary() {
    let Some(database) = testing::shared_replica_set().await else { return };
    insert(database.server(), 1).await.unwrap();
    assert_eq!(count(database.server()).await.unwrap(), 1);
    assert!(database.uri().contains(database.name()));
}
