//! What stands behind the generated help of commands.

use oplogsync_core::testing::sim::FaultKind;

/// Behind the program's own help.
pub(crate) const EXAMPLES: &str = "\
Examples:
  oplogsync demo                      3 embedded nodes, no mongod needed
  oplogsync init > oplogsync.toml     a commented configuration
  oplogsync run -c oplogsync.toml     replicate until stopped
  oplogsync status                    state and lag of every replica
  oplogsync verify --json             exit 7 on any difference
  oplogsync sim                       1000 simulated schedules of faults
";

/// Behind the help of `status`.
pub(crate) const DEFINITIONS: &str = "\
Definitions:
  lag       optime of the primary's newest entry, or of its newest write where its change stream is
            followed, less that of the replica's last applied entry; 0 when nothing is left to apply,
            unknown when a node does not answer, never negative
  behind    entries that are left to apply; a change stream does not tell how many
  headroom  entries that are left before the primary's oplog no longer reaches back to the replica;
            of a change stream the time from the oldest write in the server's own oplog to the replica
  optime    when the primary wrote an entry, by its hybrid logical clock; shown as a date
";

/// Behind the help of `verify`.
pub(crate) const VERIFYING: &str = "\
Compared is what [filter] lets pass, under the names that it has at the replica: documents
byte for byte, collections with their options and indexes. What differs is looked at again
three times, two seconds apart: on a running system the last changes are under way.

--repair takes the lease of each replica, so no `run` may work on it meanwhile; the primary
may be written to. What differs becomes what it has to be at the replica's checkpoint, so
that replication goes on from there. Of each document, collection and index is told:
  put            what the primary has is there now
  removed        the primary does not have it
  stand-in       it has to be there until the entry that replaces or deletes it
  right already  it differs by what entries change that the replica does not have yet
  unsettled      nobody can tell what it has to be; the reason says what to do
  failed         the replica does not take it
More than 1000 differences are not mended one by one: `resync` copies everything anew.
Exit 0 when nothing is left to be done, 7 when something is.
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

/// Behind the help of `sim`.
pub(crate) fn sim() -> String {
    let names: Vec<_> = FaultKind::ALL.iter().map(|kind| kind.name()).collect();
    let lines: Vec<_> = names.chunks(4).map(|names| format!("  {}", names.join(", "))).collect();
    format!("{SIM_EXAMPLES}\nFaults:\n{}", lines.join(",\n"))
}

const SIM_EXAMPLES: &str = "\
The real primary, replicators and retention run on simulated nodes, network and clocks, without a
server. The same seed makes the same run. After every step the laws are checked; in the end faults
stop, and everything has to converge. A schedule that breaks a law is shrunk, and the command that
replays it is printed. A replica that stops because the log was trimmed beyond it counts as stale,
not as a loss. The demo's algorithm is held against no law: its lost writes are counted.

Examples:
  oplogsync sim                              1000 schedules
  oplogsync sim --seed 7                     watch one
  oplogsync sim --seed 7 --faults delay,node-crash --steps 300
  oplogsync sim --schedules 100000 --without full-disk
  oplogsync sim --algorithm seed             how much the Node.js demo loses under the same faults
";
