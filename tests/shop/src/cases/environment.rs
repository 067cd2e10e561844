//! Environments that the shop refuses.

use crate::home::{Home, Subject};
use crate::launch::Launch;

/// The shop prints the error to standard error, and exits with a non-zero code before it does anything else.
pub async fn a_variable_that_cannot_be_used_is_named(subject: Subject) {
    let home = Home::of(subject);
    for (variable, value) in [
        ("LISTEN", "8080"),
        ("LISTEN", "shop.example:http"),
        ("BUY_LIMIT", "-1"),
        ("DATABASE_URL", "shop.db"),
        ("DATABASE_URL", "sqlite::memory:"),
        ("DATABASE_URL", "mysql://localhost/shop"),
        ("WERT_SECRET", ""),
        ("WERT_SECRET", "fifteen-bytes-x"),
        ("WERT_SECRET", "sixteen-bytes-x/"),
        ("WERT_SECRET_FILE", "/no/such/file"),
        ("KRIPTOMAT_ALLOW", "kriptomat.io"),
        ("TRUSTED_PROXIES", "10.0.0.0/33"),
        ("CLIENT_IP_HEADER", "x forwarded for"),
        ("PROXY_PROTOCOL", "v2"),
    ] {
        let ended = home.launch().env(variable, value).refused().await;
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        assert!(ended.stderr.contains(variable), "{ended:?}");
        assert!(ended.stdout.is_empty(), "{ended:?}");
    }
    assert!(!home.file().exists());
}

/// A spill bridges outages, and no outage ends by itself if the server does not have the database or the role.
pub async fn with_a_spill_a_database_that_will_never_work_is_refused(subject: Subject) {
    let home = Home::of(subject);
    let spill = format!("sqlite://{}", home.folder().join("spill.db").display());
    let url = home.url();
    let (server, database) = url.rsplit_once('/').expect("a URL of a database");
    let host = server.rsplit_once('@').expect("a URL with a role").1;
    for (url, reason) in [
        (format!("{server}/this_database_is_missing"), "does not exist"),
        (format!("postgres://this_role_is_missing@{host}/{database}"), "does not exist"),
    ] {
        refused(home.launch().env("SPILL", &spill).env("DATABASE_URL", &url), reason).await;
    }
}

/// An update that was reverted to a program that is too old.
pub async fn with_a_spill_a_database_of_a_later_version_is_refused(subject: Subject) {
    let home = Home::of(subject);
    let spill = format!("sqlite://{}", home.folder().join("spill.db").display());
    home.start().await.stop().await;
    home.database().execute("INSERT INTO onramp.version VALUES (1000, 1000)");
    refused(home.launch().env("SPILL", &spill), "update the program").await;
}

/// Events that are acknowledged during the next outage would have no place.
pub async fn a_spill_that_cannot_be_used_is_refused(subject: Subject) {
    let home = Home::of(subject);
    let (garbage, folder) = (home.folder().join("garbage.db"), home.folder().join("no").join("such").join("folder.db"));
    std::fs::write(&garbage, "this is no database, ".repeat(1_000)).expect("write a file");
    for file in [garbage, folder] {
        let spill = format!("sqlite://{}", file.display());
        refused_for("SPILL", home.launch().env("SPILL", &spill), &file.display().to_string()).await;
    }
}

async fn refused(launch: Launch, reason: &str) {
    refused_for("DATABASE_URL", launch, reason).await;
}

async fn refused_for(variable: &str, launch: Launch, reason: &str) {
    let ended = launch.refused().await;
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains(variable) && ended.stderr.contains(reason), "{ended:?}");
    assert!(ended.stdout.is_empty(), "{ended:?}");
}

/// The URL may contain a password.
pub async fn a_database_that_cannot_be_used_is_refused_without_telling_its_password(subject: Subject) {
    let home = Home::of(subject);
    for (url, code) in [("mysql://shop:hush-hush@localhost/shop", 2), ("postgres://shop:hush-hush@127.0.0.1:1/shop", 1)] {
        let ended = home.launch().env("DATABASE_URL", url).refused().await;
        assert_eq!(ended.status.code(), Some(code), "{ended:?}");
        assert!(ended.stderr.contains("DATABASE_URL") && !ended.stderr.contains("hush"), "{ended:?}");
        assert!(ended.stdout.is_empty(), "{ended:?}");
    }
}
