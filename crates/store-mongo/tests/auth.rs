//! Logins, TLS, and where requests go: who gets in, who does not, and what he is told.

mod direct;
mod login;
mod read_preference;
mod roles;
mod srv;
mod tls;
mod work;

use std::time::{Duration, Instant};

use bson::{Bson, doc};
use mongodb::Client;
use oplogsync_core::store_error::StoreError;
use oplogsync_mongod::{Binary, Options as ServerOptions, ReplicaSet, Server};
use oplogsync_store_mongo::{MongoStore, Options, Scope};

use crate::fixture::words;

/// Part of every password here, so that it is found wherever one comes out.
pub(crate) const CANARY: &str = "canary";
/// Who may do everything.
const ROOT: &str = "root:canary-root";

/// What the user reads of an error; fails if that is a password.
fn told(error: &StoreError) -> String {
    let words = words(error);
    assert!(!format!("{words} {error:?}").contains(CANARY), "a password is shown: {words} {error:?}");
    words
}

async fn attempt(uri: &str) -> Result<MongoStore, StoreError> {
    attempt_as(uri, Scope::Server, Options::default()).await
}

/// Connects within 5 s or says within 5 s why not.
async fn attempt_as(uri: &str, scope: Scope, options: Options) -> Result<MongoStore, StoreError> {
    let started = Instant::now();
    let result = Box::pin(MongoStore::connect(uri, "db1", scope, options)).await;
    assert!(started.elapsed() < Duration::from_secs(5), "it took {:?}", started.elapsed());
    if let Ok(store) = &result {
        assert!(!format!("{store:?}").contains(CANARY));
    }
    result
}

/// The URI of one server.
fn uri(server: &Server, options: &str) -> String {
    format!("mongodb://127.0.0.1:{}/?{options}", server.port())
}

/// A deployment that demands a login.
pub(crate) enum Deployment {
    Standalone(Box<Server>),
    Set(ReplicaSet),
}

impl Deployment {
    pub(crate) async fn standalone(binary: &Binary, options: ServerOptions) -> Self {
        let options = options.user("root", "canary-root");
        Self::Standalone(Box::new(Server::start(binary, options).await.expect("it starts")))
    }

    pub(crate) async fn set(binary: &Binary, options: ServerOptions) -> Self {
        let options = options.user("root", "canary-root");
        Self::Set(ReplicaSet::start(binary, "auth", 1, options).await.expect("it starts"))
    }

    pub(crate) async fn both(binary: &Binary, options: &ServerOptions) -> [Self; 2] {
        [Self::standalone(binary, options.clone()).await, Self::set(binary, options.clone()).await]
    }

    /// The URI with this login, `user:password`, and these options.
    pub(crate) fn uri(&self, login: &str, options: &str) -> String {
        let set = if matches!(self, Self::Set(_)) { "&replicaSet=auth" } else { "" };
        let at = if login.is_empty() { "" } else { "@" };
        format!("mongodb://{login}{at}127.0.0.1:{}/?authSource=admin{set}{options}", self.server().port())
    }

    pub(crate) fn server(&self) -> &Server {
        match self {
            Self::Standalone(server) => server,
            Self::Set(set) => &set.members()[0],
        }
    }

    /// The client of who may do everything.
    pub(crate) async fn root(&self) -> Client {
        Client::with_uri_str(self.uri(ROOT, "")).await.expect("the uri is right")
    }

    /// Makes a user of `admin`; its password is `canary-` and its name.
    pub(crate) async fn create_user(&self, name: &str, roles: Vec<Bson>, mechanisms: &[&str]) {
        let command = doc! {
            "createUser": name, "pwd": format!("{CANARY}-{name}"), "roles": roles, "mechanisms": mechanisms.to_vec(),
        };
        self.root().await.database("admin").run_command(command).await.expect("the user is made");
    }
}
