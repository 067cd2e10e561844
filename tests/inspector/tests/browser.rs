//! The page in a headless browser, on every adapter. `cargo xtask test` skips tests with `in_browser` in their names where Chromium, Node or
//! `playwright-core` is missing.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use onramp_webhooks_inspector_tests::{Adapter, Shop, TOKEN};

/// Runs `browser.mjs`, which does what an operator does. Pictures are left in `target/screenshots`.
async fn operates(adapter: Adapter, name: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let pictures = root.join("target/screenshots").join(name);
    std::fs::create_dir_all(&pictures).unwrap();
    let shop = Shop::open().await;
    let address = adapter.serve(shop.inspector(), "127.0.0.1:0");
    let mut command = Command::new("node");
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("browser.mjs"))
        .arg(format!("http://{address}/inspect/#k={TOKEN}"))
        .arg(pictures)
        .arg(root.join("target/tools/browser").canonicalize().unwrap())
        .env("CHROMIUM", std::env::var_os("CHROMIUM").unwrap_or_else(|| "/usr/bin/chromium".into()));
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let (steps, complaints) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{steps}{complaints}");
    assert_eq!(steps.lines().filter(|line| line.starts_with("ok ")).count(), 15, "{steps}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_works_in_browser_on_axum() {
    operates(Adapter::Axum, "axum").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_works_in_browser_on_actix() {
    operates(Adapter::Actix, "actix").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_works_in_browser_on_warp() {
    operates(Adapter::Warp, "warp").await;
}
