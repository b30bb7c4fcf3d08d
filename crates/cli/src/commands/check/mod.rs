//! `check`: every precondition, one line each, with the way out for each problem.

mod finding;
#[cfg(feature = "mongo")]
mod servers;

use oplogsync_core::{documents::Documents, ids::LogId, log::LogEnds, namespace::Namespace, store_error::StoreError};

use self::finding::{Finding, Verdict, ok, tell, trouble};
use crate::{
    args::CheckArgs,
    config::{Config, NodeConfig},
    conn_string,
    exit::Exit,
    failure::Failure,
    node::{Node, within},
    out::Out,
    show::{counted, resync_command},
    survey::{Ends, Replica, State, Survey},
};

pub(crate) async fn run(args: &CheckArgs, config: &Config, out: &mut Out) -> Result<Exit, Failure> {
    let chosen: Vec<_> = config.replicas.iter().collect();
    let survey = Survey::take(config, &chosen, args.timeout).await;
    let mut findings = vec![ok("config", format!("{}, {} nodes, 1 primary", config.file.display(), chosen.len() + 1))];
    let ends = survey.primary.as_ref().ok().and_then(Ends::log);
    let before = findings.len();
    #[cfg(feature = "mongo")]
    let mut listing = None;
    match &survey.primary {
        Ok(Ends::Log(ends)) => findings.push(judge_primary(&config.primary, ends.as_ref(), args).await),
        #[cfg(feature = "mongo")]
        Ok(Ends::Stream { .. } | Ends::NoStream) => {
            let (judged, listed) = servers::judge_source(config, args).await;
            findings.extend(judged);
            listing = listed;
        }
        #[cfg(not(feature = "mongo"))]
        Ok(Ends::Stream { .. } | Ends::NoStream) => {}
        Err(error) => findings.push(trouble(&config.primary, error)),
    }
    let of_primary = findings.iter().skip(before).map(|finding| finding.exit);
    let primary_exit = of_primary.max().unwrap_or(Exit::Done);
    for (node, replica) in chosen.iter().zip(&survey.replicas) {
        match &replica.facts {
            Ok(_) => {
                findings.push(judge(node, replica, ends, args).await);
                #[cfg(feature = "mongo")]
                findings.extend({
                    let is_empty = replica.state == State::New;
                    servers::judge_target(node, config, listing.as_ref(), is_empty, args).await
                });
            }
            Err(error) => findings.push(trouble(node, error)),
        }
    }
    tell(&findings, out)?;
    // As for `status`: the primary's trouble first, then the gravest of the replicas'.
    Ok(match primary_exit {
        Exit::Done => findings.iter().map(|finding| finding.exit).max().unwrap_or(Exit::Done),
        exit => exit,
    })
}

fn subject(node: &NodeConfig) -> String {
    format!("{} {}", node.name, node.role)
}

/// Whether the primary may write, as `write` and `run` see it.
async fn judge_primary(node: &NodeConfig, ends: Option<&LogEnds>, args: &CheckArgs) -> Finding {
    let problem = |text: String, fix: &str| Finding {
        verdict: Verdict::Error,
        subject: subject(node),
        text: format!("{}  {text}", node.address),
        fix: Some(fix.to_owned()),
        exit: Exit::Primary,
    };
    match origin_of_documents(node, args).await {
        Err(error) => trouble(node, &error),
        Ok(Origin::Log(log)) if ends.is_none_or(|ends| ends.log != log) => problem(
            format!("it is a replica: its documents follow log {log} of another node"),
            "write to that one, or give the primary a database of its own",
        ),
        Ok(Origin::Stray(ns)) => problem(
            format!("it holds documents in {ns} that came from no oplog"),
            "give it an empty database, and write to it through oplogsync",
        ),
        Ok(_) => primary_answers(node, ends),
    }
}

fn primary_answers(node: &NodeConfig, ends: Option<&LogEnds>) -> Finding {
    let log = match ends {
        None => "no oplog yet: the first write begins it".to_owned(),
        Some(ends) => {
            let entries = ends.head.position.index.saturating_sub(ends.floor.position.index);
            format!("oplog up to {}, {}", ends.head.position, counted(entries, "entry", "entries"))
        }
    };
    ok(&subject(node), format!("{}  {log}", node.address))
}

