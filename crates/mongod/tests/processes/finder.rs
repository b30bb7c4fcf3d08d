use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use oplogsync_mongod::{Binary, FindError, Finder};

pub(crate) const GOOD: &str = "echo 'db version v6.0.5'";

pub(crate) fn script(path: &Path, body: &str) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    // Renamed into place: a file that is open for writing cannot be run.
    let new = path.with_extension("new");
    fs::write(&new, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&new, Permissions::from_mode(0o755)).unwrap();
    fs::rename(&new, path).unwrap();
    path.to_owned()
}

pub(crate) fn find(finder: &Finder) -> (Result<Binary, FindError>, String) {
    let mut said = String::new();
    let found = finder.find(&mut |line| {
        said.push_str(line);
        said.push('\n');
    });
    (found, said)
}

#[test]
fn the_named_binary_comes_first_then_the_path_then_the_cache() {
    let temp = tempfile::tempdir().unwrap();
    let (path, cache) = (temp.path().join("bin"), temp.path().join("cache"));
    let cached = script(&cache.join("mongod"), GOOD);
    let finder = Finder::new(&path, &cache);
    assert_eq!(find(&finder).0.unwrap().path(), cached);

    let on_path = script(&path.join("mongod"), GOOD);
    assert_eq!(find(&finder).0.unwrap().path(), on_path);

    let named = script(&temp.path().join("mine"), GOOD);
    let (found, said) = find(&finder.named(&named));
    assert_eq!(found.as_ref().unwrap().path(), named);
    assert_eq!(found.unwrap().version(), "6.0.5");
    assert_eq!(said, "");
}

#[test]
fn a_named_binary_that_does_not_run_is_an_error_and_nothing_else_is_tried() {
    let temp = tempfile::tempdir().unwrap();
    script(&temp.path().join("mongod"), GOOD);
    let finder = Finder::new(temp.path(), temp.path());
    let other = script(&temp.path().join("other"), "echo 'psql 16'");
    let old = script(&temp.path().join("old"), "echo 'db version v3.6.23'");
    for (named, reason) in
        [(temp.path().join("missing"), "No such file"), (other, "it calls itself \"psql 16\""), (old, "older than 4.2")]
    {
        let error = find(&finder.clone().named(&named)).0.unwrap_err();
        assert!(matches!(error, FindError::Named { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(&format!("MONGOD_BIN={}", named.display())) && text.contains(reason), "{text}");
    }
}

#[test]
fn a_mongod_on_the_path_that_does_not_run_is_passed_over_and_that_is_said() {
    let temp = tempfile::tempdir().unwrap();
    let (path, cache) = (temp.path().join("bin"), temp.path().join("cache"));
    script(&path.join("mongod"), "echo 'no libssl.so.1.1' >&2; exit 127");
    script(&cache.join("mongod"), GOOD);
    let (found, said) = find(&Finder::new(&path, &cache));
    assert!(found.is_ok());
    assert!(said.contains("passing over") && said.contains("no libssl.so.1.1"), "{said}");
}
