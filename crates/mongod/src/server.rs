//! [`Server`]: one mongod, for as long as the value lives.

use std::{
    ffi::OsString,
    fs::{self, Permissions},
    io,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    Binary, Options, ServerError, Tls, connection, options::User, process::Process, run_folder::RunFolder,
    server_log::ServerLog,
};

/// How long a server may take to be ready, and to stop.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How often an external process is asked.
pub(crate) const POLL: Duration = Duration::from_millis(20);
/// How many free ports may be taken away under our hands.
const FREE_PORT_TRIES: usize = 10;
/// What mongod exits with when it cannot listen, and when it cannot use its data folder.
const EXIT_NET: i32 = 48;
const EXIT_FOLDER: i32 = 100;

/// One mongod on 127.0.0.1.
///
/// Dropped, it is killed, and its temporary folder is removed. The same happens when our process
/// ends without dropping it, even by `SIGKILL`. A folder given in [`Options::folder`] is kept.
#[derive(Debug)]
pub struct Server {
    binary: Binary,
    options: Options,
    member: Option<Member>,
    port: u16,
    data: PathBuf,
    process: Option<Process>,
    log: ServerLog,
    // Dropped last: its guard would kill the process, too.
    folder: RunFolder,
}

/// What makes a server a member of a replica set.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) set: String,
    /// With authentication, the secret by which the members know each other.
    pub(crate) key: Option<String>,
}

impl Server {
    /// Starts a standalone server and waits until it answers.
    ///
    /// # Errors
    /// [`ServerError`] says why it did not start. Nothing is left behind then.
    pub async fn start(binary: &Binary, options: Options) -> Result<Self, ServerError> {
        let server = Self::launch(binary, options, None).await?;
        if let Some(user) = &server.options.user {
            connection::create_user(server.port, user, server.tls())
                .await
                .map_err(ServerError::command(server.port, "create the user"))?;
        }
        Ok(server)
    }