async fn judge(node: &NodeConfig, replica: &Replica, ends: Option<&LogEnds>, args: &CheckArgs) -> Finding {
    let Ok(facts) = &replica.facts else { return ok(&subject(node), "") };
    let problem = |text: String, fix: &str, exit| Finding {
        verdict: Verdict::Error,
        subject: subject(node),
        text: format!("{}  {text}", node.address),
        fix: Some(fix.to_owned()),
        exit,
    };
    let anew = resync_command(&node.name);
    if replica.state == State::Same {
        let text = "it is the primary's own database, under another address".to_owned();
        return problem(text, "a replica needs a database of its own: correct the uri", Exit::Config);
    }
    let copied = match replica.state {
        State::Copying => Some("its initial sync is under way"),
        State::CatchingUp => Some("it is copied, and catches up"),
        State::Following => Some("it follows"),
        _ => None,
    };
    if let Some(stop) = &facts.stop {
        let exit = if stop.too_stale { Exit::TooStale } else { Exit::Replica };
        let reason = conn_string::redact(&stop.reason).into_owned();
        let fix = if stop.too_stale {
            format!("sync it anew: {anew}")
        } else {
            "mend what the message says: `oplogsync run` then goes on".to_owned()
        };
        return problem(format!("stopped at {}: {reason}", stop.at), &fix, exit);
    }
    match replica.state {
        State::Foreign => problem(
            "it follows the oplog of another primary".to_owned(),
            &format!("sync it anew with {anew}, or correct the configuration"),
            Exit::TooStale,
        ),
        State::TooStale => problem(
            "the primary's oplog no longer reaches back to its checkpoint".to_owned(),
            &format!("sync it anew: {anew}"),
            Exit::TooStale,
        ),
        State::Ahead => problem(
            "its checkpoint is beyond the head of the primary's oplog: the primary lost entries".to_owned(),
            &format!("compare with `oplogsync verify`, then sync it anew: {anew}"),
            Exit::TooStale,
        ),
        _ if copied.is_some() => ok(&subject(node), format!("{}  {}", node.address, copied.unwrap_or_default())),
        _ if facts.checkpoint.is_none() => match origin_of_documents(node, args).await {
            Err(error) => trouble(node, &error),
            Ok(Origin::Stray(ns)) => problem(
                format!("it holds documents in {ns} that came from no oplog"),
                &format!("give it an empty database, or wipe it with {anew}"),
                Exit::Replica,
            ),
            Ok(_) => ok(&subject(node), format!("{}  empty, to be synced", node.address)),
        },
        _ => {
            let behind = replica.progress.map_or(0, |progress| progress.behind);
            let text = match ends {
                Some(_) => format!("{} behind", counted(behind, "entry", "entries")),
                None => "answers".to_owned(),
            };
            ok(&subject(node), format!("{}  {text}", node.address))
        }
    }
}

/// Where a node's documents come from.
enum Origin {
    /// There are none.
    Empty,
    /// They follow this log.
    Log(LogId),
    /// Their first batch is not finished.
    Begun,
    /// No oplog: somebody wrote them, here for example.
    Stray(Namespace),
}

async fn origin_of_documents(node: &NodeConfig, args: &CheckArgs) -> Result<Origin, StoreError> {
    let store = Node::new(node, args.timeout);
    let asked = async {
        // In this order: whoever begins to apply meanwhile leaves a trace that is looked for later.
        let stray = store.namespaces().await?.into_iter().next();
        let unfinished = store.unfinished().await?;
        Ok(match (store.checkpoint().await?, unfinished, stray) {
            (Some(checkpoint), ..) => Origin::Log(checkpoint.log),
            (None, Some(_), _) => Origin::Begun,
            (None, None, Some(ns)) => Origin::Stray(ns),
            (None, None, None) => Origin::Empty,
        })
    };
    within(&store, args.timeout, asked).await
}
