//! `status`: state, lag and checkpoint of every replica, once.

use oplogsync_core::{log::LogEnds, position::Anchor};
use serde_json::{Value, json};

use crate::{
    args::StatusArgs,
    config::Config,
    conn_string,
    exit::Exit,
    failure::Failure,
    out::{Out, Tone},
    show::{chain, counted, iso_date, seconds},
    survey::{Replica, State, Survey},
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
        Ok(Some(ends)) => out.line(format_args!(
            "primary {}  {}  head {}  {}  {}",
            primary.name,
            primary.address,
            ends.head.position,
            iso_date(ends.head.optime),
            counted(entries(ends), "entry", "entries"),
        ))?,
        Ok(None) => out.line(format_args!("primary {}  {}  no oplog yet", primary.name, primary.address))?,
        Err(error) => {
            let error = conn_string::redact(&chain(error)).into_owned();
            out.line(format_args!("primary {}  {}", primary.name, out.tone(Tone::Bad, error)))?;
        }
    }
    let rows: Vec<_> = survey.replicas.iter().map(row).collect();
    out.table(["REPLICA", "STATE", "CHECKPOINT", "APPLIED UNTIL", "LAG", "BEHIND", "HEADROOM"], &rows)?;
    for replica in &survey.replicas {
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
        progress.map_or_else(unknown, |progress| match progress.lag {
            Some(lag) => format!("{} s", seconds(Some(lag))),
            None => unknown(),
        }),
        progress.map_or_else(unknown, |progress| progress.behind.to_string()),
        progress.map_or_else(unknown, |progress| progress.headroom.to_string()),
    ]
}

/// Why it does not go on, for people.
fn reason(replica: &Replica) -> Option<String> {
    match (&replica.facts, replica.state) {
        (Err(error), _) => Some(chain(error)),
        (Ok(facts), State::Stopped | State::TooStale) if facts.stop.is_some() => {
            facts.stop.as_ref().map(|stop| format!("stopped at {}: {}", stop.at, stop.reason))
        }
        (_, State::TooStale) => {
            Some("the primary's oplog no longer reaches back to the checkpoint: sync it anew".into())
        }
        (_, State::Foreign) => {
            Some("it follows the oplog of another primary: sync it anew or correct the configuration".into())
        }
        (_, State::Ahead) => {
            Some("the primary lost entries or was restored: compare with `oplogsync verify`, then sync it anew".into())
        }
        _ => None,
    }
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
        Ok(ends) => (ends.as_ref(), None),
        Err(error) => (None, Some(conn_string::redact(&chain(error)).into_owned())),
    };
    let replicas: Vec<_> = survey.replicas.iter().map(replica_json).collect();
    json!({
        "primary": {
            "name": primary.name,
            "uri": primary.address.to_string(),
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
        "lagSeconds": progress.and_then(|progress| progress.lag).map(|lag| lag.as_secs_f64()),
        "behind": progress.map(|progress| progress.behind),
        "headroom": progress.map(|progress| progress.headroom),
        "appliedBy": holder,
        "reason": reason(replica).map(|reason| conn_string::redact(&reason).into_owned()),
    })
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
