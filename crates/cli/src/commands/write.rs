//! `write`: appends to the primary through its oplog.

use std::time::Duration;

use bson::{RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf, raw::cstr};
use oplogsync_core::{
    command::{Action, Command},
    doc_id::DocId,
    host::SystemHost,
    ids::OpId,
    namespace::{DatabaseName, Namespace},
    primary::{Primary, PrimaryOptions},
    write::{Outcome, Write, Written},
};
use serde_json::json;
use tokio::io::BufReader;

use crate::{
    args::{WriteArgs, WriteWhat},
    config::{Address, Config, ConfigError, Role},
    exit::Exit,
    failure::Failure,
    holder::holder,
    json,
    lines::Lines,
    node::Node,
    out::Out,
    signals::Shutdown,
    upstream::Upstream,
};

const ANSWER_WITHIN: Duration = Duration::from_secs(3);

pub(crate) async fn run(args: &WriteArgs, config: &Config, shutdown: Shutdown, out: &mut Out) -> Result<Exit, Failure> {
    if let WriteWhat::Command { db, data } = &args.what {
        let action = parse_command(db, data)?;
        let primary = open_primary(config, args.node.as_deref()).await?;
        let ran = run_command(action, args.op_id, &primary, out).await;
        let closed = primary.close().await.map_err(Failure::primary);
        return ran.and(closed).map(|()| Exit::Done);
    }
    let parser = Parser::new(&args.what)?;
    if args.op_id.is_some() && parser.data == Some("-") {
        return Err(Failure::message(Exit::Usage, "--op-id names one write, and standard input may hold several"));
    }
    // What is wrong with the data is told before the node is touched.
    let one = if parser.data == Some("-") { None } else { Some(parser.write(parser.data)?) };
    let primary = open_primary(config, args.node.as_deref()).await?;
    let written = match one {
        Some(write) => write_one(write, args.op_id, &primary, out).await,
        None => write_lines(&parser, &primary, shutdown, out).await,
    };
    let closed = primary.close().await.map_err(Failure::primary);
    written?;
    closed?;
    Ok(Exit::Done)
}

/// Opens the primary for writing.
pub(crate) async fn open_primary(config: &Config, node: Option<&str>) -> Result<Primary<Node, SystemHost>, Failure> {
    if let Some(name) = node.filter(|name| *name != config.primary.name) {
        config.replica(name).map_err(|error: ConfigError| Failure::new(Exit::Config, error))?;
        return Err(Failure::message(
            Exit::Replica,
            format!("{name} is a replica and takes no writes: write to the primary, {}", config.primary.name),
        ));
    }
    let name = &config.primary.name;
    if config.primary.address == Address::Memory {
        let fix = "give it a folder, for example sled:data/db1";
        return Err(Failure::message(Exit::Config, format!("{name} is in memory and ends with this command: {fix}")));
    }
    let store = Node::new(&config.primary, ANSWER_WITHIN);
    let upstream = Upstream::choose(config, &store).await.map_err(|error| Failure::store(error, Role::Primary))?;
    if upstream.managed().is_none() {
        // A managed oplog beside it would tell only of what is written here.
        let fix = "write with your application, or set [feed] kind = \"managed\" if all its writes go through here";
        return Err(Failure::message(Exit::Config, format!("{name} is followed by its change stream: {fix}")));
    }
    let options = PrimaryOptions { node: name.clone(), holder: holder(), ..PrimaryOptions::default() };
    Box::pin(Primary::open(store, SystemHost, options)).await.map_err(Failure::primary)
}

/// Writes what standard input says, a line at a time, until it ends or a stop is asked for.
async fn write_lines(
    parser: &Parser<'_>,
    primary: &Primary<Node, SystemHost>,
    shutdown: Shutdown,
    out: &mut Out,
) -> Result<(), Failure> {
    let mut lines = Lines::new(BufReader::new(tokio::io::stdin()));
    let mut stop = std::pin::pin!(shutdown.requested());
    let mut number = 0_u64;
    loop {
        let line = tokio::select! {
            biased;
            () = stop.as_mut() => return Ok(()),
            line = lines.next() => line.map_err(|error| Failure::unexpected(error, "read standard input"))?,
        };
        let Some(line) = line else { return Ok(()) };
        number += 1;
        if line.trim().is_empty() {
            continue;
        }
        let at = |failure: Failure| failure.context(format!("line {number}; the lines before it are written"));
        write_one(parser.write(Some(&line)).map_err(at)?, None, primary, out).await.map_err(at)?;
    }
}

