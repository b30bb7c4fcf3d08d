//! Configurations: what is accepted, and how what is not is explained.

use crate::program::{Answer, Folder, embedded_config};

/// A configuration that is wrong, and what the error must say.
#[track_caller]
fn refused(config: &str, says: &[&str]) -> Answer {
    Folder::with(config).run(&["check"]).expect_code(3).says(&["oplogsync.toml"]).says(says)
}

fn node(name: &str, role: &str, uri: &str) -> String {
    format!("[[nodes]]\nname = \"{name}\"\nrole = \"{role}\"\nuri = \"{uri}\"\n")
}

fn two(primary: &str, replica: &str) -> String {
    node("db1", "primary", primary) + &node("db2", "replica", replica)
}

#[test]
fn a_missing_configuration_says_where_it_was_sought_and_how_to_write_one() {
    Folder::new().run(&["check"]).expect_code(3).says(&["oplogsync.toml", "/etc/oplogsync", "oplogsync init"]);
    Folder::new().run(&["check", "-c", "no.toml"]).expect_code(3).says(&["no.toml", "oplogsync init"]);
}

#[test]
fn what_is_no_toml_gets_a_caret() {
    refused("[[nodes]\nname = 1", &["line 1", "^"]);
}

#[test]
fn an_unknown_key_gets_a_caret_and_the_known_ones() {
    refused("[sync]\nbatchsize = 5\n", &["line 2", "unknown field `batchsize`", "^^^", "`batch_size`"]);
    refused("[http]\naddr = \"127.0.0.1:1\"\n", &["unknown field `http`", "^^^"]);
    let pause = node("db1", "primary", "sled:a") + "paused = true\n";
    refused(&pause, &["unknown field `paused`", "^^^"]);
}

#[test]
fn an_unknown_role_gets_a_caret_and_the_known_ones() {
    refused(&node("db1", "slav", "sled:a"), &["unknown variant `slav`", "^^^", "`primary`", "`slave`", "`master`"]);
}

#[test]
fn a_value_out_of_bounds_gets_a_caret_and_the_bounds() {
    refused("[sync]\npoll_interval = \"1ms\"\n", &["line 2", "1ms is out of bounds", "10ms", "1h", "^^^"]);
    refused("[sync]\npoll_interval = \"often\"\n", &["line 2", "write it as 5s"]);
    refused("[sync]\nbatch_size = 0\n", &["0 is out of bounds: use 1 to 100000"]);
    refused("version = 2\n", &["version 2 is not known"]);
}

#[test]
fn two_primaries_and_no_primary_are_refused_by_name() {
    let both = node("db1", "primary", "sled:a") + &node("db2", "master", "sled:b");
    refused(&both, &["there are 2 primaries", "`db1` and `db2`", "exactly one"]);
    refused(&node("db1", "replica", "sled:a"), &["there is no primary"]);
    refused("", &["there is no primary"]);
    refused(&node("db1", "primary", "sled:a"), &["`db1` has no replica"]);
}

#[test]
fn the_same_database_twice_is_refused_however_it_is_spelt() {
    refused(&two("sled:data/x", "sled:./data/y/../x"), &["`db1` and `db2` are the same database"]);
    refused(&two("sled:data/x", "fjall:data/x"), &["`db1` and `db2` are the same database"]);
    if cfg!(feature = "mongo") {
        refused(
            &two("mongodb://localhost/shop", "mongodb://u:secret@127.0.0.1:27017/Shop?authSource=admin"),
            &["`db1` and `db2` are the same database", "mongodb://localhost/shop"],
        );
        refused(&two("mongodb://a,b", "mongodb://b"), &["are the same database"]);
    }
}

#[test]
fn names_and_ids_are_unique() {
    let twice = node("db-1", "primary", "sled:a") + &node("DB_1", "replica", "sled:b");
    refused(&twice, &["`db-1` and `DB_1` have the same name"]);
    let ids = node("db1", "primary", "sled:a") + "id = 1\n" + &node("db2", "replica", "sled:b") + "id = 1\n";
    refused(&ids, &["`db1` and `db2` both have id 1"]);
    refused(&two("sled:a", "sled:b").replace("db2", "d b"), &["`d b` is no node name"]);
}

