//! [`Story`]: what happens in the demo.

use std::{convert::Infallible, fmt::Write as _, future::Future, sync::Arc, time::Duration};

use bson::rawdoc;
use oplogsync_core::{
    clock::OpTime,
    feed::OplogFeed,
    host::{Host, SystemHost},
    namespace::Namespace,
    primary::{Primary, PrimaryOptions},
    replicator::{Replicator, ReplicatorOptions},
    write::{Outcome, Write},
};
use tokio::{sync::watch, task::JoinSet, time::MissedTickBehavior};

use super::{
    line::Line,
    outage::Outage,
    stage::Stage,
    teller::Teller,
    tracker::{Tally, Tracker},
};
use crate::{
    args::{DemoArgs, DemoOps},
    exit::Exit,
    failure::Failure,
    holder::holder,
    mix::Mix,
    node::Node,
    show::{counted, seconds},
    signals::Shutdown,
    workload::Workload,
};

/// How long the replicas may take at the end.
const DRAIN_MAX: Duration = Duration::from_secs(60);

/// What happens in the demo: writes, an outage, and everybody equal in the end.
pub(super) struct Story<'a> {
    args: &'a DemoArgs,
    stage: &'a mut Stage,
    teller: Teller,
}

/// What was written so far.
#[derive(Debug, Clone, Copy, Default)]
struct Head {
    writes: u64,
    index: u64,
    optime: OpTime,
}

type Tasks = JoinSet<Result<(), Failure>>;

impl<'a> Story<'a> {
    /// A story on a stage.
    pub(super) fn new(args: &'a DemoArgs, stage: &'a mut Stage, teller: Teller) -> Self {
        Self { args, stage, teller: teller.restarted() }
    }

    /// Plays it; returns the numbers of every node, the primary's first.
    pub(super) async fn play(self, shutdown: Shutdown) -> Result<Vec<Tally>, Failure> {
        let Self { args, stage, teller } = self;
        let store = stage.primary.clone();
        let options = PrimaryOptions { node: store.name().to_owned(), holder: holder(), ..PrimaryOptions::default() };
        let primary = Box::pin(Primary::open(store.clone(), SystemHost, options)).await.map_err(Failure::primary)?;
        let (stop, stopped) = watch::channel(false);
        let replicas = stage.replicas.clone();
        let outage = stage.outage();
        let mut tasks = Tasks::new();
        let trackers: Vec<_> = replicas
            .iter()
            .map(|node| Arc::new(Tracker::new(node.name(), args.classic.then(|| teller.clone()))))
            .collect();
        for (at, (node, tracker)) in replicas.iter().zip(&trackers).enumerate() {
            let cut = if at + 1 == replicas.len() { outage.cut() } else { watch::Sender::new(false).subscribe() };
            let feed = Line::new(OplogFeed::new(store.clone(), store.name()), store.name(), cut);
            let options = ReplicatorOptions {
                holder: holder(),
                poll_interval: args.poll_every(),
                ..ReplicatorOptions::default()
            };
            let replicator = Replicator::new(node.name(), feed, node.clone(), SystemHost, options);
            tasks.spawn(follow(replicator, Arc::clone(tracker), stopped.clone()));
        }
        let scene = Scene { args, primary: &primary, trackers: &trackers, teller: &teller };
        let head = tokio::select! {
            head = Box::pin(scene.act(outage, shutdown)) => head?,
            failure = failed(&mut tasks) => return Err(failure),
        };
        teller.tell("draining ...");
        tokio::select! {
            drained = tokio::time::timeout(DRAIN_MAX, drain(&trackers, head.index)) => drained
                .map_err(|_| Failure::message(Exit::Behind, "the replicas did not reach the head in time"))?,
            failure = failed(&mut tasks) => return Err(failure),
        }
        stop.send_replace(true);
        for ended in tasks.join_all().await {
            ended?;
        }
        primary.close().await.map_err(Failure::primary)?;
        teller.tell("done");
        let written = Tally { applied: head.index, optime: head.optime, ..Tally::default() };
        Ok(std::iter::once(written).chain(trackers.iter().map(|tracker| tracker.tally())).collect())
    }
}

async fn follow<F, H>(
    mut replicator: Replicator<F, Node, H>,
    tracker: Arc<Tracker>,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), Failure>
where
    F: oplogsync_core::feed::Feed,
    H: Host + Clone,
{
    let stop = async {
        // A sender that is gone means the same.
        let _ended = stopped.wait_for(|stopped| *stopped).await;
    };
    Box::pin(replicator.run(stop, &*tracker)).await.map_err(|error| Failure::follow(error.into(), ""))?;
    replicator.close().await.map_err(|error| Failure::store(error, crate::config::Role::Replica))
}

/// Completes with the failure of a replica, if one fails.
async fn failed(tasks: &mut Tasks) -> Failure {
    loop {
        match tasks.join_next().await {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(failure))) => return failure,
            Some(Err(error)) => return Failure::unexpected(error, "finish a replica's task"),
            None => std::future::pending().await,
        }
    }
}

async fn drain(trackers: &[Arc<Tracker>], index: u64) {
    for tracker in trackers {
        tracker.reached(index).await;
    }
}

/// The part of the story in which there are writes.
struct Scene<'a> {
    args: &'a DemoArgs,
    primary: &'a Primary<Node, SystemHost>,
    trackers: &'a [Arc<Tracker>],
    teller: &'a Teller,
}

