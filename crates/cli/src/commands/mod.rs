//! The commands, one per file.

mod init;

use crate::{
    args::{Args, Command, Global},
    config::{self, Config},
    exit::Exit,
    failure::Failure,
    logging,
    out::Out,
};

/// Runs the command.
pub(crate) async fn run(args: Args, out: &mut Out) -> Result<Exit, Failure> {
    let Args { global, command } = args;
    match command {
        Command::Init(args) => init::run(&args, out),
        _ => Err(Failure::message(Exit::Unexpected, "being built")),
    }
}

/// The configuration, with the log started as it says.
fn configured(global: &Global, level: &str) -> Result<Config, Failure> {
    let config = config::load(global.config.as_deref()).map_err(|error| Failure::new(Exit::Config, error))?;
    logging::start(global, Some(&config.log), level)?;
    Ok(config)
}
