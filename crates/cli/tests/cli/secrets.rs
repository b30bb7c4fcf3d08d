//! Nobody ever sees a password.

use crate::program::Folder;

const CANARY: &str = "canary";

/// The command ends as it should, so that it was not stopped by its usage, and shows nothing.
fn quiet_about_it(folder: &Folder, args: &[&str], code: i32) {
    let answer = folder.run_with(args, &[("CANARY", CANARY), ("OPLOGSYNC_LOG", "trace")]).expect_code(code);
    assert!(!answer.stdout.contains(CANARY) && !answer.stderr.contains(CANARY), "{args:?}: {answer:#?}");
}

const COMMANDS: [&[&str]; 10] = [
    &["check", "--timeout", "300ms"],
    &["check", "--timeout", "300ms", "--json"],
    &["status", "--timeout", "300ms"],
    &["status", "--timeout", "300ms", "--json"],
    &["verify"],
    &["oplog", "tail"],
    &["oplog", "show", "1"],
    &["write", "insert", "--ns", "db1.a", "--data", "{}"],
    &["load", "--count", "1"],
    &["run", "--once", "--timeout", "30s"],
];

#[test]
fn no_command_shows_a_password_at_any_log_level() {
    // Nothing listens on port 1, and the second uri is one that the driver refuses.
    let unreachable = if cfg!(feature = "mongo") { 4 } else { 3 };
    for (primary, code) in
        [("mongodb://app:canary@127.0.0.1:1/db1", unreachable), ("mongodb://app:can/${CANARY}@127.0.0.1:1/db1", 3)]
    {
        let config = format!(
            "[[nodes]]\nname = \"db1\"\nrole = \"primary\"\nuri = \"{primary}\"\n\
             [[nodes]]\nname = \"db2\"\nrole = \"replica\"\nuri = \"mongodb://app:${{CANARY}}@127.0.0.1:2/db2\"\n"
        );
        let folder = Folder::with(&config);
        for command in COMMANDS {
            quiet_about_it(&folder, command, code);
            quiet_about_it(&folder, &[command, &["-vv"]].concat(), code);
        }
    }
}

#[test]
fn an_error_in_the_configuration_does_not_show_the_password_beside_it() {
    for config in [
        "nodes = [{ name = \"db1\", uri = \"mongodb://app:canary@h/db1\", rolle = \"primary\" }]\n",
        "[[nodes]]\nuri = \"mongodb://app:canary@h/db1\" name = \"db1\"\n",
        "[[nodes]]\nuri = \"mongodb://app:canary@h/db1\n",
        "[[nodes]]\nname = \"db1\"\nrole = \"primary\"\nuri = \"mongodb://app:canary@/db1\"\n",
        "[[nodes]]\nname = \"db1\"\nrole = \"primary\"\nuri = \"mongodb://app:canary@h/admin\"\n",
    ] {
        let folder = Folder::with(config);
        quiet_about_it(&folder, &["check"], 3);
        quiet_about_it(&folder, &["check", "-vv"], 3);
    }
}