#[test]
fn a_uri_must_be_one_that_a_store_understands() {
    refused(&two("sled:a", "redis://x"), &["node `db2`", "`redis` is no store", "mongodb://HOST"]);
    refused(&two("sled:a", "sled:"), &["`sled:` needs a folder"]);
    refused(&two("sled:a", "fjall:"), &["`fjall:` needs a folder, for example fjall:data/db1"]);
    refused("[[nodes]]\nname = \"db1\"\nrole = \"primary\"\n", &["node `db1`", "has no `uri`"]);
    let both = node("db1", "primary", "sled:a") + "uri_file = \"x\"\n";
    refused(&both, &["both `uri` and `uri_file`"]);
    let level = node("db1", "primary", "memory:") + "durability = \"none\"\n";
    refused(&level, &["for sled: nodes and fjall: nodes only"]);
}

#[cfg(feature = "mongo")]
#[test]
fn a_mongodb_uri_that_no_server_can_be_reached_by_is_refused_when_it_is_read() {
    for (uri, says) in [
        ("mongodb://app:canary@h/db2?tls=perhaps", "tls"),
        ("mongodb://app:canary@h:99999/db2", "99999"),
        ("mongodb://app:can/ary@h/db2", "percent-encoded: `%2F`"),
    ] {
        let answer = refused(&two("sled:a", uri), &["node `db2`", "***@h", "is no usable uri", says]);
        assert!(!answer.stderr.contains("ary@"), "{answer:#?}");
    }
}

#[cfg(feature = "mongo")]
#[test]
fn a_database_is_not_renamed_where_the_uris_name_one() {
    let nodes = two("mongodb://a/shop", "mongodb://b/copy");
    let renamed =
        |from: &str, to: &str| format!("{nodes}[filter]\ninclude = [\"shop\"]\nrename = {{ \"{from}\" = \"{to}\" }}\n");
    refused(&renamed("shop", "other"), &["\"shop\" = \"other\"", "`db2` names one database", "name none in the uris"]);
    refused(&renamed("shop.a", "other.a"), &["`db2` names one database"]);
}

#[cfg(feature = "mongo")]
#[test]
fn databases_that_belong_to_the_server_or_to_us_are_refused() {
    for name in ["admin", "config", "local", "oplogsync", "Admin"] {
        refused(&two("sled:a", &format!("mongodb://h/{name}")), &["node `db2`", "never replicated"]);
    }
    refused(&two("sled:a", "mongodb://h/a b"), &["the database name contains"]);
}

#[cfg(feature = "mongo")]
#[test]
fn whole_servers_and_single_databases_are_not_mixed() {
    refused(&two("mongodb://a/db1", "mongodb://b"), &["`db1` names a database", "`db2` names none"]);
    let three = two("sled:a", "mongodb://a/x") + &node("db3", "replica", "mongodb://b/y");
    refused(&three, &["`db1` does not say which database", "`x`", "`y`"]);
}

#[cfg(not(feature = "mongo"))]
#[test]
fn without_mongodb_support_a_mongodb_node_is_refused_clearly() {
    refused(&two("sled:a", "mongodb://h/db"), &["node `db2`", "this build has no MongoDB support"]);
    Folder::new().run(&["demo", "--mongo"]).expect_code(2).says(&["this build has no MongoDB support"]);
}

#[test]
fn a_variable_in_a_uri_is_expanded_and_an_unset_one_is_named() {
    let folder = Folder::with(&two("sled:a", "sled:${WHERE}/b"));
    folder.run(&["check"]).expect_code(3).says(&["node `db2`", "WHERE is not set"]);
    folder.run_with(&["check"], &[("WHERE", "there")]).expect_code(0).shows(&["there/b"]);
}

#[test]
fn a_uri_can_come_from_a_file_or_from_the_environment() {
    let folder = Folder::with(
        &(node("db1", "primary", "sled:a") + "[[nodes]]\nname = \"db-2\"\nrole = \"slave\"\nuri_file = \"secret\"\n"),
    );
    folder.run(&["check"]).expect_code(3).says(&["cannot read", "secret"]);
    folder.write("secret", "sled:from-file\n");
    folder.run(&["check"]).expect_code(0).shows(&["from-file"]);
    folder.run_with(&["check"], &[("OPLOGSYNC_NODE_DB_2_URI", "sled:from-env")]).expect_code(0).shows(&["from-env"]);
}