    /// Starts a server, and does no more with it than to wait until it answers.
    pub(crate) async fn launch(binary: &Binary, options: Options, member: Option<Member>) -> Result<Self, ServerError> {
        let folder = RunFolder::create().map_err(ServerError::system("make a temporary folder"))?;
        let data = options.folder.clone().unwrap_or_else(|| folder.path().join("data"));
        fs::create_dir_all(&data).map_err(ServerError::system("make the data folder"))?;
        if let Some(key) = member.as_ref().and_then(|member| member.key.as_ref()) {
            let file = folder.path().join("key");
            fs::write(&file, key)
                .and_then(|()| fs::set_permissions(&file, Permissions::from_mode(0o600)))
                .map_err(ServerError::system("write the key file"))?;
        }
        let (given, log) = (options.port, ServerLog::new(folder.log_file()));
        let mut server = Self { binary: binary.clone(), options, member, port: 0, data, process: None, log, folder };
        let mut tries = 0;
        loop {
            server.port = given.map_or_else(free_port, Ok).map_err(ServerError::system("find a free port"))?;
            tries += 1;
            match server.run().await {
                Err(ServerError::PortInUse { .. }) if given.is_none() && tries < FREE_PORT_TRIES => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(server),
            }
        }
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URI of this server alone, with the user and the certificates' files if there are any.
    pub fn uri(&self) -> String {
        self.uri_of("")
    }

    /// The same with `database` as the default one.
    pub fn uri_of(&self, database: &str) -> String {
        let direct = if self.member.is_some() { "directConnection=true" } else { "" };
        connection::uri(&self.host(), self.user(), self.tls(), database, direct)
    }

    /// The process id; `None` when it does not run.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// The folder with its data.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// All that the server has logged since it was first started.
    ///
    /// # Errors
    /// [`ServerError::System`].
    pub fn log(&self) -> Result<String, ServerError> {
        self.log.text().map_err(ServerError::system("read the log"))
    }

    /// Asks the server to stop (`SIGTERM`) and waits until it has. A paused one goes on first.
    ///
    /// # Errors
    /// [`ServerError::NotRunning`], or [`ServerError::Unstoppable`] after it had to be killed.
    pub async fn stop(&mut self) -> Result<(), ServerError> {
        self.signal(Signal::TERM, "stop")?;
        self.signal(Signal::CONT, "stop")?;
        if self.exit(PATIENCE).await?.is_some() {
            return Ok(());
        }
        self.kill()?;
        Err(ServerError::Unstoppable { port: self.port, waited: PATIENCE })
    }

    /// Kills the server (`SIGKILL`), as a crash does, and waits until it is gone.
    ///
    /// # Errors
    /// [`ServerError::NotRunning`].
    pub fn kill(&mut self) -> Result<(), ServerError> {
        let process = self.process.take().ok_or(ServerError::NotRunning { port: self.port })?;
        process.kill().map_err(ServerError::system("kill the process"))
    }

    /// Starts the server again on its port and its data, after it was stopped or killed or has
    /// ended by itself; a running one is stopped first. Waits until it answers.
    ///
    /// # Errors
    /// As for [`Server::start`] and [`Server::stop`].
    pub async fn restart(&mut self) -> Result<(), ServerError> {
        if self.is_running()? {
            self.stop().await?;
        }
        // While the server was gone, somebody's outgoing connection may have been given its port.
        for _ in 1..FREE_PORT_TRIES {
            match self.run().await {
                Err(ServerError::PortInUse { .. }) => {}
                done => return done,
            }
        }
        self.run().await
    }

    /// Whether the process runs; a paused one does.
    ///
    /// # Errors
    /// [`ServerError::System`].
    pub fn is_running(&mut self) -> Result<bool, ServerError> {
        Ok(self.process.is_some() && self.exited()?.is_none())
    }

    /// Pauses the server (`SIGSTOP`): its connections stay open, and nothing answers.
    ///
    /// # Errors
    /// [`ServerError::NotRunning`].
    pub fn pause(&mut self) -> Result<(), ServerError> {
        self.signal(Signal::STOP, "pause")
    }

    /// Lets a paused server go on (`SIGCONT`).
    ///
    /// # Errors
    /// [`ServerError::NotRunning`].
    pub fn resume(&mut self) -> Result<(), ServerError> {
        self.signal(Signal::CONT, "resume")
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn user(&self) -> Option<&User> {
        self.options.user.as_ref()
    }

    pub(crate) fn tls(&self) -> Option<&Tls> {
        self.options.tls.as_ref()
    }

    /// The error of a server that should be `awaited` by now.
    pub(crate) fn not_ready(&self, awaited: &'static str) -> ServerError {
        ServerError::NotReady { port: self.port, awaited, waited: PATIENCE, log: self.log.last_words() }
    }

    /// Starts the process and waits until it answers.
    async fn run(&mut self) -> Result<(), ServerError> {
        self.log.mark().map_err(ServerError::system("read the log"))?;
        let process = Process::spawn(self.binary.path(), &self.args(), &self.folder);
        self.process = Some(process.map_err(ServerError::system("start a process"))?);
        let deadline = Instant::now() + PATIENCE;
        while !self.log.says_listening().map_err(ServerError::system("read the log"))? {
            if let Some(status) = self.exited()? {
                return Err(self.early_exit(status));
            }
            if Instant::now() > deadline {
                return Err(self.not_ready("listening"));
            }
            tokio::time::sleep(POLL).await;
        }
        connection::hello(self.port, self.tls()).await.map_err(ServerError::command(self.port, "say hello")).map(drop)
    }

    fn args(&self) -> Vec<OsString> {
        let mut args = self.options.to_args();
        args.extend(["--port".into(), self.port.to_string().into(), "--dbpath".into(), self.data.clone().into()]);
        if let Some(member) = &self.member {
            args.extend(["--replSet", &member.set].map(OsString::from));
            if !args.iter().any(|arg| arg == "--oplogSize") {
                args.extend(["--oplogSize", "64"].map(OsString::from));
            }
            if member.key.is_some() {
                args.extend(["--keyFile".into(), self.folder.path().join("key").into()]);
            }
        }
        if self.options.user.is_some() {
            args.push("--auth".into());
        }
        args
    }

    fn signal(&mut self, signal: Signal, doing: &'static str) -> Result<(), ServerError> {
        // Not to a pid that was waited for: it may be another's by now.
        let running = self.is_running()?;
        let process = self.process.as_ref().filter(|_| running).ok_or(ServerError::NotRunning { port: self.port })?;
        process.signal(signal).map_err(ServerError::system(doing))
    }

    async fn exit(&mut self, limit: Duration) -> Result<Option<ExitStatus>, ServerError> {
        let deadline = Instant::now() + limit;
        loop {
            let status = self.exited()?;
            if status.is_some() || Instant::now() > deadline {
                return Ok(status);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn exited(&mut self) -> Result<Option<ExitStatus>, ServerError> {
        let Some(process) = &mut self.process else { return Ok(None) };
        let status = process.exited().map_err(ServerError::system("watch the process"))?;
        if status.is_some() {
            self.process = None;
        }
        Ok(status)
    }

    fn early_exit(&self, status: ExitStatus) -> ServerError {
        let (port, log) = (self.port, self.log.last_words());
        match status.code() {
            Some(EXIT_NET) => ServerError::PortInUse { port },
            Some(EXIT_FOLDER) => ServerError::Folder { port, folder: self.data.clone(), log },
            _ => ServerError::Exited { port, status, log },
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What cannot be killed here, the guard of the folder kills next.
        if let Some(process) = self.process.take()
            && let Err(error) = process.kill()
        {
            eprintln!("oplogsync-mongod: cannot kill the mongod on port {}: {error}", self.port);
        }
    }
}

/// A port that is free at the moment.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
