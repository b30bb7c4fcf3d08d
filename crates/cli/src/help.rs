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
