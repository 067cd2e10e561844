//! The files in `docs/deploy`: metrics, rules, units and configurations.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns the names that begin with the prefix of our metrics, each after `before`.
fn metrics(text: &str, before: &str) -> BTreeSet<String> {
    let begin = format!("{before}onramp_webhooks_");
    let names = text.match_indices(&begin).map(|(at, _)| &text[at + before.len()..]);
    let is_part = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    names.map(|name| name.split(|letter| !is_part(letter)).next().unwrap().to_owned()).collect()
}

/// Returns the metrics that the code of the core and of the client has.
fn published() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root().join("crates/onramp-webhooks/src"), root().join("crates/onramp-webhooks-client/src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.append(&mut metrics(&std::fs::read_to_string(path).unwrap(), "\""));
            }
        }
    }
    found
}

#[test]
fn the_readmes_list_the_metrics_of_the_code() {
    let documents = ["crates/onramp-webhooks/README.md", "crates/onramp-webhooks-client/README.md"].map(read).concat();
    assert_eq!(metrics(&documents, "| `"), published());
}

/// A name of Prometheus is that of a metric, or of the buckets of a histogram.
#[test]
fn the_dashboard_and_the_rules_use_metrics_that_exist() {
    let published = published();
    for file in ["docs/deploy/alerts.yml", "docs/deploy/grafana.json"] {
        let used = metrics(&read(file), "");
        assert!(used.len() > 5, "{file}");
        for name in used {
            let metric = name.strip_suffix("_bucket").filter(|metric| metric.ends_with("_seconds")).unwrap_or(&name);
            assert!(published.contains(metric), "{file}: there is no metric {name}");
        }
    }
}

#[test]
fn the_dashboard_is_complete() {
    let dashboard: serde_json::Value = serde_json::from_str(&read("docs/deploy/grafana.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    for panel in panels {
        assert!(panel["targets"].as_array().unwrap().iter().all(|target| target["expr"].is_string()), "{panel}");
    }
}

#[test]
fn the_rules_lead_to_sections_of_the_runbook() {
    let runbook = read("docs/src/operating.md");
    let slug = |heading: &str| heading.to_lowercase().replace(' ', "-").replace(['.', '"', '?'], "");
    let sections: BTreeSet<_> = runbook.lines().filter_map(|line| line.strip_prefix("## ")).map(slug).collect();
    let rules = read("docs/deploy/alerts.yml");
    let links: Vec<_> = rules.split("operating.html#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(links.len() > 5);
    for link in links {
        assert!(sections.contains(link), "{link} is no section of {sections:?}");
    }
}

/// The variables are those of the example shops.
#[test]
fn the_unit_and_the_image_set_variables_of_the_shop() {
    let readme = read("examples/shop/README.md");
    let unit = read("docs/deploy/shop.service");
    let image = read("docs/deploy/Dockerfile");
    let of_unit = unit.lines().filter_map(|line| line.strip_prefix("Environment="));
    let of_image = image.lines().filter_map(|line| line.strip_prefix("ENV ")).flat_map(str::split_whitespace);
    let names: BTreeSet<_> = of_unit.chain(of_image).map(|setting| setting.split('=').next().unwrap()).collect();
    assert!(names.contains("WERT_SECRET_FILE") && names.contains("DATABASE_URL"), "{names:?}");
    for name in names {
        assert!(readme.contains(&format!("`{name}`")), "{name} is no variable of the shop");
    }
}

#[test]
fn the_image_runs_the_program_of_the_guide_without_root() {
    let image = read("docs/deploy/Dockerfile");
    let manifest = read("docs/src/start-axum.md");
    assert!(manifest.contains("name = \"shop\"") && image.contains("/src/target/release/shop /usr/local/bin/shop"));
    let user = image.lines().position(|line| line == "USER shop").unwrap();
    let entry = image.lines().position(|line| line.starts_with("ENTRYPOINT [")).unwrap();
    assert!(user < entry);
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{command:?}: {text}");
}

fn file(name: &str) -> PathBuf {
    root().join("docs/deploy").join(name)
}

#[test]
fn promtool_accepts_the_rules() {
    run(Command::new("promtool").args(["check", "rules"]).arg(file("alerts.yml")));
}

#[test]
fn haproxy_accepts_its_configuration() {
    run(Command::new("/usr/sbin/haproxy").args(["-c", "-f"]).arg(file("haproxy.cfg")));
}

#[test]
fn caddy_accepts_its_configuration() {
    let home = tempfile::tempdir().unwrap();
    let mut caddy = Command::new("caddy");
    caddy.args(["adapt", "--validate", "--adapter", "caddyfile", "--config"]).arg(file("Caddyfile"));
    run(caddy.env("HOME", home.path()).env("XDG_DATA_HOME", home.path()).env("XDG_CONFIG_HOME", home.path()));
}

/// The unit is checked without the program, which is not installed here.
#[test]
fn systemd_accepts_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let unit = read("docs/deploy/shop.service");
    assert!(unit.contains("ExecStart=/usr/local/bin/shop\n"));
    let path = folder.path().join("shop.service");
    std::fs::write(&path, unit.replace("/usr/local/bin/shop", "/bin/true")).unwrap();
    run(Command::new("systemd-analyze").arg("verify").arg(path));
}