#[test]
fn the_environment_overrides_what_the_file_says() {
    let folder = Folder::with(&embedded_config(&["db2"], "[oplog]\nkeep = \"1000h\"\n"));
    folder.run(&["load", "--count", "20"]).expect_code(0);
    // The oplog is trimmed only if the value of the environment is the one that counts.
    let variables = [("OPLOGSYNC_OPLOG_KEEP", "1s"), ("OPLOGSYNC_SYNC_POLL_INTERVAL", "100ms")];
    let running = folder.start_with(&["run", "--log-format", "text"], &variables);
    folder.wait_for_log("trimmed the oplog");
    running.signal("-TERM");
    running.wait().expect_code(0);
}

#[test]
fn a_value_of_the_environment_is_checked_and_a_misspelt_variable_is_refused() {
    let folder = Folder::embedded();
    let with = |name, value| folder.run_with(&["check"], &[(name, value)]);
    with("OPLOGSYNC_SYNC_POLL_INTERVAL", "1ms").expect_code(3).says(&["OPLOGSYNC_SYNC_POLL_INTERVAL", "out of bounds"]);
    with("OPLOGSYNC_SYNC_BATCHSIZE", "1").expect_code(3).says(&["OPLOGSYNC_SYNC_BATCHSIZE means nothing"]);
    with("OPLOGSYNC_NODE_DB9_URI", "sled:x").expect_code(3).says(&["OPLOGSYNC_NODE_DB9_URI means nothing"]);
    with("OPLOGSYNC_LOG", "loud=ish=7").expect_code(3).says(&["OPLOGSYNC_LOG", "no log filter"]);
}

#[test]
fn the_names_of_the_original_demo_are_accepted() {
    let config = "[[databases]]\nid = 1\nname = \"db1\"\nrole = \"master\"\nuri = \"sled:a\"\n\
                  [[databases]]\nid = 2\nname = \"db2\"\nrole = \"slave\"\nuri = \"sled:b\"\n";
    Folder::with(config).run(&["check"]).expect_code(0).shows(&["db1 primary", "db2 replica"]);
}

#[test]
fn a_configuration_is_found_in_the_order_of_the_places() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("oplogsync")).unwrap();
    folder.write("oplogsync/config.toml", &embedded_config(&["user"], ""));
    folder.run(&["check"]).expect_code(0).shows(&["user replica"]);
    folder.write("oplogsync.toml", &embedded_config(&["here"], ""));
    folder.run(&["check"]).expect_code(0).shows(&["here replica"]);
    folder.write("env.toml", &embedded_config(&["env"], ""));
    folder.run_with(&["check"], &[("OPLOGSYNC_CONFIG", "env.toml")]).expect_code(0).shows(&["env replica"]);
    folder.write("flag.toml", &embedded_config(&["flag"], ""));
    let answer = folder.run_with(&["check", "-c", "flag.toml"], &[("OPLOGSYNC_CONFIG", "env.toml")]);
    answer.expect_code(0).shows(&["flag replica"]);
}

#[test]
fn what_init_writes_is_a_valid_configuration_and_is_not_overwritten() {
    let folder = Folder::new();
    folder.run(&["init", "--embedded", "oplogsync.toml"]).expect_code(0).shows(&["oplogsync check"]);
    folder.run(&["check"]).expect_code(0).shows(&["3 nodes, 1 primary"]);
    folder.run(&["init", "oplogsync.toml"]).expect_code(3).says(&["exists", "--force"]);
    let printed = folder.run(&["init"]).expect_code(0);
    folder.run(&["init", "--mongo", "--force", "oplogsync.toml"]).expect_code(0);
    let written = std::fs::read_to_string(folder.path().join("oplogsync.toml")).unwrap();
    assert_eq!(printed.stdout, written);
    // The ports of the original demo. Nothing may listen there, but the file itself is right.
    let check = folder.run(&["check", "--timeout", "1s"]);
    assert!(!cfg!(feature = "mongo") || check.code != 3, "{check:#?}");
}
