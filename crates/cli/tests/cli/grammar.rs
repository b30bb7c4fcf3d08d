//! The command line itself: help, version, wrong usage, closed pipes.

use crate::program::Folder;

#[test]
fn without_arguments_the_help_is_shown_and_the_usage_is_wrong() {
    Folder::new().run(&[]).expect_code(2).says(&["Usage: oplogsync", "demo", "verify", "Exit codes:"]);
}

#[test]
fn help_names_every_command_and_hides_load() {
    let help = Folder::new().run(&["--help"]).expect_code(0).shows(&["doctor", "Examples:"]);
    for command in ["demo", "init", "check", "run", "write", "status", "verify", "oplog", "sim"] {
        assert!(help.stdout.lines().any(|line| line.trim_start().starts_with(command)), "{command}: {help:#?}");
    }
    assert!(!help.stdout.contains("load"), "{help:#?}");
}

#[test]
fn the_help_of_status_defines_lag_behind_and_headroom() {
    Folder::new().run(&["status", "--help"]).expect_code(0).shows(&["never negative", "behind", "headroom"]);
}

#[test]
fn the_help_of_run_lists_the_environment_and_the_exit_codes() {
    let help = Folder::new().run(&["run", "--help"]).expect_code(0);
    help.shows(&["OPLOGSYNC_NODE_<NAME>_URI", "OPLOGSYNC_OPLOG_KEEP", "history lost or changed"]);
}

#[test]
fn the_version_is_told() {
    Folder::new().run(&["--version"]).expect_code(0).shows(&[env!("CARGO_PKG_VERSION")]);
}

#[test]
fn a_misspelt_command_gets_a_suggestion() {
    Folder::new().run(&["statsu"]).expect_code(2).says(&["unrecognized subcommand 'statsu'", "'status'"]);
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    for args in [
        &["demo", "--classic", "--duration", "1s"][..],
        &["demo", "--free-ports"],
        &["status", "--json", "--output", "plain"],
        &["run", "--timeout", "1s"],
        &["demo", "--duration", "0s"],
        &["load", "--ops", "update=1"],
    ] {
        Folder::embedded().run(args).expect_code(2);
    }
}

#[test]
fn a_reader_that_closes_the_pipe_ends_the_program_cleanly() {
    let folder = Folder::embedded();
    folder.run(&["load", "--count", "3000"]).expect_code(0);
    for args in [
        &["oplog", "tail", "-n", "5000"][..],
        &["oplog", "tail", "-n", "5000", "-f"],
        &["demo", "--duration", "3s", "--write-every", "20ms"],
        &["sim", "--seed", "7", "--steps", "20000"],
    ] {
        let mut running = folder.start(args);
        assert!(!running.read_one_line().is_empty(), "{args:?}");
        running.wait().expect_code(0);
        assert!(!folder.log().contains("panicked"), "{args:?}: {}", folder.log());
    }
}

#[test]
fn output_that_is_no_terminal_is_plain() {
    let folder = Folder::embedded();
    folder.run(&["load", "--count", "10"]).expect_code(0);
    let status = folder.run(&["status"]).expect_code(0).shows(&["REPLICA\tSTATE\tCHECKPOINT"]);
    assert!(!status.stdout.contains('\u{1b}'), "{status:#?}");
    let forced = folder.run(&["status", "--output", "table"]).expect_code(0).shows(&["REPLICA  STATE"]);
    assert!(!forced.stdout.contains('\u{1b}'), "{forced:#?}");
}
