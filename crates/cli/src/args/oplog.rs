//! The arguments of `oplog`.

use clap::{Args as ClapArgs, Subcommand};
use oplogsync_core::namespace::Namespace;

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
