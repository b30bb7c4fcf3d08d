//! TLS with certificates of one's own.

use std::{fs, path::Path};

use bson::{bson, doc};
use mongodb::Client;
use oplogsync_core::store_error::Fault;
use oplogsync_mongod::{
    Server,
    testing::{Certificates, binary, test_options},
};

use super::{Deployment, attempt, told, uri};

fn with_ca(certificates: &Certificates) -> String {
    format!("tls=true&tlsCAFile={}", certificates.ca().display())
}

fn with_client(certificates: &Certificates) -> String {
    format!("{}&tlsCertificateKeyFile={}", with_ca(certificates), certificates.client().display())
}

/// Fails in this way, and tells all of this.
async fn fails(uri: &str, fault: &Fault, tells: &[&str]) {
    let error = attempt(uri).await.unwrap_err();
    let words = told(&error);
    assert_eq!(error.fault(), fault, "{words}");
    for part in tells {
        assert!(words.contains(part), "{part:?} is missing from: {words}");
    }
}

#[tokio::test]
async fn a_server_is_trusted_by_the_authority_that_the_uri_names_and_by_no_other() {
    let Some(binary) = binary().await else { return };
    let (certificates, strangers) = (Certificates::new(), Certificates::new());
    let server = Server::start(&binary, test_options().tls(certificates.tls())).await.expect("it starts");

    attempt(&uri(&server, &with_ca(&certificates))).await.expect("its authority is known");

    let way_out = ["the server's certificate is not trusted", "`tlsCAFile=` in the node's uri"];
    fails(&uri(&server, "tls=true"), &Fault::Denied, &way_out).await;
    fails(&uri(&server, &with_ca(&strangers)), &Fault::Denied, &way_out).await;
}

#[tokio::test]
async fn a_certificate_for_another_name_is_denied_with_the_name() {
    let Some(binary) = binary().await else { return };
    let certificates = Certificates::valid_for(&["127.0.0.1"]);
    let server = Server::start(&binary, test_options().tls(certificates.tls())).await.expect("it starts");
    let uri = format!("mongodb://localhost:{}/?{}", server.port(), with_ca(&certificates));
    fails(&uri, &Fault::Denied, &["is for another name", "\"localhost\"", "127.0.0.1"]).await;
}

#[tokio::test]
async fn who_speaks_tls_with_a_server_that_does_not_or_the_other_way_round_is_told_so() {
    let Some(binary) = binary().await else { return };
    let certificates = Certificates::new();
    let plain = Server::start(&binary, test_options()).await.expect("it starts");
    let tls = Server::start(&binary, test_options().tls(certificates.tls())).await.expect("it starts");
    fails(&uri(&plain, &with_ca(&certificates)), &Fault::Unavailable, &["does not speak TLS", "`tls=true`"]).await;
    fails(&uri(&tls, "tls=false"), &Fault::Unavailable, &["speaks TLS only", "add `tls=true`"]).await;
}

#[tokio::test]
async fn a_server_that_demands_a_certificate_of_clients_takes_one_that_its_authority_has_signed() {
    let Some(binary) = binary().await else { return };
    let (certificates, strangers) = (Certificates::new(), Certificates::new());
    let server = Server::start(&binary, test_options().tls(certificates.tls_with_clients())).await.expect("it starts");

    attempt(&uri(&server, &with_client(&certificates))).await.expect("the certificate is taken");

    let none = uri(&server, &with_ca(&certificates));
    fails(&none, &Fault::Unavailable, &["demands a certificate", "`tlsCertificateKeyFile=`"]).await;
    let foreign = format!("{none}&tlsCertificateKeyFile={}", strangers.client().display());
    fails(&foreign, &Fault::Unavailable, &["does not take the certificate", "`tlsCertificateKeyFile`"]).await;
}

#[tokio::test]
async fn a_user_without_a_password_gets_in_by_his_certificate() {
    let Some(binary) = binary().await else { return };
    let certificates = Certificates::new();
    for deployment in Deployment::both(&binary, &test_options().tls(certificates.tls_with_clients())).await {
        let files = format!("&{}", with_client(&certificates));
        let by_certificate = format!("{files}&authMechanism=MONGODB-X509");
        let uri = deployment.uri("", &by_certificate).replace("authSource=admin", "authSource=$external");
        fails(&uri, &Fault::Denied, &["the certificate is nobody's", "`$external`"]).await;

        let root = Client::with_uri_str(deployment.uri("root:canary-root", &files)).await.unwrap();
        let roles = vec![bson!({ "role": "readAnyDatabase", "db": "admin" })];
        let create = doc! { "createUser": certificates.client_subject(), "roles": roles };
        root.database("$external").run_command(create).await.expect("the user is made");

        attempt(&uri).await.expect("his certificate lets him in");
        let named = certificates.client_subject().replace('=', "%3D").replace(',', "%2C");
        attempt(&uri.replace("mongodb://", &format!("mongodb://{named}@"))).await.expect("and may be named");
        let without = uri.replace(&files, &format!("&{}", with_ca(&certificates)));
        fails(&without, &Fault::Denied, &["MONGODB-X509", "`tlsCertificateKeyFile=`"]).await;
    }
}

#[tokio::test]
async fn a_file_that_is_not_what_its_option_wants_is_named_before_anything_is_sent() {
    let certificates = Certificates::new();
    let folder = certificates.ca().parent().expect("it is in a folder").to_owned();
    let write = |name: &str, text: &str| {
        let file = folder.join(name);
        fs::write(&file, text).expect("it is written");
        file
    };
    let empty = write("empty.pem", "no PEM at all\n");
    let client = fs::read_to_string(certificates.client()).expect("it is read");
    let (certificate, key) = client.split_at(client.find("-----BEGIN PRIVATE").expect("it has a key"));
    let bare_key = write("key.pem", key);
    let locked = write("locked.pem", &client.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"));
    let other = fs::read_to_string(Certificates::new().client()).expect("it is read");
    let other_key = &other[other.find("-----BEGIN PRIVATE").expect("it has a key")..];
    let mixed = write("mixed.pem", &format!("{certificate}{other_key}"));

    // Somebody listens there, so that it is not the port that is complained about.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("mongodb://app:canary@127.0.0.1:{}/?tls=true", listener.local_addr().unwrap().port());
    let ca = async |file: &Path, words: &str| {
        let named = format!("tlsCAFile={}", file.display());
        fails(&format!("{uri}&{named}"), &Fault::Denied, &[&named, words]).await;
    };
    ca(Path::new("/nowhere/ca.pem"), "cannot be read").await;
    ca(&folder, "cannot be read").await;
    ca(&empty, "no certificate").await;
    ca(Path::new("/dev/zero"), "too large").await;
    let key = async |file: &Path, words: &str| {
        let named = format!("tlsCertificateKeyFile={}", file.display());
        fails(&format!("{uri}&{named}"), &Fault::Denied, &[&named, words]).await;
    };
    key(Path::new("/nowhere/client.pem"), "cannot be read").await;
    key(&certificates.ca(), "no key").await;
    key(&bare_key, "no certificate").await;
    key(&locked, "has a password, which is not supported").await;
    key(&mixed, "cannot be used: keys may not be consistent").await;
}
