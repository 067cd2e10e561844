//! `cargo xtask test`

use std::process::{Command, Stdio};

use anyhow::ensure;
use clap::Args;
use xshell::{Shell, cmd};

use crate::services::{Kind, Services};

/// Run all tests, and say which ones were left out.
///
/// Servers: the PostgreSQL that `DATABASE_URL` names and the Redis that `REDIS_URL` names, which then must answer; else those at
/// 127.0.0.1:5432 and 127.0.0.1:6379, if they let us in without a password; else throw-away ones, if their programs are installed;
/// else their tests are left out.
#[derive(Args)]
pub(crate) struct Test {
    /// Run only tests whose name contains one of these.
    filters: Vec<String>,
    /// Fail if a test was left out.
    #[arg(long)]
    require_all: bool,
}

/// A difference from a complete run, told at the end, where it is seen.
struct Remark {
    about: &'static str,
    text: &'static str,
    /// What the names of tests contain that cannot run because of it.
    skipped: Vec<&'static str>,
    /// Whether tests did not run because of it.
    left_out: bool,
}

impl Test {
    pub(crate) fn everything() -> Self {
        Self { filters: Vec::new(), require_all: true }
    }

    pub(crate) fn run(self, sh: &Shell) -> anyhow::Result<()> {
        let services = Services::find(sh)?;
        services.print();
        let _environment = services.enter(sh);
        let filters = &self.filters;
        let mut remarks = left_out(&services);
        let skipped: Vec<_> = remarks.iter().flat_map(|remark| &remark.skipped).copied().collect();
        let excluded: Vec<_> = services.missing().flat_map(Kind::packages).flat_map(|package| ["--exclude", package]).collect();
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
                left_out: false,
            });
        }
        cmd!(sh, "cargo test --workspace --doc -- {filters...}").run()?;
        self.conclude(&remarks)
    }

    fn conclude(&self, remarks: &[Remark]) -> anyhow::Result<()> {
        for Remark { about, text, left_out, .. } in remarks {
            println!("{}: {about}: {text}", if *left_out { "left out" } else { "note" });
        }
        let left_out = remarks.iter().filter(|remark| remark.left_out).count();
        if left_out == 0 && self.filters.is_empty() {
            println!("No test was left out.");
        }
        ensure!(left_out == 0 || !self.require_all, "tests were left out, and all are required");
        Ok(())
    }
}

/// What this machine cannot do.
fn left_out(services: &Services) -> Vec<Remark> {
    let left_out = |about, text, skipped| Remark { about, text, skipped, left_out: true };
    let mut remarks = Vec::new();
    if !has_ipv6() {
        remarks.push(left_out("ipv6", "this machine has none, and tests with it in their name need it", vec!["ipv6"]));
    }
    if !can_mount() {
        let text = "only root may mount a small disk, and tests with this in their name fill one";
        remarks.push(left_out("mounted_disk", text, vec!["mounted_disk"]));
    }
    remarks.extend(services.missing().map(|kind| left_out(kind.name(), kind.wanted(), vec![kind.on(), kind.dedicated()])));
    let own = "there is a server, but none is installed, and tests with this in their name start one of their own";
    remarks.extend(services.not_installed().map(|kind| left_out(kind.dedicated(), own, vec![kind.dedicated()])));
    remarks
}

/// How cargo-nextest leaves out tests by parts of their names.
fn all_but(skipped: &[&str]) -> Vec<String> {
    if skipped.is_empty() {
        return Vec::new();
    }
    // Of several expressions one would be enough for a test to run.
    let tests: Vec<_> = skipped.iter().map(|name| format!("test({name})")).collect();
    vec!["-E".to_owned(), format!("not ({})", tests.join(" | "))]
}

fn has_ipv6() -> bool {
    std::net::TcpListener::bind("[::1]:0").is_ok()
}

/// Whether a file system can be mounted, which takes root, and more than root in some containers.
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
    fn what_cannot_run_is_left_out_in_one_expression() {
        assert_eq!(all_but(&["ipv6", "dedicated_redis"]), ["-E", "not (test(ipv6) | test(dedicated_redis))"]);
        assert!(all_but(&[]).is_empty());
    }
}
