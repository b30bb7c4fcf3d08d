//! The grammar of the command line.

mod sim;

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand, ValueEnum};
use oplogsync_core::{
    ids::OpId,
    namespace::{DatabaseName, Namespace},
};

pub(crate) use self::sim::{SimArgs, Simulated};
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

/// What every command accepts, before or after its name.
#[derive(Debug, ClapArgs)]
pub(crate) struct Global {
    #[arg(
        help = "The configuration file; else ./oplogsync.toml, $XDG_CONFIG_HOME/oplogsync/config.toml, /etc/oplogsync/config.toml"
    )]
    #[arg(short, long, global = true, env = "OPLOGSYNC_CONFIG", value_name = "FILE", help_heading = "Global options")]
    pub(crate) config: Option<PathBuf>,
    /// How results are written: `auto` is a table on a terminal, else plain (separated by tabs)
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Auto, hide_default_value = true)]
    #[arg(help_heading = "Global options")]
    output: Format,
    /// The same as --output json
    #[arg(long, global = true, conflicts_with = "output", help_heading = "Global options")]
    json: bool,
    /// Log more on standard error; twice for everything
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Global options")]
    pub(crate) verbose: u8,
    /// Log errors only
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Global options")]
    pub(crate) quiet: bool,
    /// How the log is written: `auto` is text on a terminal, else json
    #[arg(long, global = true, value_enum, env = "OPLOGSYNC_LOG_FORMAT", hide_env = true)]
    #[arg(help_heading = "Global options")]
    pub(crate) log_format: Option<LogFormat>,
    #[arg(help = "Colours; NO_COLOR is honoured")]
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, hide_default_value = true)]
    #[arg(help_heading = "Global options")]
    pub(crate) color: Colour,
}

impl Global {
    /// Whether what goes to a stream has colours; `terminal` tells whether people read it there.
    pub(crate) fn has_colour(&self, terminal: bool) -> bool {
        self.color.is_on(terminal, set("NO_COLOR").is_some(), set("TERM").is_some_and(|term| term == "dumb"))
    }

    /// The format of results.
    pub(crate) fn format(&self) -> Format {
        if self.json { Format::Json } else { self.output }
    }
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Auto,
    Table,
    Plain,
    Json,
    Ndjson,
}

/// Whether results and the log have colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    Auto,
    Always,
    Never,
}

impl Colour {
    fn is_on(self, terminal: bool, no_color: bool, dumb: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => terminal && !no_color && !dumb,
        }
    }
}

