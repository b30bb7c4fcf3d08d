//! The arguments of `verify`.

use clap::{Args as ClapArgs, ValueEnum};

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
