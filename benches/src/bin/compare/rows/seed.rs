//! Our catch-up against the algorithm that this project began with, in Node with mongoose.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use oplogsync_benches::Kind;
use serde::Deserialize;

use crate::{
    catch_up::ManagedLog,
    context::{Context, tools},
    rounds::{Sample, compare},
    row::{Measured, Row},
    servers::Target,
};

const PACKAGE: &str = include_str!("../../../../seed/package.json");
const SCRIPT: &str = include_str!("../../../../seed/sync.mjs");

/// What the script says of a run.
#[derive(Debug, Deserialize)]
struct Told {
    /// How many operations the slave took over.
    operations: u64,
    /// How long that took.
    sync_ms: f64,
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for target in [Target::Set, Target::Standalone] {
        rows.extend([Kind::Inserts, Kind::Mix].map(|kind| row(target, kind)));
    }
    rows
}

fn row(target: Target, kind: Kind) -> Row {
    let name = format!("seed/{}/{} vs seed-slave", target.as_str(), kind.as_str());
    let doc = "Our catch-up against the seed's slave (find what is newer, then look and create one by one), without its \
               timers and its messages; what its master does is not counted. It gets fewer operations than we do, for \
               each costs it the same.";
    Row::new(name, doc, move |context| {
        let servers = match context.servers() {
            Ok(servers) => servers,
            Err(why) => return Ok(Measured::Not(why)),
        };
        let seed = match install() {
            Ok(folder) => folder,
            Err(why) => return Ok(Measured::Not(format!("{why:#}"))),
        };
        let uri = servers.target(target);
        let log = ManagedLog::write(context, &servers.source(), kind, context.size(50_000, 200_000))?;
        let count = context.size(200, 1_000);
        let peer = || run(context, &seed, &servers.source(), &uri, kind, count);
        Ok(compare(|| log.catch_up(context, &uri, kind), peer)?.into())
    })
}

/// Puts the script and mongoose into a folder beside this program, unless they are there.
fn install() -> Result<PathBuf> {
    let folder = tools()?.join("seed");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let is_same = fs::read_to_string(folder.join("package.json")).is_ok_and(|found| found == PACKAGE);
    fs::write(folder.join("sync.mjs"), SCRIPT)?;
    ensure!(succeeds(Command::new("node").arg("--version")), "node is missing");
    if !is_same || !folder.join("node_modules/mongoose").is_dir() {
        fs::write(folder.join("package.json"), PACKAGE)?;
        let mut install = Command::new("npm");
        install.args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"]).arg(&folder);
        ensure!(succeeds(&mut install), "npm is missing, or cannot install mongoose");
    }
    Ok(folder)
}

fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn run(context: &Context, seed: &Path, master: &str, slave: &str, kind: Kind, count: usize) -> Result<Sample> {
    let database = context.database("seed", kind);
    let output = Command::new("node")
        .arg(seed.join("sync.mjs"))
        .args([master, slave, &database, kind.as_str(), &count.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start node")?;
    ensure!(output.status.success(), "the seed's script failed");
    let told: Told = serde_json::from_slice(&output.stdout).context("the seed's script says something else")?;
    Ok(Sample { operations: told.operations, took: Duration::from_secs_f64(told.sync_ms / 1000.0) })
}
