//! The bodies of the program's fuzz targets (feature `testing`): whatever is typed or configured, they
//! return, with a message when it is refused.

use oplogsync_core::testing::fuzzing::corpus::{Seed, Target, seed};

use crate::{config::Config, exit::Exit, json};

/// The targets of this crate.
pub const TARGETS: [Target; 2] = [
    Target { name: "parse_config", body: parse_config, seeds: config_seeds },
    Target { name: "parse_json", body: parse_json, seeds: json_seeds },
];

const PASSWORD: &str = "canary-password";

/// A configuration is refused in words that do not tell the password of a uri, or has what it
/// must have.
///
/// # Panics
/// When it is not.
pub fn parse_config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let secret = text.replace(&format!("mongodb://app:{PASSWORD}@"), "");
    match Config::parse(text) {
        Ok(config) => {
            assert!(!config.replicas.is_empty());
            assert!(config.replicas.iter().all(|replica| replica.address != config.primary.address));
            assert!(secret.contains(PASSWORD) || !format!("{config:?}").contains(PASSWORD));
        }
        Err(problem) => {
            assert!(!problem.is_empty());
            assert!(secret.contains(PASSWORD) || !problem.contains(PASSWORD), "{problem}");
        }
    }
}

/// A document, or an id, that is typed as JSON is wrong usage, or can be shown as JSON again.
///
/// # Panics
/// When it is not.
pub fn parse_json(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match json::to_document(text) {
        Ok(document) => assert!(json::from_document(&document).is_ok()),
        Err(failure) => assert_eq!(failure.exit(), Exit::Usage),
    }
    match json::to_id(text) {
        Ok(id) => assert!(json::from_value(id.value()).is_ok()),
        Err(failure) => assert_eq!(failure.exit(), Exit::Usage),
    }
}

fn config_seeds() -> Vec<Seed> {
    let nodes = |primary: &str, replica: &str| {
        format!(
            "[[nodes]]\nname = \"db1\"\nrole = \"primary\"\n{primary}\n[[nodes]]\nname = \"db2\"\nrole = \"replica\"\n{replica}\n"
        )
    };
    let embedded = nodes("uri = \"sled:data/db1\"", "uri = \"sled:data/db2\"");
    let secret = format!("uri = \"mongodb://app:{PASSWORD}@127.0.0.1:27019/shop?authSource=admin\"");
    vec![
        seed("embedded", embedded.clone()),
        seed("servers-with-a-password", nodes(&secret, "uri = \"mongodb://127.0.0.1:27018/shop\"")),
        seed("password-in-a-syntax-error", nodes(&format!("{secret} ="), "uri = \"memory:\"")),
        seed("same-uri-twice", nodes("uri = \"sled:data/db1\"", "uri = \"sled:data/../data/db1\"")),
        seed("two-primaries", embedded.replace("replica", "primary")),
        seed("no-uri", nodes("", "uri = \"memory:\"")),
        seed("unknown-key", format!("frob = 1\n{embedded}")),
        seed("zero-interval", format!("[sync]\npoll_interval = \"0s\"\nbatch_size = 0\n{embedded}")),
        seed("huge-interval", format!("[sync]\npoll_interval = \"999999999999999999999y\"\n{embedded}")),
        seed("future-version", format!("version = 2\n{embedded}")),
        seed("port-zero-and-no-host", nodes("uri = \"mongodb://:0/x\"", "uri = \"mongodb://h:0/x\"")),
        seed("reserved-database", nodes("uri = \"mongodb://h/admin\"", "uri = \"mongodb://i/oplogsync\"")),
        seed("unset-variable", nodes("uri = \"sled:${OPLOGSYNC_FUZZ_UNSET}\"", "uri = \"sled:${\"")),
        seed("deep-arrays", format!("a = {}", "[".repeat(500))),
        seed("deep-tables", format!("[{}a]", "a.".repeat(500))),
        seed("uri-file-would-be-read", nodes("uri_file = \"/dev/zero\"", "uri = \"memory:\"")),
    ]
}

fn json_seeds() -> Vec<Seed> {
    vec![
        seed("plain", r#"{"_id": 1, "a": [1.5, "x", null, true], "b": {"c": -0.0}}"#),
        seed(
            "extended",
            r#"{"_id": {"$oid": "507f191e810c19729de860ea"}, "d": {"$date": "2026-01-02T03:04:05Z"}, "n": {"$numberDecimal": "1.5"}}"#,
        ),
        seed(
            "canonical",
            r#"{"l": {"$numberLong": "5"}, "t": {"$timestamp": {"t": 1, "i": 2}}, "b": {"$binary": {"base64": "AAE=", "subType": "00"}}}"#,
        ),
        seed(
            "rare-types",
            r#"{"r": {"$regularExpression": {"pattern": "a", "options": "i"}}, "c": {"$code": "f", "$scope": {"x": 1}}, "m": {"$minKey": 1}, "u": {"$undefined": true}}"#,
        ),
        seed("nul-in-a-name", r#"{"a\u0000b": 1}"#),
        seed("nul-in-a-text", r#"{"a": "b\u0000c"}"#),
        seed("nul-in-a-pattern", r#"{"r": {"$regularExpression": {"pattern": "a\u0000", "options": "i"}}}"#),
        seed("lone-surrogate", r#"{"a": "\ud800"}"#),
        seed("repeated-names", r#"{"a": 1, "a": 2}"#),
        seed("id-ne-null", r#"{"_id": {"$ne": null}}"#),
        seed(
            "far-date",
            r#"{"d": {"$date": {"$numberLong": "9223372036854775807"}}, "e": {"$date": "+999999-01-01T00:00:00Z"}}"#,
        ),
        seed("huge-numbers", r#"{"a": 18446744073709551615, "b": 1e400, "c": 123456789012345678901234567890}"#),
        seed("deep", format!("{}1{}", r#"{"a":"#.repeat(120), "}".repeat(120))),
        seed("too-deep", r#"{"a":"#.repeat(400)),
        seed("bad-oid", r#"{"a": {"$oid": "short"}}"#),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_of_the_program_holds_around_its_corpus() {
        let runs = oplogsync_core::testing::fuzzing::corpus::run("oplogsync", &TARGETS);
        assert!(runs > 10_000, "{runs} inputs");
    }
}
