//! Names whose servers the name server tells.

use oplogsync_core::store_error::Fault;
use oplogsync_store_mongo::{check_uri, database};

use super::{attempt, told};

#[tokio::test]
async fn a_name_that_cannot_be_resolved_is_unavailable_and_named() {
    for uri in ["mongodb+srv://app:canary@cluster.oplogsync.invalid/db1", "mongodb+srv://app:canary@oplogsync.invalid"]
    {
        assert_eq!(check_uri(uri), Ok(()));
        let error = attempt(uri).await.unwrap_err();
        let words = told(&error);
        assert_eq!(error.fault(), &Fault::Unavailable, "{words}");
        assert!(words.contains("oplogsync.invalid cannot be resolved: is the name right"), "{words}");
    }
    let error = attempt("mongodb://app:canary@db1.oplogsync.invalid/").await.unwrap_err();
    let words = told(&error);
    assert_eq!(error.fault(), &Fault::Unavailable, "{words}");
    assert!(words.contains("cannot reach db1.oplogsync.invalid:27017"), "{words}");
}

#[test]
fn what_can_be_no_such_name_is_refused_without_asking() {
    for (uri, why) in [
        ("mongodb+srv://app:canary@a.b.c:27017/db1", "a port cannot be specified"),
        ("mongodb+srv://app:canary@a.b.c,d.b.c/db1", "exactly one host"),
        ("mongodb+srv://app:canary@a.b.c/db1?directConnection=true", "directConnection"),
        ("mongodb+srv://app:canary@/db1", ""),
        ("mongodb://app:canary@a.b.c/db1?srvServiceName=x", "srvServiceName"),
    ] {
        let words = check_uri(uri).unwrap_err().to_string();
        assert!(words.contains(why) && !words.contains("canary"), "{uri}: {words}");
    }
    assert_eq!(database("mongodb+srv://app:canary@a.b.c/db1?srvMaxHosts=2"), Some("db1"));
}
