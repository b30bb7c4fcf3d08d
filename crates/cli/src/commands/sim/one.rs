//! One schedule, watched.

use oplogsync_core::testing::sim::{Algorithm, FaultKind, Report, Schedule};
use serde_json::json;
use tokio::{sync::mpsc, task::spawn_blocking};

use super::{counts_as_json, defect, describe, verdict::Verdict};
use crate::{
    args::Simulated,
    exit::Exit,
    failure::Failure,
    out::{Out, Tone},
    show::counted,
    signals::Shutdown,
};

/// How many lines may wait to be written: a slow reader slows the simulation, and memory stays bounded.
const LINES_MAX: usize = 1000;

pub(super) async fn run(schedule: Schedule, shutdown: &Shutdown, out: &mut Out) -> Result<Exit, Failure> {
    introduce(&schedule, out)?;
    let Some(report) = watch(schedule, shutdown, out).await? else {
        return Ok(Exit::Done);
    };
    let verdict = match report.violation.clone() {
        Some(violation) => Some(Verdict::reach(schedule, violation, shutdown).await?),
        None => None,
    };
    if out.is_json() {
        out.json(&as_json(&schedule, &report, verdict.as_ref()))?;
    } else {
        tell(&schedule, &report, verdict.as_ref(), out)?;
    }
    Ok(if verdict.is_none() && report.lost == 0 { Exit::Done } else { Exit::Different })
}

fn introduce(schedule: &Schedule, out: &mut Out) -> Result<(), Failure> {
    let name = Simulated::from(schedule.algorithm).name();
    let (steps, faults) = (counted(schedule.steps, "step", "steps"), describe(schedule.faults));
    let version = env!("CARGO_PKG_VERSION");
    out.note(format_args!("oplogsync {version} · {name} · seed {} · {faults} for {steps}\n", schedule.seed))?;
    out.note(" step      seconds  what happens")?;
    Ok(())
}

/// Tells what happens as it happens; yields nothing when a stop is asked for first.
async fn watch(schedule: Schedule, shutdown: &Shutdown, out: &mut Out) -> Result<Option<Report>, Failure> {
    let (teller, mut told) = mpsc::channel::<String>(LINES_MAX);
    let mut watching = spawn_blocking(move || {
        schedule.watch(move |line| {
            // Whoever no longer listens wants no more lines.
            let _gone = teller.blocking_send(line.to_owned());
        })
    });
    let mut stop = Box::pin(shutdown.clone().requested());
    loop {
        tokio::select! {
            biased;
            () = &mut stop => return Ok(None),
            Some(line) = told.recv() => out.note(line)?,
            done = &mut watching => {
                while let Ok(line) = told.try_recv() {
                    out.note(line)?;
                }
                return done.map(Some).map_err(defect);
            }
        }
    }
}

fn tell(schedule: &Schedule, report: &Report, verdict: Option<&Verdict>, out: &mut Out) -> Result<(), Failure> {
    let happened = FaultKind::ALL.iter().filter(|kind| report.counts.of(**kind) > 0);
    let faults: Vec<_> = happened.map(|kind| [kind.to_string(), report.counts.of(*kind).to_string()]).collect();
    out.line("")?;
    out.table(["fault", "happened"], &faults)?;
    out.line("")?;
    let is_judged = Simulated::from(schedule.algorithm).is_judged();
    let known = |number: u64| if is_judged { number.to_string() } else { "-".to_owned() };
    let row = [
        report.steps.to_string(),
        report.acknowledged.to_string(),
        known(report.refused),
        known(report.unknown),
        known(report.stale),
        format!("{:016x}", report.trace),
    ];
    out.table(["steps", "acknowledged", "refused", "unknown", "stale", "trace"], &[row])?;
    match (verdict, schedule.algorithm) {
        (Some(verdict), _) => verdict.tell(out)?,
        (None, Algorithm::Oplogsync) => {
            out.line(out.tone(Tone::Good, "✓ every law holds: no acknowledged write is lost"))?;
        }
        (None, Algorithm::Seed) => {
            let (mark, tone) = if report.lost == 0 { ("✓", Tone::Good) } else { ("✗", Tone::Bad) };
            let lost = format!("{mark} {} of {} acknowledged writes lost", report.lost, report.acknowledged);
            out.line(out.tone(tone, lost))?;
        }
    }
    Ok(())
}

fn as_json(schedule: &Schedule, report: &Report, verdict: Option<&Verdict>) -> serde_json::Value {
    let is_judged = Simulated::from(schedule.algorithm).is_judged();
    let known = |number: u64| is_judged.then_some(number);
    json!({
        "algorithm": Simulated::from(schedule.algorithm).name(),
        "seed": schedule.seed,
        "steps": report.steps,
        "acknowledged": report.acknowledged,
        "refused": known(report.refused),
        "unknown": known(report.unknown),
        "lost": if verdict.is_some() { None } else { Some(report.lost) },
        "stale": known(report.stale),
        "trace": format!("{:016x}", report.trace),
        "faults": counts_as_json(|kind| report.counts.of(kind)),
        "violation": verdict.map(Verdict::as_json),
    })
}
