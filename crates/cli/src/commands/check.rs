//! `check`: every precondition, one line each, with the way out for each problem.

use oplogsync_core::{
    documents::Documents,
    ids::LogId,
    log::LogEnds,
    namespace::Namespace,
    store_error::{Fault, StoreError},
};
use serde::Serialize;

use crate::{
    args::CheckArgs,
    config::{Config, NodeConfig},
    conn_string,
    exit::Exit,
    failure::{Failure, exit_of},
    node::{Node, within},
    out::{Out, Tone},
    show::{chain, counted},
    survey::{Replica, State, Survey},
};

/// One line of the answer.
#[derive(Debug, Serialize)]
struct Finding {
    verdict: Verdict,
    subject: String,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
    #[serde(skip)]
    exit: Exit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Error,
}

pub(crate) async fn run(args: &CheckArgs, config: &Config, out: &mut Out) -> Result<Exit, Failure> {
    let chosen: Vec<_> = config.replicas.iter().collect();
    let survey = Survey::take(config, &chosen, args.timeout).await;
    let mut findings = vec![ok("config", format!("{}, {} nodes, 1 primary", config.file.display(), chosen.len() + 1))];
    let ends = survey.primary.as_ref().ok().and_then(Option::as_ref);
    let primary = match &survey.primary {
        Ok(ends) => judge_primary(&config.primary, ends.as_ref(), args).await,
        Err(error) => trouble(&config.primary, error),
    };
    let primary_exit = primary.exit;
    findings.push(primary);
    for (node, replica) in chosen.iter().zip(&survey.replicas) {
        findings.push(match &replica.facts {
            Ok(_) => judge(node, replica, ends, args).await,
            Err(error) => trouble(node, error),
        });
    }
    tell(&findings, out)?;
    // As for `status`: the primary's trouble first, then the gravest of the replicas'.
    Ok(match primary_exit {
        Exit::Done => findings.iter().map(|finding| finding.exit).max().unwrap_or(Exit::Done),
        exit => exit,
    })
}

fn ok(subject: &str, text: impl Into<String>) -> Finding {
    Finding { verdict: Verdict::Ok, subject: subject.to_owned(), text: text.into(), fix: None, exit: Exit::Done }
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

fn trouble(node: &NodeConfig, error: &StoreError) -> Finding {
    let fix = match (error.fault(), node.role) {
        (Fault::Unavailable, _) => "is it running, and is the uri right?",
        (Fault::Denied, _) => "check the user, the password and authSource in the uri",
        (Fault::Busy { .. }, _) => "stop the other process, or wait until it is done",
        _ => "see the message",
    };
    Finding {
        verdict: Verdict::Error,
        subject: subject(node),
        text: conn_string::redact(&chain(error)).into_owned(),
        fix: Some(fix.to_owned()),
        exit: exit_of(error.fault(), node.role),
    }
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
    if replica.state == State::Same {
        let text = "it is the primary's own database, under another address".to_owned();
        return problem(text, "a replica needs a database of its own: correct the uri", Exit::Config);
    }
    if let Some(stop) = &facts.stop {
        let exit = if stop.too_stale { Exit::TooStale } else { Exit::Replica };
        let reason = conn_string::redact(&stop.reason).into_owned();
        return problem(format!("stopped at {}: {reason}", stop.at), "see the message", exit);
    }
    match replica.state {
        State::Foreign => problem(
            "it follows the oplog of another primary".to_owned(),
            "sync it anew, or correct the configuration",
            Exit::TooStale,
        ),
        State::TooStale => problem(
            "the primary's oplog no longer reaches back to its checkpoint".to_owned(),
            "sync it anew",
            Exit::TooStale,
        ),
        State::Ahead => problem(
            "its checkpoint is beyond the head of the primary's oplog: the primary lost entries".to_owned(),
            "compare with `oplogsync verify`, then sync it anew",
            Exit::TooStale,
        ),
        _ if facts.checkpoint.is_none() => match origin_of_documents(node, args).await {
            Err(error) => trouble(node, &error),
            Ok(Origin::Stray(ns)) => problem(
                format!("it holds documents in {ns} that came from no oplog"),
                "give it an empty database",
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

fn tell(findings: &[Finding], out: &mut Out) -> Result<(), Failure> {
    if out.is_json() {
        return Ok(out.json(&findings)?);
    }
    let width = findings.iter().map(|finding| finding.subject.chars().count()).max().unwrap_or_default();
    for Finding { verdict, subject, text, fix, .. } in findings {
        let (mark, tone) = match verdict {
            Verdict::Ok => ("✓", Tone::Good),
            Verdict::Error => ("✗", Tone::Bad),
        };
        out.line(format_args!("{} {subject:width$}  {text}", out.tone(tone, mark)))?;
        if let Some(fix) = fix {
            out.line(format_args!("    {fix}"))?;
        }
    }
    let errors = findings.iter().filter(|finding| finding.verdict == Verdict::Error).count() as u64;
    if errors > 0 {
        out.line(counted(errors, "error", "errors"))?;
    }
    Ok(())
}
