//! Only what the filter lets pass arrives, under its new names; and a filter is not changed in passing.

use bson::doc;
use oplogsync_mongod::{
    Server,
    testing::{self, test_options},
};

use serde_json::json;

use super::source::{Application, config};
use crate::program::Folder;

/// An application's databases on a shared set, and a replica of all that passes.
struct Shops {
    source: Application,
    uri: String,
    replica: Application,
    alone: Server,
    /// What the names of the databases begin with.
    name: String,
}

impl Shops {
    async fn open() -> Option<Self> {
        let set = testing::shared_replica_set().await?;
        let alone = Server::start(&testing::binary().await?, test_options()).await.unwrap();
        let shops = Self {
            source: Application::on(set.server()).await,
            uri: set.server().to_owned(),
            replica: Application::on(&alone.uri()).await,
            alone,
            name: set.name().to_owned(),
        };
        for database in ["shop", "press", "secret"] {
            for collection in ["orders", "tmp_1", "people"] {
                shops.source.fill(&shops.ns(database, collection), 0..5, 10).await;
            }
        }
        Some(shops)
    }

    fn ns(&self, database: &str, collection: &str) -> String {
        format!("{}_{database}.{collection}", self.name)
    }

    /// The shop and the press, without what is temporary; the press under another name, orders too.
    fn filter(&self, exclude: &str) -> String {
        let Self { name, .. } = self;
        format!(
            "[filter]\ninclude = [\"{name}_shop\", \"{name}_press.*\"]\nexclude = [{exclude}\"{name}_shop.sales\"]\n\
             [filter.rename]\n{name}_press = \"{name}_news\"\n\"{name}_shop.orders\" = \"{name}_shop.sales\"\n"
        )
    }

    fn config(&self, exclude: &str) -> String {
        config(&self.filter(exclude), &self.uri, &[("alone", &self.alone.uri()), ("mirror", "sled:mirror")])
    }

    /// The collections of a database, as the replica has them.
    async fn found(&self, database: &str) -> Vec<String> {
        self.replica.collections(&format!("{}_{database}", self.name)).await
    }

    async fn expect_what_passes(&self) {
        assert_eq!(self.found("shop").await, ["people", "sales"]);
        assert_eq!(self.found("news").await, ["orders", "people"]);
        for absent in ["press", "secret"] {
            assert_eq!(self.found(absent).await, Vec::<String>::new(), "{absent}");
        }
    }
}

const TEMPORARY: &str = "\"*.tmp_*\", ";

#[tokio::test(flavor = "multi_thread")]
async fn what_the_filter_lets_pass_arrives_under_its_new_names() {
    let Some(shops) = Shops::open().await else { return };
    let folder = Folder::with(&shops.config(TEMPORARY));
    folder.run(&["run", "--once"]).expect_code(0);
    shops.expect_what_passes().await;

    shops.source.fill(&shops.ns("shop", "orders"), 5..8, 10).await;
    shops.source.update(&shops.ns("press", "people"), 2, doc! { "$set": { "qty": 1 } }).await;
    shops.source.fill(&shops.ns("shop", "tmp_2"), 0..5, 10).await;
    shops.source.fill(&shops.ns("secret", "more"), 0..5, 10).await;
    let index = doc! { "key": { "qty": 1 }, "name": "qty_1" };
    let database = format!("{}_press", shops.name);
    shops.source.command(&database, doc! { "createIndexes": "orders", "indexes": [index] }).await;
    folder.run(&["run", "--once"]).expect_code(0);
    shops.expect_what_passes().await;
    assert_eq!(shops.replica.count(&shops.ns("shop", "sales")).await, 8);
    let mended = shops.replica.get(&shops.ns("news", "people"), 2).await.unwrap();
    assert_eq!(mended.get_i32("qty").unwrap(), 1);
    assert_eq!(shops.replica.indexes(&shops.ns("news", "orders")).await, ["_id_", "qty_1"]);
    folder.run(&["verify"]).expect_code(0).shows(&["✓ alone", "✓ mirror"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_filter_is_refused_until_the_replica_is_copied_anew() {
    let Some(shops) = Shops::open().await else { return };
    let folder = Folder::with(&shops.config(TEMPORARY));
    folder.run(&["run", "--once", "--node", "alone"]).expect_code(0);

    folder.write("oplogsync.toml", &shops.config(""));
    shops.source.fill(&shops.ns("shop", "orders"), 5..8, 10).await;
    for _ in 0..2 {
        let refused = folder.run(&["run", "--once", "--node", "alone"]).expect_code(3);
        refused.says(&["alone was filled with another `[filter]`", "oplogsync resync alone"]);
        shops.expect_what_passes().await;
        assert_eq!(shops.replica.count(&shops.ns("shop", "sales")).await, 5, "something was applied");
    }
    folder.run(&["status", "--node", "alone"]).expect_code(5).shows(&["alone\tstopped", "oplogsync resync alone"]);
    let status = folder.run(&["status", "--node", "alone", "--json"]).json();
    assert_eq!(status["replicas"][0]["appliedBy"], json!(null), "whoever mends it would have to wait");

    folder.run(&["resync", "alone", "--confirm", "alone"]).expect_code(0);
    assert_eq!(shops.found("shop").await, ["people", "sales", "tmp_1"]);
    folder.run(&["verify", "--node", "alone"]).expect_code(0);
}
