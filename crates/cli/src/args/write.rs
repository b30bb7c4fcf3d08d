//! The arguments of `write`.

use clap::{Args as ClapArgs, Subcommand};
use oplogsync_core::{
    ids::OpId,
    namespace::{DatabaseName, Namespace},
};

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
