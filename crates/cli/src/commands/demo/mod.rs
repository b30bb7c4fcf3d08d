//! `demo`: a primary and its replicas, kept in step before your eyes.

mod line;
mod outage;
#[cfg(feature = "mongo")]
mod servers;
mod stage;
mod story;
mod summary;
mod teller;
mod tracker;

use self::{stage::Stage, story::Story, teller::Teller};
use crate::{
    args::{DemoArgs, DemoOps},
    exit::Exit,
    failure::Failure,
    out::Out,
    signals::Shutdown,
};

pub(crate) async fn run(args: &DemoArgs, shutdown: Shutdown, out: &mut Out) -> Result<Exit, Failure> {
    let (teller, mut told) = Teller::new();
    let mut stage = Stage::open(args, out).await?;
    introduce(args, &stage, out)?;
    let mut story = Box::pin(Story::new(args, &mut stage, teller).play(shutdown));
    let ended = loop {
        tokio::select! {
            biased;
            Some(line) = told.recv() => out.note(line)?,
            ended = &mut story => break ended,
        }
    };
    drop(story);
    while let Ok(line) = told.try_recv() {
        out.note(line)?;
    }
    let tallies = ended?;
    let exit = summary::tell(&stage, &tallies, out).await?;
    stage.close().await?;
    if exit == Exit::Done {
        out.note(hint(args))?;
    }
    Ok(exit)
}

fn hint(args: &DemoArgs) -> &'static str {
    if args.mongo {
        "next: oplogsync init > oplogsync.toml   ·   oplogsync check   ·   oplogsync run"
    } else {
        "next: oplogsync demo --mongo   ·   oplogsync init > oplogsync.toml   ·   cargo test --workspace"
    }
}

fn introduce(args: &DemoArgs, stage: &Stage, out: &mut Out) -> Result<(), Failure> {
    out.note(format_args!("oplogsync {} · {}", env!("CARGO_PKG_VERSION"), stage.describe()))?;
    let [write, poll] = [args.write_every(), args.poll_every()].map(humantime::format_duration);
    let seed = if args.classic { String::new() } else { format!(" · seed {}", args.seed) };
    let ops = match args.ops {
        _ if args.classic => "inserts",
        DemoOps::Insert => "inserts",
        DemoOps::Mixed => "inserts, updates and deletes",
    };
    let nodes = stage.nodes().map(|node| format!("{} {}", node.name(), node.config().role)).collect::<Vec<_>>();
    out.note(format_args!("  {}      {ops}, one every {write} · poll every {poll}{seed}", nodes.join("   ")))?;
    Ok(out.note("")?)
}
