//! `cargo xtask test`

use anyhow::ensure;
use clap::Args;
use xshell::{Shell, cmd};

use crate::postgres;

/// Run all tests that need nothing but this repository, and say which ones were left out.
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
    /// Whether tests did not run because of it.
    left_out: bool,
}

impl Test {
    pub(crate) fn everything() -> Self {
        Self { filters: Vec::new(), require_all: true }
    }

    pub(crate) fn run(self, sh: &Shell) -> anyhow::Result<()> {
        let filters = &self.filters;
        let mut remarks = Vec::new();
        if !has_ipv6() {
            remarks.push(Remark {
                about: "ipv6",
                text: "this machine has none, and tests with it in their name need it",
                left_out: true,
            });
        }
        let without_postgres: &[&str] = if postgres::is_there() {
            &[]
        } else {
            remarks.push(Remark { about: "postgres", text: postgres::WANTED, left_out: true });
            &["--exclude", postgres::PACKAGE]
        };
        if has_nextest(sh) {
            let none_is_fine = (!filters.is_empty()).then_some("--no-tests=pass");
            let without_ipv6: &[&str] = if has_ipv6() { &[] } else { &["-E", "not test(ipv6)"] };
            cmd!(sh, "cargo nextest run --workspace {without_postgres...} {none_is_fine...} {without_ipv6...} {filters...}")
                .run()?;
        } else {
            let without_ipv6: &[&str] = if has_ipv6() { &[] } else { &["--skip", "ipv6"] };
            cmd!(sh, "cargo test --workspace {without_postgres...} --tests -- {without_ipv6...} {filters...}").run()?;
            remarks.push(Remark {
                about: "cargo-nextest",
                text: "not installed; the same tests ran under cargo test, without a time limit for each",
                left_out: false,
            });
        }
        cmd!(sh, "cargo test --workspace --doc -- {filters...}").run()?;
        self.conclude(&remarks)
    }

    fn conclude(&self, remarks: &[Remark]) -> anyhow::Result<()> {
        for Remark { about, text, left_out } in remarks {
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

fn has_ipv6() -> bool {
    std::net::TcpListener::bind("[::1]:0").is_ok()
}

fn has_nextest(sh: &Shell) -> bool {
    cmd!(sh, "cargo nextest --version").quiet().ignore_stdout().ignore_stderr().run().is_ok()
}
