//! `write`: appends to the primary through its oplog.

use std::time::Duration;

use oplogsync_core::{
    doc_id::DocId,
    host::SystemHost,
    namespace::Namespace,
    primary::{Primary, PrimaryOptions, WriteError},
    write::{Outcome, Write, Written},
};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::{
    args::{WriteArgs, WriteWhat},
    config::{Address, Config, ConfigError},
    exit::Exit,
    failure::Failure,
    holder::holder,
    json,
    node::Node,
    out::Out,
};

const ANSWER_WITHIN: Duration = Duration::from_secs(3);

pub(crate) async fn run(args: &WriteArgs, config: &Config, out: &mut Out) -> Result<Exit, Failure> {
    let parser = Parser::new(&args.what)?;
    let primary = open_primary(config, args.node.as_deref()).await?;
    let written = write_all(&parser, &primary, out).await;
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
    let options = PrimaryOptions { node: name.clone(), holder: holder(), ..PrimaryOptions::default() };
    Box::pin(Primary::open(store, SystemHost, options)).await.map_err(Failure::primary)
}

async fn write_all(parser: &Parser<'_>, primary: &Primary<Node, SystemHost>, out: &mut Out) -> Result<(), Failure> {
    if parser.data != Some("-") {
        return write_one(parser.write(parser.data)?, primary, out).await;
    }
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut number = 0_u64;
    while let Some(line) = lines.next_line().await.map_err(|error| Failure::unexpected(error, "read standard input"))? {
        number += 1;
        if line.trim().is_empty() {
            continue;
        }
        let at = |failure: Failure| failure.context(format!("line {number}; the lines before it are written"));
        write_one(parser.write(Some(&line)).map_err(at)?, primary, out).await.map_err(at)?;
    }
    Ok(())
}

async fn write_one(write: Write, primary: &Primary<Node, SystemHost>, out: &mut Out) -> Result<(), Failure> {
    let ns = write.namespace().clone();
    match primary.write(write).await {
        Ok(written) => tell(&ns, &written, out),
        Err(error @ WriteError::Refused(_)) => Err(Failure::new(Exit::Primary, error).context("the write is refused")),
        Err(error) => Err(Failure::new(Exit::Primary, error)),
    }
}

fn tell(ns: &Namespace, written: &Written, out: &mut Out) -> Result<(), Failure> {
    let what = match written.outcome {
        Outcome::Inserted => "inserted",
        Outcome::Updated => "updated",
        Outcome::Unchanged => "unchanged",
        Outcome::Deleted => "deleted",
        Outcome::NotFound => "not found",
        Outcome::Repeated => "repeated",
    };
    let position = written.entry.map(|(position, _)| position.to_string());
    if out.is_json() {
        let id = json::from_value(written.id.value())?;
        out.json(&json!({ "outcome": what, "ns": ns.as_str(), "id": id, "position": position }))?;
    } else {
        let at = position.map_or_else(String::new, |position| format!(" at {position}"));
        out.line(format_args!("{what} {ns} {}{at}", written.id))?;
    }
    Ok(())
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
