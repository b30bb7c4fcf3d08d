//! The grammar of the command line.

mod demo;
mod global;
mod oplog;
mod sim;
mod verify;
mod write;

use std::{path::PathBuf, time::Duration};

use clap::{Args as ClapArgs, Parser, Subcommand};
use oplogsync_core::namespace::Namespace;

pub(crate) use self::{
    demo::{DemoArgs, DemoOps},
    global::{Format, Global, LogFormat},
    oplog::{OplogArgs, OplogWhat},
    sim::{SimArgs, Simulated},
    verify::{VerifyArgs, VerifyMode},
    write::{WriteArgs, WriteWhat},
};
use crate::{
    config::duration,
    exit::EXIT_CODES,
    help::{self, DEFINITIONS, ENVIRONMENT, EXAMPLES, VERIFYING},
};

/// Keep replicas in step with a primary: with the change stream of a replica set, or with an oplog of our own
#[derive(Debug, Parser)]
#[command(name = "oplogsync", version, max_term_width = 110, after_help = format!("{EXAMPLES}\n{EXIT_CODES}"))]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run three nodes, write, cut one off, catch up and verify (needs no mongod)
    Demo(DemoArgs),
    /// Write a commented configuration
    Init(InitArgs),
    /// Check the configuration and every node, with the way out for each problem
    #[command(visible_alias = "doctor")]
    Check(CheckArgs),
    /// Replicate until stopped
    #[command(after_help = format!("{ENVIRONMENT}\n{EXIT_CODES}"))]
    Run(RunArgs),
    /// Write to a primary with a managed oplog: documents, collections and indexes
    Write(WriteArgs),
    /// Write many generated documents to the primary
    #[command(hide = true)]
    Load(LoadArgs),
    /// Show state, lag and checkpoint of every replica
    #[command(after_help = DEFINITIONS)]
    Status(StatusArgs),
    /// Compare the replicas with the primary; exit 7 on differences
    #[command(after_help = VERIFYING)]
    Verify(VerifyArgs),
    /// Wipe a replica and copy everything anew; `run` must not be at work on it
    Resync(ResyncArgs),
    /// Look at the primary's managed oplog
    Oplog(OplogArgs),
    /// Simulate faults on all sides and check every law; exit 7 on a broken one or a lost write
    #[command(after_help = help::sim())]
    Sim(SimArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct InitArgs {
    /// Three embedded nodes
    #[arg(long, conflicts_with = "mongo")]
    pub(crate) embedded: bool,
    /// Three MongoDB servers (the default)
    #[arg(long)]
    pub(crate) mongo: bool,
    /// Overwrite FILE if it exists
    #[arg(long, requires = "file")]
    pub(crate) force: bool,
    /// Where to; standard output if absent
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CheckArgs {
    /// How long a node may take to answer
    #[arg(long, value_parser = duration, default_value = "3s")]
    pub(crate) timeout: Duration,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RunArgs {
    /// Only this replica; repeatable
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Vec<String>,
    /// Stop when every replica has reached the head that the primary has now
    #[arg(long)]
    pub(crate) once: bool,
    /// With --once: how long that may take; exit 6 if it takes longer
    #[arg(long, value_parser = duration, requires = "once")]
    pub(crate) timeout: Option<Duration>,
    /// A progress line per replica every so often
    #[arg(long, value_parser = duration, default_value = "10s")]
    pub(crate) progress_every: Duration,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct LoadArgs {
    /// How many writes
    #[arg(long, default_value_t = 10_000)]
    pub(crate) count: u64,
    /// How many writers at once
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) writers: u16,
    /// The mix, in parts
    #[arg(long, default_value = "insert=60,update=30,delete=10")]
    pub(crate) ops: crate::mix::Mix,
    /// The seed of what is written
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Where to; repeatable
    #[arg(long, default_values = ["db1.datas", "db1.orders", "db1.users"])]
    pub(crate) ns: Vec<Namespace>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct StatusArgs {
    /// Only this replica
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Option<String>,
    /// How long a node may take to answer
    #[arg(long, value_parser = duration, default_value = "3s")]
    pub(crate) timeout: Duration,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ResyncArgs {
    /// The replica
    pub(crate) node: String,
    /// The same name once more: everything that the replica holds is deleted
    #[arg(long, value_name = "NODE")]
    pub(crate) confirm: Option<String>,
    /// A progress line every so often: documents, rate and time left
    #[arg(long, value_parser = duration, default_value = "10s")]
    pub(crate) progress_every: Duration,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_grammar_is_consistent() {
        Args::command().debug_assert();
    }
}
