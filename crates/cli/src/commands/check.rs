//! `check`: every precondition, one line each, with the way out for each problem.

use oplogsync_core::{
    documents::Documents,
    log::LogEnds,
    store_error::{Fault, StoreError},
};
use serde::Serialize;

use crate::{
    args::CheckArgs,
    config::{Config, NodeConfig, Role},
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
    findings.push(match &survey.primary {
        Ok(ends) => primary_answers(&config.primary, ends.as_ref()),
        Err(error) => trouble(&config.primary, error),
    });
    for (node, replica) in chosen.iter().zip(&survey.replicas) {
        findings.push(match &replica.facts {
            Ok(_) => judge(node, replica, ends, args).await,
            Err(error) => trouble(node, error),
        });
    }
    tell(&findings, out)?;
    // As for `status`: the primary's trouble first, then the gravest of the replicas'.
    Ok(match &survey.primary {
        Err(error) => exit_of(error.fault(), Role::Primary),
        Ok(_) => findings.iter().map(|finding| finding.exit).max().unwrap_or(Exit::Done),
    })
}

fn ok(subject: &str, text: impl Into<String>) -> Finding {
    Finding { verdict: Verdict::Ok, subject: subject.to_owned(), text: text.into(), fix: None, exit: Exit::Done }
}

fn subject(node: &NodeConfig) -> String {
    format!("{} {}", node.name, node.role)
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
        _ if facts.checkpoint.is_none() => match documents_without_checkpoint(node, args).await {
            Err(error) => trouble(node, &error),
            Ok(Some(ns)) => problem(
                format!("it holds documents in {ns} that came from no oplog"),
                "give it an empty database",
                Exit::Replica,
            ),
            Ok(None) => ok(&subject(node), format!("{}  empty, to be synced", node.address)),
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

async fn documents_without_checkpoint(node: &NodeConfig, args: &CheckArgs) -> Result<Option<String>, StoreError> {
    let store = Node::new(node, args.timeout);
    let namespaces = within(&store, args.timeout, store.namespaces()).await?;
    Ok(namespaces.first().map(ToString::to_string))
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
