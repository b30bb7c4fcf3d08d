use bson::doc;
use oplogsync_mongod::{
    Options, ReplicaSet, Server,
    testing::{self, Certificates},
};

use crate::{admin, count, insert};

#[tokio::test]
async fn a_server_with_tls_answers_those_who_know_its_authority_only() {
    let Some(binary) = testing::binary().await else { return };
    let (certificates, strangers) = (Certificates::new(), Certificates::new());
    let options = Options::default().user("u", "p").tls(certificates.tls());
    let mut server = Server::start(&binary, options).await.unwrap();
    insert(&server.uri(), 1).await.unwrap();
    server.restart().await.unwrap();
    assert_eq!(count(&server.uri_of("other")).await.unwrap(), 1);

    let port = server.port();
    let plain = format!("mongodb://u:p@127.0.0.1:{port}/");
    let stranger = format!("{plain}?tls=true&tlsCAFile={}", strangers.ca().display());
    for uri in [plain, stranger] {
        count(&uri).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_server_that_demands_certificates_of_clients_refuses_one_without() {
    let Some(binary) = testing::binary().await else { return };
    let certificates = Certificates::new();
    let server = Server::start(&binary, Options::default().tls(certificates.tls_with_clients())).await.unwrap();
    insert(&server.uri(), 1).await.unwrap();

    let ca = certificates.ca();
    let without = format!("mongodb://127.0.0.1:{}/?tls=true&tlsCAFile={}", server.port(), ca.display());
    count(&without).await.unwrap_err();
    let with = format!("{without}&tlsCertificateKeyFile={}", certificates.client().display());
    assert_eq!(count(&with).await.unwrap(), 1);
}

#[tokio::test]
async fn the_members_of_a_set_with_tls_and_a_user_replicate() {
    let Some(binary) = testing::binary().await else { return };
    let certificates = Certificates::new();
    let options = Options::default().user("u", "p").tls(certificates.tls_with_clients());
    let set = ReplicaSet::start(&binary, "tls", 3, options).await.unwrap();

    let majority = doc! { "insert": "c", "documents": [{ "_id": 1 }], "writeConcern": { "w": 3, "wtimeout": 30_000 } };
    let reply = admin(&set.uri(), majority).await.unwrap();
    assert!(!reply.contains_key("writeConcernError"), "{reply}");
}

#[tokio::test]
async fn a_client_is_a_user_by_its_certificate() {
    let Some(binary) = testing::binary().await else { return };
    let certificates = Certificates::new();
    let options = Options::default().user("u", "p").tls(certificates.tls_with_clients());
    let server = Server::start(&binary, options).await.unwrap();
    let everything = doc! { "createUser": certificates.client_subject(), "roles": [{ "role": "root", "db": "admin" }] };
    crate::client(&server.uri()).await.database("$external").run_command(everything).await.unwrap();

    let files = [certificates.ca(), certificates.client()].map(|file| file.display().to_string());
    let files = format!("tls=true&tlsCAFile={}&tlsCertificateKeyFile={}", files[0], files[1]);
    let uri = format!("mongodb://127.0.0.1:{}/?authMechanism=MONGODB-X509&{files}", server.port());
    let status = admin(&uri, doc! { "connectionStatus": 1 }).await.unwrap();
    let users = status.get_document("authInfo").unwrap().get_array("authenticatedUsers").unwrap();
    assert_eq!(users[0].as_document().unwrap().get_str("user").unwrap(), certificates.client_subject());
}
