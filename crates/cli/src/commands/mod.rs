//! The commands, one per file.

mod check;
mod demo;
mod init;
mod load;
mod oplog;
mod resync;
mod run;
mod sim;
mod status;
mod verify;
mod write;

use crate::{
    args::{Args, Command, Global},
    config::{self, Config},
    exit::Exit,
    failure::Failure,
    logging,
    out::Out,
    signals::until_stopped,
};

/// Runs the command.
pub(crate) async fn run(args: Args, out: &mut Out) -> Result<Exit, Failure> {
    let Args { global, command } = args;
    match command {
        Command::Init(args) => init::run(&args, out),
        Command::Check(args) => check::run(&args, &configured(&global, "warn")?, out).await,
        Command::Run(args) => {
            let config = configured(&global, "info")?;
            until_stopped(|shutdown| run::run(&args, &config, shutdown)).await
        }
        Command::Write(args) => {
            let config = configured(&global, "warn")?;
            until_stopped(|shutdown| write::run(&args, &config, shutdown, out)).await
        }
        Command::Load(args) => {
            let config = configured(&global, "warn")?;
            until_stopped(|shutdown| load::run(&args, &config, shutdown, out)).await
        }
        Command::Status(args) => status::run(&args, &configured(&global, "warn")?, out).await,
        Command::Verify(args) => verify::run(&args, &configured(&global, "warn")?, out).await,
        Command::Resync(args) => {
            let config = configured(&global, "info")?;
            until_stopped(|shutdown| resync::run(&args, &config, shutdown)).await
        }
        Command::Oplog(args) => {
            let config = configured(&global, "warn")?;
            until_stopped(|shutdown| oplog::run(&args, &config, shutdown, out)).await
        }
        Command::Demo(args) => {
            logging::start(&global, None, "error")?;
            until_stopped(|shutdown| demo::run(&args, shutdown, out)).await
        }
        Command::Sim(args) => {
            logging::start(&global, None, "info")?;
            until_stopped(|shutdown| sim::run(args, shutdown, out)).await
        }
    }
}

/// The configuration, with the log started as it says.
fn configured(global: &Global, level: &str) -> Result<Config, Failure> {
    let config = config::load(global.config.as_deref()).map_err(|error| Failure::new(Exit::Config, error))?;
    logging::start(global, Some(&config.log), level)?;
    Ok(config)
}
