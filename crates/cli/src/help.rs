//! What stands behind the generated help of commands.

/// Behind the program's own help.
pub(crate) const EXAMPLES: &str = "\
Examples:
  oplogsync demo                      3 embedded nodes, no mongod needed
  oplogsync init > oplogsync.toml     a commented configuration
  oplogsync run -c oplogsync.toml     replicate until stopped
  oplogsync status                    state and lag of every replica
  oplogsync verify --json             exit 7 on any difference
";

/// Behind the help of `status`.
pub(crate) const DEFINITIONS: &str = "\
Definitions:
  lag       optime of the primary's newest entry less that of the replica's last applied entry;
            0 when nothing is left to apply, unknown when a node does not answer, never negative
  behind    entries that are left to apply
  headroom  entries that are left before the primary's oplog no longer reaches back to the replica
  optime    when the primary wrote an entry, by its hybrid logical clock; shown as a date
";

/// Behind the help of `run`.
pub(crate) const ENVIRONMENT: &str = "\
Environment, which overrides the configuration file:
  OPLOGSYNC_CONFIG                      the configuration file
  OPLOGSYNC_NODE_<NAME>_URI, _URI_FILE  a node's uri, or the file that holds it; `-` in a name is written `_`
  OPLOGSYNC_SYNC_POLL_INTERVAL          [sync] poll_interval
  OPLOGSYNC_SYNC_BATCH_SIZE             [sync] batch_size
  OPLOGSYNC_OPLOG_KEEP                  [oplog] keep
  OPLOGSYNC_LOG, OPLOGSYNC_LOG_FORMAT   [log] level, [log] format
";
