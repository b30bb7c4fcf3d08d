//! Many schedules, on all cores.

use std::time::{Duration, Instant};

use oplogsync_core::testing::sim::{FaultKind, Faults, explore};
use serde_json::json;
use tracing::info;

use super::{compute, counts_as_json, describe, tally::Tally, verdict::Verdict};
use crate::{
    args::SimArgs,
    exit::Exit,
    failure::Failure,
    out::{Out, Tone},
    show::{counted, tenths},
    signals::Shutdown,
};

/// How many schedules are run between two looks at the clock: enough that no core waits for long.
const CHUNK: u64 = 200;
/// How often a long run says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);
const HEADER: [&str; 9] =
    ["schedules", "steps", "acknowledged", "refused", "unknown", "stale", "lost", "violations", "seconds"];

pub(super) async fn run(args: SimArgs, shutdown: &Shutdown, out: &mut Out) -> Result<Exit, Failure> {
    introduce(args, out)?;
    let started = Instant::now();
    let tally = simulate(args, shutdown).await?;
    let seconds = tenths(started.elapsed());
    let verdict = match tally.violation.clone() {
        Some((schedule, violation)) => Some(Verdict::reach(schedule, violation, shutdown).await?),
        None => None,
    };
    if out.is_json() {
        out.json(&as_json(args, &tally, seconds, verdict.as_ref()))?;
    } else {
        tell(args, &tally, seconds, verdict.as_ref(), out)?;
    }
    Ok(if tally.lost() == Some(0) { Exit::Done } else { Exit::Different })
}

fn introduce(args: SimArgs, out: &mut Out) -> Result<(), Failure> {
    let (version, name) = (env!("CARGO_PKG_VERSION"), args.simulated().name());
    let count = counted(args.count(), "schedule", "schedules");
    let faults = describe(args.faults(Faults::all()));
    out.note(format_args!("oplogsync {version} · {name} · {count} from seed {} · {faults}\n", args.first()))?;
    Ok(())
}

/// Runs the schedules until one breaks a law or a stop is asked for.
async fn simulate(args: SimArgs, shutdown: &Shutdown) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    let mut told = Instant::now();
    while tally.schedules < args.count() && tally.violation.is_none() {
        let (first, count) = (args.first() + tally.schedules, CHUNK.min(args.count() - tally.schedules));
        let exploring = move || explore(first, count, |seed| args.schedule(seed));
        let Some(findings) = compute(shutdown, exploring).await? else { break };
        tally.add(findings);
        if told.elapsed() >= PROGRESS_EVERY {
            told = Instant::now();
            info!(schedules = tally.schedules, of = args.count(), acknowledged = tally.acknowledged, "progress");
        }
    }
    Ok(tally)
}

fn tell(args: SimArgs, tally: &Tally, seconds: f64, verdict: Option<&Verdict>, out: &mut Out) -> Result<(), Failure> {
    let faults: Vec<_> =
        FaultKind::ALL.iter().map(|kind| [kind.to_string(), tally.count_of(*kind).to_string()]).collect();
    out.table(["fault", "happened"], &faults)?;
    out.line("")?;
    let known = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let judged = |number: u64| known(args.is_judged().then_some(number));
    let row = [
        tally.schedules.to_string(),
        tally.steps.to_string(),
        tally.acknowledged.to_string(),
        judged(tally.refused),
        judged(tally.unknown),
        judged(tally.stale),
        known(tally.lost()),
        judged(u64::from(verdict.is_some())),
        format!("{seconds:.1}"),
    ];
    out.table(HEADER, &[row])?;
    if let Some(verdict) = verdict {
        return verdict.tell(out);
    }
    if tally.schedules < args.count() {
        out.line(format_args!("stopped after {} of {} schedules", tally.schedules, args.count()))?;
    }
    if tally.schedules > 0 {
        out.line(conclusion(args, tally, out))?;
    }
    Ok(())
}

fn conclusion(args: SimArgs, tally: &Tally, out: &Out) -> String {
    let Tally { schedules, acknowledged, .. } = tally;
    let lost = tally.lost().unwrap_or(0);
    let (mark, tone) = if lost == 0 { ("✓", Tone::Good) } else { ("✗", Tone::Bad) };
    let schedules = counted(*schedules, "schedule", "schedules");
    let held = if args.is_judged() { ", every law held" } else { "" };
    let name = args.simulated().name();
    out.tone(tone, format_args!("{mark} {name}: {schedules}, {acknowledged} acknowledged writes, {lost} lost{held}"))
}

fn as_json(args: SimArgs, tally: &Tally, seconds: f64, verdict: Option<&Verdict>) -> serde_json::Value {
    let judged = |number: u64| args.is_judged().then_some(number);
    json!({
        "algorithm": args.simulated().name(),
        "first_seed": args.first(),
        "schedules": tally.schedules,
        "complete": tally.schedules == args.count(),
        "steps": tally.steps,
        "acknowledged": tally.acknowledged,
        "refused": judged(tally.refused),
        "unknown": judged(tally.unknown),
        "lost": tally.lost(),
        "stale": judged(tally.stale),
        "faults": counts_as_json(|kind| tally.count_of(kind)),
        "seconds": seconds,
        "violation": verdict.map(Verdict::as_json),
    })
}
