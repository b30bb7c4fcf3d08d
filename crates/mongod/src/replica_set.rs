//! [`ReplicaSet`]: one to seven mongods that elect a primary.

use bson::{Document, doc};
use futures_util::{StreamExt, future::try_join_all, stream::FuturesUnordered};
use tokio::time::{sleep, timeout};

use crate::{
    Binary, Options, Server, ServerError, connection,
    server::{Member, PATIENCE, POLL},
};

const MEMBERS_MAX: usize = 7;
/// MongoDB's default of 10 s is for networks that lose packets.
const ELECTION_TIMEOUT_MS: i32 = 2000;
/// What a member says that is part of a replica set already; the latter when it has users.
const INITIALIZED: [i32; 2] = [23, 13];

/// A replica set on 127.0.0.1. Its members live and end as each [`Server`] does.
#[derive(Debug)]
pub struct ReplicaSet {
    name: String,
    members: Vec<Server>,
}

impl ReplicaSet {
    /// Starts a replica set called `name` and waits until it has a primary.
    ///
    /// # Errors
    /// [`ServerError`] says why it did not start. Nothing is left behind then.
    pub async fn start(binary: &Binary, name: &str, members: usize, options: Options) -> Result<Self, ServerError> {
        if !(1..=MEMBERS_MAX).contains(&members) {
            return Err(ServerError::Members { members });
        }
        let key = options.user.as_ref().map(|_| new_key()).transpose()?;
        let member = Member { set: name.to_owned(), key };
        let launches = (0_u16..).take(members).map(|index| {
            let mut options = options.clone();
            options.port = options.port.map(|port| port.saturating_add(index));
            options.folder = options.folder.map(|folder| folder.join(index.to_string()));
            Server::launch(binary, options, Some(member.clone()))
        });
        let set = Self { name: name.to_owned(), members: try_join_all(launches).await? };
        set.initiate().await?;
        let primary = set.wait_for_primary().await?;
        if let Some((user, server)) = options.user.as_ref().zip(set.members.get(primary)) {
            let created = connection::create_user(server.port(), user, server.tls()).await;
            created.map_err(ServerError::command(server.port(), "create the user"))?;
        }
        Ok(set)
    }

    /// The URI of the whole set, with the user and the certificates' files if there are any.
    pub fn uri(&self) -> String {
        self.uri_of("")
    }

    /// The same with `database` as the default one.
    pub fn uri_of(&self, database: &str) -> String {
        let hosts = self.members.iter().map(Server::host).collect::<Vec<_>>().join(",");
        let (user, tls) = self.members.first().map_or((None, None), |first| (first.user(), first.tls()));
        connection::uri(&hosts, user, tls, database, &format!("replicaSet={}", self.name))
    }

    /// The members, in the order in which they were started.
    pub fn members(&self) -> &[Server] {
        &self.members
    }

    /// The members, to be stopped, killed, paused and restarted.
    pub fn members_mut(&mut self) -> &mut [Server] {
        &mut self.members
    }

    /// Waits until one of the members is a primary that takes writes, and says which.
    ///
    /// # Errors
    /// [`ServerError::NotReady`] when there is none after a minute.
    pub async fn wait_for_primary(&self) -> Result<usize, ServerError> {
        let running = self.members.iter().enumerate().filter(|(_, member)| member.pid().is_some());
        // Each on its own: one that is paused must not hold up the others.
        let mut primaries: FuturesUnordered<_> = running
            .map(async |(index, member)| {
                until_primary(member).await;
                index
            })
            .collect();
        match timeout(PATIENCE, primaries.next()).await {
            Ok(Some(index)) => Ok(index),
            Ok(None) | Err(_) => Err(self
                .members
                .first()
                .map_or(ServerError::Members { members: 0 }, |first| first.not_ready("in a set with a primary"))),
        }
    }

    async fn initiate(&self) -> Result<(), ServerError> {
        let members = (0_i32..).zip(&self.members).map(|(id, member)| doc! { "_id": id, "host": member.host() });
        let config = doc! {
            "_id": &self.name,
            "members": members.collect::<Vec<Document>>(),
            "settings": { "electionTimeoutMillis": ELECTION_TIMEOUT_MS },
        };
        let Some(first) = self.members.first() else { return Ok(()) };
        let failed = |error| ServerError::command(first.port(), "initiate the replica set")(error);
        let client = connection::client(first.port(), None, first.tls()).await.map_err(failed)?;
        match client.database("admin").run_command(doc! { "replSetInitiate": config }).await {
            Err(error) if !is_initialized(&error) => Err(failed(error)),
            _ => Ok(()),
        }
    }
}

async fn until_primary(member: &Server) {
    loop {
        // One that does not answer is no primary; whether it runs at all is not asked here.
        let answer = connection::hello(member.port(), member.tls()).await;
        if answer.is_ok_and(|hello| hello.get_bool("isWritablePrimary").unwrap_or(false)) {
            return;
        }
        sleep(POLL).await;
    }
}

/// A kept folder knows its replica set already.
fn is_initialized(error: &mongodb::error::Error) -> bool {
    matches!(&*error.kind, mongodb::error::ErrorKind::Command(command) if INITIALIZED.contains(&command.code))
}

/// A secret of 256 bits, in letters that a key file may have.
fn new_key() -> Result<String, ServerError> {
    let random = || getrandom::u64().map_err(|error| ServerError::system("make a key")(error.into()));
    Ok(format!("{:016x}{:016x}{:016x}{:016x}", random()?, random()?, random()?, random()?))
}
