//! Where requests go: to the primary, but for the reads of a copy.

use bson::{Document, doc};
use mongodb::{
    Client,
    action::{Action, RunCommand, RunCursorCommand},
    error::ErrorKind,
};
use oplogsync_core::documents::Documents;
use oplogsync_mongod::{
    ReplicaSet,
    testing::{binary, test_options},
};

use super::{uri, work};

/// The code that a member gives to whom it should not see.
const STRAYED: i32 = 4711;
const APPLICATION: &str = "under-test";
/// All that we send.
const COMMANDS: [&str; 16] = [
    "abortTransaction",
    "aggregate",
    "buildInfo",
    "collStats",
    "commitTransaction",
    "createIndexes",
    "dbStats",
    "delete",
    "find",
    "findAndModify",
    "getMore",
    "insert",
    "listCollections",
    "listDatabases",
    "listIndexes",
    "update",
];

async fn admin(uri: &str, command: Document) -> Document {
    Client::with_uri_str(uri).await.unwrap().database("admin").run_command(command).await.expect("it is carried out")
}

/// Lets all members but one fail whatever our application sends them.
async fn forbid_others(set: &ReplicaSet, primary: usize) {
    for (index, member) in set.members().iter().enumerate() {
        if index != primary {
            let data = doc! { "failCommands": COMMANDS.to_vec(), "errorCode": STRAYED, "appName": APPLICATION };
            let command = doc! { "configureFailPoint": "failCommand", "mode": "alwaysOn", "data": data };
            admin(&uri(member, "directConnection=true"), command).await;
        }
    }
}

#[tokio::test]
async fn the_uri_s_read_preference_is_for_the_copy_and_for_nothing_else() {
    let Some(binary) = binary().await else { return };
    let set = ReplicaSet::start(&binary, "three", 3, test_options()).await.expect("it starts");
    let primary = set.wait_for_primary().await.expect("there is one");
    // Until all members can be read from.
    let everywhere = doc! { "insert": "c", "documents": [{}], "writeConcern": { "w": 3 } };
    admin(&set.uri(), everywhere).await;
    forbid_others(&set, primary).await;
    let uri_of = |preference: &str| format!("{}&appName={APPLICATION}{preference}", set.uri());

    for (preference, elsewhere) in [
        ("", false),
        ("&readPreference=primary", false),
        ("&readPreference=secondary", true),
        ("&readPreference=secondaryPreferred", true),
        ("&readPreference=secondary&maxStalenessSeconds=90", true),
    ] {
        let name = format!("db{}", preference.len());
        let source = work::node(&uri_of(preference), &name).await;
        let target = work::node(&uri_of(preference), &format!("{name}replica")).await;

        // All of ours reaches the primary.
        work::write(&source).await;
        work::replicate(&source, &target).await;
        work::look(&source, &target).await;
        assert!(source.is_transactional());
        let ours = doc! { "find": "orders" };
        source.client().database(&name).run_cursor_command(ours.clone()).await.expect("the primary answers");

        // A read of the copy goes where the uri says.
        let selection = source.copy_selection();
        assert_eq!(selection.is_some(), !preference.is_empty());
        let database = source.client().database("admin");
        let hello = database.run_command(doc! { "hello": 1 });
        let hello = hello.optional(selection.clone(), RunCommand::selection_criteria);
        let me = hello.await.expect("a member answers").get_str("me").expect("it has a name").to_owned();
        let names_primary = me.ends_with(&format!(":{}", set.members()[primary].port()));
        assert_eq!(names_primary, !elsewhere, "{preference}: {me}");
        let database = source.client().database(&name);
        let copy = database.run_cursor_command(ours);
        let copied = copy.optional(selection, RunCursorCommand::selection_criteria).await;
        match copied {
            Ok(_) => assert!(!elsewhere, "{preference}: it was read from the primary"),
            Err(error) => {
                let ErrorKind::Command(command) = error.kind.as_ref() else { panic!("{error}") };
                assert!(elsewhere && command.code == STRAYED, "{preference}: {error}");
            }
        }
        assert_eq!(source.namespaces().await.expect("the primary answers").len(), 1);
    }
}
