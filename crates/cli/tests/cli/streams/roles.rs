//! The roles that are shipped are enough, and whoever has less is told what he lacks.

use bson::{Document, doc};
use oplogsync_mongod::{
    Server,
    testing::{self, test_options},
};

use super::source::{Application, Source, copies, folder};

const READER: &str = include_str!("../../../../../deploy/roles/source-reader.json");
const WINDOW: &str = include_str!("../../../../../deploy/roles/source-oplog-window.json");
const APPLIER: &str = include_str!("../../../../../deploy/roles/target-applier.json");

/// A role as its script makes it, for the database `shop` of a whole server.
fn role(text: &str) -> Document {
    let filled = text.replace("\"DATABASE\"", "\"shop\"").replace("\"OWN_DATABASE\"", "\"oplogsync\"");
    serde_json::from_str(&filled.replace("OWN_PREFIX", "")).unwrap()
}

/// Makes a user with these roles and no others; the URI of a server for him.
async fn user(root: &Application, uri: &str, name: &str, roles: &[Document]) -> String {
    let mut names = Vec::new();
    for (at, role) in roles.iter().enumerate() {
        let mut command = role.clone();
        let name = format!("{name}-{at}");
        command.insert("createRole", &name);
        root.command("admin", command).await;
        names.push(name);
    }
    root.command("admin", doc! { "createUser": name, "pwd": "secret", "roles": names }).await;
    uri.replace("root:right@", &format!("{name}:secret@"))
}

fn without(role: &Document, action: &str) -> Document {
    let privileges = role.get_array("privileges").unwrap().iter().map(|privilege| {
        let mut privilege = privilege.as_document().unwrap().clone();
        privilege.get_array_mut("actions").unwrap().retain(|known| known.as_str() != Some(action));
        privilege
    });
    let mut less = role.clone();
    let privileges: Vec<Document> = privileges.collect();
    less.insert("privileges", privileges);
    less
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_roles_are_enough_and_whoever_has_less_is_told_what_he_lacks() {
    let options = || test_options().user("root", "right");
    let Some(source) = Source::start_with(options()).await else { return };
    let alone = Server::start(&testing::binary().await.unwrap(), options()).await.unwrap();
    let replica = Application::on(&alone.uri()).await;
    source.fill("shop.orders", 0..30, 10).await;
    source.fill("secret.salaries", 0..30, 10).await;
    let target = user(&replica, &alone.uri(), "applier", &[role(APPLIER)]).await;
    let only_shop = "[filter]\ninclude = [\"shop\"]";
    let folder_of = |uri: &str| folder(only_shop, uri, &[("alone", &target)]);

    let less = user(&source, &source.uri(), "less", &[without(&role(READER), "changeStream")]).await;
    let refused = folder(only_shop, &less, &[("mirror", "sled:mirror")]);
    let fix = "give the user the role that deploy/roles/source-reader.js makes";
    refused.run(&["check"]).expect_code(4).shows(&["✗   login", "admin.less lacks changeStream", fix]);
    refused.run(&["run", "--once"]).expect_code(4).says(&["app", "lacks the privilege changeStream"]);

    let reader = user(&source, &source.uri(), "reader", &[role(READER)]).await;
    let folder = folder_of(&reader);
    let answer = folder.run(&["check"]).expect_code(0);
    answer.shows(&["admin.reader may find and open change streams", "!   oplog", "source-oplog-window.js"]);
    folder.run(&["run", "--once"]).expect_code(0);
    folder.run(&["status"]).expect_code(0).shows(&["oplog since unknown", "alone\tfollowing"]);

    let weak = user(&replica, &alone.uri(), "weak", &[without(&role(APPLIER), "collMod")]).await;
    let weak = self::folder(only_shop, &reader, &[("alone", &weak)]);
    let fix = "give the user the role that deploy/roles/target-applier.js makes";
    weak.run(&["check"]).expect_code(5).shows(&["✗   login", "admin.weak lacks collMod on shop", fix]);
    folder.run(&["check"]).expect_code(0).shows(&["admin.applier may apply what there is"]);

    let seer = user(&source, &source.uri(), "seer", &[role(READER), role(WINDOW)]).await;
    let folder = folder_of(&seer);
    folder.run(&["check"]).expect_code(0).shows(&["✓   oplog", "it follows"]);
    source.fill("shop.orders", 30..40, 10).await;
    let again = folder.run(&["run", "--once"]).expect_code(0);
    assert!(!copies(&again.stderr), "{again:?}");
    folder.run(&["verify"]).expect_code(0);
    assert_eq!(replica.count("shop.orders").await, 40);
    assert_eq!(replica.collections("secret").await, Vec::<String>::new());
}