/// A variable of the environment; empty counts as unset.
fn set(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// How the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    #[default]
    Auto,
    Text,
    Json,
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
pub(crate) struct DemoArgs {
    /// How long to write
    #[arg(long, value_parser = duration, default_value = "8s")]
    pub(crate) duration: Duration,
    /// A write every so often
    #[arg(long, value_parser = duration, default_value = "100ms")]
    pub(crate) write_every: Duration,
    /// A poll every so often
    #[arg(long, value_parser = duration, default_value = "500ms")]
    pub(crate) poll_every: Duration,
    /// The timing of the original demo: a `Val-###` every 7 s, polls every 5 s, until Ctrl-C
    #[arg(long, conflicts_with_all = ["duration", "write_every", "poll_every", "ops"])]
    pub(crate) classic: bool,
    /// What to write
    #[arg(long, value_enum, default_value_t = DemoOps::Mixed)]
    pub(crate) ops: DemoOps,
    /// How many replicas
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub(crate) replicas: u8,
    /// The seed of what is written
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Keep the nodes' folders in DIR, which must be empty or absent
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// Three real mongod servers on 27019, 27018 and 27017 instead, started and stopped by the demo
    #[arg(long, conflicts_with = "keep")]
    pub(crate) mongo: bool,
    /// With --mongo: any free ports
    #[arg(long, requires = "mongo")]
    pub(crate) free_ports: bool,
}

impl DemoArgs {
    /// The time from one write to the next.
    pub(crate) fn write_every(&self) -> Duration {
        if self.classic { Duration::from_secs(7) } else { self.write_every }
    }

    /// The time from one poll to the next.
    pub(crate) fn poll_every(&self) -> Duration {
        if self.classic { Duration::from_secs(5) } else { self.poll_every }
    }
}

/// What the demo writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DemoOps {
    Insert,
    Mixed,
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
pub(crate) struct WriteArgs {
    #[command(subcommand)]
    pub(crate) what: WriteWhat,
    /// The node to write to; it must be the primary, which is the default
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) node: Option<String>,
    /// Retry the write with this operation id: if the oplog holds it already, nothing is written again
    #[arg(long, global = true, value_name = "HEX")]
    pub(crate) op_id: Option<OpId>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WriteWhat {
    /// Insert documents; one without an `_id` gets one
    Insert {
        /// Where: database.collection
        #[arg(long)]
        ns: Namespace,
        /// The document as JSON (MongoDB's extended JSON), or - for one per line of standard input
        #[arg(long, value_name = "JSON|-", allow_hyphen_values = true)]
        data: String,
    },
    /// Update the document with this id by operators, for example {"$inc": {"qty": 1}}
    Update {
        /// Where: database.collection
        #[arg(long)]
        ns: Namespace,
        /// The `_id` as JSON; what is no JSON is taken as a string
        #[arg(long, allow_hyphen_values = true)]
        id: String,
        /// The operators as JSON, or - for one per line of standard input
        #[arg(long, value_name = "JSON|-", allow_hyphen_values = true)]
        data: String,
        /// Insert what the operators make of an empty document if there is none
        #[arg(long)]
        upsert: bool,
    },
    /// Replace the document with this id
    Replace {
        /// Where: database.collection
        #[arg(long)]
        ns: Namespace,
        /// The `_id` as JSON; what is no JSON is taken as a string
        #[arg(long, allow_hyphen_values = true)]
        id: String,
        /// The new document as JSON, or - for one per line of standard input
        #[arg(long, value_name = "JSON|-", allow_hyphen_values = true)]
        data: String,
        /// Insert it if there is none
        #[arg(long)]
        upsert: bool,
    },
    /// Delete the document with this id
    Delete {
        /// Where: database.collection
        #[arg(long)]
        ns: Namespace,
        /// The `_id` as JSON; what is no JSON is taken as a string
        #[arg(long, allow_hyphen_values = true)]
        id: String,
    },
    /// Change collections or indexes: create, drop, renameCollection, dropDatabase, createIndexes, dropIndexes, collMod
    Command {
        /// The database
        #[arg(long)]
        db: DatabaseName,
        #[arg(
            help = r#"The command as JSON, for example {"createIndexes": "orders", "indexes": [{"key": {"qty": 1}, "name": "qty_1"}]}"#
        )]
        #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
        data: String,
    },
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
pub(crate) struct VerifyArgs {
    /// What is compared
    #[arg(long, value_enum, default_value_t = VerifyMode::Full)]
    pub(crate) mode: VerifyMode,
    /// How many documents that differ to show per replica
    #[arg(long, default_value_t = 10)]
    pub(crate) limit: usize,
    /// Only this replica
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Option<String>,
    /// Mend what differs, one by one; a primary is never changed
    #[arg(long)]
    pub(crate) repair: bool,
}

/// What `verify` compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum VerifyMode {
    /// How many documents there are, and nothing else
    Count,
    /// Collections, indexes and digests; the documents where digests differ
    Digest,
    /// Collections, indexes and every document, byte for byte
    Full,
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

#[derive(Debug, ClapArgs)]
pub(crate) struct OplogArgs {
    #[command(subcommand)]
    pub(crate) what: OplogWhat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OplogWhat {
    /// Show the newest entries
    Tail {
        /// How many
        #[arg(short = 'n', default_value_t = 10, value_name = "COUNT")]
        count: u64,
        /// Go on with the entries that come, until Ctrl-C
        #[arg(short, long)]
        follow: bool,
        /// Only this namespace
        #[arg(long)]
        ns: Option<Namespace>,
    },
    /// Show one entry
    Show {
        /// Its position, term:index or the index alone
        position: String,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn colours_are_for_terminals_unless_they_are_asked_for_or_refused() {
        assert!(Colour::Auto.is_on(true, false, false));
        for (terminal, no_color, dumb) in [(false, false, false), (true, true, false), (true, false, true)] {
            assert!(!Colour::Auto.is_on(terminal, no_color, dumb), "{terminal} {no_color} {dumb}");
        }
        assert!(!Colour::Never.is_on(true, false, false) && Colour::Always.is_on(false, true, true));
    }

    #[test]
    fn the_grammar_is_consistent() {
        Args::command().debug_assert();
    }
}
