//! Servers that cannot be used are found out within 5 s.

use std::time::{Duration, Instant};

use oplogsync_core::store_error::{Fault, StoreError};
use oplogsync_mongod::{
    Server,
    testing::{binary, test_options},
};
use oplogsync_store_mongo::{MongoStore, Options, Scope};
use tokio::{io::AsyncWriteExt, net::TcpListener};

use crate::fixture::words;

async fn connect(uri: &str) -> Result<MongoStore, StoreError> {
    let started = Instant::now();
    let result = Box::pin(MongoStore::connect(uri, "db1", Scope::Server, Options::default())).await;
    assert!(started.elapsed() < Duration::from_secs(5), "it took {:?}", started.elapsed());
    result
}

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn where_nothing_listens_it_says_so_and_names_host_and_port() {
    let port = free_port().await;
    let error = connect(&format!("mongodb://app:canary@127.0.0.1:{port}/db1")).await.unwrap_err();
    assert_eq!(error.fault(), &Fault::Unavailable);
    let words = words(&error);
    assert!(words.contains(&format!("connection refused at 127.0.0.1:{port}: is mongod running there?")), "{words}");
    assert!(words.contains(&format!("mongodb://***@127.0.0.1:{port}/db1")), "{words}");
    assert!(!words.contains("canary"), "{words}");
}

#[tokio::test]
async fn a_wrong_password_is_denied_and_not_shown() {
    let Some(binary) = binary().await else { return };
    let server = Server::start(&binary, test_options().user("app", "right")).await.expect("it starts");
    let wrong = format!("mongodb://app:canary@127.0.0.1:{}/?authSource=admin", server.port());
    let error = connect(&wrong).await.unwrap_err();
    assert_eq!(error.fault(), &Fault::Denied, "{}", words(&error));
    assert!(!words(&error).contains("canary") && !format!("{error:?}").contains("canary"));
    let right = format!("mongodb://app:right@127.0.0.1:{}/?authSource=admin", server.port());
    connect(&right).await.expect("the right password opens");
}

#[tokio::test]
async fn without_a_login_that_is_needed_it_is_denied() {
    let Some(binary) = binary().await else { return };
    let server = Server::start(&binary, test_options().user("app", "right")).await.expect("it starts");
    let error = connect(&format!("mongodb://127.0.0.1:{}", server.port())).await.unwrap_err();
    assert_eq!(error.fault(), &Fault::Denied, "{}", words(&error));
}

#[tokio::test]
async fn what_is_no_mongodb_server_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = async {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.ok();
        }
    };
    let uri = format!("mongodb://127.0.0.1:{port}");
    let result = tokio::select! { result = connect(&uri) => result, () = serving => unreachable!() };
    let error = result.unwrap_err();
    let words = words(&error);
    assert_eq!(error.fault(), &Fault::Unexpected, "{words}");
    assert!(words.contains(&format!("what answers at 127.0.0.1:{port} is not a MongoDB server")), "{words}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let error = connect(&format!("mongodb://127.0.0.1:{port}")).await.unwrap_err();
    assert_eq!(error.fault(), &Fault::Unavailable, "{}", words(&error));
}

#[tokio::test]
async fn a_password_that_reads_like_a_host_is_not_shown() {
    for password in ["canary?x", "4711?x", "4711/x", "4711#x"] {
        let error = connect(&format!("mongodb://app:{password}@127.0.0.1:1/db1")).await.unwrap_err();
        let words = format!("{} {error:?}", words(&error));
        assert_eq!(error.fault(), &Fault::Incompatible, "{words}");
        assert!(!words.contains("canary") && !words.contains("4711"), "{words}");
    }
}

#[tokio::test]
async fn a_malformed_uri_is_refused_without_its_password() {
    for uri in ["mongodb://app:canary@", "mongodb://app:can@ary@h:99999/x", "mongodb://app:canary@h/?tls=perhaps", "x"]
    {
        let error = connect(uri).await.unwrap_err();
        assert_eq!(error.fault(), &Fault::Incompatible, "{uri}");
        assert!(!words(&error).contains("canary"), "{}", words(&error));
        assert!(!words(&error).contains("ary@h"), "{}", words(&error));
    }
}
