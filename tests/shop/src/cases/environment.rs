//! Environments that the shop refuses.

use crate::home::{Home, Subject};

/// The shop prints the error to standard error, and exits with a non-zero code before it does anything else.
pub async fn a_variable_that_cannot_be_used_is_named(subject: Subject) {
    let home = Home::of(subject);
    for (variable, value) in [
        ("LISTEN", "8080"),
        ("LISTEN", "shop.example:http"),
        ("DATABASE_URL", "shop.db"),
        ("DATABASE_URL", "sqlite::memory:"),
        ("DATABASE_URL", "mysql://localhost/shop"),
        ("WERT_SECRET", ""),
        ("KRIPTOMAT_ALLOW", "kriptomat.io"),
        ("TRUSTED_PROXIES", "10.0.0.0/33"),
        ("CLIENT_IP_HEADER", "x forwarded for"),
    ] {
        let ended = home.launch().env(variable, value).refused().await;
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        assert!(ended.stderr.contains(variable), "{ended:?}");
        assert!(ended.stdout.is_empty(), "{ended:?}");
    }
    assert!(!home.file().exists());
}

/// A spill bridges outages, and no outage ends by itself if the database does not exist.
pub async fn with_a_spill_a_database_that_does_not_exist_is_refused(subject: Subject) {
    let home = Home::of(subject);
    let spill = format!("sqlite://{}", home.folder().join("spill.db").display());
    let url = home.url();
    let (server, _) = url.rsplit_once('/').expect("a URL of a database");
    let missing = format!("{server}/this_database_is_missing");
    let ended = home.launch().env("SPILL", &spill).env("DATABASE_URL", &missing).refused().await;
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("DATABASE_URL") && ended.stderr.contains("does not exist"), "{ended:?}");
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
