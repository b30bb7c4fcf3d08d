use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use bson::doc;
use oplogsync_mongod::{Options, Server, ServerError, testing};

use crate::{admin, count, insert, parent_death::processes_of};

#[tokio::test]
async fn a_standalone_server_answers_and_leaves_nothing_when_dropped() {
    let Some(binary) = testing::binary().await else { return };
    let server = Server::start(&binary, Options::default()).await.unwrap();
    let data = server.data().to_owned();
    let hello = admin(&server.uri(), doc! { "hello": 1 }).await.unwrap();
    assert!(hello.get_bool("isWritablePrimary").unwrap());
    assert!(!hello.contains_key("setName"));
    assert!(data.is_dir());
    assert_eq!(processes_of(&data).len(), 1);

    drop(server);

    assert_eq!(processes_of(&data), [""; 0]);
    assert!(!data.parent().unwrap().exists());
}

#[tokio::test]
async fn a_journaled_write_is_there_after_a_kill_and_a_restart_on_the_same_port() {
    let Some(binary) = testing::binary().await else { return };
    let mut server = Server::start(&binary, Options::default()).await.unwrap();
    let uri = server.uri();
    insert(&uri, 1).await.unwrap();

    server.kill().unwrap();
    assert!(!server.is_running().unwrap());
    assert!(matches!(server.kill(), Err(ServerError::NotRunning { .. })));
    server.restart().await.unwrap();

    assert_eq!(server.uri(), uri);
    assert_eq!(count(&uri).await.unwrap(), 1);
}

#[tokio::test]
async fn a_stopped_server_ends_in_order_and_a_running_one_can_be_restarted() {
    let Some(binary) = testing::binary().await else { return };
    let mut server = Server::start(&binary, Options::default()).await.unwrap();
    insert(&server.uri(), 1).await.unwrap();
    let first = server.pid();

    server.restart().await.unwrap();
    assert_ne!(server.pid(), first);
    assert_eq!(count(&server.uri()).await.unwrap(), 1);

    server.stop().await.unwrap();
    assert_eq!(server.pid(), None);
    assert!(server.log().unwrap().contains("\"exitCode\":0"));
    assert!(matches!(server.stop().await, Err(ServerError::NotRunning { .. })));
    assert!(matches!(server.pause(), Err(ServerError::NotRunning { .. })));
}

#[tokio::test]
async fn a_paused_server_answers_after_it_is_resumed_and_can_be_stopped() {
    let Some(binary) = testing::binary().await else { return };
    let mut server = Server::start(&binary, Options::default()).await.unwrap();
    let uri = server.uri();
    server.pause().unwrap();
    let answer = tokio::spawn(async move { count(&uri).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!answer.is_finished());

    server.resume().unwrap();
    assert_eq!(answer.await.unwrap().unwrap(), 0);

    server.pause().unwrap();
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_port_that_is_in_use_is_named() {
    let Some(binary) = testing::binary().await else { return };
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();

    let error = Server::start(&binary, Options::default().port(port)).await.unwrap_err();

    assert!(matches!(error, ServerError::PortInUse { port: named } if named == port), "{error}");
    assert!(error.to_string().contains(&format!("port {port} is in use")), "{error}");
}

#[tokio::test]
async fn a_given_port_and_folder_are_used_and_the_folder_is_kept() {
    let Some(binary) = testing::binary().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let options = Options::default().folder(folder.path().join("new"));
    let server = Server::start(&binary, options.clone()).await.unwrap();
    insert(&server.uri(), 1).await.unwrap();
    let port = server.port();
    drop(server);

    let server = Server::start(&binary, options.port(port)).await.unwrap();

    assert_eq!(server.port(), port);
    assert_eq!(count(&server.uri()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_folder_that_is_in_use_is_named_with_what_the_server_says() {
    let Some(binary) = testing::binary().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let options = Options::default().folder(folder.path());
    let _first = Server::start(&binary, options.clone()).await.unwrap();

    let error = Server::start(&binary, options).await.unwrap_err();

    let ServerError::Folder { folder: named, log, .. } = &error else { panic!("{error}") };
    assert_eq!(named, folder.path());
    assert!(log.contains("mongod.lock"), "{error}");
}

#[tokio::test]
async fn a_server_that_ends_at_its_start_is_an_error_at_once_with_its_last_words() {
    let Some(binary) = testing::binary().await else { return };
    let start = Instant::now();

    let error = Server::start(&binary, Options::default().arg("--noSuchOption")).await.unwrap_err();

    assert!(matches!(error, ServerError::Exited { .. }), "{error}");
    assert!(error.to_string().contains("unrecognised option '--noSuchOption'"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_server_with_a_user_refuses_everybody_else() {
    let Some(binary) = testing::binary().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let options = Options::default().folder(folder.path()).user("me@home", "a/b:c%");
    let mut server = Server::start(&binary, options.clone()).await.unwrap();
    insert(&server.uri(), 1).await.unwrap();
    let stranger = format!("mongodb://127.0.0.1:{}/", server.port());
    assert!(insert(&stranger, 2).await.unwrap_err().to_string().contains("requires authentication"));

    server.restart().await.unwrap();
    assert_eq!(count(&server.uri_of("other")).await.unwrap(), 1);

    // The user is in the kept folder already.
    drop(server);
    let server = Server::start(&binary, options).await.unwrap();
    assert_eq!(count(&server.uri()).await.unwrap(), 1);
    drop(server);
    let other = Options::default().folder(folder.path()).user("me@home", "wrong");
    let error = Server::start(&binary, other).await.unwrap_err();
    assert!(matches!(error, ServerError::Command { doing: "create the user", .. }), "{error}");
}

#[tokio::test]
async fn test_commands_are_there_on_request_only() {
    let Some(binary) = testing::binary().await else { return };
    let failpoint = doc! { "configureFailPoint": "failCommand", "mode": "off" };
    let with = Server::start(&binary, testing::test_options()).await.unwrap();
    admin(&with.uri(), failpoint.clone()).await.unwrap();

    let without = Server::start(&binary, Options::default()).await.unwrap();
    assert!(admin(&without.uri(), failpoint).await.unwrap_err().to_string().contains("no such command"));
}
