//! [`Stage`]: the nodes of the demo.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::outage::Outage;
#[cfg(feature = "mongo")]
use super::servers::Servers;
use crate::{
    args::DemoArgs,
    config::{Address, Durability, Engine, NodeConfig, Role},
    exit::Exit,
    failure::Failure,
    node::Node,
    out::Out,
};

const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// The nodes, and what they stand on.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) primary: Node,
    pub(super) replicas: Vec<Node>,
    ground: Ground,
}

#[derive(Debug)]
enum Ground {
    /// Removed when dropped.
    Temporary(tempfile::TempDir),
    Kept(PathBuf),
    #[cfg(feature = "mongo")]
    Servers(Servers),
}

impl Stage {
    /// Opens the nodes that the arguments ask for.
    pub(super) async fn open(args: &DemoArgs, out: &mut Out) -> Result<Self, Failure> {
        if args.mongo {
            return Box::pin(Self::on_servers(args, out)).await;
        }
        let ground = match &args.keep {
            Some(folder) => Ground::Kept(empty_folder(folder)?),
            None => Ground::Temporary(
                tempfile::Builder::new()
                    .prefix("oplogsync-demo-")
                    .tempdir()
                    .map_err(|error| Failure::unexpected(error, "make a temporary folder"))?,
            ),
        };
        let base = match &ground {
            Ground::Temporary(folder) => folder.path().to_owned(),
            Ground::Kept(folder) => folder.clone(),
            #[cfg(feature = "mongo")]
            Ground::Servers(_) => PathBuf::new(),
        };
        let addresses = (1..=args.replicas + 1).map(|number| Address::Folder {
            engine: Engine::Sled,
            path: base.join(format!("db{number}")),
            durability: Durability::Fsync,
        });
        Self::of(addresses.collect(), ground)
    }

    #[cfg(feature = "mongo")]
    async fn on_servers(args: &DemoArgs, out: &mut Out) -> Result<Self, Failure> {
        let servers = Servers::start(args.replicas, args.free_ports, out).await?;
        Self::of(servers.addresses(), Ground::Servers(servers))
    }

    #[cfg(not(feature = "mongo"))]
    #[expect(clippy::unused_async, reason = "the other build starts servers here")]
    async fn on_servers(_args: &DemoArgs, _out: &mut Out) -> Result<Self, Failure> {
        let message = "this build has no MongoDB support: use `cargo run -p oplogsync -- demo --mongo`";
        Err(Failure::message(Exit::Usage, message))
    }

    fn of(addresses: Vec<Address>, ground: Ground) -> Result<Self, Failure> {
        let mut nodes = addresses.into_iter().enumerate().map(|(at, address)| {
            let role = if at == 0 { Role::Primary } else { Role::Replica };
            Node::new(&NodeConfig { name: format!("db{}", at + 1), role, address }, ANSWER_WITHIN)
        });
        let primary = nodes.next().ok_or_else(|| Failure::message(Exit::Unexpected, "the demo has no nodes"))?;
        Ok(Self { primary, replicas: nodes.collect(), ground })
    }

    /// All nodes, the primary first.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        std::iter::once(&self.primary).chain(&self.replicas)
    }

    /// What the nodes are, in words.
    pub(super) fn describe(&self) -> String {
        match &self.ground {
            Ground::Temporary(folder) => {
                format!("embedded stores in {} (removed at the end, --keep DIR keeps)", folder.path().display())
            }
            Ground::Kept(folder) => format!("embedded stores in {}", folder.display()),
            #[cfg(feature = "mongo")]
            Ground::Servers(servers) => servers.describe(),
        }
    }

    /// A way to cut the last replica off.
    pub(super) fn outage(&mut self) -> Outage<'_> {
        match &mut self.ground {
            #[cfg(feature = "mongo")]
            Ground::Servers(servers) => servers.outage(),
            _ => Outage::line(),
        }
    }

    /// Ends what was started for the nodes.
    pub(super) async fn close(self) -> Result<(), Failure> {
        let Self { primary, replicas, ground } = self;
        drop((primary, replicas));
        match ground {
            Ground::Temporary(folder) => {
                tokio::task::yield_now().await;
                folder.close().map_err(|error| Failure::unexpected(error, "remove the temporary folder"))
            }
            Ground::Kept(_) => Ok(()),
            #[cfg(feature = "mongo")]
            Ground::Servers(servers) => servers.stop().await,
        }
    }
}

fn empty_folder(folder: &Path) -> Result<PathBuf, Failure> {
    let refuse = |error: std::io::Error| {
        Failure::new(Exit::Usage, error).context(format!("cannot use the folder {}", folder.display()))
    };
    std::fs::create_dir_all(folder).map_err(refuse)?;
    if std::fs::read_dir(folder).map_err(refuse)?.next().is_some() {
        let message = format!("{} is not empty: name an empty folder, or one that does not exist", folder.display());
        return Err(Failure::message(Exit::Usage, message));
    }
    std::path::absolute(folder).map_err(refuse)
}
