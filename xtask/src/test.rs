//! `cargo xtask test`

use std::ffi::OsStr;
use std::num::NonZero;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::available_parallelism;

use anyhow::ensure;
use clap::Args;
use xshell::{Shell, cmd};

use crate::services::Services;

/// Run all tests, and report those that were skipped.
///
/// PostgreSQL and Redis are the servers in `DATABASE_URL` and `REDIS_URL`, which must respond; otherwise those at 127.0.0.1:5432 and
/// 127.0.0.1:6379, if they require no password; otherwise temporary ones, if the programs are installed. Tests without their server are
/// skipped.
#[derive(Args)]
pub(crate) struct Test {
    /// Run only tests whose name contains one of these texts.
    filters: Vec<String>,
    /// Fail if a test was skipped.
    #[arg(long)]
    require_all: bool,
}

/// The number of tests that cargo-nextest runs at the same time for each core. Many of them wait for programs, time limits and disks.
const TESTS_PER_CORE: usize = 3;

/// Programs that tests about the guide run: a part of the names of these tests, the program, and an argument with which it ends.
const PROGRAMS: [(&str, &str, &str); 6] = [
    ("nginx", "/usr/sbin/nginx", "-v"),
    ("haproxy", "/usr/sbin/haproxy", "-v"),
    ("caddy", "caddy", "version"),
    ("promtool", "promtool", "--version"),
    ("prometheus", "prometheus", "--version"),
    ("systemd", "systemd-analyze", "--version"),
];

/// A remark about a test run that is not complete, printed at the end.
struct Remark {
    about: &'static str,
    text: &'static str,
    /// Parts of the names of tests that cannot run for this reason.
    skipped: Vec<&'static str>,
    /// Set if tests did not run for this reason.
    is_failure: bool,
}

impl Test {
    pub(crate) fn everything() -> Self {
        Self { filters: Vec::new(), require_all: true }
    }

    pub(crate) fn run(self, sh: &Shell) -> anyhow::Result<()> {
        let services = Services::find(sh)?;
        services.print();
        let _environment = services.enter(sh);
        let at_once = available_parallelism().map_or(1, NonZero::get).saturating_mul(TESTS_PER_CORE).to_string();
        let _at_once = sh.push_env("NEXTEST_TEST_THREADS", at_once);
        let filters = &self.filters;
        let mut remarks = limits(&services);
        let skipped: Vec<_> = remarks.iter().flat_map(|remark| &remark.skipped).copied().collect();
        let excluded: Vec<_> = services.missing().flat_map(|kind| ["--exclude", kind.package]).collect();
        if has_nextest(sh) {
            let none_is_fine = (!filters.is_empty()).then_some("--no-tests=pass");
            let selected = all_but(&skipped);
            cmd!(sh, "cargo nextest run --workspace {excluded...} {none_is_fine...} {selected...} {filters...}").run()?;
        } else {
            let skipped = skipped.iter().flat_map(|name| ["--skip", name]);
            cmd!(sh, "cargo test --workspace {excluded...} --tests -- {skipped...} {filters...}").run()?;
            remarks.push(Remark {
                about: "cargo-nextest",
                text: "not installed; the same tests ran under cargo test, without a time limit for each",
                skipped: Vec::new(),
                is_failure: false,
            });
        }
        cmd!(sh, "cargo test --workspace --doc -- {filters...}").run()?;
        self.conclude(&remarks)
    }

    fn conclude(&self, remarks: &[Remark]) -> anyhow::Result<()> {
        for Remark { about, text, is_failure, .. } in remarks {
            println!("{}: {about}: {text}", if *is_failure { "skipped" } else { "note" });
        }
        let failures = remarks.iter().filter(|remark| remark.is_failure).count();
        if failures == 0 && self.filters.is_empty() {
            println!("No test was skipped.");
        }
        ensure!(failures == 0 || !self.require_all, "tests were skipped, but --require-all is set");
        Ok(())
    }
}

/// Returns the tests that cannot run on this machine.
fn limits(services: &Services) -> Vec<Remark> {
    let limit = |about, text, skipped| Remark { about, text, skipped, is_failure: true };
    let mut remarks = Vec::new();
    if !has_ipv6() {
        remarks.push(limit("ipv6", "this machine has no IPv6, and tests with this in their name need it", vec!["ipv6"]));
    }
    if !can_mount() {
        let text = "only root may mount a small disk, and tests with this in their name fill one";
        remarks.push(limit("mounted_disk", text, vec!["mounted_disk"]));
    }
    if !onramp_webhooks_services::is_pgbouncer_installed() {
        let text = "it is not installed, and tests with this in their name need it";
        remarks.push(limit("pgbouncer", text, vec!["pgbouncer"]));
    }
    for (name, program, argument) in PROGRAMS {
        if !has(program, argument) {
            let text = "it is not installed, and tests with this in their name need it; .ci/run installs it";
            remarks.push(limit(name, text, vec![name]));
        }
    }
    if !has_browser() {
        let text = "chromium, node or the packages in target/tools/browser are missing; .ci/run installs them";
        remarks.push(limit("browser", text, vec!["in_browser"]));
    }
    remarks.extend(services.missing().map(|kind| limit(kind.name, kind.missing, vec![kind.on, kind.dedicated])));
    let text = "the server is not installed, and tests with this in their name start their own";
    remarks.extend(services.not_installed().map(|kind| limit(kind.dedicated, text, vec![kind.dedicated])));
    remarks
}

/// Returns the arguments of cargo-nextest that skip tests by parts of their names.
fn all_but(skipped: &[&str]) -> Vec<String> {
    if skipped.is_empty() {
        return Vec::new();
    }
    // A test runs if any of several expressions selects it, so there is one expression.
    let tests: Vec<_> = skipped.iter().map(|name| format!("test({name})")).collect();
    vec!["-E".to_owned(), format!("not ({})", tests.join(" | "))]
}

fn has_ipv6() -> bool {
    std::net::TcpListener::bind("[::1]:0").is_ok()
}

/// Returns whether a program runs with this argument.
fn has(program: impl AsRef<OsStr>, argument: &str) -> bool {
    let mut command = Command::new(program);
    command.arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Returns whether the page can be opened in a browser.
fn has_browser() -> bool {
    let chromium = match std::env::var_os("CHROMIUM") {
        Some(program) => has(program, "--version"),
        None => ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium"].iter().any(|program| has(program, "--version")),
    };
    let has_package = |package: &str| Path::new("target/tools/browser/node_modules").join(package).is_dir();
    chromium && has("node", "--version") && has_package("playwright-core") && has_package("axe-core")
}

/// Returns whether a file system can be mounted, which needs root, and more than root in some containers.
fn can_mount() -> bool {
    let Ok(folder) = tempfile::tempdir() else { return false };
    let succeeds = |command: &mut Command| command.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    succeeds(Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(folder.path()))
        && succeeds(Command::new("umount").arg(folder.path()))
}

fn has_nextest(sh: &Shell) -> bool {
    cmd!(sh, "cargo nextest --version").quiet().ignore_stdout().ignore_stderr().run().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_skipped_in_one_expression() {
        assert_eq!(all_but(&["ipv6", "dedicated_redis"]), ["-E", "not (test(ipv6) | test(dedicated_redis))"]);
        assert!(all_but(&[]).is_empty());
    }
}
