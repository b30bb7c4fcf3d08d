//! The simulator as a command.

use std::io::{BufRead, BufReader};

use serde_json::Value;

use crate::program::Folder;

const FAULTS: usize = 20;

/// The result as JSON.
#[track_caller]
fn result(args: &[&str], code: i32) -> Value {
    Folder::new().run(&[&["sim", "--json"], args].concat()).expect_code(code).json()
}

/// How often a fault has happened.
fn happened(result: &Value, name: &str) -> u64 {
    result["faults"][name].as_u64().unwrap()
}

#[test]
fn the_same_seed_twice_is_the_same_run_line_by_line() {
    let watch = || Folder::new().run(&["sim", "--seed", "7"]).expect_code(0).stdout;
    let first = watch();
    assert_eq!(first, watch());
    assert!(first.contains("primary-1 starts") && first.contains("all faults stop"), "{first}");
    assert!(first.contains("every law holds"), "{first}");
    // Nobody watches here, and the trace is the same.
    let result = result(&["--seed", "7"], 0);
    assert!(first.contains(result["trace"].as_str().unwrap()), "{result}");
}

#[test]
fn another_seed_is_another_run() {
    assert_ne!(result(&["--seed", "7"], 0)["trace"], result(&["--seed", "8"], 0)["trace"]);
}

#[test]
fn many_schedules_on_all_cores_show_the_same_each_time_and_all_faults() {
    // More than are run between two looks at the clock.
    let many = || {
        let mut result = result(&["--schedules", "450"], 0);
        assert!(result.as_object_mut().unwrap().remove("seconds").unwrap().is_number());
        result
    };
    let first = many();
    assert_eq!(first, many());
    assert_eq!((&first["schedules"], &first["complete"]), (&450.into(), &true.into()), "{first}");
    let faults = first["faults"].as_object().unwrap();
    assert!(faults.len() == FAULTS && faults.values().all(|count| count.as_u64().unwrap() > 0), "{first}");
}

#[test]
fn many_schedules_are_the_sum_of_each_of_them() {
    let many = result(&["--seed", "20", "--schedules", "3"], 0);
    assert_eq!(many["first_seed"], 20);
    let each = ["20", "21", "22"].map(|seed| result(&["--seed", seed], 0));
    for number in ["steps", "acknowledged", "refused", "unknown", "lost", "stale"] {
        let sum: u64 = each.iter().map(|one| one[number].as_u64().unwrap()).sum();
        assert_eq!(many[number], sum, "{number}: {many}");
    }
    for name in many["faults"].as_object().unwrap().keys() {
        let sum: u64 = each.iter().map(|one| happened(one, name)).sum();
        assert_eq!(happened(&many, name), sum, "{name}: {many}");
    }
}

#[test]
fn where_the_seeds_algorithm_loses_acknowledged_writes_ours_loses_none() {
    let many = ["sim", "--schedules", "300"];
    let ours = Folder::new().run(&many).expect_code(0);
    assert!(ours.stdout.contains("✓ oplogsync: 300 schedules, "), "{ours:#?}");
    assert!(ours.stdout.contains(" acknowledged writes, 0 lost, every law held"), "{ours:#?}");
    let seeds = Folder::new().run(&[&many[..], &["--algorithm", "seed"]].concat()).expect_code(7);
    assert!(seeds.stdout.contains("✗ seed: 300 schedules, "), "{seeds:#?}");

    let seeds = result(&["--schedules", "300", "--algorithm", "seed"], 7);
    let (lost, acknowledged) = (seeds["lost"].as_u64().unwrap(), seeds["acknowledged"].as_u64().unwrap());
    assert!(0 < lost && lost < acknowledged, "{seeds}");
    // What nobody looks at is not said to be nothing.
    assert!(["refused", "unknown", "stale"].iter().all(|number| seeds[number].is_null()), "{seeds}");
}

#[test]
fn only_the_chosen_faults_happen() {
    let none = result(&["--schedules", "20", "--faults", "none"], 0);
    assert!(none["faults"].as_object().unwrap().values().all(|count| count == 0), "{none}");
    assert!(none["acknowledged"].as_u64().unwrap() > 0 && none["unknown"] == 0, "{none}");

    let some = result(&["--schedules", "20", "--faults", "delay,node-crash,pause", "--without", "pause"], 0);
    let faults = some["faults"].as_object().unwrap();
    let mut names: Vec<_> = faults.iter().filter(|(_, count)| **count != 0).map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["delay", "node-crash"], "{some}");

    let but_one = result(&["--schedules", "20", "--without", "reorder"], 0);
    assert!(happened(&but_one, "reorder") == 0 && happened(&but_one, "delay") > 0, "{but_one}");
}

#[test]
fn fewer_steps_with_faults_make_a_shorter_run() {
    let [short, long] = ["50", "3000"].map(|steps| result(&["--seed", "9", "--steps", steps], 0));
    assert!(short["steps"].as_u64() < long["steps"].as_u64(), "{short} {long}");
}

#[test]
fn one_schedule_as_json_has_these_fields_and_no_lines_beside_them() {
    let result = result(&["--seed", "7"], 0);
    let fields: Vec<_> = result.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "algorithm",
        "seed",
        "steps",
        "acknowledged",
        "refused",
        "unknown",
        "lost",
        "stale",
        "trace",
        "faults",
        "violation",
    ];
    assert_eq!(fields, expected);
    assert_eq!((&result["algorithm"], &result["seed"], &result["lost"]), (&"oplogsync".into(), &7.into(), &0.into()));
    assert_eq!(result["faults"].as_object().unwrap().len(), FAULTS);
    assert!(result["violation"].is_null() && result["trace"].as_str().unwrap().len() == 16, "{result}");
}

#[test]
fn what_is_no_fault_is_refused_with_the_names_of_all_that_are() {
    for option in ["--faults", "--without"] {
        let answer = Folder::new().run(&["sim", option, "delay,frob"]).expect_code(2);
        answer.says(&["`frob` is no fault", "process-crash", "abandoned-write", "none"]);
    }
    let help = Folder::new().run(&["sim", "--help"]).expect_code(0);
    help.shows(&["one-way-partition", "oplogsync sim --seed 7", "--algorithm"]);
}

#[test]
fn numbers_that_make_no_run_are_refused() {
    for args in [
        &["--schedules", "0"][..],
        &["--steps", "0"],
        &["--steps", "100001"],
        &["--seed", "18446744073709551615"],
        &["--seed", "-1"],
        &["--algorithm", "raft"],
    ] {
        Folder::new().run(&[&["sim"], args].concat()).expect_code(2);
    }
}

#[test]
fn a_long_run_that_is_interrupted_tells_what_it_has_found_until_then() {
    let folder = Folder::new();
    let mut running = folder.start(&["sim", "--schedules", "1000000000"]);
    let stdout = running.take_stdout();
    let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("1000000000 schedules from seed 0")));
    running.signal("-INT");
    assert!(lines.any(|line| line.contains("stopped after") && line.contains("of 1000000000 schedules")));
    running.wait().expect_code(0);
}
