//! Connecting: finds out within seconds whether a server is there, is one, and lets us in.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use bson::{RawDocumentBuf, rawdoc};
use mongodb::{
    Client,
    error::ErrorKind,
    options::{ClientOptions, ConnectionString, HostInfo, SelectionCriteria, ServerAddress},
};
use oplogsync_core::store_error::{Fault, StoreError};
use tokio::{net::TcpStream, sync::Mutex};

use crate::{
    error::{Access, Failure},
    log::appended::News,
    options::Options,
    scope::Scope,
    server::{Server, ServerError},
    store::{Inner, MongoStore},
    tls::{self, Speech},
    uri::{check_uri, redact},
};

/// The whole of connecting takes no longer than this.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(4_500);
/// Name servers that do not answer within this time are given up.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(3);
/// A host that does not accept a connection within this time is taken as not there.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// How many connections there may be, and how many of them may be in the making. The driver waits for the greeting of
/// a new connection without end, so a few on which nobody answers would hold up all requests after them, for as long
/// as they last. Bounded, so that a network which swallows connections for hours does not use up the process's files.
const CONNECTIONS_MAX: u32 = 128;
/// What the driver says of a server that is too old.
const TOO_OLD: &str = "requires at least";
/// What the driver says of what is no server.
const NO_SERVER: &str = "invalid reply to a database operation";

impl MongoStore {
    /// Connects to the deployment at `uri`, as the node `node`.
    ///
    /// Within 5 s it is clear whether the server can be used.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] when nothing listens or answers, or a name cannot be resolved, [`Fault::Denied`]
    /// when the login is refused or certificates do not fit, [`Fault::Incompatible`] when the server is older than 4.2 or the URI is none,
    /// [`Fault::Unexpected`] when what answers is no MongoDB server. No error shows the user or the password.
    pub async fn connect(uri: &str, node: &str, scope: Scope, options: Options) -> Result<Self, StoreError> {
        let connecting = Box::pin(async {
            let Opened { client, copy_selection, server } = open(uri, options).await?;
            let journaled = AtomicU64::new(0);
            let news = News::default();
            let (node, session) = (node.into(), Mutex::default());
            let inner = Inner { client, copy_selection, node, scope, options, server, journaled, news, session };
            let store = Self { inner: Arc::new(inner) };
            // The greeting needs no login. This does, and the right to read what we keep.
            store.find_one(&store.own("node"), rawdoc! {}, None).await?;
            Ok(store)
        });
        let opened = match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(opened) => opened,
            Err(_) => Err(Failure::said(Fault::Unavailable, "no server answered in time")),
        };
        opened.map_err(|failure| failure.into_store_error(node, format!("connect to {}", redact(uri))))
    }
}

struct Opened {
    client: Client,
    copy_selection: Option<SelectionCriteria>,
    server: Server,
}

async fn open(uri: &str, options: Options) -> Result<Opened, Failure> {
    check_uri(uri).map_err(|error| Failure::new(Fault::Incompatible).because(error))?;
    let mut settings = resolve(uri).await?;
    let speech = tls::check(&mut settings)?;
    // Left to the driver it would hold for transactions too, which it refuses then.
    let copy_selection = settings.selection_criteria.take();
    settings.server_selection_timeout = Some(options.selection_timeout);
    settings.connect_timeout.get_or_insert(options.selection_timeout);
    settings.max_pool_size.get_or_insert(CONNECTIONS_MAX);
    settings.max_connecting.get_or_insert(CONNECTIONS_MAX);
    settings.app_name.get_or_insert_with(|| "oplogsync".to_owned());
    probe(&settings.hosts).await?;
    let hosts = settings.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let client = Client::with_options(settings).map_err(|error| unusable_uri(&error))?;
    let run = |command| run(&client, &hosts, speech, command);
    let hello = run(rawdoc! { "hello": 1 }).await;
    let hello = match hello {
        // Before 4.4.2 a server knows the greeting by its old name only.
        Err(failure) if failure.code == Some(59) => run(rawdoc! { "isMaster": 1 }).await?,
        hello => hello?,
    };
    let server = Server::from_hello(&hello).map_err(|error| {
        let fault = match error {
            ServerError::TooOld { .. } => Fault::Incompatible,
            ServerError::NotMongo { .. } => Fault::Unexpected,
        };
        Failure::new(fault).because(error)
    })?;
    Ok(Opened { client, copy_selection, server })
}

