//! Logins by password.

use bson::bson;
use oplogsync_core::store_error::Fault;
use oplogsync_mongod::testing::{binary, test_options};

use super::{Deployment, attempt, told};

const SHA_1: &str = "SCRAM-SHA-1";
const SHA_256: &str = "SCRAM-SHA-256";

/// Whether the server has let a user in by this mechanism.
fn has_let_in(deployment: &Deployment, user: &str, mechanism: &str) -> bool {
    let log = deployment.server().log().expect("the log is read");
    let marks = [
        "Authentication succeeded",
        &format!("\"mechanism\":\"{mechanism}\""),
        &format!("\"principalName\":\"{user}\""),
    ]
    .map(str::to_owned);
    log.lines().any(|line| marks.iter().all(|mark| line.contains(mark)))
}

#[tokio::test]
async fn a_user_of_either_mechanism_gets_in_by_his_own() {
    let Some(binary) = binary().await else { return };
    for deployment in Deployment::both(&binary, &test_options()).await {
        for (user, mechanism, other) in [("old", SHA_1, SHA_256), ("new", SHA_256, SHA_1)] {
            deployment.create_user(user, vec![bson!("readAnyDatabase")], &[mechanism]).await;
            let login = format!("{user}:canary-{user}");

            attempt(&deployment.uri(&login, "")).await.expect("the mechanism is found out");
            attempt(&deployment.uri(&login, &format!("&authMechanism={mechanism}"))).await.expect("it is named");
            let error = attempt(&deployment.uri(&login, &format!("&authMechanism={other}"))).await.unwrap_err();

            assert_eq!(error.fault(), &Fault::Denied, "{}", told(&error));
            assert!(has_let_in(&deployment, user, mechanism), "{user} by {mechanism}");
            assert!(!has_let_in(&deployment, user, other), "{user} by {other}");
        }
    }
}

#[tokio::test]
async fn a_wrong_password_an_unknown_user_and_no_login_are_denied_everywhere() {
    let Some(binary) = binary().await else { return };
    for deployment in Deployment::both(&binary, &test_options()).await {
        deployment.create_user("app", vec![bson!("readAnyDatabase")], &[SHA_1, SHA_256]).await;
        for login in ["app:canary-wrong", "nobody:canary-nobody", "app:canary%2F%3F%23%40", ""] {
            for options in ["", "&authMechanism=SCRAM-SHA-1", "&authMechanism=SCRAM-SHA-256"] {
                if login.is_empty() && !options.is_empty() {
                    continue;
                }
                let error = attempt(&deployment.uri(login, options)).await.unwrap_err();
                let words = told(&error);
                assert_eq!(error.fault(), &Fault::Denied, "{login} {options}: {words}");
                assert!(!words.contains("app") && !words.contains("nobody"), "{words}");
            }
        }
        attempt(&deployment.uri("app:canary-app", "")).await.expect("the right one still gets in");
    }
}

#[tokio::test]
async fn a_user_of_another_database_is_denied_until_the_uri_names_it() {
    let Some(binary) = binary().await else { return };
    let deployment = Deployment::standalone(&binary, test_options()).await;
    let create = bson::doc! {
        "createUser": "local", "pwd": "canary-local", "roles": [{ "role": "readAnyDatabase", "db": "admin" }],
    };
    deployment.root().await.database("shop").run_command(create).await.expect("the user is made");

    let uri = deployment.uri("local:canary-local", "");
    let error = attempt(&uri).await.unwrap_err();
    assert_eq!(error.fault(), &Fault::Denied, "{}", told(&error));
    attempt(&uri.replace("authSource=admin", "authSource=shop")).await.expect("he is one of shop's");
}
