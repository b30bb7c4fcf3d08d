//! A first open that is cut off, at any moment, is begun anew.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Instant,
};

use oplogsync_core::log::Log;

use crate::{
    engine::{Options, Store},
    suite::history::{checked, write},
};

/// Set for the child: the folder that it opens.
const FOLDER: &str = "OPLOGSYNC_FIRST_OPEN_FOLDER";
const TEST: &str = "first_open::a_folder_opens_whenever_its_first_open_was_killed";
const KILLS: u32 = 30;

fn open(path: &Path) -> Store {
    Store::open(path, "a", Options::default()).unwrap()
}

#[tokio::test]
async fn a_folder_opens_whenever_its_first_open_was_killed() {
    if let Some(folder) = env::var_os(FOLDER) {
        return drop(open(Path::new(&folder)));
    }
    let folder = tempfile::tempdir().unwrap();
    let start = |number: u32| {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args([TEST, "--exact"]).env(FOLDER, folder.path().join(number.to_string()));
        command.stdout(Stdio::null()).spawn().unwrap()
    };
    let begun = Instant::now();
    assert!(start(KILLS).wait().unwrap().success());
    let takes = begun.elapsed();
    for number in 0..KILLS {
        let mut child = start(number);
        // A kill has to come at a moment that nothing announces.
        thread::sleep(takes * (number % 30 + 1) / 30);
        child.kill().unwrap();
        child.wait().unwrap();
        let path = folder.path().join(number.to_string());
        let entries = write(&open(&path), 10).await;
        assert_eq!(checked(&open(&path)).await, (entries, 10));
        fs::remove_dir_all(path).unwrap();
    }
}

#[tokio::test]
async fn a_first_open_that_has_not_told_its_version_is_begun_anew() {
    for version in [None, Some(""), Some("FJ")] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("oplogsync.lock"), "").unwrap();
        fs::write(folder.path().join("lock"), "").unwrap();
        fs::create_dir(folder.path().join("keyspaces")).unwrap();
        fs::write(folder.path().join("0.jnl"), [0; 100]).unwrap();
        if let Some(version) = version {
            fs::write(folder.path().join("version"), version).unwrap();
        }
        assert_eq!(open(folder.path()).log_ends().await.unwrap(), None);
        assert_eq!(write(&open(folder.path()), 10).await.len(), 10);
    }
}

#[tokio::test]
async fn a_folder_with_data_and_without_its_version_is_not_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let entries = write(&open(folder.path()), 10).await;
    let version = folder.path().join("version");
    let whole = fs::read(&version).unwrap();
    for damaged in [None, Some(""), Some("FJ")] {
        match damaged {
            Some(damaged) => fs::write(&version, damaged).unwrap(),
            None => fs::remove_file(&version).unwrap(),
        }
        let error = Store::open(folder.path(), "a", Options::default()).unwrap_err();
        assert_eq!(*error.fault(), oplogsync_core::store_error::Fault::Corrupt, "{error:?}");
        assert!(folder.path().join("0.jnl").exists());
        fs::write(&version, &whole).unwrap();
    }
    assert_eq!(checked(&open(folder.path())).await.0, entries);
}