/// Reads the URI; for `mongodb+srv` the name server is asked for the hosts.
async fn resolve(uri: &str) -> Result<ClientOptions, Failure> {
    let parsed = ConnectionString::parse(uri).map_err(|error| unusable_uri(&error))?;
    let name = match &parsed.host_info {
        HostInfo::DnsRecord(name) => Some(name.clone()),
        _ => None,
    };
    let unresolved = |reason: &str| {
        let name = name.as_deref().unwrap_or("the hosts");
        let words = format!("{name} cannot be resolved: is the name right, and has it SRV records? ({reason})");
        Failure::said(Fault::Unavailable, words)
    };
    match tokio::time::timeout(RESOLVE_TIMEOUT, ClientOptions::parse(parsed)).await {
        Ok(Ok(settings)) => Ok(settings),
        Ok(Err(error)) => Err(match error.kind.as_ref() {
            ErrorKind::DnsResolve { message, .. } => unresolved(message),
            _ => unusable_uri(&error),
        }),
        Err(_) => Err(unresolved("no name server answered in time")),
    }
}

async fn run(client: &Client, hosts: &str, speech: Speech, command: RawDocumentBuf) -> Result<RawDocumentBuf, Failure> {
    let reply = client.database("admin").run_raw_command(command).await.map_err(|error| match error.kind.as_ref() {
        // What a heartbeat met is told by the text of the selection that waited for it only.
        ErrorKind::ServerSelection { message, .. } if message.contains(TOO_OLD) => {
            Failure::said(Fault::Incompatible, message.clone())
        }
        ErrorKind::ServerSelection { message, .. } if message.contains(NO_SERVER) => {
            Failure::said(Fault::Unexpected, format!("what answers at {hosts} is not a MongoDB server"))
        }
        ErrorKind::ServerSelection { message, .. } => {
            tls::explain(message, speech).unwrap_or_else(|| Failure::from_driver(&error, Access::Read))
        }
        kind if tls::is_refused_certificate(kind) => {
            let words = "the certificate is nobody's: its subject, as the server writes it, has to be a user in the database `$external`";
            Failure::said(Fault::Denied, format!("{words} ({kind})"))
        }
        _ => Failure::from_driver(&error, Access::Read),
    })?;
    RawDocumentBuf::try_from(&reply).map_err(|error| Failure::new(Fault::Unexpected).because(error))
}

/// The driver's words about a URI that is not ambiguous do not repeat its password.
fn unusable_uri(error: &mongodb::error::Error) -> Failure {
    match error.kind.as_ref() {
        ErrorKind::InvalidTlsConfig { message, .. } => Failure::said(
            Fault::Denied,
            format!("the files that tlsCAFile and tlsCertificateKeyFile name cannot be used: {message}"),
        ),
        kind => Failure::said(Fault::Incompatible, kind.to_string()),
    }
}

/// Fails at once when no host accepts a connection, with the reason of the first.
async fn probe(hosts: &[ServerAddress]) -> Result<(), Failure> {
    let mut reason = None;
    for host in hosts {
        let ServerAddress::Tcp { host: name, port } = host else { return Ok(()) };
        let port = port.unwrap_or(27017);
        let connecting = TcpStream::connect((name.as_str(), port));
        let words = match tokio::time::timeout(PROBE_TIMEOUT, connecting).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                format!("connection refused at {name}:{port}: is mongod running there?")
            }
            Ok(Err(error)) => format!("cannot reach {name}:{port}: {error}"),
            Err(_) => format!("no answer from {name}:{port}: is the host right, and does the network reach it?"),
        };
        reason.get_or_insert(words);
    }
    Err(Failure::said(Fault::Unavailable, reason.unwrap_or_else(|| "the uri names no host".to_owned())))
}
