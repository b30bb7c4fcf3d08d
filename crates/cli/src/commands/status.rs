//! `status`: state, lag and checkpoint of every replica, once.

use std::time::Duration;

use oplogsync_core::{
    clock::OpTime,
    initial_sync::{Phase, SyncProgress},
    log::LogEnds,
    position::Anchor,
};
use serde_json::{Value, json};

#[cfg(feature = "mongo")]
use crate::upstream::no_stream;
use crate::{
    args::StatusArgs,
    config::Config,
    conn_string,
    exit::Exit,
    failure::Failure,
    out::{Out, Tone},
    show::{chain, counted, iso_date, mebibytes, resync_command, seconds},
    survey::{Ends, Replica, State, Survey},
};

pub(crate) async fn run(args: &StatusArgs, config: &Config, out: &mut Out) -> Result<Exit, Failure> {
    let chosen = config.chosen(&args.node).map_err(|error| Failure::new(Exit::Config, error))?;
    let survey = Survey::take(config, &chosen, args.timeout).await;
    if out.is_json() {
        out.json(&as_json(config, &survey))?;
    } else {
        tell(config, &survey, out)?;
    }
    Ok(survey.exit())
}

fn tell(config: &Config, survey: &Survey, out: &mut Out) -> Result<(), Failure> {
    let primary = &config.primary;
    match &survey.primary {
        Ok(Ends::Stream { newest, oldest }) => out.line(format_args!(
            "primary {}  {}  change stream  newest write {}  oplog since {}",
            primary.name,
            primary.address,
            iso_date(*newest),
            oldest.map_or_else(|| "unknown".to_owned(), iso_date),
        ))?,
        Ok(Ends::Log(Some(ends))) => out.line(format_args!(
            "primary {}  {}  head {}  {}  {}",
            primary.name,
            primary.address,
            ends.head.position,
            iso_date(ends.head.optime),
            counted(entries(ends), "entry", "entries"),
        ))?,
        #[cfg(feature = "mongo")]
        Ok(Ends::NoStream) => out.line(out.tone(Tone::Bad, no_stream(primary)))?,
        #[cfg(not(feature = "mongo"))]
        Ok(Ends::NoStream) => {}
        Ok(Ends::Log(None)) => out.line(format_args!("primary {}  {}  no oplog yet", primary.name, primary.address))?,
        Err(error) => {
            let error = conn_string::redact(&chain(error)).into_owned();
            out.line(format_args!("primary {}  {}", primary.name, out.tone(Tone::Bad, error)))?;
        }
    }
    let rows: Vec<_> = survey.replicas.iter().map(row).collect();
    out.table(["REPLICA", "STATE", "CHECKPOINT", "APPLIED UNTIL", "LAG", "BEHIND", "HEADROOM"], &rows)?;
    for replica in &survey.replicas {
        if let Some(SyncProgress { copied, total, .. }) = copied(replica) {
            let (documents, of) = (copied.documents, counted(total.documents, "document", "documents"));
            let (mib, of_mib) = (mebibytes(copied.bytes), mebibytes(total.bytes));
            out.line(format_args!("{}: {documents} of {of} are copied, {mib} of {of_mib} MiB", replica.name))?;
        }
        if let Some(reason) = reason(replica) {
            // What a node's store says begins with the node's name.
            let name = if replica.facts.is_ok() { format!("{}: ", replica.name) } else { String::new() };
            out.line(format_args!("{name}{}", out.tone(Tone::Bad, conn_string::redact(&reason))))?;
        }
    }
    Ok(())
}

fn row(replica: &Replica) -> [String; 7] {
    let unknown = || "-".to_owned();
    let checkpoint = checkpoint(replica);
    let progress = replica.progress.as_ref().filter(|_| !matches!(replica.state, State::Ahead));
    [
        replica.name.clone(),
        replica.state.as_str().to_owned(),
        checkpoint.map_or_else(unknown, |anchor| anchor.position.to_string()),
        checkpoint.map_or_else(unknown, |anchor| iso_date(anchor.optime)),
        lag(replica).map_or_else(unknown, |lag| format!("{} s", seconds(Some(lag)))),
        progress.map_or_else(unknown, |progress| progress.behind.to_string()),
        match (progress, replica.distance.and_then(|distance| distance.headroom)) {
            (Some(progress), _) => progress.headroom.to_string(),
            (None, Some(headroom)) => humantime::format_duration(Duration::from_secs(headroom.as_secs())).to_string(),
            (None, None) => unknown(),
        },
    ]
}

/// How far it is behind, in time, as far as that can be told.
fn lag(replica: &Replica) -> Option<Duration> {
    let progress = replica.progress.as_ref().filter(|_| !matches!(replica.state, State::Ahead));
    progress.and_then(|progress| progress.lag).or(replica.distance.map(|distance| distance.lag))
}

