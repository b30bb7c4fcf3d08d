use bson::{Timestamp, oid::ObjectId};
use oplogsync_core::store_error::Fault;
use oplogsync_store_mongo::{ClockSkew, DiskSpace, OplogWindow, ServerFacts, ServerVersion};

use super::{super::finding::Verdict, *};

const NODES: &str = "[[nodes]]\nname = \"app\"\nrole = \"primary\"\nuri = \"mongodb://h1\"\n\
                     [[nodes]]\nname = \"copy\"\nrole = \"replica\"\nuri = \"sled:copy\"\n";

fn primary() -> NodeConfig {
    Config::parse(NODES).unwrap().primary
}

fn untold<T>() -> Result<T, StoreError> {
    Err(StoreError::new("app", "ask", Fault::Denied))
}

/// A set of one member, of which nothing else is known.
fn facts() -> Facts {
    let topology = Topology::ReplicaSet { name: "rs0".to_owned(), members: vec!["h1:27017".to_owned()] };
    Facts {
        server: Ok(ServerFacts { version: ServerVersion { major: 6, minor: 0, patch: 5 }, topology }),
        clock: untold(),
        login: untold(),
        set_id: untold(),
        oplog: untold(),
        disk: untold(),
        databases: untold(),
    }
}

fn skewed(ahead_ms: i64) -> Option<Finding> {
    let clock = Ok(ClockSkew { ahead_ms, uncertainty: Duration::from_millis(3) });
    clock_of(clock)
}

fn clock_of(clock: Result<ClockSkew, StoreError>) -> Option<Finding> {
    super::clock(&Facts { clock, ..facts() })
}

fn with_disk(total_bytes: u64, used_bytes: u64) -> Option<Finding> {
    space(&Facts { disk: Ok(Some(DiskSpace { total_bytes, used_bytes })), ..facts() }, None)
}

#[test]
fn a_clock_that_is_wrong_is_warned_of_with_its_direction() {
    for (ahead_ms, text) in [(8_200, "8.2 s ahead of"), (-61_000, "61 s behind")] {
        let finding = skewed(ahead_ms).unwrap();
        assert_eq!(finding.verdict, Verdict::Warning);
        assert!(finding.text.contains(text) && finding.fix.unwrap().contains("NTP"), "{}", finding.text);
    }
    let right = skewed(-4).unwrap();
    assert_eq!((right.verdict, right.text.as_str()), (Verdict::Ok, "its clock is within 7ms of the one here"));
    assert!(clock_of(untold()).is_none());
}

#[test]
fn a_disk_that_is_nearly_full_is_warned_of() {
    const GIB: u64 = 1 << 30;
    let full = with_disk(100 * GIB, 95 * GIB).unwrap();
    assert_eq!((full.verdict, full.text.as_str()), (Verdict::Warning, "5120 MiB of disk are free, of 102400"));
    assert!(full.fix.unwrap().contains("larger disk"));
    assert_eq!(with_disk(100 * GIB, 50 * GIB).unwrap().verdict, Verdict::Ok);
    assert!(space(&Facts { disk: Ok(None), ..facts() }, None).is_none());
}

#[test]
fn a_disk_that_is_smaller_than_the_copy_is_warned_of() {
    const GIB: u64 = 1 << 30;
    let disk = Ok(Some(DiskSpace { total_bytes: 100 * GIB, used_bytes: 50 * GIB }));
    let facts = Facts { disk, ..facts() };
    let tight = space(&facts, Some(50 * GIB + 1)).unwrap();
    assert_eq!(tight.verdict, Verdict::Warning);
    assert!(tight.text.ends_with("51200 MiB are to be copied") && tight.fix.is_some(), "{}", tight.text);
    assert_eq!(space(&facts, Some(50 * GIB)).unwrap().verdict, Verdict::Ok);
}

#[test]
fn servers_that_cannot_be_followed_are_errors_with_the_way_out() {
    let judged = |version: (u32, u32), topology| {
        let version = ServerVersion { major: version.0, minor: version.1, patch: 0 };
        server(&primary(), &Facts { server: Ok(ServerFacts { version, topology }), ..facts() })
    };
    let old = judged((5, 0), Topology::ReplicaSet { name: "rs0".to_owned(), members: Vec::new() });
    assert_eq!((old.verdict, old.exit), (Verdict::Error, Exit::Primary));
    assert!(old.fix.unwrap().contains("upgrade"));
    let alone = judged((6, 0), Topology::Standalone);
    assert_eq!((alone.verdict, alone.exit), (Verdict::Error, Exit::Config));
    assert!(alone.fix.unwrap().contains("rs.initiate()"));
    assert_eq!(server(&primary(), &facts()).verdict, Verdict::Ok);
}

#[test]
fn an_identity_that_may_not_be_read_names_the_privilege() {
    let hidden = identity(&primary(), &facts());
    assert_eq!((hidden.verdict, hidden.exit), (Verdict::Error, Exit::Primary));
    assert!(hidden.fix.unwrap().contains("replSetGetConfig"));
    let id = ObjectId::from_bytes([1; 12]);
    assert_eq!(identity(&primary(), &Facts { set_id: Ok(Some(id)), ..facts() }).verdict, Verdict::Ok);
}

#[test]
fn an_oplog_has_to_reach_back_twice_as_long_as_a_copy_takes() {
    let judged = |seconds: u32, bytes| {
        let at = |time: u32| Timestamp { time, increment: 1 };
        let oplog =
            OplogWindow { oldest: at(1_000), newest: at(1_000 + seconds), bytes: 64 << 20, bytes_max: 64 << 20 };
        window(&primary(), &Facts { oplog: Ok(Some(oplog)), ..facts() }, 0, bytes)
    };
    let ten_minutes = 600 * COPY_BYTES_PER_S;
    assert_eq!(judged(1_200, ten_minutes).verdict, Verdict::Ok);
    let short = judged(1_199, ten_minutes);
    assert_eq!(short.verdict, Verdict::Warning);
    assert!(short.text.contains("a copy takes about 10m at most"), "{}", short.text);
    let fix = short.fix.unwrap();
    assert!(fix.contains("replSetResizeOplog") && fix.contains("spool"), "{fix}");
}
