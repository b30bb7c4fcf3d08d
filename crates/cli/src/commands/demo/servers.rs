//! [`Servers`]: real mongod servers for the demo, started and stopped by it.

use std::io::Write;

use oplogsync_mongod::{Finder, Options, Server, ServerError};

use super::outage::Outage;
use crate::{
    config::{Address, DatabaseScope},
    conn_string::ConnString,
    exit::Exit,
    failure::Failure,
    out::Out,
};

/// The port of the primary; its replicas are on the ports below it, as in the original demo.
const PRIMARY_PORT: u16 = 27019;

/// Standalone servers, the primary's first.
#[derive(Debug)]
pub(super) struct Servers {
    servers: Vec<Server>,
    version: String,
}

impl Servers {
    /// Finds a mongod, fetches one if there is none, and starts the servers.
    pub(super) async fn start(replicas: u8, free_ports: bool, out: &mut Out) -> Result<Self, Failure> {
        let finding = tokio::task::spawn_blocking(|| {
            // A fetch takes a while, so it is said at once. Nobody need listen.
            Finder::from_env().find(&mut |line| drop(writeln!(std::io::stderr().lock(), "{line}")))
        });
        let found = finding.await.map_err(|error| Failure::unexpected(error, "look for a mongod"))?;
        let binary = found.map_err(|error| Failure::new(Exit::Unexpected, error))?;
        out.note("starting the servers ...")?;
        let mut starts = tokio::task::JoinSet::new();
        for number in 0..=u16::from(replicas) {
            let (binary, mut options) = (binary.clone(), Options::default());
            if !free_ports {
                options = options.port(PRIMARY_PORT - number);
            }
            starts.spawn(async move { (number, Server::start(&binary, options).await) });
        }
        let mut servers = Vec::new();
        for (number, started) in starts.join_all().await {
            servers.push((number, started.map_err(unstarted)?));
        }
        servers.sort_by_key(|(number, _)| *number);
        let servers = servers.into_iter().map(|(_, server)| server).collect();
        Ok(Self { servers, version: binary.version().to_owned() })
    }

    /// Where the nodes are: database db1 on the first server, db2 on the second, and so on.
    pub(super) fn addresses(&self) -> Vec<Address> {
        let address = |(at, server): (usize, &Server)| {
            let physical = format!("db{}", at + 1);
            let uri = ConnString::new(server.uri_of(&physical));
            Address::Mongo { uri, scope: Some(DatabaseScope { logical: "db1".to_owned(), physical }) }
        };
        self.servers.iter().enumerate().map(address).collect()
    }

    /// What they are, in words.
    pub(super) fn describe(&self) -> String {
        let ports: Vec<_> = self.servers.iter().map(|server| server.port().to_string()).collect();
        format!("{} standalone mongod {} on ports {}", ports.len(), self.version, ports.join(", "))
    }

    /// A way to cut the last replica off.
    pub(super) fn outage(&mut self) -> Outage<'_> {
        self.servers.last_mut().map_or_else(Outage::line, Outage::Server)
    }

    /// Stops them.
    pub(super) async fn stop(self) -> Result<(), Failure> {
        for mut server in self.servers {
            server.stop().await.map_err(|error| Failure::unexpected(error, "stop a mongod"))?;
        }
        Ok(())
    }
}

fn unstarted(error: ServerError) -> Failure {
    match error {
        ServerError::PortInUse { .. } => Failure::new(Exit::Busy, error).context("--free-ports takes any free ports"),
        error => Failure::new(Exit::Unexpected, error),
    }
}
