//! `init`: writes a commented configuration.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write},
};

use crate::{args::InitArgs, exit::Exit, failure::Failure, out::Out};

const MONGO: &str = include_str!("init/mongo.toml");
const EMBEDDED: &str = include_str!("init/embedded.toml");

pub(crate) fn run(args: &InitArgs, out: &mut Out) -> Result<Exit, Failure> {
    let text = if args.embedded { EMBEDDED } else { MONGO };
    let Some(file) = &args.file else {
        out.line(text.trim_end())?;
        return Ok(Exit::Done);
    };
    let mut options = OpenOptions::new();
    options.write(true);
    if args.force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let written = options.open(file).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            Failure::message(Exit::Config, format!("{} exists: --force overwrites it", file.display()))
        }
        _ => Failure::new(Exit::Config, error).context(format!("cannot write {}", file.display())),
    })?;
    out.line(format_args!("wrote {0}; next: oplogsync check -c {0}", file.display()))?;
    Ok(Exit::Done)
}
