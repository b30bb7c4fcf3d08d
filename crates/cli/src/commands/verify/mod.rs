//! `verify`: compares the replicas with the primary, and mends what differs if asked to.

mod encode;
mod found;
mod mend;
mod tell;

use std::time::Duration;

use oplogsync_core::{log::Log, store_error::StoreError};

use self::{found::Found, mend::Mended};
use crate::{
    args::{VerifyArgs, VerifyMode},
    config::{Config, NodeConfig, Role},
    exit::Exit,
    failure::Failure,
    node::Node,
    out::Out,
    upstream::Upstream,
};

const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// What was compared with the primary.
struct Verified<'a> {
    args: &'a VerifyArgs,
    /// The primary's name.
    primary: &'a str,
    /// The primary's newest entry, if it has an oplog.
    head: String,
    /// The replicas.
    replicas: Vec<Found>,
}

pub(crate) async fn run(args: &VerifyArgs, config: &Config, out: &mut Out) -> Result<Exit, Failure> {
    if args.repair && args.mode == VerifyMode::Count {
        let message = "numbers do not tell which documents differ: say --repair with --mode full or --mode digest";
        return Err(Failure::message(Exit::Usage, message));
    }
    let chosen = config.chosen(&args.node).map_err(|error| Failure::new(Exit::Config, error))?;
    let primary = Node::new(&config.primary, ANSWER_WITHIN);
    let ends = primary.log_ends().await.map_err(|error| Failure::store(error, Role::Primary))?;
    // Left out, it would make a replica equal that lacks it.
    let replicable = async { Upstream::choose(config, &primary).await?.must_be_replicable(config).await };
    replicable.await.map_err(|error| Failure::store(error, Role::Primary))?;
    let head = ends.map_or_else(|| "no oplog".to_owned(), |ends| ends.head.position.to_string());
    let mut verified = Verified { args, primary: primary.name(), head, replicas: Vec::new() };
    for node in chosen {
        verified.replicas.push(Box::pin(look(args, config, &primary, node)).await?);
    }
    if out.is_json() {
        out.json(&verified.to_json()?)?;
    } else {
        verified.tell(out)?;
    }
    let settled = verified.replicas.iter().all(|found| found.is_settled(args));
    let failures = verified.replicas.into_iter().filter_map(|found| found.mended?.failure);
    match failures.max_by_key(Failure::exit) {
        Some(gravest) => Err(gravest),
        None if settled => Ok(Exit::Done),
        None => Ok(Exit::Different),
    }
}

/// Compares one replica, and mends it if asked to.
async fn look(args: &VerifyArgs, config: &Config, primary: &Node, node: &NodeConfig) -> Result<Found, Failure> {
    let replica = Node::new(node, ANSWER_WITHIN);
    replica.open().await.map_err(|error| Failure::store(error, Role::Replica))?;
    replica.must_differ_from(primary).await?;
    let of_either = |error: StoreError| {
        let role = if error.node() == node.name { Role::Replica } else { Role::Primary };
        Failure::store(error, role)
    };
    let mut found = Found::look(args, config, primary, &replica).await.map_err(of_either)?;
    if args.repair {
        found.mended = Some(Box::pin(Mended::of(config, primary, &replica, &found.report)).await);
    }
    Ok(found)
}