impl Scene<'_> {
    /// Writes until the time is over or a stop is asked for; meanwhile a replica is cut off and
    /// comes back.
    async fn act(&self, outage: Outage<'_>, shutdown: Shutdown) -> Result<Head, Failure> {
        let (heads, head) = watch::channel(Head::default());
        let over = async {
            if self.args.classic {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(self.args.duration).await;
        };
        let (halt, halted) = watch::channel(false);
        let stop = async {
            tokio::select! {
                () = shutdown.requested() => {}
                () = over => {}
            }
        };
        let writing = async {
            let written = self.write(&heads, stop).await;
            self.teller.tell("stopped writing");
            halt.send_replace(true);
            written
        };
        tokio::select! {
            biased;
            ended = async { tokio::try_join!(writing, self.cut_off(outage, &head, halted)) } => ended?,
            never = self.report(&head) => match never {},
        };
        Ok(*head.borrow())
    }

    /// Writes until it is told to stop; a write in hand is finished.
    async fn write(&self, heads: &watch::Sender<Head>, stop: impl Future<Output = ()>) -> Result<(), Failure> {
        let mut stop = std::pin::pin!(stop);
        let mut ticks = tokio::time::interval(self.args.write_every());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut workload = self.workload()?;
        loop {
            tokio::select! {
                biased;
                () = stop.as_mut() => return Ok(()),
                _ = ticks.tick() => self.write_one(&mut workload, heads).await?,
            }
        }
    }

    fn workload(&self) -> Result<Workload, Failure> {
        let ns = |text| Namespace::new(text).map_err(|error| Failure::unexpected(error, "name a collection"));
        let namespaces = vec![ns("db1.datas")?, ns("db1.orders")?];
        let mix = match self.args.ops {
            DemoOps::Insert => Mix { insert: 1, update: 0, delete: 0 },
            DemoOps::Mixed => Mix { insert: 60, update: 30, delete: 10 },
        };
        Ok(Workload::new(self.args.seed, 0, mix, namespaces))
    }

    async fn write_one(&self, workload: &mut Workload, heads: &watch::Sender<Head>) -> Result<(), Failure> {
        let (write, data) = if self.args.classic {
            classic_write()?
        } else {
            let write = workload.next().map_err(|error| Failure::unexpected(error, "generate a write"))?;
            (write.ok_or_else(|| Failure::message(Exit::Unexpected, "there is nothing to write"))?, String::new())
        };
        let written = self.primary.write(write).await.map_err(Failure::write)?;
        if let Some((position, optime)) = written.entry {
            heads.send_modify(|head| {
                *head = Head { writes: head.writes + 1, index: position.index, optime };
            });
            if self.args.classic && written.outcome == Outcome::Inserted {
                self.teller.tell(format_args!("db1 wrote \"{data}\" at {position}"));
            }
        }
        Ok(())
    }

    /// Tells every second how everybody is.
    async fn report(&self, head: &watch::Receiver<Head>) -> Infallible {
        if self.args.classic {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let Head { writes, index, optime } = *head.borrow();
            let mut line = format!("db1 ▶ {}", counted(writes, "write", "writes"));
            for tracker in self.trackers {
                let behind = index.saturating_sub(tracker.index());
                let lag = if behind == 0 { Duration::ZERO } else { optime.since(tracker.tally().optime) };
                let lag = if tracker.index() == 0 { "-".to_owned() } else { seconds(Some(lag)) };
                // Writing to a string does not fail.
                let _written = write!(line, "   {} ● lag {lag} s, {behind} behind", tracker.name());
            }
            self.teller.tell(line);
        }
    }

    /// Cuts the last replica off and lets it come back, in any case.
    async fn cut_off(
        &self,
        mut outage: Outage<'_>,
        head: &watch::Receiver<Head>,
        mut halted: watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let Some(tracker) = self.trackers.last().filter(|_| !self.args.classic) else { return Ok(()) };
        let part = self.args.duration / 8;
        if halted_within(part * 2, &mut halted).await {
            return Ok(());
        }
        outage.begin()?;
        self.teller.tell(format_args!("✂ {} {}", tracker.name(), outage.describe()));
        halted_within(part * 2, &mut halted).await;
        outage.end().await?;
        let missed = head.borrow().index;
        let behind = missed.saturating_sub(tracker.index());
        let retries = counted(tracker.tally().retries, "retry", "retries");
        self.teller.tell(format_args!(
            "{} can be reached again, {} behind after {retries} ...",
            tracker.name(),
            counted(behind, "entry", "entries")
        ));
        let took = tracker.reached(missed).await;
        self.teller.tell(format_args!("{} has caught up, after {} ms", tracker.name(), took.as_millis()));
        Ok(())
    }
}

/// Waits; `true` when the writes have ended before.
async fn halted_within(wait: Duration, halted: &mut watch::Receiver<bool>) -> bool {
    tokio::time::timeout(wait, halted.wait_for(|halted| *halted)).await.is_ok()
}

/// What the original demo writes: a text with a random number, and when.
fn classic_write() -> Result<(Write, String), Failure> {
    let ns = Namespace::new("db1.datas").map_err(|error| Failure::unexpected(error, "name a collection"))?;
    let [a, b, ..] = SystemHost.random();
    let data = format!("Val-{}", u16::from_be_bytes([a, b]) % 1000);
    let created_at = bson::DateTime::from_system_time(SystemHost.now());
    let document = rawdoc! { "data": data.as_str(), "createdAt": created_at };
    Ok((Write::Insert { ns, document }, data))
}