async fn write_one(
    write: Write,
    op_id: Option<OpId>,
    primary: &Primary<Node, SystemHost>,
    out: &mut Out,
) -> Result<(), Failure> {
    let ns = write.namespace().clone();
    let written = match op_id {
        None => primary.write(write).await,
        Some(op_id) => primary.write_once(op_id, write).await,
    };
    tell(ns.as_str(), &written.map_err(Failure::write)?, out)
}

fn tell(place: &str, written: &Written, out: &mut Out) -> Result<(), Failure> {
    let what = match written.outcome {
        Outcome::Inserted => "inserted",
        Outcome::Updated => "updated",
        Outcome::Unchanged => "unchanged",
        Outcome::Deleted => "deleted",
        Outcome::NotFound => "not found",
        Outcome::Repeated => "repeated",
        Outcome::Ran => "done",
    };
    let position = written.entry.map(|(position, _)| position.to_string());
    if out.is_json() {
        let id = written.id.as_ref().map(|id| json::from_value(id.value())).transpose()?;
        let op_id = written.op_id.to_string();
        out.json(&json!({ "outcome": what, "ns": place, "id": id, "position": position, "opId": op_id }))?;
    } else {
        let id = written.id.as_ref().map_or_else(String::new, |id| format!(" {id}"));
        let at = position.map_or_else(String::new, |position| format!(" at {position}"));
        out.line(format_args!("{what} {place}{id}{at}"))?;
    }
    Ok(())
}

/// Changes collections or indexes.
async fn run_command(
    action: Action,
    op_id: Option<OpId>,
    primary: &Primary<Node, SystemHost>,
    out: &mut Out,
) -> Result<(), Failure> {
    let place = action.namespace().map_or_else(|| action.database().to_string(), ToString::to_string);
    let ran = match op_id {
        None => primary.run(action).await,
        Some(op_id) => primary.run_once(op_id, action).await,
    };
    tell(&place, &ran.map_err(Failure::write)?, out)
}

/// The command that the command line says.
fn parse_command(database: &DatabaseName, data: &str) -> Result<Action, Failure> {
    let document = json::to_document(data)?;
    let document = as_logged(&document).map_err(|error| Failure::unexpected(error, "read the command"))?;
    let command = Command::parse(database.clone(), &document);
    Ok(command.map_err(|error| Failure::new(Exit::Usage, error))?.action().clone())
}

/// A command as the log has it, which leaves nothing out that servers take for granted.
fn as_logged(command: &RawDocument) -> Result<RawDocumentBuf, bson::error::Error> {
    let mut logged = RawDocumentBuf::new();
    let is = |name: &str| command.get(name).is_ok_and(|value| value.is_some());
    for element in command {
        let (key, value) = element?;
        match value {
            RawBsonRef::String(name) if key == "index" && is("dropIndexes") => {
                let mut names = RawArrayBuf::new();
                names.push(name);
                logged.append(key, names);
            }
            value => logged.append(key, value),
        }
    }
    if is("renameCollection") && !is("dropTarget") {
        logged.append(cstr!("dropTarget"), false);
    }
    Ok(logged)
}

/// Makes writes of what the command line and standard input say.
struct Parser<'a> {
    what: &'a WriteWhat,
    ns: &'a Namespace,
    id: Option<DocId>,
    data: Option<&'a str>,
}

impl<'a> Parser<'a> {
    fn new(what: &'a WriteWhat) -> Result<Self, Failure> {
        let (ns, id, data) = match what {
            WriteWhat::Insert { ns, data } => (ns, None, Some(data.as_str())),
            WriteWhat::Update { ns, id, data, .. } | WriteWhat::Replace { ns, id, data, .. } => {
                (ns, Some(id), Some(data.as_str()))
            }
            WriteWhat::Delete { ns, id } => (ns, Some(id), None),
            WriteWhat::Command { .. } => return Err(Failure::message(Exit::Usage, "a command writes no document")),
        };
        Ok(Self { what, ns, id: id.map(|text| json::to_id(text)).transpose()?, data })
    }

    fn write(&self, data: Option<&str>) -> Result<Write, Failure> {
        let document = data.map(json::to_document).transpose()?;
        let ns = self.ns.clone();
        match (self.what, self.id.clone(), document) {
            (WriteWhat::Insert { .. }, None, Some(document)) => Ok(Write::Insert { ns, document }),
            (WriteWhat::Update { upsert, .. }, Some(id), Some(update)) => {
                Ok(Write::Update { ns, id, update, upsert: *upsert })
            }
            (WriteWhat::Replace { upsert, .. }, Some(id), Some(document)) => {
                Ok(Write::Replace { ns, id, document, upsert: *upsert })
            }
            (WriteWhat::Delete { .. }, Some(id), None) => Ok(Write::Delete { ns, id }),
            _ => Err(Failure::message(Exit::Usage, "the write is incomplete")),
        }
    }
}
