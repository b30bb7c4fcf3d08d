//! [`Load`]: an application that writes all the time, whatever becomes of its requests.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use bson::{Document, doc};
use mongodb::{Client, Collection};
use oplogsync_core::testing::random::Random;
use tokio::{sync::watch, task::JoinSet};

/// So many documents there are at most, so that each is written often.
const DOCUMENTS: u64 = 200;
const COLLECTIONS: [(&str, &str); 3] = [("shop", "orders"), ("shop", "items"), ("bank", "accounts")];

/// An application that writes all the time: inserts, replaces, changes and deletes documents, one by one and in
/// transactions. A request that fails may have happened or not; nobody but the source needs to know.
pub(crate) struct Load {
    done: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    count: watch::Receiver<u64>,
    tasks: JoinSet<()>,
}

impl Load {
    pub(crate) fn start(client: &Client, random: &mut Random, writers: u64) -> Self {
        let (done, is_over, mut tasks) =
            (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)), JoinSet::new());
        let (sender, count) = watch::channel(0);
        for _ in 0..writers {
            let mut writer = Writer { client: client.clone(), random: Random::new(random.draw()) };
            let (done, is_over, sender) = (Arc::clone(&done), Arc::clone(&is_over), sender.clone());
            tasks.spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    if writer.write().await.is_ok() {
                        sender.send_replace(done.fetch_add(1, Ordering::Relaxed) + 1);
                    }
                }
            });
        }
        Self { done, is_over, count, tasks }
    }

    /// How many writes succeeded.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Waits until so many more writes have succeeded.
    pub(crate) async fn wait_for(&mut self, more: u64) {
        let until = self.done() + more;
        self.count.wait_for(|count| *count >= until).await.expect("they write");
    }

    /// Ends it. Nothing is under way then: a request that nobody waits for can still be done.
    pub(crate) async fn end(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.tasks.join_all().await;
        self.done.load(Ordering::Relaxed)
    }
}

struct Writer {
    client: Client,
    random: Random,
}

impl Writer {
    fn collection(&mut self) -> Collection<Document> {
        let (database, name) = COLLECTIONS[usize::try_from(self.random.below(3)).unwrap()];
        self.client.database(database).collection(name)
    }

    fn id(&mut self) -> Document {
        doc! { "_id": i64::try_from(self.random.below(DOCUMENTS)).unwrap() }
    }

    async fn write(&mut self) -> mongodb::error::Result<()> {
        let (collection, id) = (self.collection(), self.id());
        let n = i64::try_from(self.random.below(1_000)).unwrap();
        match self.random.below(10) {
            0 => collection.delete_one(id).await.map(|_| ()),
            1 | 2 => collection.replace_one(id, doc! { "n": n, "list": [] }).upsert(true).await.map(|_| ()),
            3 => self.transaction().await,
            4 => {
                let pipeline = vec![doc! { "$set": { "sum": { "$add": ["$n", n] } } }];
                collection.update_one(id, pipeline).await.map(|_| ())
            }
            5 | 6 => {
                let update = doc! { "$push": { "list": { "$each": [n], "$slice": -5 } }, "$inc": { "count": 1 } };
                collection.update_one(id, update).upsert(true).await.map(|_| ())
            }
            _ => {
                let update = doc! { "$set": { "s.x": n, "s.y": "text" } };
                collection.update_one(id, update).upsert(true).await.map(|_| ())
            }
        }
    }

    async fn transaction(&mut self) -> mongodb::error::Result<()> {
        let mut session = self.client.start_session().await?;
        session.start_transaction().await?;
        for _ in 0..=self.random.below(6) {
            let (collection, id) = (self.collection(), self.id());
            collection.update_one(id, doc! { "$inc": { "t": 1 } }).upsert(true).session(&mut session).await?;
        }
        session.commit_transaction().await
    }
}
