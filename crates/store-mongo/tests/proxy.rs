//! [`Proxy`]: stands between the driver and a server, and does to their connections what networks do.

mod frame;
mod script;

use std::{io, sync::Arc};

use tokio::{
    io::AsyncWriteExt,
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Mutex,
    task::JoinSet,
};

use self::frame::Frame;
use self::script::Fate;
use self::script::Loss;
pub(crate) use self::script::Script;

/// A proxy on a port of its own, until it is dropped.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    pub(crate) script: Arc<Script>,
    _serving: JoinSet<()>,
}

impl Proxy {
    /// A proxy to the server on port `upstream` of this machine.
    pub(crate) async fn start(upstream: u16, script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it listens").port();
        let script = Arc::new(script);
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, upstream, Arc::clone(&script)));
        Self { port, script, _serving: serving }
    }
}

async fn accept(listener: TcpListener, upstream: u16, script: Arc<Script>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (client, _) = accepted.expect("it listens");
                connections.spawn(serve(client, upstream, Arc::clone(&script)));
            }
            Some(ended) = connections.join_next() => ended.expect("a connection ends in peace"),
        }
    }
}

/// One connection, from its acceptance to its end, which the client sees as a reset.
async fn serve(client: TcpStream, upstream: u16, script: Arc<Script>) {
    let fate = script.fate();
    client.set_nodelay(true).ok();
    client.set_zero_linger().ok();
    if fate == Fate::BlackHole {
        script.calm().await;
        return;
    }
    // A server that is not there resets the client as well.
    let Ok(server) = TcpStream::connect(("127.0.0.1", upstream)).await else { return };
    server.set_nodelay(true).ok();
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let pair = Pair { fate, script: &script, doomed: Mutex::default() };
    // Either side's end, or a cut, ends both. What a storm has doomed ends with it.
    tokio::select! {
        _ended = pair.requests(from_client, to_server) => {}
        _ended = pair.replies(from_server, to_client) => {}
        () = script.calm(), if fate != Fate::Pass => {}
    }
}

/// The two directions of a connection.
struct Pair<'a> {
    fate: Fate,
    script: &'a Script,
    /// Requests whose replies are to be lost.
    doomed: Mutex<Vec<(i32, Loss)>>,
}

impl Pair<'_> {
    async fn requests(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
        for count in 0.. {
            let frame = Frame::read(&mut from).await?;
            if let Fate::DropRequests { after } = self.fate
                && count >= after
            {
                self.script.note("request dropped");
                continue;
            }
            if let Some(command) = frame.command()
                && let Some(loss) = self.script.loss(command)
            {
                self.doomed.lock().await.push((frame.id(), loss));
            }
            self.delay().await;
            to.write_all(frame.bytes()).await?;
        }
        Ok(())
    }

    async fn replies(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
        for count in 0.. {
            let frame = Frame::read(&mut from).await?;
            // The server has done it, and the client is never told.
            let doomed = self.doomed.lock().await.iter().find(|(id, _)| *id == frame.responds_to()).copied();
            match doomed {
                Some((_, Loss::Cut)) => {
                    self.script.note("reply cut after commit");
                    return Ok(());
                }
                Some((_, Loss::Withheld)) => {
                    self.script.note("reply dropped");
                    continue;
                }
                None => {}
            }
            match self.fate {
                Fate::CutMidFrame { after } if count >= after => {
                    let (half, _) = frame.bytes().split_at(frame.bytes().len() / 2);
                    to.write_all(half).await?;
                    self.script.note("cut mid-frame");
                    return Ok(());
                }
                Fate::DropReplies { after } if count >= after => self.script.note("reply dropped"),
                _ => {
                    self.delay().await;
                    to.write_all(frame.bytes()).await?;
                }
            }
        }
        Ok(())
    }

    async fn delay(&self) {
        if let Fate::Delay { ms } = self.fate {
            self.script.note("delay");
            tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
        }
    }
}