/// Why it does not go on, for people.
fn reason(replica: &Replica) -> Option<String> {
    let anew = resync_command(&replica.name);
    match (&replica.facts, replica.state) {
        (Err(error), _) => Some(chain(error)),
        (Ok(facts), State::Stopped | State::TooStale) if facts.stop.is_some() => facts.stop.as_ref().map(|stop| {
            let way_out = if stop.too_stale { format!("; {anew} syncs it anew") } else { String::new() };
            format!("stopped at {}: {}{way_out}", stop.at, stop.reason)
        }),
        (_, State::TooStale) => {
            Some(format!("the primary's oplog no longer reaches back to the checkpoint: sync it anew with {anew}"))
        }
        (_, State::Foreign) => Some(format!(
            "it follows the oplog of another primary: sync it anew with {anew}, or correct the configuration"
        )),
        (_, State::Same) => Some("it is the primary's own database, under another address: give it its own".into()),
        (_, State::Ahead) => Some(format!(
            "the primary lost entries or was restored: compare with `oplogsync verify`, then sync it anew with {anew}"
        )),
        _ => None,
    }
}

/// How far its initial sync is, if one is under way or was cut off.
fn copied(replica: &Replica) -> Option<SyncProgress> {
    let facts = replica.facts.as_ref().ok().filter(|facts| facts.phase == Some(Phase::Copy));
    facts.and_then(|facts| facts.copied)
}

fn checkpoint(replica: &Replica) -> Option<Anchor> {
    replica.facts.as_ref().ok().and_then(|facts| facts.checkpoint).map(|checkpoint| checkpoint.anchor)
}

fn entries(ends: &LogEnds) -> u64 {
    ends.head.position.index.saturating_sub(ends.floor.position.index)
}

fn as_json(config: &Config, survey: &Survey) -> Value {
    let primary = &config.primary;
    let (ends, error) = match &survey.primary {
        #[cfg(feature = "mongo")]
        Ok(Ends::NoStream) => (None, Some(no_stream(primary))),
        Ok(ends) => (ends.log(), None),
        Err(error) => (None, Some(conn_string::redact(&chain(error)).into_owned())),
    };
    let replicas: Vec<_> = survey.replicas.iter().map(replica_json).collect();
    let (feed, newest, oldest) = match &survey.primary {
        Ok(Ends::Stream { newest, oldest }) => (Some("change-stream"), Some(*newest), *oldest),
        Ok(Ends::Log(_)) => (Some("managed"), None, None),
        Ok(Ends::NoStream) | Err(_) => (None, None, None),
    };
    json!({
        "primary": {
            "name": primary.name,
            "uri": primary.address.to_string(),
            "feed": feed,
            "newest": newest.map(optime_json),
            "oldest": oldest.map(optime_json),
            "log": ends.map(|ends| ends.log.to_string()),
            "head": ends.map(|ends| anchor_json(&ends.head)),
            "floor": ends.map(|ends| anchor_json(&ends.floor)),
            "entries": ends.map(entries),
            "error": error,
        },
        "replicas": replicas,
    })
}

fn replica_json(replica: &Replica) -> Value {
    let holder = replica.facts.as_ref().ok().and_then(|facts| facts.lease.as_ref()).map(|lease| &lease.holder);
    let progress = replica.progress.filter(|_| !matches!(replica.state, State::Ahead));
    json!({
        "name": replica.name,
        "state": replica.state.as_str(),
        "checkpoint": checkpoint(replica).as_ref().map(anchor_json),
        "lagSeconds": lag(replica).map(|lag| lag.as_secs_f64()),
        "behind": progress.map(|progress| progress.behind),
        "headroom": progress.map(|progress| progress.headroom),
        "headroomSeconds": replica.distance.and_then(|distance| distance.headroom).map(|headroom| headroom.as_secs_f64()),
        "initialSync": copied(replica).map(|SyncProgress { copied, total, .. }| json!({
            "documents": copied.documents,
            "ofDocuments": total.documents,
            "bytes": copied.bytes,
            "ofBytes": total.bytes,
        })),
        "appliedBy": holder,
        "reason": reason(replica).map(|reason| conn_string::redact(&reason).into_owned()),
    })
}

fn optime_json(optime: OpTime) -> Value {
    let (t, i) = optime.to_timestamp();
    json!({ "t": t, "i": i, "isoDate": iso_date(optime) })
}

fn anchor_json(anchor: &Anchor) -> Value {
    let (t, i) = anchor.optime.to_timestamp();
    json!({
        "position": anchor.position.to_string(),
        "term": anchor.position.term,
        "index": anchor.position.index,
        "optime": { "t": t, "i": i },
        "isoDate": iso_date(anchor.optime),
    })
}
